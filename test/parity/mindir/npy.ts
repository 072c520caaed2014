import type { DType, Tensor } from '@mserve/wire';

const dtypeOfDescr = new Map<string, DType>([
  ['|b1', 'bool'],
  ['|i1', 'int8'],
  ['|u1', 'uint8'],
  ['<i2', 'int16'],
  ['<u2', 'uint16'],
  ['<i4', 'int32'],
  ['<u4', 'uint32'],
  ['<i8', 'int64'],
  ['<u8', 'uint64'],
  ['<f2', 'float16'],
  ['<f4', 'float32'],
  ['<f8', 'float64'],
]);

/** Reads a .npy file (version 1, C order). */
export function tensorOfNpy(file: Uint8Array): Tensor {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const headerBytes = view.getUint16(8, true);
  const header = Buffer.from(file.buffer, file.byteOffset + 10, headerBytes).toString('latin1');
  const descr = /'descr': '([^']+)'/.exec(header)?.[1] ?? '';
  const dtype = dtypeOfDescr.get(descr);
  if (dtype === undefined || !header.includes("'fortran_order': False")) throw new Error(`unexpected .npy header ${header}`);
  const shape = (/'shape': \(([^)]*)\)/.exec(header)?.[1] ?? '')
    .split(',')
    .map((dim) => dim.trim())
    .filter((dim) => dim !== '')
    .map(Number);
  return { dtype, shape, bytes: new Uint8Array(file.subarray(10 + headerBytes)) };
}
