import { dtypeEntry, elementCount, packElements, ServingError, unpackElements, type DType, type Tensor } from '@mserve/wire';

/** NumPy type codes (kind and bytes per element) of our dtypes. bfloat16 has none in NumPy: it is written as uint16, its bits. */
const codes: Readonly<Record<string, DType>> = {
  b1: 'bool',
  i1: 'int8',
  u1: 'uint8',
  i2: 'int16',
  u2: 'uint16',
  i4: 'int32',
  u4: 'uint32',
  i8: 'int64',
  u8: 'uint64',
  f2: 'float16',
  f4: 'float32',
  f8: 'float64',
};
const codeOf = new Map(Object.entries(codes).map(([code, dtype]) => [dtype, code]));
const magic = Uint8Array.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]);

function refuse(what: string): never {
  throw new ServingError('INVALID_ARGUMENT', `not a .npy file mserve can read: ${what}`);
}

interface Header {
  readonly descr: string;
  readonly fortran: boolean;
  readonly shape: number[];
  readonly start: number;
}

function readHeader(file: Uint8Array): Header {
  if (file.length < 12 || magic.some((byte, i) => file[i] !== byte)) refuse('it does not start with the NumPy magic');
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const long = view.getUint8(6) >= 2;
  const length = long ? view.getUint32(8, true) : view.getUint16(8, true);
  const start = (long ? 12 : 10) + length;
  if (start > file.length) refuse('its header is cut off');
  const text = new TextDecoder('latin1').decode(file.subarray(long ? 12 : 10, start));
  const descr = /'descr'\s*:\s*'([^']+)'/.exec(text)?.[1];
  const fortran = /'fortran_order'\s*:\s*(True|False)/.exec(text)?.[1];
  const shape = /'shape'\s*:\s*\(([^)]*)\)/.exec(text)?.[1];
  if (descr === undefined || fortran === undefined || shape === undefined)
    refuse('its header lacks descr, fortran_order or shape (structured and object arrays are not supported)');
  // Python 2 wrote its long integers as 3L
  const dims = shape
    .split(',')
    .map((dim) => dim.trim())
    .filter((dim) => dim !== '')
    .map((dim) => (/^\d+L?$/.test(dim) ? Number.parseInt(dim, 10) : refuse(`shape (${shape})`)));
  return { descr, fortran: fortran === 'True', shape: dims, start };
}

function reverseBytes(bytes: Uint8Array, elementBytes: number): Uint8Array {
  const out = bytes.slice();
  for (let at = 0; at < out.length; at += elementBytes) out.subarray(at, at + elementBytes).reverse();
  return out;
}

/** Fortran order to C order: element (i0, i1, ...) is at sum(i_k * product(dims before k)) in Fortran order. */
function toCOrder(bytes: Uint8Array, shape: readonly number[], elementBytes: number): Uint8Array {
  const out = new Uint8Array(bytes.length);
  const count = elementCount(shape);
  const index = shape.map(() => 0);
  const strides = shape.map((_, k) => shape.slice(0, k).reduce((product, dim) => product * dim, 1));
  for (let n = 0; n < count; n++) {
    const from = index.reduce((sum, i, k) => sum + i * (strides[k] ?? 0), 0) * elementBytes;
    out.set(bytes.subarray(from, from + elementBytes), n * elementBytes);
    for (let k = shape.length - 1; k >= 0; k--) {
      const next = (index[k] ?? 0) + 1;
      index[k] = next;
      if (next < (shape[k] ?? 0)) break;
      index[k] = 0;
    }
  }
  return out;
}

/** '<U7' (UTF-32, padded with NUL) and '|S7' (bytes, padded with NUL), in C order, as a string tensor. */
function readStrings(bytes: Uint8Array, shape: readonly number[], kind: string, cellBytes: number, little: boolean): Tensor {
  const elements = Array.from({ length: elementCount(shape) }, (_, n) => {
    const cell = bytes.subarray(n * cellBytes, (n + 1) * cellBytes);
    return kind === 'U' ? new TextEncoder().encode(textOf(cell, little)) : cell.subarray(0, cell.findLastIndex((byte) => byte !== 0) + 1);
  });
  return { dtype: 'string', shape, bytes: packElements(elements) };
}

