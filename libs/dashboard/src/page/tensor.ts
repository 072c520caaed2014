import { dtypeEntry, halfToFloat, type DType } from '@mserve/wire/tensors';

/** A tensor of an answer. Numbers that JavaScript's numbers cannot hold are bigints. */
export interface Tensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly values: readonly (number | bigint | boolean)[];
  /** Of BYTES: the elements. */
  readonly texts: readonly Uint8Array[];
}

/** An input of no declared dtype is sent as float32. */
export function datatypeOf(dtype: DType | undefined): string {
  return dtypeEntry(dtype ?? 'float32').oipName;
}

const readers: Readonly<Record<string, readonly [size: number, read: (view: DataView, at: number) => number | bigint | boolean]>> = {
  BOOL: [1, (view, at) => view.getUint8(at) !== 0],
  INT8: [1, (view, at) => view.getInt8(at)],
  INT16: [2, (view, at) => view.getInt16(at, true)],
  INT32: [4, (view, at) => view.getInt32(at, true)],
  INT64: [8, (view, at) => view.getBigInt64(at, true)],
  UINT8: [1, (view, at) => view.getUint8(at)],
  UINT16: [2, (view, at) => view.getUint16(at, true)],
  UINT32: [4, (view, at) => view.getUint32(at, true)],
  UINT64: [8, (view, at) => view.getBigUint64(at, true)],
  FP16: [2, (view, at) => halfToFloat(view.getUint16(at, true))],
  BF16: [2, (view, at) => new DataView(Uint32Array.of(view.getUint16(at, true) << 16).buffer).getFloat32(0, true)],
  FP32: [4, (view, at) => view.getFloat32(at, true)],
  FP64: [8, (view, at) => view.getFloat64(at, true)],
};

/** The elements in the bytes of a tensor, as the binary extension of the Open Inference Protocol lays them out. Throws RangeError when they are cut off. */
export function readTensor(name: string, datatype: string, shape: readonly number[], body: Uint8Array): Tensor {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  if (datatype === 'BYTES') {
    const texts: Uint8Array[] = [];
    for (let at = 0; at < body.byteLength;) {
      const length = view.getUint32(at, true);
      if (at + 4 + length > body.byteLength) throw new RangeError(`output '${name}' is cut off`);
      texts.push(body.subarray(at + 4, at + 4 + length));
      at += 4 + length;
    }
    return { name, datatype, shape, values: [], texts };
  }
  const reader = readers[datatype];
  if (reader === undefined) throw new RangeError(`output '${name}' is of the unknown datatype ${datatype}`);
  const [size, read] = reader;
  const values = Array.from({ length: Math.floor(body.byteLength / size) }, (_, i) => read(view, i * size));
  return { name, datatype, shape, values, texts: [] };
}

/** Joins pieces. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.byteLength, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.byteLength;
  }
  return all;
}
