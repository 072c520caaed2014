import { elementCount, isVariableSize, type DType, type ExampleTensor, type Tensor as WireTensor } from '@mserve/wire';
import { RegisterError } from './register-error.js';
import { isNumericDType } from './tensor/element.js';
import { Tensor, type Nested } from './tensor/tensor.js';
import { outputTensor, type OutputValue } from './value.js';

/** What can be given as an example of an input: what a function may return, and for a declared numeric dtype numbers in nested arrays. */
export type ExampleValue = OutputValue | Nested;

/** Examples travel with every list of what can be called, so they are small. */
const mostExampleBytes = 4096;

/** Throws RegisterError, which names `where`, for what is no value of `dtype`, and for more than 4096 bytes. */
export function exampleTensor(
  where: string,
  value: unknown,
  dtype: DType | undefined,
  shape: readonly number[] | undefined,
): ExampleTensor {
  let tensor: WireTensor;
  try {
    tensor = tensorOf(value, dtype);
  } catch (thrown) {
    throw new RegisterError(
      `'${where}' must be a value${dtype === undefined ? '' : ` of ${dtype}`}: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
    );
  }
  if (tensor.bytes.byteLength > mostExampleBytes)
    throw new RegisterError(`'${where}' has ${tensor.bytes.byteLength} bytes, at most ${mostExampleBytes} are allowed`);
  // One text, or bytes, in whatever shape one element has
  const isOne = isVariableSize(tensor.dtype) && shape !== undefined && elementCount(shape.map(Math.abs)) === 1;
  return { dtype: tensor.dtype, shape: isOne ? shape.map(Math.abs) : [...tensor.shape], b64: Buffer.from(tensor.bytes).toString('base64') };
}

function tensorOf(value: unknown, dtype: DType | undefined): WireTensor {
  const isPlain = typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean' || Array.isArray(value);
  if (isPlain && dtype !== undefined && isNumericDType(dtype)) return Tensor.of(dtype, value as Nested);
  if (Array.isArray(value)) throw new TypeError('numbers in arrays need a numeric dtype');
  if (typeof value === 'string' && dtype === 'bytes') return { ...outputTensor(value), dtype };
  return outputTensor(value);
}
