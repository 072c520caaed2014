import type { MethodDeclaration } from '@mserve/register';
import type { Tensor } from '@mserve/wire';

/** By input of a model: the example that an author gave for the method's input that feeds it, from the first method that has one. */
export function examplesOf(methods: readonly MethodDeclaration[], modelIndex: number): (Tensor | undefined)[] {
  const examples: (Tensor | undefined)[] = [];
  for (const { stages, inputs } of methods) {
    for (const stage of stages) {
      if (stage.kind !== 'model' || stage.index !== modelIndex) continue;
      for (const [position, source] of stage.inputs.entries()) {
        const example = source.from === 'input' ? inputs[source.index]?.example : undefined;
        if (example !== undefined)
          examples[position] ??= { dtype: example.dtype, shape: example.shape, bytes: Buffer.from(example.b64, 'base64') };
      }
    }
  }
  return examples;
}
