/** float16 (IEEE 754 binary16) as its 16 bits. JavaScript of Node 20 has no Float16Array. */

/** By exponent from 1 to 30: what a fraction of 11 bits, the leading one included, is multiplied by. */
const scales = Float64Array.from({ length: 31 }, (_, exponent) => 2 ** (exponent - 25));

/** The value of a float16. Exact. */
export function halfToFloat(bits: number): number {
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  let magnitude: number;
  if (exponent === 0) magnitude = fraction * 2 ** -24;
  else if (exponent === 31) magnitude = fraction === 0 ? Infinity : NaN;
  else magnitude = (1024 + fraction) * (scales[exponent] as number);
  return bits & 0x8000 ? -magnitude : magnitude;
}

const doubleView = new Float64Array(1);
const wordsView = new Uint32Array(doubleView.buffer);

/** The float16 nearest to a number, ties to even; beyond 65504 (rounded) infinity. NaN gives the quiet NaN 0x7e00. */
export function doubleToHalf(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  doubleView[0] = value;
  const high = wordsView[1] as number; // little-endian hosts only, like all of mserve
  const sign = (high >>> 16) & 0x8000;
  const exponent = ((high >>> 20) & 0x7ff) - 1023;
  const magnitude = Math.abs(value);
  if (magnitude >= 65520) return sign | 0x7c00;
  // In both cases the quotient is exact in a double, so that one rounding happens. A carry runs into the exponent, as it should.
  if (exponent < -14) return sign | roundTiesToEven(magnitude / 2 ** -24);
  return sign | (((exponent + 14) << 10) + roundTiesToEven(magnitude / 2 ** (exponent - 10)));
}

function roundTiesToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest > 0.5 || (rest === 0.5 && floor % 2 === 1)) return floor + 1;
  return floor;
}
