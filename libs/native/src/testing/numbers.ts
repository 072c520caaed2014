import type { Reduction } from '../rank-contract.js';
import type { ElementType, NativeTensor } from '../tensor.js';

/** Element types that collectives reduce, except for bool. */
export const numberTypes = [
  'float32',
  'float16',
  'bfloat16',
  'float64',
  'int8',
  'int16',
  'int32',
  'int64',
  'uint8',
  'uint16',
  'uint32',
  'uint64',
] as const satisfies readonly ElementType[];
export type NumberType = (typeof numberTypes)[number];

type Numbers =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array;

/** The bits of `value` in a float of so many exponent and mantissa bits, ties to even; by comparison of neighbours, not by shifts as the addon does it. */
function smallFloatOf(value: number, decode: (bits: number) => number, infinity: number): number {
  if (Number.isNaN(value)) return infinity + 1;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  let low = 0;
  let high = infinity;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (decode(middle) <= magnitude) low = middle;
    else high = middle;
  }
  // What follows the greatest number is taken for one more step of its size
  const next = high === infinity ? 2 * decode(infinity - 1) - decode(infinity - 2) : decode(high);
  const below = magnitude - decode(low);
  const above = next - magnitude;
  const rounded = below < above || (below === above && low % 2 === 0) ? low : high;
  return sign | (magnitude === Infinity ? infinity : rounded);
}

function halfValue(bits: number): number {
  const exponent = (bits >> 10) & 0x1f;
  const mantissa = bits & 0x3ff;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 0x1f) return mantissa === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * mantissa * 2 ** -24 : sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

function bfloatValue(bits: number): number {
  return new Float32Array(new Uint32Array([bits << 16]).buffer)[0]!;
}

function arrayOf(type: NumberType, bytes: Uint8Array): Numbers {
  const { buffer } = bytes.slice();
  switch (type) {
    case 'float32':
      return new Float32Array(buffer);
    case 'float64':
      return new Float64Array(buffer);
    case 'int8':
      return new Int8Array(buffer);
    case 'int16':
      return new Int16Array(buffer);
    case 'int32':
      return new Int32Array(buffer);
    case 'int64':
      return new BigInt64Array(buffer);
    case 'uint8':
      return new Uint8Array(buffer);
    case 'uint32':
      return new Uint32Array(buffer);
    case 'uint64':
      return new BigUint64Array(buffer);
    default:
      return new Uint16Array(buffer);
  }
}

const sizes: Readonly<Record<NumberType, number>> = {
  float32: 4,
  float16: 2,
  bfloat16: 2,
  float64: 8,
  int8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  uint8: 1,
  uint16: 2,
  uint32: 4,
  uint64: 8,
};

/** A tensor of numbers, wrapped or rounded to the type. */
export function numberTensor(type: NumberType, shape: readonly number[], values: readonly number[]): NativeTensor {
  const array = arrayOf(type, new Uint8Array(values.length * sizes[type]));
  values.forEach((value, index) => (array[index] = stored(type, value)));
  return { dtype: type, shape, bytes: new Uint8Array(array.buffer as ArrayBuffer) };
}

function stored(type: NumberType, value: number): never {
  if (type === 'float16') return smallFloatOf(Math.fround(value), halfValue, 0x7c00) as never;
  if (type === 'bfloat16') return smallFloatOf(Math.fround(value), bfloatValue, 0x7f80) as never;
  return (type === 'int64' || type === 'uint64' ? BigInt(value) : value) as never;
}

/** The numbers of a tensor; those of 64 bits as bigint. */
export function numbersOf({ dtype, bytes }: NativeTensor): (number | bigint)[] {
  const array = arrayOf(dtype as NumberType, bytes);
  if (dtype === 'float16') return Array.from(array as Uint16Array, halfValue);
  if (dtype === 'bfloat16') return Array.from(array as Uint16Array, bfloatValue);
  return Array.from(array as Iterable<number | bigint>);
}

function combine(a: number | bigint, b: number | bigint, reduction: Reduction): number | bigint {
  if (reduction === 'max') return a > b || Number.isNaN(a) ? a : b;
  if (reduction === 'min') return a < b || Number.isNaN(a) ? a : b;
  if (typeof a === 'bigint' || typeof b === 'bigint') return reduction === 'sum' ? BigInt(a) + BigInt(b) : BigInt(a) * BigInt(b);
  return reduction === 'sum' ? a + b : a * b;
}

function wrapped(type: NumberType, value: number | bigint): number | bigint {
  const array = arrayOf(type, new Uint8Array(8));
  if (type === 'float16' || type === 'bfloat16') {
    array[0] = stored(type, value as number);
    return type === 'float16' ? halfValue(array[0] as number) : bfloatValue(array[0] as number);
  }
  // Products of 32-bit integers are beyond what a double holds exactly
  if (/^u?int(8|16|32)$/.test(type))
    return Number(BigInt.asIntN(64, BigInt(value))) === value ? ((array[0] = value as never), array[0]!) : value;
  array[0] = value as never;
  return array[0]!;
}

/** What a reduction in the order of the tensors gives, rounded or wrapped after each step. */
export function reduced(tensors: readonly NativeTensor[], reduction: Reduction): (number | bigint)[] {
  const type = tensors[0]!.dtype as NumberType;
  const columns = tensors.map(numbersOf);
  return columns[0]!.map((first, index) =>
    columns.slice(1).reduce((sum, column) => wrapped(type, combine(sum, column[index]!, reduction)), first),
  );
}
