import { describe, expect, it } from '@jest/globals';
import { BodyPool } from './body-pool.js';

const kib = 1024;

describe('BodyPool', () => {
  it('gives a buffer again to a body that fits it, and to one at a time', () => {
    const pool = new BodyPool(1024 * kib);
    const buffer = pool.take(600 * kib);
    expect(pool.has(500 * kib)).toBe(false);
    pool.give(buffer);
    expect(pool.has(500 * kib)).toBe(true);
    expect(pool.take(500 * kib)).toBe(buffer);
    expect(pool.has(500 * kib)).toBe(false);
    expect(pool.take(500 * kib)).not.toBe(buffer);
  });

  it('gives none that is too small, nor one of more than twice the size', () => {
    const pool = new BodyPool(1024 * kib);
    const buffer = pool.take(600 * kib);
    pool.give(buffer);
    expect(pool.take(601 * kib)).not.toBe(buffer);
    expect(pool.take(299 * kib)).not.toBe(buffer);
    expect(pool.take(300 * kib)).toBe(buffer);
  });

  it('keeps so many bytes: those given back last', () => {
    const pool = new BodyPool(1024 * kib);
    const [first, second, third] = [pool.take(500 * kib), pool.take(500 * kib), pool.take(500 * kib)] as const;
    for (const buffer of [first, second, third]) pool.give(buffer);
    expect([pool.take(500 * kib), pool.take(500 * kib)]).toEqual([third, second]);
    expect(pool.take(500 * kib)).not.toBe(first);
  });

  it('keeps no small buffers, and none larger than all that it may keep', () => {
    const pool = new BodyPool(1024 * kib);
    for (const size of [100 * kib, 2048 * kib]) {
      const buffer = pool.take(size);
      pool.give(buffer);
      expect(pool.take(size)).not.toBe(buffer);
    }
  });
});
