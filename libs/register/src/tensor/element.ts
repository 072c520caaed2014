import { doubleToHalf, halfToFloat } from '@mserve/wire';
import type { DType } from '@mserve/wire';

/** Element types of tensors that functions see: all but string and bytes, which arrive as strings and as uint8 tensors. */
export type NumericDType = Exclude<DType, 'string' | 'bytes'>;

/** What holds a tensor's elements. bool: 0 or 1. float16 and bfloat16: the 16 bits as they are (toFloat32 gives their values). */
export interface ElementArrays {
  bool: Uint8Array;
  int8: Int8Array;
  uint8: Uint8Array;
  int16: Int16Array;
  uint16: Uint16Array;
  int32: Int32Array;
  uint32: Uint32Array;
  int64: BigInt64Array;
  uint64: BigUint64Array;
  float16: Uint16Array;
  bfloat16: Uint16Array;
  float32: Float32Array;
  float64: Float64Array;
}
/** A typed array of any numeric dtype. */
export type ElementArray = ElementArrays[NumericDType];

/** One element as a JavaScript value: boolean for bool, bigint for int64 and uint64, number for the rest. */
export type ElementValue = number | bigint | boolean;

/** {@link ElementValue} of a known dtype. */
export type ElementOf<D extends NumericDType> = D extends 'bool' ? boolean : D extends 'int64' | 'uint64' ? bigint : number;

interface ArrayConstructor {
  new (length: number): ElementArray;
  new (buffer: ArrayBufferLike, byteOffset?: number, length?: number): ElementArray;
  readonly BYTES_PER_ELEMENT: number;
}

const constructors: Readonly<Record<NumericDType, unknown>> = {
  bool: Uint8Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  float32: Float32Array,
  float64: Float64Array,
};

/** Whether a name is that of a dtype with numbers. */
export function isNumericDType(name: unknown): name is NumericDType {
  return typeof name === 'string' && Object.hasOwn(constructors, name);
}

/** The TypedArray class of a dtype. Throws TypeError for one that has none. */
export function arrayClass(dtype: NumericDType): ArrayConstructor {
  if (!isNumericDType(dtype))
    throw new TypeError(`a tensor's data type can be ${Object.keys(constructors).join(', ')}, but not '${String(dtype)}'`);
  return constructors[dtype] as ArrayConstructor;
}

const plainDTypes: readonly (readonly [unknown, NumericDType])[] = [
  [Int8Array, 'int8'],
  [Uint8Array, 'uint8'],
  [Uint8ClampedArray, 'uint8'],
  [Int16Array, 'int16'],
  [Uint16Array, 'uint16'],
  [Int32Array, 'int32'],
  [Uint32Array, 'uint32'],
  [BigInt64Array, 'int64'],
  [BigUint64Array, 'uint64'],
  [Float32Array, 'float32'],
  [Float64Array, 'float64'],
];

/** The dtype that a TypedArray stands for by itself; undefined for what is no TypedArray. Float16Array (Node 24 has it) is known by its tag. */
export function dtypeOfArray(array: ArrayBufferView): NumericDType | undefined {
  if ((array as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag] === 'Float16Array') return 'float16';
  return plainDTypes.find(([type]) => array instanceof (type as new () => ArrayBufferView))?.[1];
}

/** Reads elements as JavaScript values (see ElementValue). */
export function elementReader<D extends NumericDType>(dtype: D, data: ElementArray): (index: number) => ElementOf<D>;
export function elementReader(dtype: NumericDType, data: ElementArray): (index: number) => ElementValue {
  if (dtype === 'bool') return (index) => data[index] !== 0;
  if (dtype === 'float16') return (index) => halfToFloat(data[index] as number);
  if (dtype === 'bfloat16') return (index) => bfloatToFloat(data[index] as number);
  return (index) => data[index] as number | bigint;
}

/** Writes JavaScript values as elements, converting like numpy's astype: integers wrap, fractions are cut, NaN becomes 0 in integers. */
export function elementWriter(dtype: NumericDType, data: ElementArray): (index: number, value: ElementValue) => void {
  if (dtype === 'bool') return (index, value) => void (data[index] = value === true || (value !== false && Number(value) !== 0) ? 1 : 0);
  if (dtype === 'int64' || dtype === 'uint64') return (index, value) => void (data[index] = toBigInt(value));
  if (dtype === 'float16') return (index, value) => void (data[index] = doubleToHalf(Number(value)));
  if (dtype === 'bfloat16') return (index, value) => void (data[index] = floatToBfloat(Number(value)));
  if (dtype === 'float32') return (index, value) => void (data[index] = typeof value === 'bigint' ? bigintToFloat32(value) : Number(value));
  if (dtype === 'float64') return (index, value) => void (data[index] = Number(value));
  // Number() of a bigint is not exact beyond 2^53, and 32 bits of it would then be wrong.
  return (index, value) => void (data[index] = typeof value === 'bigint' ? Number(BigInt.asIntN(32, value)) : Number(value));
}

function toBigInt(value: ElementValue): bigint {
  if (typeof value === 'bigint') return value;
  const number = Math.trunc(Number(value));
  return Number.isFinite(number) ? BigInt(number) : 0n;
}

/**
 * A number that float32 rounds as it would round `value`. By way of the nearest double it would be rounded twice, so that what lies close to
 * the middle of two floats may go astray; a bit below the double's last one that is not 0 is kept as that last bit (round to odd).
 */
function bigintToFloat32(value: bigint): number {
  const nearest = Number(value);
  if (Number.isSafeInteger(nearest)) return nearest;
  const magnitude = value < 0n ? -value : value;
  const dropped = BigInt(magnitude.toString(2).length - 53);
  const kept = magnitude >> dropped;
  const odd = kept << dropped === magnitude ? kept : kept | 1n;
  const rounded = Number(odd << dropped);
  return value < 0n ? -rounded : rounded;
}

const limits: Readonly<Partial<Record<NumericDType, readonly [bigint, bigint]>>> = {
  int8: [-128n, 127n],
  uint8: [0n, 255n],
  int16: [-32768n, 32767n],
  uint16: [0n, 65535n],
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
};

/** Whether a dtype is an integer one, signed or not. */
export function isInteger(dtype: NumericDType): boolean {
  return limits[dtype] !== undefined;
}

/** Throws RangeError for a number that an element of this dtype cannot hold exactly (integers: whole and in range). */
export function checkElement(dtype: NumericDType, value: unknown): ElementValue {
  if (typeof value !== 'number' && typeof value !== 'bigint' && typeof value !== 'boolean')
    throw new TypeError(`an element of a ${dtype} tensor should be a number, but is ${value === null ? 'null' : typeof value}`);
  const range = limits[dtype];
  if (range === undefined || typeof value === 'boolean') return value;
  if (typeof value === 'number' && !Number.isInteger(value))
    throw new RangeError(`${value} is not a whole number, it cannot be an element of a ${dtype} tensor (astype cuts fractions)`);
  const whole = BigInt(value);
  if (whole < range[0] || whole > range[1]) throw new RangeError(`${value} is out of the range of ${dtype}`);
  return value;
}

const floatView = new Float32Array(1);
const bitsView = new Uint32Array(floatView.buffer);

/** The number that the 16 bits of a bfloat16 stand for. */
export function bfloatToFloat(bits: number): number {
  bitsView[0] = (bits << 16) >>> 0;
  return floatView[0] as number;
}

/** Rounds to the nearest, ties to even, by way of float32. */
export function floatToBfloat(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  floatView[0] = value;
  const bits = bitsView[0] as number;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}
