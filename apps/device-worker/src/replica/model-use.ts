import type { MethodDeclaration } from '@mserve/register';
import type { Tensor } from '@mserve/wire';

/** How the methods of a servable use one of its models. */
export interface ModelUse {
  /** Inputs that stages give it, the same number in all of them; undefined when it is no stage. */
  readonly argumentCount: number | undefined;
  /** By argument: the example that an author gave for the method's input that feeds it, from the first method that has one. */
  readonly examples: readonly (Tensor | undefined)[];
}

/** How `methods` use the model of this index. */
export function useOf(methods: readonly MethodDeclaration[], modelIndex: number): ModelUse {
  const examples: (Tensor | undefined)[] = [];
  let argumentCount: number | undefined;
  for (const { stages, inputs } of methods) {
    for (const stage of stages) {
      if (stage.kind !== 'model' || stage.index !== modelIndex) continue;
      argumentCount = stage.inputs.length;
      for (const [position, source] of stage.inputs.entries()) {
        const example = source.from === 'input' ? inputs[source.index]?.example : undefined;
        if (example !== undefined)
          examples[position] ??= { dtype: example.dtype, shape: example.shape, bytes: Buffer.from(example.b64, 'base64') };
      }
    }
  }
  return { argumentCount, examples };
}
