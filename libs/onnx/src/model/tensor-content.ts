import type { OnnxTensor } from './onnx-model.js';

/** TensorProto.DataType */
export const types = {
  float: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  double: 11,
} as const;

/** Bytes of an element in raw_data; undefined for strings and packed types. */
const elementBytes: Readonly<Record<number, number>> = {
  1: 4,
  2: 1,
  3: 1,
  4: 2,
  5: 2,
  6: 4,
  7: 8,
  9: 1,
  10: 2,
  11: 8,
  12: 4,
  13: 8,
  16: 2,
};

export function isFloat(type: number): boolean {
  return type === types.float || type === types.double || type === types.float16 || type === 16;
}

export function elementCount({ dims }: OnnxTensor): number {
  return dims.reduce((product, dim) => product * dim, 1);
}

/** The numbers of a tensor, when they are known and no more than `most`. int64 beyond 2^53 are rounded. */
export function numbersOf(tensor: OnnxTensor, most = 1024): readonly number[] | undefined {
  const count = elementCount(tensor);
  if (count > most) return undefined;
  if (count === 0) return [];
  const { bytes, numbers, type } = tensor;
  if (numbers !== undefined) return numbers.length === count && type !== types.float16 ? numbers : undefined;
  const size = elementBytes[type];
  if (bytes === undefined || size === undefined || bytes.byteLength !== count * size) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read = readers[type];
  return read && Array.from({ length: count }, (_, i) => read(view, i * size));
}

const readers: Readonly<Record<number, (view: DataView, at: number) => number>> = {
  [types.float]: (view, at) => view.getFloat32(at, true),
  [types.uint8]: (view, at) => view.getUint8(at),
  [types.int8]: (view, at) => view.getInt8(at),
  [types.uint16]: (view, at) => view.getUint16(at, true),
  [types.int16]: (view, at) => view.getInt16(at, true),
  [types.int32]: (view, at) => view.getInt32(at, true),
  [types.int64]: (view, at) => Number(view.getBigInt64(at, true)),
  [types.bool]: (view, at) => view.getUint8(at),
  [types.double]: (view, at) => view.getFloat64(at, true),
};

/** All slices along this dim are the same. False when the content is not known. */
export function sameAlong(tensor: OnnxTensor, dim: number): boolean {
  const extent = tensor.dims[dim];
  if (extent === undefined || extent === 1) return true;
  const count = elementCount(tensor);
  const size = elementBytes[tensor.type];
  const { bytes, numbers } = tensor;
  const inner = tensor.dims.slice(dim + 1).reduce((product, next) => product * next, 1);
  if (numbers !== undefined) {
    if (numbers.length !== count) return false;
    return numbers.every((value, i) => Object.is(value, numbers[i - (Math.floor(i / inner) % extent) * inner]));
  }
  if (bytes === undefined || size === undefined || bytes.byteLength !== count * size) return false;
  const step = inner * size;
  for (let at = 0; at < bytes.byteLength; at += step * extent) {
    const first = Buffer.from(bytes.buffer, bytes.byteOffset + at, step);
    for (let k = 1; k < extent; k++) {
      if (first.compare(Buffer.from(bytes.buffer, bytes.byteOffset + at + k * step, step)) !== 0) return false;
    }
  }
  return true;
}
