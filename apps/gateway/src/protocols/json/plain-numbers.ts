import { powersOfTen, slack, twoTo53 } from './number-scan.js';

/** So many digits fit into a signed 32-bit integer, whatever they are. */
const integerDigits = 9;
/** Of which the last three may each be rounded. */
const mostDigits = 18;

const blank = 0x20;
const comma = 0x2c;
const dot = 0x2e;
const minus = 0x2d;
const zero = 0x30;
const nine = 0x39;

/** Which numbers are wanted: those with a fraction, those without one, or both. */
export type PlainForm = 'fractional' | 'integral' | 'any';

/**
 * Reads the numbers that nearly all of a large tensor consists of: `0.5,-12.25, 0.10000000149011612,` with no exponent, each followed by its comma, at
 * most one blank before it. Such a number is one division: the quotient of two exact doubles is the double nearest to the literal. Three times as fast as
 * NumberScan, which takes what this leaves.
 */
export class PlainNumbers {
  /** After {@link read}: the first byte that was not read, behind a comma. */
  at = 0;

  /**
   * Reads numbers from `at` on into `values` from `count` on, until they are full or something else than a number of this form comes; the count after it.
   */
  read(bytes: Uint8Array, at: number, values: Float32Array | Float64Array, count: number, form: PlainForm): number {
    const capacity = values.length;
    const isSingle = values.BYTES_PER_ELEMENT === 4;
    for (; count < capacity; count++) {
      let next = bytes[at] === blank ? at + 1 : at;
      let byte = bytes[next] as number;
      const isNegative = byte === minus;
      if (isNegative) byte = bytes[++next] as number;
      const begin = next;
      let integer = 0;
      while (byte >= zero && byte <= nine && next - begin < integerDigits) {
        integer = (Math.imul(integer, 10) + byte - zero) | 0;
        byte = bytes[++next] as number;
      }
      const digits = next - begin;
      // No digit, and a zero before others, are for NumberScan to refuse
      if (digits === 0 || (digits > 1 && bytes[begin] === zero)) break;
      let magnitude = integer;
      if (byte === dot) {
        if (form === 'integral') break;
        const fraction = next + 1;
        byte = bytes[++next] as number;
        while (byte >= zero && byte <= nine && next - begin <= integerDigits) {
          integer = (Math.imul(integer, 10) + byte - zero) | 0;
          byte = bytes[++next] as number;
        }
        magnitude = integer;
        while (byte >= zero && byte <= nine && next - begin <= mostDigits) {
          magnitude = magnitude * 10 + (byte - zero);
          byte = bytes[++next] as number;
        }
        const decimals = next - fraction;
        if (decimals === 0) break;
        const isExact = magnitude < twoTo53;
        magnitude /= powersOfTen[decimals] as number;
        // Only next to the middle between two float32 can a rounded digit matter
        if (!isExact && !(isSingle && Math.fround(magnitude - magnitude * slack) === Math.fround(magnitude + magnitude * slack))) break;
      } else if (form === 'fractional') break;
      if (byte !== comma) break;
      values[count] = isNegative ? -magnitude : magnitude;
      at = next + 1;
    }
    this.at = at;
    return count;
  }
}
