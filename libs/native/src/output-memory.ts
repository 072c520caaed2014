import { loadBinding } from './binding.js';

/** By buffer of an output: those that still read it. */
const readers = new WeakMap<ArrayBufferLike, number>();

/**
 * Memory of large outputs. V8 counts it as memory of its own and collects garbage to get it back, so whoever knows that an output is read no more says so.
 * Saying it is never needed: what nobody gave back is when its buffer is collected.
 */
export const outputMemory = {
  /** `buffer` is that of an output, with one reader. */
  add(buffer: ArrayBuffer): void {
    readers.set(buffer, 1);
  },

  /** So many read parts of it, each by itself. For other buffers nothing happens. */
  divide(buffer: ArrayBufferLike, count: number): void {
    if (readers.has(buffer)) readers.set(buffer, count);
  },

  /** Whether it is one that somebody still reads. */
  isLent(buffer: ArrayBufferLike): boolean {
    return readers.has(buffer);
  },

  /** One of the readers is done. After the last one the buffer is empty, and all its views with it. For other buffers nothing happens. */
  giveBack(buffer: ArrayBufferLike): void {
    const left = (readers.get(buffer) ?? 0) - 1;
    if (left > 0) readers.set(buffer, left);
    if (left !== 0 || buffer instanceof SharedArrayBuffer) return;
    readers.delete(buffer);
    loadBinding().giveBack(buffer);
  },
};
