import { dtypeEntry, dtypeOfOnnxNumber, type DType } from '@mserve/wire';
import { MindirError } from '../mindir-error.js';

/** TypeId of MindSpore, as it is used in arguments of Cast, Argmax and others. */
const dtypeOfTypeId = new Map<number, DType>([
  [30, 'bool'],
  [31, 'int64'],
  [32, 'int8'],
  [33, 'int16'],
  [34, 'int32'],
  [35, 'int64'],
  [36, 'uint64'],
  [37, 'uint8'],
  [38, 'uint16'],
  [39, 'uint32'],
  [40, 'uint64'],
  [41, 'float32'],
  [42, 'float16'],
  [43, 'float32'],
  [44, 'float64'],
  [45, 'bfloat16'],
]);

/** The dtype with this number in a MindIR tensor: the numbers of ONNX, and 17 for a second float64. Throws MindirError 'unsupported'. */
export function dtypeOfMindir(number: number, where: string): DType {
  const entry = number === 17 ? dtypeEntry('float64') : dtypeOfOnnxNumber(number);
  if (entry === undefined || entry.dtype === 'bytes')
    throw new MindirError('unsupported', `${where} has element type ${number}, which has no translation`);
  return entry.dtype;
}

/** As {@link dtypeOfMindir}, undefined for an unknown number. */
export function knownDtypeOfMindir(number: number): DType | undefined {
  return number === 17 ? 'float64' : dtypeOfOnnxNumber(number)?.dtype;
}

/** The dtype of a MindSpore TypeId; undefined for one that is not a tensor's. */
export function dtypeFromTypeId(id: number): DType | undefined {
  return dtypeOfTypeId.get(id);
}

/** The number of a dtype in ONNX's TensorProto.DataType. Throws TypeError for a dtype that ONNX lacks. */
export function onnxNumber(dtype: DType): number {
  const number = dtypeEntry(dtype).onnxNumber;
  if (number === undefined) throw new TypeError(`${dtype} has no ONNX number`);
  return number;
}

/** Whether a dtype is a floating-point one. */
export function isFloat(dtype: DType): boolean {
  return dtype === 'float16' || dtype === 'bfloat16' || dtype === 'float32' || dtype === 'float64';
}

/** Whether a dtype is an integer one, signed or not. */
export function isInteger(dtype: DType): boolean {
  return dtype.startsWith('int') || dtype.startsWith('uint');
}

const rank: readonly DType[] = [
  'bool',
  'uint8',
  'int8',
  'uint16',
  'int16',
  'uint32',
  'int32',
  'uint64',
  'int64',
  'float16',
  'bfloat16',
  'float32',
  'float64',
];

/** The dtype in which two tensors meet when MindSpore left the conversion to the operator. */
export function commonDtype(a: DType, b: DType): DType {
  if (a === b) return a;
  const [low, high] = rank.indexOf(a) < rank.indexOf(b) ? [a, b] : [b, a];
  if (low === 'uint8' && high === 'int8') return 'int16';
  if (low === 'float16' && high === 'bfloat16') return 'float32';
  return high;
}

/** Little-endian bytes of numbers in a dtype. int64 is clamped, so that rounded sentinels keep their meaning. */
export function bytesOfNumbers(dtype: DType, values: readonly number[]): Uint8Array {
  const { elementBytes } = dtypeEntry(dtype);
  const bytes = new Uint8Array(values.length * elementBytes);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => writeNumber(view, index * elementBytes, dtype, value));
  return bytes;
}

/** Throws MindirError 'format' where a file puts NaN or infinity into an integer. */
function wholeNumber(value: number): number {
  if (!Number.isFinite(value)) throw new MindirError('format', `${value} stands where an integer is needed`);
  return Math.trunc(value);
}

