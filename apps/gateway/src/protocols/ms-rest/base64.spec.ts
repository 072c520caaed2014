import { describe, expect, it } from '@jest/globals';
import { strictBase64 } from './base64.js';

/** Long enough for a text of several slices, the last of which is not whole. */
const bytes = Buffer.from(Uint8Array.from({ length: 2 * 1024 * 1024 + 1 }, (_, i) => (i * 7919) >> 3));

describe('long base64', () => {
  it('is the bytes, to the last', () => {
    expect(Buffer.compare(Buffer.from(strictBase64(Buffer.from(bytes.toString('base64'))) ?? []), bytes)).toBe(0);
  });

  it.each([
    ['a character of none', 5, '*'],
    ['padding inside', 1024 * 1024 - 1, '='],
    ['padding at the end of a slice', 1024 * 1024 - 2, '=='],
    ['the other alphabet', 9, '-'],
  ])('with %s is none', (_name, at, wrong) => {
    const text = bytes.toString('base64');
    expect(strictBase64(Buffer.from(text.slice(0, at) + wrong + text.slice(at + wrong.length)))).toBeUndefined();
  });
});
