/** float16 (IEEE 754 binary16) as its 16 bits. JavaScript of Node 20 has no Float16Array. */

let floatOfHalf: Float32Array | undefined;

function makeTable(): Float32Array {
  const table = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >>> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    if (exponent === 31) table[bits] = fraction === 0 ? sign * Infinity : NaN;
    else if (exponent === 0) table[bits] = sign * fraction * 2 ** -24;
    else table[bits] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  return table;
}

/** The value of a float16. Exact. */
export function halfToFloat(bits: number): number {
  floatOfHalf ??= makeTable(); // 256 KiB, only for who uses float16
  return floatOfHalf[bits] as number;
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
