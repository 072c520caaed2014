import { failureOf, isVariableSize, type DType, type Failure, type Instance, type Tensor } from '@mserve/wire';
import type { MethodDeclaration } from '@mserve/register';

/** An input whose dtype the author declared and that no model takes as it comes: models have checks of their own, with the original's texts. */
export interface DeclaredInput {
  readonly index: number;
  readonly name: string;
  readonly dtype: DType;
}

/** The inputs of a method that are checked before it runs. */
export function declaredInputs(method: MethodDeclaration): DeclaredInput[] {
  const taken = new Set<number>();
  for (const stage of method.stages) {
    if (stage.kind === 'model') for (const source of stage.inputs) if (source.from === 'input') taken.add(source.index);
  }
  return method.inputs.flatMap(({ name, dtype }, index) => (dtype === undefined || taken.has(index) ? [] : [{ index, name, dtype }]));
}

/**
 * Text where bytes are declared, numbers where text is, and so on. Which numbers they are is not looked at: JSON of the original's protocol has integers
 * and fractions only, and a function may take either.
 */
export function mismatchOf(method: string, declared: readonly DeclaredInput[], instance: Instance): Failure | undefined {
  for (const { index, name, dtype } of declared) {
    const given = (instance[index] as Tensor).dtype;
    if (kindOf(given) === kindOf(dtype) || (dtype === 'bytes' && given === 'uint8')) continue;
    return failureOf('input-kind', { input: name, method, expected: dtype, given });
  }
  return undefined;
}

function kindOf(dtype: DType): string {
  return isVariableSize(dtype) ? dtype : 'numbers';
}
