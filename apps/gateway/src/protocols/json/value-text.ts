import { alignedBytes, dtypeEntry, refusal, type DType, type Tensor } from '@mserve/wire';
import { float16Values } from './float16.js';

/** The text of the elements [from, to) of a tensor, with commas between them. */
export type RowText = (from: number, to: number) => string;

/** A float as the original prints it: shortest decimal, `.0` on integral ones, `null` for what JSON cannot hold, exponents like 1e+20. */
export function floatText(value: number): string {
  if (value - value !== 0) return 'null';
  const size = value < 0 ? -value : value;
  if (size >= 1e15 || (size < 1e-4 && size !== 0)) return exponentText(value);
  if (Math.trunc(value) !== value) return `${value}`;
  return value === 0 && Object.is(value, -0) ? '-0.0' : `${value}.0`;
}

/** Shortest digits with an exponent of at least two digits. */
function exponentText(value: number): string {
  const text = value.toExponential();
  const mark = text.indexOf('e');
  const exponent = text.slice(mark + 2);
  return `${text.slice(0, mark + 2)}${exponent.length === 1 ? '0' : ''}${exponent}`;
}

/** JSON.stringify of a string; names, which are short and plain, without a call into the runtime. */
export function stringText(text: string): string {
  const { length } = text;
  if (length > 32) return JSON.stringify(text);
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x20 || unit > 0x7e || unit === 0x22 || unit === 0x5c) return JSON.stringify(text);
  }
  return `"${text}"`;
}

/** Whether an error says that a text would be longer than V8's strings are, 2^29 - 24 characters. */
export function isTooLong(thrown: unknown): boolean {
  return thrown instanceof RangeError || (thrown instanceof Error && 'code' in thrown && thrown.code === 'ERR_STRING_TOO_LONG');
}

/** Length from which on a text made of pieces is made one: V8 keeps the pieces otherwise, at some 60 bytes each. */
const flatLength = 65_536;
/** Elements that are written at a time. */
const sliceLength = 8_192;

/** The same ASCII text, in one piece. */
function flat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}

/** The elements [from, to), written by `row` in slices, so that the memory taken is that of the text, however many there are. */
export function slicedText(from: number, to: number, row: RowText): string {
  if (to - from <= sliceLength) return row(from, to);
  let text = '';
  for (let at = from; at < to; at += sliceLength) text += `${at === from ? '' : ','}${flat(row(at, Math.min(to, at + sliceLength)))}`;
  return text;
}

/**
 * A row of floats with commas between them. JSON.stringify writes long rows twice as fast as a loop does, but only what it writes alike:
 * fractions of a usual size.
 */
export function floatRowText(values: Float32Array | Float64Array, from: number, to: number): string {
  if (to - from >= 8) {
    let alike = true;
    for (let i = from; alike && i < to; i++) {
      const value = values[i] as number;
      const size = value < 0 ? -value : value;
      alike = size < 1e15 && size >= 1e-4 && Math.trunc(value) !== value;
    }
    if (alike) return JSON.stringify(Array.from(values.subarray(from, to))).slice(1, -1);
  }
  let text = '';
  for (let i = from; i < to; i++) text += i === from ? floatText(values[i] as number) : `,${floatText(values[i] as number)}`;
  return text;
}

type Numbers = ArrayLike<number> | ArrayLike<bigint>;

/** The elements of a fixed-size tensor as numbers; float16 and bfloat16 widened, 64 bit integers as bigint. No copy where aligned. */
export function numbersOf(dtype: DType, bytes: Uint8Array): Numbers {
  const { elementBytes } = dtypeEntry(dtype);
  const { buffer, byteOffset, byteLength } = alignedBytes(bytes, elementBytes);
  const length = byteLength / elementBytes;
  switch (dtype) {
    case 'int8':
      return new Int8Array(buffer, byteOffset, length);
    case 'int16':
      return new Int16Array(buffer, byteOffset, length);
    case 'uint16':
      return new Uint16Array(buffer, byteOffset, length);
    case 'int32':
      return new Int32Array(buffer, byteOffset, length);
    case 'uint32':
      return new Uint32Array(buffer, byteOffset, length);
    case 'int64':
      return new BigInt64Array(buffer, byteOffset, length);
    case 'uint64':
      return new BigUint64Array(buffer, byteOffset, length);
    case 'float32':
      return new Float32Array(buffer, byteOffset, length);
    case 'float64':
      return new Float64Array(buffer, byteOffset, length);
    case 'float16':
    case 'bfloat16':
      return float16Values(dtype, new Uint16Array(buffer, byteOffset, length));
    default:
      return new Uint8Array(buffer, byteOffset, length);
  }
}

/** The rows without elements that a text may have; [2^31, 0] is a shape of a few bytes. */
const maxEmptyRows = 65_536;

/** Writes the elements as nested arrays of the tensor's shape (rank 0: the element alone). From rank 2 on `row` gives ASCII. Throws ServingError for a text of endless empty rows. */
export function nestedText(tensor: Tensor, row: RowText): string {
  const { shape } = tensor;
  if (shape.length === 0) return row(0, 1);
  if (tensor.bytes.byteLength === 0 && shape.reduce((rows, dim) => rows * Math.max(dim, 1), 1) > maxEmptyRows) {
    throw refusal('output-unwritable', { detail: `shape [${shape.join(', ')}] has more than ${maxEmptyRows} rows without elements` });
  }
  return level(shape, 0, 0, row);
}

function level(shape: readonly number[], depth: number, first: number, row: RowText): string {
  const length = shape[depth] as number;
  if (depth === shape.length - 1) return `[${row(first, first + length)}]`;
  const childLength = shape[depth + 1] as number;
  let text = '';
  let rows = '[';
  for (let i = 0; i < length; i++) {
    rows += `${i === 0 ? '' : ','}${level(shape, depth + 1, (first + i) * childLength, row)}`;
    if (rows.length < flatLength) continue;
    text += flat(rows);
    rows = '';
  }
  return `${text}${rows}]`;
}
