import type { MethodDeclaration } from '@mserve/register';
import type { Tensor } from '@mserve/wire';
import type { StageUse } from '../execution/model-plan.js';

/** How the methods of a servable use one of its models. Counts are the same in all stages, and undefined when it is no stage. */
export interface ModelUse extends StageUse {
  /** By argument: the example that an author gave for the method's input that feeds it, from the first method that has one. */
  readonly examples: readonly (Tensor | undefined)[];
}

/** How `methods` use the model of this index. */
export function useOf(methods: readonly MethodDeclaration[], modelIndex: number): ModelUse {
  const examples: (Tensor | undefined)[] = [];
  let argumentCount: number | undefined;
  let outputCount: number | undefined;
  for (const { stages, inputs } of methods) {
    for (const stage of stages) {
      if (stage.kind !== 'model' || stage.index !== modelIndex) continue;
      argumentCount = stage.inputs.length;
      outputCount = stage.outputsCount;
      for (const [position, source] of stage.inputs.entries()) {
        const example = source.from === 'input' ? inputs[source.index]?.example : undefined;
        if (example !== undefined)
          examples[position] ??= { dtype: example.dtype, shape: example.shape, bytes: Buffer.from(example.b64, 'base64') };
      }
    }
  }
  return { argumentCount, outputCount, examples };
}
