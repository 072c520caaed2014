import { dtypeEntry, isVariableSize, type DType } from './dtype.js';
import { ServingError } from './serving-error.js';

/**
 * A tensor as it travels through mserve: C-order elements, little-endian.
 *
 * - numbers: `bytes.byteLength` = product(shape) * element size; bool is one byte per element (0 or 1)
 * - string and bytes: each element is a uint32 length (little-endian) followed by that many bytes (UTF-8 for string)
 * - rank 0 (`shape` = []) is one element
 *
 * `bytes` is a view and is never written to after the tensor was made; its byteOffset may be unaligned
 * (use {@link alignedBytes} before laying a wider TypedArray over it).
 */
export interface Tensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** One input set or output set of a method: tensors in the order in which the method declares their names. */
export type Instance = readonly Tensor[];

/**
 * Stands in an instance for an input that the client left out ({@link TensorSignature.optional}): the model's own value counts. This very object and no
 * equal one, also after it travelled.
 */
export const absent: Tensor = Object.freeze({ dtype: 'bytes', shape: Object.freeze([0]), bytes: new Uint8Array(0) });

/** The largest rank that is accepted from outside. */
export const maxRank = 64;

/**
 * Number of elements of a shape: the product of its dims (1 for rank 0).
 * Throws ServingError INVALID_ARGUMENT for a dim that is negative or not an integer, for more than {@link maxRank} dims,
 * and when the product is not exact in a Number (>= 2^53), also when another dim is 0.
 */
export function elementCount(shape: readonly number[]): number {
  if (shape.length > maxRank) throw new ServingError('INVALID_ARGUMENT', `shape has ${shape.length} dims, at most ${maxRank} are allowed`);
  let count = 1;
  let nonZero = 1;
  for (const dim of shape) {
    if (!Number.isSafeInteger(dim) || dim < 0)
      throw new ServingError('INVALID_ARGUMENT', `shape [${shape.join(', ')}] has a dim that is not a non-negative integer`);
    count *= dim;
    if (dim !== 0) nonZero *= dim;
    if (nonZero > Number.MAX_SAFE_INTEGER) throw new ServingError('INVALID_ARGUMENT', `shape [${shape.join(', ')}] has too many elements`);
  }
  return count;
}

/** Bytes that a tensor of a fixed-size dtype must have. Throws like {@link elementCount}; TypeError for string and bytes. */
export function expectedBytes(dtype: DType, shape: readonly number[]): number {
  if (isVariableSize(dtype)) throw new TypeError(`${dtype} elements have no fixed size`);
  return elementCount(shape) * dtypeEntry(dtype).elementBytes;
}

/** The same bytes at an offset that is a multiple of `elementBytes`: the view itself when it already is, else a copy (slice() of a Buffer is none). */
export function alignedBytes(bytes: Uint8Array, elementBytes: number): Uint8Array {
  return bytes.byteOffset % elementBytes === 0 ? bytes : new Uint8Array(bytes);
}

/** Lays out elements of a string or bytes tensor: uint32 length (little-endian) and the bytes, one after the other. */
export function packElements(elements: readonly Uint8Array[]): Uint8Array {
  let size = 0;
  for (const element of elements) size += 4 + element.byteLength;
  const packed = new Uint8Array(size);
  const view = new DataView(packed.buffer);
  let at = 0;
  for (const element of elements) {
    view.setUint32(at, element.byteLength, true);
    packed.set(element, at + 4);
    at += 4 + element.byteLength;
  }
  return packed;
}

/**
 * Where each element of a string or bytes tensor ends in its bytes; it begins 4 bytes (its length) after the end of the one before.
 * Throws ServingError INVALID_ARGUMENT when the bytes do not hold exactly product(shape) elements.
 */
export function elementEnds({ dtype, shape, bytes }: Tensor): Uint32Array {
  const count = elementCount(shape);
  if (count > bytes.byteLength / 4) {
    throw new ServingError(
      'INVALID_ARGUMENT',
      `${dtype} tensor of shape [${shape.join(', ')}] needs ${count} elements, its ${bytes.byteLength} bytes cannot hold them`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const ends = new Uint32Array(count);
  let found = 0;
  let at = 0;
  while (at + 4 <= bytes.byteLength && found < count) {
    const length = view.getUint32(at, true);
    if (at + 4 + length > bytes.byteLength) break;
    at += 4 + length;
    ends[found++] = at;
  }
  if (found !== count || at !== bytes.byteLength) {
    throw new ServingError(
      'INVALID_ARGUMENT',
      `${dtype} tensor of shape [${shape.join(', ')}] needs ${count} elements, its bytes hold ${found}${at === bytes.byteLength ? '' : ' and a rest'}`,
    );
  }
  return ends;
}

/** The elements of a string or bytes tensor as views (no copy). Throws like {@link elementEnds}. */
export function unpackElements(tensor: Tensor): Uint8Array[] {
  const { bytes } = tensor;
  const elements: Uint8Array[] = [];
  let begin = 0;
  for (const end of elementEnds(tensor)) {
    elements.push(bytes.subarray(begin + 4, end));
    begin = end;
  }
  return elements;
}

const utf8 = new TextEncoder();

/** A string tensor of rank 0, or of the given shape, from its elements. */
export function stringTensor(elements: string | readonly string[], shape?: readonly number[]): Tensor {
  const list = typeof elements === 'string' ? [elements] : elements;
  return {
    dtype: 'string',
    shape: shape ?? (typeof elements === 'string' ? [] : [list.length]),
    bytes: packElements(list.map((text) => utf8.encode(text))),
  };
}
