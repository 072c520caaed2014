import type { NativeTensor } from '@mserve/native';

/** How far results may be apart that came about in another order of the same sums, as a share of the largest number around. */
const rounding: Readonly<Partial<Record<NativeTensor['dtype'], number>>> = { float64: 1e-7, float32: 1e-3, float16: 3e-2, bfloat16: 1e-1 };
/** A quantised number may fall to the other side of a step. */
const stepOf: Readonly<Partial<Record<NativeTensor['dtype'], number>>> = { int8: 1, uint8: 1 };

/** Row `index` of a tensor with its rows in dim 0. Strings are not cut: undefined. */
export function rowOf({ dtype, shape, bytes }: NativeTensor, index: number): NativeTensor | undefined {
  const count = shape[0] ?? 0;
  if (dtype === 'string' || index >= count) return undefined;
  const each = bytes.byteLength / count;
  return { dtype, shape: shape.slice(1), bytes: bytes.subarray(index * each, (index + 1) * each) };
}

export function sameBits(a: NativeTensor, b: NativeTensor): boolean {
  return a.bytes.byteLength === b.bytes.byteLength && Buffer.compare(a.bytes, b.bytes) === 0;
}

/** The same except for rounding, as the dtype has it. Infinities and NaN must be at the same places. */
export function sameButForRounding(a: NativeTensor, b: NativeTensor): boolean {
  if (sameBits(a, b)) return true;
  if (a.dtype !== b.dtype || a.bytes.byteLength !== b.bytes.byteLength) return false;
  const share = rounding[a.dtype];
  const step = stepOf[a.dtype];
  const [x, y] = [numbersOf(a), numbersOf(b)];
  let largest = 0;
  for (const value of x) if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
  const allowed = share === undefined ? step : share * largest;
  if (allowed === undefined) return false;
  for (let i = 0; i < x.length; i++) {
    const [left = NaN, right = NaN] = [x[i], y[i]];
    if (Object.is(left, right) || left === right) continue;
    if (!(Math.abs(left - right) <= allowed)) return false;
  }
  return true;
}

function numbersOf({ dtype, bytes }: NativeTensor): Float64Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = dtype === 'float64' ? 8 : dtype === 'float32' ? 4 : dtype === 'float16' || dtype === 'bfloat16' ? 2 : 1;
  const numbers = new Float64Array(bytes.byteLength / size);
  for (let i = 0; i < numbers.length; i++) numbers[i] = numberAt(view, dtype, i * size);
  return numbers;
}

function numberAt(view: DataView, dtype: NativeTensor['dtype'], at: number): number {
  switch (dtype) {
    case 'float64':
      return view.getFloat64(at, true);
    case 'float32':
      return view.getFloat32(at, true);
    case 'float16':
      return halfNumber(view.getUint16(at, true));
    case 'bfloat16': {
      const wide = new DataView(new ArrayBuffer(4));
      wide.setUint16(2, view.getUint16(at, true), true);
      return wide.getFloat32(0, true);
    }
    case 'int8':
      return view.getInt8(at);
    default:
      return view.getUint8(at);
  }
}

/** IEEE 754 binary16. */
function halfNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
