import { randomBytes } from 'node:crypto';

/** 53 random bits, not 0. */
export function randomNumber(): number {
  return Math.max(1, Number(randomBytes(8).readBigUInt64BE() >> 11n));
}
