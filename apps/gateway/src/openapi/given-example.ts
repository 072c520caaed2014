import { isUtf8 } from 'node:buffer';
import {
  dtypeEntry,
  elementEnds,
  expectedBytes,
  isVariableSize,
  unpackElements,
  type DType,
  type Tensor,
  type TensorSignature,
} from '@mserve/wire';
import { float32Text } from '../protocols/json/float32-text.js';
import { numbersOf } from '../protocols/json/value-text.js';

/** Up to here the numbers of an example are written as nested arrays; from here on as base64, which is shorter. */
export const maxNestedElements = 64;

/** The example that the author gave for an input; undefined without one, and for what is no tensor (it comes from another process). */
export function givenExample({ example }: TensorSignature): Tensor | undefined {
  if (example === undefined) return undefined;
  const { dtype, shape } = example;
  const tensor: Tensor = { dtype, shape, bytes: Buffer.from(example.b64, 'base64') };
  try {
    const fits = isVariableSize(dtype) ? elementEnds(tensor).length > 0 : expectedBytes(dtype, shape) === tensor.bytes.byteLength;
    return fits ? tensor : undefined;
  } catch {
    return undefined;
  }
}

/** How `/model/...` takes it, in plain values where those are read back unchanged; undefined when its JSON has no form for it. `declared` is the input's own dtype. */
export function msGivenValue(tensor: Tensor, declared: DType | undefined): unknown {
  const { dtype, shape, bytes } = tensor;
  if (dtype === 'bfloat16') return undefined;
  if (isVariableSize(dtype)) {
    const elements = unpackElements(tensor).map((element) => Buffer.from(element));
    if (elements.length !== 1 || shape.length > 1) return undefined;
    return nested(
      elements.map((element) => (dtype === 'string' ? element.toString() : { b64: element.toString('base64') })),
      shape,
    );
  }
  const values = dtype === 'float16' ? undefined : elementsOf(tensor);
  if (
    values !== undefined &&
    values.length > 0 &&
    values.length <= maxNestedElements &&
    values.every((value) => readsAsDtype(value, dtype, declared))
  )
    return nested(values, shape);
  return { b64: Buffer.from(bytes).toString('base64'), type: dtype, shape };
}

/** As an input of the Open Inference Protocol; undefined when its JSON has no form for it. */
export function oipGivenInput(name: string, tensor: Tensor, batched: boolean): unknown {
  const { dtype, shape } = tensor;
  const data = elementsOf(tensor);
  return data && { name, shape: batched ? [1, ...shape] : shape, datatype: dtypeEntry(dtype).oipName, data };
}

/** The elements as JSON has them, flat; undefined when it cannot say one of them. */
function elementsOf(tensor: Tensor): (string | boolean | number)[] | undefined {
  const { dtype, bytes } = tensor;
  if (isVariableSize(dtype)) {
    const elements = unpackElements(tensor);
    return elements.every((element) => isUtf8(element)) ? elements.map((element) => Buffer.from(element).toString()) : undefined;
  }
  if (dtype === 'bool') return Array.from(bytes, (byte) => byte !== 0);
  const values = Array.from(numbersOf(dtype, bytes) as ArrayLike<number | bigint>, (value) => {
    if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
    return dtype.includes('float') && dtype !== 'float64' ? Number(float32Text(value as number)) : Number(value);
  });
  const isExact = dtype.includes('float') || values.every(Number.isSafeInteger);
  return isExact ? values : undefined;
}

/** Whether the original reads this JSON value as `dtype`. It reads whole numbers as int32 or the declared integer type, others as float32 or a declared float64. */
function readsAsDtype(value: string | boolean | number, dtype: DType, declared: DType | undefined): boolean {
  if (typeof value === 'string') return !dtype.includes('float');
  if (typeof value !== 'number') return true;
  if (dtype.startsWith('float')) return !Number.isInteger(value) && (declared === dtype || declared === undefined);
  return declared === dtype || (declared === undefined && (dtype === 'int32' || dtype === 'int64') && Math.trunc(value / 2 ** 31) === 0);
}

function nested(values: readonly unknown[], shape: readonly number[]): unknown {
  const [dim, ...rest] = shape;
  if (dim === undefined) return values[0];
  const size = values.length / dim;
  return Array.from({ length: dim }, (_, i) => nested(values.slice(i * size, (i + 1) * size), rest));
}