function writeNumber(view: DataView, at: number, dtype: DType, value: number): void {
  switch (dtype) {
    case 'bool':
    case 'uint8':
      view.setUint8(at, dtype === 'bool' ? Number(value !== 0) : value);
      break;
    case 'int8':
      view.setInt8(at, value);
      break;
    case 'int16':
      view.setInt16(at, value, true);
      break;
    case 'uint16':
      view.setUint16(at, value, true);
      break;
    case 'int32':
      view.setInt32(at, value, true);
      break;
    case 'uint32':
      view.setUint32(at, value, true);
      break;
    case 'int64':
      view.setBigInt64(at, clampedInt64(value), true);
      break;
    case 'uint64':
      view.setBigUint64(at, BigInt.asUintN(64, BigInt(wholeNumber(value))), true);
      break;
    case 'float16':
      view.setUint16(at, float16Bits(value), true);
      break;
    case 'bfloat16':
      view.setUint16(at, bfloat16Bits(value), true);
      break;
    case 'float32':
      view.setFloat32(at, value, true);
      break;
    case 'float64':
      view.setFloat64(at, value, true);
      break;
    default:
      throw new TypeError(`${dtype} holds no numbers`);
  }
}

const int64Max = 2n ** 63n - 1n;

function clampedInt64(value: number): bigint {
  // A damaged file may lack a number: what comes here is undefined then.
  const isNumber = typeof value === 'number' && !Number.isNaN(value);
  if (!isNumber) throw new MindirError('format', 'an integer is missing or not a number');
  if (value >= 2 ** 63) return int64Max;
  return value <= -(2 ** 63) ? -(2n ** 63n) : BigInt(Math.trunc(value));
}

/** The numbers behind little-endian bytes; int64 beyond 2^53 is rounded. */
export function numbersOfBytes(dtype: DType, bytes: Uint8Array): number[] {
  const { elementBytes } = dtypeEntry(dtype);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values: number[] = [];
  for (let at = 0; at < bytes.byteLength; at += elementBytes) values.push(readNumber(view, at, dtype));
  return values;
}

function readNumber(view: DataView, at: number, dtype: DType): number {
  switch (dtype) {
    case 'bool':
    case 'uint8':
      return view.getUint8(at);
    case 'int8':
      return view.getInt8(at);
    case 'int16':
      return view.getInt16(at, true);
    case 'uint16':
      return view.getUint16(at, true);
    case 'int32':
      return view.getInt32(at, true);
    case 'uint32':
      return view.getUint32(at, true);
    case 'int64':
      return Number(view.getBigInt64(at, true));
    case 'uint64':
      return Number(view.getBigUint64(at, true));
    case 'float16':
      return float16Number(view.getUint16(at, true));
    case 'bfloat16':
      return bfloat16Number(view.getUint16(at, true));
    case 'float32':
      return view.getFloat32(at, true);
    case 'float64':
      return view.getFloat64(at, true);
    default:
      throw new TypeError(`${dtype} holds no numbers`);
  }
}

const scratch = new DataView(new ArrayBuffer(4));

function float32Bits(value: number): number {
  scratch.setFloat32(0, value);
  return scratch.getUint32(0);
}

function bfloat16Bits(value: number): number {
  const bits = float32Bits(value);
  if (Number.isNaN(value)) return 0x7fc0;
  // Round half to even on the 16 bits that are dropped.
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

function bfloat16Number(bits: number): number {
  scratch.setUint32(0, bits << 16);
  return scratch.getFloat32(0);
}

/** IEEE half precision, rounded half to even. */
export function float16Bits(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size >= 65520) return sign | 0x7c00;
  if (size < 2 ** -14) return sign | roundHalfEven(size * 2 ** 24);
  const exponent = Math.floor(Math.log2(size));
  const fraction = roundHalfEven((size / 2 ** exponent - 1) * 1024);
  return sign | (((exponent + 15) << 10) + fraction);
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest > 0.5 || (rest === 0.5 && floor % 2 === 1)) return floor + 1;
  return floor;
}

function float16Number(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