function textOf(utf32: Uint8Array, little: boolean): string {
  const view = new DataView(utf32.buffer, utf32.byteOffset, utf32.byteLength);
  let text = '';
  for (let at = 0; at < utf32.length; at += 4) {
    const point = view.getUint32(at, little);
    if (point > 0x10_ffff || (point >= 0xd800 && point < 0xe000))
      refuse(`it has text with U+${point.toString(16).toUpperCase()}, which is no character`);
    text += String.fromCodePoint(point);
  }
  return text.replace(/\0+$/, '');
}

/**
 * A tensor from the bytes of a .npy file, format versions 1 to 3 (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
 * Numbers, bool, 'U' and 'S' strings; big-endian and Fortran order are converted. Throws ServingError INVALID_ARGUMENT for anything else.
 */
export function readNpy(file: Uint8Array): Tensor {
  const { descr, fortran, shape, start } = readHeader(file);
  let bytes = file.subarray(start);
  const match = /^([<>|=])?([a-zA-Z])(\d+)$/.exec(descr);
  if (!match) refuse(`dtype '${descr}'`);
  const kind = match[2] as string;
  const isText = kind === 'U' || kind === 'S';
  const dtype = isText ? 'string' : codes[`${kind}${match[3]}`];
  if (dtype === undefined) refuse(`dtype '${descr}'`);
  const elementBytes = isText ? Number(match[3]) * (kind === 'U' ? 4 : 1) : dtypeEntry(dtype).elementBytes;
  const expected = elementCount(shape) * elementBytes;
  if (bytes.length !== expected) refuse(`shape [${shape.join(', ')}] of '${descr}' needs ${expected} bytes, it has ${bytes.length}`);
  if (fortran && shape.length > 1) bytes = toCOrder(bytes, shape, elementBytes);
  if (isText) return readStrings(bytes, shape, kind, elementBytes, match[1] !== '>');
  if (match[1] === '>' && elementBytes > 1) bytes = reverseBytes(bytes, elementBytes);
  return { dtype, shape, bytes };
}

/** The bytes of a .npy file (format 1.0) holding the tensor. string becomes '<U', bytes '|S', bfloat16 its bits as uint16. */
export function writeNpy(tensor: Tensor): Uint8Array {
  let { bytes } = tensor;
  let descr: string;
  if (tensor.dtype === 'string' || tensor.dtype === 'bytes') {
    const text = new TextDecoder();
    const cells = unpackElements(tensor).map((element) =>
      tensor.dtype === 'string' ? Array.from(text.decode(element), (c) => c.codePointAt(0) ?? 0) : Array.from(element),
    );
    const width = cells.reduce((widest, cell) => Math.max(widest, cell.length), 1);
    descr = tensor.dtype === 'string' ? `<U${width}` : `|S${width}`;
    const table = tensor.dtype === 'string' ? new Uint32Array(cells.length * width) : new Uint8Array(cells.length * width);
    cells.forEach((cell, n) => table.set(cell, n * width));
    bytes = new Uint8Array(table.buffer);
  } else {
    const code = tensor.dtype === 'bfloat16' ? 'u2' : (codeOf.get(tensor.dtype) as string);
    descr = `${code.endsWith('1') ? '|' : '<'}${code}`;
  }
  const shape = tensor.shape.length === 1 ? `${tensor.shape[0]},` : tensor.shape.join(', ');
  const head = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape}), }`;
  const padded = head.padEnd(Math.ceil((head.length + 11) / 64) * 64 - 11) + '\n';
  const out = new Uint8Array(10 + padded.length + bytes.length);
  out.set(magic);
  out.set([1, 0, padded.length & 0xff, padded.length >> 8], 6);
  out.set(new TextEncoder().encode(padded), 10);
  out.set(bytes, 10 + padded.length);
  return out;
}
