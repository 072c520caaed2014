import { randomFillSync } from 'node:crypto';

const poolWords = 1024;

/** Numbers that nobody can guess: 53 random bits each, 0 to 2^53 - 1. Random bytes are drawn for many at a time, because every request needs two. */
export class SecretNumbers {
  private readonly pool = new Uint32Array(poolWords);
  private at = poolWords;

  next(): number {
    if (this.at >= poolWords) {
      randomFillSync(this.pool);
      this.at = 0;
    }
    const high = (this.pool[this.at] as number) >>> 11;
    const low = this.pool[this.at + 1] as number;
    this.at += 2;
    return high * 2 ** 32 + low;
  }
}

/**
 * What proves that somebody was given these instances of a ticket, in this attempt: a keyed hash of them under the ticket's key, which only its gateway and
 * schedulers have (HalfSipHash-2-4, 53 bits of it; docs/adr/0023-answers-need-a-grant.md). Who has a grant can make no other one of the same ticket.
 */
export function grantOf(key: number, attempt: number, firstInstance: number, instances: number): number {
  const k0 = key | 0;
  const k1 = (key / 2 ** 32) | 0;
  let v0 = k0;
  let v1 = k1 ^ 0xee;
  let v2 = 0x6c796765 ^ k0;
  let v3 = 0x74656462 ^ k1;
  let low = 0;
  for (let round = 0; round < 16; round++) {
    // Three words and the length go in, two rounds each; then four rounds for each half of the outcome
    const word = round < 2 ? attempt : round < 4 ? firstInstance : round < 6 ? instances : 12 << 24;
    if (round < 8 && (round & 1) === 0) v3 ^= word;
    else if (round === 8) v2 ^= 0xee;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    if (round < 8 && (round & 1) === 1) v0 ^= word;
    else if (round === 11) {
      low = (v1 ^ v3) >>> 0;
      v1 ^= 0xdd;
    }
  }
  return ((v1 ^ v3) >>> 11) * 2 ** 32 + low;
}
