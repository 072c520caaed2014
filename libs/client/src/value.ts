import {
  outputTensor,
  Tensor,
  type ElementArray,
  type ElementArrays,
  type ElementValue,
  type Nested,
  type NumericDType,
} from '@mserve/register';
import {
  elementCount,
  isVariableSize,
  packElements,
  ServingError,
  unpackElements,
  type DType,
  type Tensor as WireTensor,
} from '@mserve/wire';
import type { ValueDescription } from './description.js';

/** Text or bytes, or nested lists of them. */
export type NestedTexts = string | Uint8Array | ArrayBuffer | readonly NestedTexts[];

/**
 * What a client may give for an input: a tensor as it is; numbers, booleans and bigints, nested lists of them or a TypedArray, which take the dtype that the
 * method declares (a TypedArray its shape, too, where the sizes allow one only); texts and bytes. Where the method declares no dtype, whole numbers become
 * int64, others float64 alone and float32 in lists, a TypedArray keeps its type, a Uint8Array is bytes.
 */
export type ClientInput = Tensor | ElementArray | ElementValue | Nested | NestedTexts;

/** What a client may give for an input of this dtype. */
export type NumbersFor<D extends NumericDType> = Tensor<D> | ElementArrays[D] | ElementValue | Nested;

/** What a client gets of an output: a number, boolean or bigint for rank 0, a text or bytes for one such element and a flat list for several, else a tensor. */
export type ClientOutput = Tensor | ElementValue | string | Uint8Array | readonly string[] | readonly Uint8Array[];

const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function mismatch(name: string, given: string, expected: string): ServingError {
  return new ServingError('INVALID_ARGUMENT', `input '${name}' is ${given}, ${expected} is expected`);
}

/** A value for this input as a tensor. ServingError INVALID_ARGUMENT for one that cannot be. */
export function tensorOf(description: ValueDescription, value: ClientInput): WireTensor {
  const { name, dtype } = description;
  try {
    if (value instanceof Tensor) return { dtype: value.dtype, shape: value.shape, bytes: value.bytes };
    if (dtype === undefined) return guessed(value);
    return isVariableSize(dtype) ? textTensor(name, dtype, value) : numberTensor(description, dtype, value);
  } catch (thrown) {
    if (thrown instanceof ServingError) throw thrown;
    throw new ServingError('INVALID_ARGUMENT', `input '${name}': ${(thrown as Error).message}`, { cause: thrown });
  }
}

function guessed(value: ClientInput): WireTensor {
  if (!Array.isArray(value)) return outputTensor(value);
  const flat: unknown[] = value.flat(Infinity);
  if (flat.length > 0 && flat.every((one) => typeof one === 'string')) return nestedTexts('string', value as readonly NestedTexts[]);
  if (flat.length > 0 && flat.every((one) => ArrayBuffer.isView(one))) return nestedTexts('bytes', value as readonly NestedTexts[]);
  const dtype = flat.every((one) => typeof one === 'boolean')
    ? 'bool'
    : flat.every((one) => typeof one === 'bigint' || Number.isSafeInteger(one))
      ? 'int64'
      : 'float32';
  const { shape, bytes } = Tensor.of(dtype, value as Nested);
  return { dtype, shape, bytes };
}

function numberTensor(description: ValueDescription, dtype: NumericDType, value: ClientInput): WireTensor {
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    const array = value as ElementArray;
    const tensor = Tensor.of(dtype, array, shapeFor(description, array.length));
    return { dtype, shape: tensor.shape, bytes: tensor.bytes };
  }
  const tensor = Tensor.of(dtype, value as Nested);
  return { dtype, shape: tensor.shape, bytes: tensor.bytes };
}

/** The one shape of so many elements that the method takes; a list of them where it says nothing. */
function shapeFor({ name, shape }: ValueDescription, count: number): readonly number[] {
  if (shape === undefined) return [count];
  const open = shape.filter((dim) => dim < 0).length;
  const known = elementCount(shape.filter((dim) => dim >= 0));
  if (open === 0 && known === count) return shape;
  if (open === 1 && known > 0 && count % known === 0) return shape.map((dim) => (dim < 0 ? count / known : dim));
  throw mismatch(
    name,
    `a list of ${count} elements`,
    open > 1 ? `a Tensor, whose shape fits [${shape.join(', ')}],` : `shape [${shape.join(', ')}]`,
  );
}

function textTensor(name: string, dtype: 'string' | 'bytes', value: ClientInput): WireTensor {
  if (typeof value === 'string' || ArrayBuffer.isView(value) || value instanceof ArrayBuffer || Array.isArray(value))
    return nestedTexts(dtype, value as NestedTexts);
  throw mismatch(name, `a ${typeof value}`, dtype === 'string' ? 'a text' : 'a Uint8Array');
}

function nestedTexts(dtype: 'string' | 'bytes', value: NestedTexts): WireTensor {
  const shape: number[] = [];
  for (let inner: NestedTexts | undefined = value; Array.isArray(inner); inner = inner[0] as NestedTexts | undefined)
    shape.push(inner.length);
  const elements: Uint8Array[] = [];
  const collect = (one: NestedTexts, depth: number): void => {
    if (Array.isArray(one)) {
      if (one.length !== shape[depth]) throw new TypeError('its lists differ in length');
      for (const inner of one as readonly NestedTexts[]) collect(inner, depth + 1);
    } else if (depth !== shape.length) throw new TypeError('its lists differ in depth');
    else elements.push(bytesOf(one as string | Uint8Array | ArrayBuffer));
  };
  collect(value, 0);
  return { dtype, shape, bytes: packElements(elements) };
}

function bytesOf(one: unknown): Uint8Array {
  if (typeof one === 'string') return utf8Encoder.encode(one);
  if (one instanceof ArrayBuffer) return new Uint8Array(one);
  if (ArrayBuffer.isView(one)) return new Uint8Array(one.buffer, one.byteOffset, one.byteLength);
  throw new TypeError(`a ${typeof one} is neither text nor bytes`);
}

/** An output as its caller gets it. `declared`: its dtype, where the method says it; bytes of an output that declares none are text when they are UTF-8. */
export function valueOf(tensor: WireTensor, declared: DType | undefined): ClientOutput {
  const { dtype, shape, bytes } = tensor;
  if (!isVariableSize(dtype)) {
    const value = Tensor.fromBytes(dtype, shape, bytes);
    return shape.length === 0 ? value.item() : value;
  }
  const elements = unpackElements(tensor);
  const texts = dtype === 'string' || declared === undefined ? textsOf(elements) : undefined;
  const values = texts ?? elements;
  return values.length === 1 ? (values[0] as string | Uint8Array) : values;
}

/** undefined when one is not UTF-8. */
function textsOf(elements: readonly Uint8Array[]): string[] | undefined {
  try {
    return elements.map((element) => utf8Decoder.decode(element));
  } catch {
    return undefined;
  }
}
