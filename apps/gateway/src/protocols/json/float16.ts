import { doubleToHalf, halfToFloat } from '@mserve/wire';

const word = new Uint32Array(1);
const single = new Float32Array(word.buffer);

/** float16 (IEEE half) or bfloat16 bit patterns as numbers; both widen exactly. */
export function float16Values(dtype: 'float16' | 'bfloat16', bits: Uint16Array): Float32Array {
  const values = new Float32Array(bits.length);
  const widen = dtype === 'float16' ? halfToFloat : bfloatValue;
  for (let i = 0; i < bits.length; i++) values[i] = widen(bits[i] as number);
  return values;
}

function bfloatValue(bits: number): number {
  word[0] = bits << 16;
  return single[0] as number;
}

/** The float16 or bfloat16 nearest to a number (ties to even), as its 16 bits; what is beyond the range becomes an infinity, NaN a quiet NaN. */
export function narrowed(dtype: 'float16' | 'bfloat16', value: number): number {
  return dtype === 'float16' ? doubleToHalf(value) : bfloatBits(value);
}

/** Halfway cases go to the even neighbour, so that one rounding from the double gives the nearest. */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

function bfloatBits(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size >= (2 - 2 ** -8) * 2 ** 127) return sign | 0x7f80;
  if (size < 2 ** -126) return sign | roundHalfEven(size * 2 ** 133);
  const exponent = Math.floor(Math.log2(size));
  const power = size < 2 ** exponent ? exponent - 1 : size >= 2 ** (exponent + 1) ? exponent + 1 : exponent;
  return sign | (((power + 126) << 7) + roundHalfEven(size * 2 ** (7 - power)));
}
