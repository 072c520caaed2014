/** 10^k as the nearest double, k = 0..308; exact up to 22. */
export const powersOfTen = Float64Array.from({ length: 309 }, (_, k) => Number(`1e${k}`));
/** Relative error bound of an inexact value: at most 6 rounded digits, a rounded power and a product or quotient. */
export const slack = 2 ** -49;
export const twoTo53 = 9007199254740992;

/**
 * Reads one JSON number after the other out of bytes. One scan object is used for a whole array: its fields are the result of the
 * last {@link scan}. JSON.parse cannot be used for tensors: it hides whether a literal was `1` or `1.0`, and rounds int64.
 */
export class NumberScan {
  /** Nearest double when `exact`, else within 2^-49 of the true value (and only when `near`). */
  value = 0;
  /** No fraction and no exponent in the literal. */
  integral = false;
  /** `value` is correctly rounded; for an integral literal: it is the very integer. */
  exact = false;
  /** Where the literal began and where the byte after it is. */
  start = 0;
  end = 0;
  #near = false;

  constructor(readonly bytes: Uint8Array) {}

  /** Reads the number that begins at `at`. False when there is none by the grammar of JSON (`01`, `+1`, `1.`, `.5`, NaN ...). */
  scan(at: number): boolean {
    const { bytes } = this;
    this.start = at;
    let byte = bytes[at] as number;
    const negative = byte === 0x2d;
    if (negative) byte = bytes[++at] as number;
    let mantissa = 0;
    if (byte === 0x30) {
      byte = bytes[++at] as number;
      if (byte >= 0x30 && byte <= 0x39) return false;
    } else {
      if (!(byte >= 0x31 && byte <= 0x39)) return false;
      do {
        mantissa = mantissa * 10 + (byte - 0x30);
        byte = bytes[++at] as number;
      } while (byte >= 0x30 && byte <= 0x39);
    }
    let power = 0;
    this.integral = byte !== 0x2e && byte !== 0x65 && byte !== 0x45;
    if (byte === 0x2e) {
      const dot = at;
      byte = bytes[++at] as number;
      if (!(byte >= 0x30 && byte <= 0x39)) return false;
      do {
        mantissa = mantissa * 10 + (byte - 0x30);
        byte = bytes[++at] as number;
      } while (byte >= 0x30 && byte <= 0x39);
      power = dot + 1 - at;
    }
    this.end = at;
    if (byte === 0x65 || byte === 0x45) {
      const exponent = this.#exponent(at + 1);
      if (Number.isNaN(exponent)) return false;
      power += exponent;
    }
    this.#settle(negative ? -mantissa : mantissa, mantissa, power);
    return true;
  }

  /** The float32 nearest to the double nearest to the literal (that is how the original narrows); +-Infinity past its range. */
  float32(): number {
    const { value } = this;
    if (this.exact) return Math.fround(value);
    // Of minus zero the sign would be lost here.
    if (this.#near && value !== 0) {
      // Only next to the middle between two float32 can the error bound matter.
      const low = Math.fround(value - value * slack);
      if (low === Math.fround(value + value * slack)) return low;
    }
    return Math.fround(this.float64());
  }

  /** The nearest double; +-Infinity when there is none. */
  float64(): number {
    return this.exact ? this.value : Number(this.text());
  }

  /** The literal as written. */
  text(): string {
    const { bytes } = this;
    return Buffer.from(bytes.buffer, bytes.byteOffset + this.start, this.end - this.start).toString('latin1');
  }

  #settle(signed: number, mantissa: number, power: number): void {
    const small = mantissa < twoTo53;
    if (power === 0) {
      this.value = signed;
      this.exact = small;
      this.#near = mantissa < 1e22;
      return;
    }
    const size = power < 0 ? -power : power;
    // Both factors are exact up to 2^53 and 10^22, so one operation rounds once.
    this.exact = small && size <= 22;
    this.#near = mantissa < 1e22 && size <= 260;
    this.value = size > 308 ? Number.NaN : power < 0 ? signed / (powersOfTen[size] as number) : signed * (powersOfTen[size] as number);
  }

  /** Reads the exponent after `e`; NaN when it is not one. Huge ones are held at 100,000: the literal itself decides then. */
  #exponent(at: number): number {
    const { bytes } = this;
    let byte = bytes[at] as number;
    const negative = byte === 0x2d;
    if (negative || byte === 0x2b) byte = bytes[++at] as number;
    if (!(byte >= 0x30 && byte <= 0x39)) return Number.NaN;
    let exponent = 0;
    do {
      if (exponent < 100_000) exponent = exponent * 10 + (byte - 0x30);
      byte = bytes[++at] as number;
    } while (byte >= 0x30 && byte <= 0x39);
    this.end = at;
    return negative ? -exponent : exponent;
  }
}
