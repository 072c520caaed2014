import { describe, expect, it } from '@jest/globals';
import { grantOf, SecretNumbers } from './grant.js';

/** HalfSipHash-2-4 with 64 bits of outcome, written out in BigInt after its description: words of 32 bits, a key of two. */
function reference(key: bigint, words: readonly bigint[]): bigint {
  const mask = 0xffffffffn;
  const rotate = (value: bigint, by: bigint): bigint => ((value << by) | (value >> (32n - by))) & mask;
  const [k0, k1] = [key & mask, key >> 32n];
  const v = [k0, k1 ^ 0xeen, 0x6c796765n ^ k0, 0x74656462n ^ k1] as [bigint, bigint, bigint, bigint];
  const rounds = (count: number): void => {
    for (let i = 0; i < count; i++) {
      v[0] = (v[0] + v[1]) & mask;
      v[1] = rotate(v[1], 5n) ^ v[0];
      v[0] = rotate(v[0], 16n);
      v[2] = (v[2] + v[3]) & mask;
      v[3] = rotate(v[3], 8n) ^ v[2];
      v[0] = (v[0] + v[3]) & mask;
      v[3] = rotate(v[3], 7n) ^ v[0];
      v[2] = (v[2] + v[1]) & mask;
      v[1] = rotate(v[1], 13n) ^ v[2];
      v[2] = rotate(v[2], 16n);
    }
  };
  for (const word of [...words, BigInt(words.length * 4) << 24n]) {
    v[3] ^= word;
    rounds(2);
    v[0] ^= word;
  }
  v[2] ^= 0xeen;
  rounds(4);
  const low = v[1] ^ v[3];
  v[1] ^= 0xddn;
  rounds(4);
  return ((v[1] ^ v[3]) << 32n) | low;
}

describe('a grant', () => {
  const secrets = new SecretNumbers();

  it.each([0, 1, Number.MAX_SAFE_INTEGER, secrets.next(), secrets.next()])('under the key %d is HalfSipHash of what it is for', (key) => {
    for (const [attempt, first, count] of [
      [1, 0, 1],
      [2, 0, 1],
      [1, 7, 0xffffffff],
      [0xffffffff, 0xffffffff, 3],
    ] as const) {
      const whole = reference(BigInt(key), [BigInt(attempt), BigInt(first), BigInt(count)]);
      expect(BigInt(grantOf(key, attempt, first, count))).toBe((((whole >> 32n) >> 11n) << 32n) | (whole & 0xffffffffn));
    }
  });

  it('is another one for other instances, another attempt or another key', () => {
    const grants = new Set<number>();
    for (let key = 0; key < 5; key++)
      for (let attempt = 1; attempt < 5; attempt++)
        for (let first = 0; first < 20; first++) for (let count = 1; count < 20; count++) grants.add(grantOf(key, attempt, first, count));
    expect(grants.size).toBe(5 * 4 * 20 * 19);
  });
});

describe('secret numbers', () => {
  it('are exact integers of 53 bits, all different, and every bit of them varies', () => {
    const secrets = new SecretNumbers();
    const drawn = Array.from({ length: 5_000 }, () => secrets.next());
    expect(drawn.every((one) => Number.isSafeInteger(one) && one >= 0)).toBe(true);
    expect(new Set(drawn).size).toBe(drawn.length);
    for (let bit = 0n; bit < 53n; bit++) {
      const ones = drawn.filter((one) => ((BigInt(one) >> bit) & 1n) === 1n).length;
      expect(Math.abs(ones - 2_500)).toBeLessThan(400);
    }
  });
});
