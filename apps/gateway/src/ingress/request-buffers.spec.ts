import { describe, expect, it } from '@jest/globals';
import { BodyPool } from './body-pool.js';
import { RequestBuffers } from './request-buffers.js';

const bytes = 200 * 1024;

describe('RequestBuffers', () => {
  it('give back to the pool all that they took, but for what is in use, and nothing twice', () => {
    const pool = new BodyPool(10 * bytes);
    const buffers = new RequestBuffers(pool);
    const [first, second, third] = [buffers.take(bytes), buffers.take(bytes), buffers.take(bytes)] as const;
    buffers.give(second);
    expect(pool.take(bytes)).toBe(second);
    buffers.give(second);
    buffers.give(Buffer.alloc(bytes));
    expect(pool.has(bytes)).toBe(false);
    buffers.release((buffer) => buffer === third.buffer);
    expect(pool.take(bytes)).toBe(first);
    buffers.release(() => false);
    expect(pool.has(bytes)).toBe(false);
  });

  it('that are forgotten give back nothing', () => {
    const pool = new BodyPool(10 * bytes);
    const buffers = new RequestBuffers(pool);
    buffers.take(bytes);
    buffers.forget();
    buffers.release(() => false);
    expect(pool.has(bytes)).toBe(false);
  });
});
