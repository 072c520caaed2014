import { describe, expect, it } from '@jest/globals';
import { elementEnds, packElements, unpackElements, type Tensor } from './tensor.js';

describe('the elements of a string or bytes tensor', () => {
  const texts = ['', 'a', 'é"', ''];
  const packed = packElements(texts.map((text) => Buffer.from(text)));
  const tensor = (shape: number[], bytes: Uint8Array = packed): Tensor => ({ dtype: 'bytes', shape, bytes });

  it('end where their lengths say, also in a view that is not aligned', () => {
    const shifted = Buffer.concat([Buffer.of(1), packed]).subarray(1);
    for (const bytes of [packed, shifted]) {
      expect([...elementEnds(tensor([2, 2], bytes))]).toEqual([4, 9, 16, 20]);
      expect(unpackElements(tensor([4], bytes)).map((element) => Buffer.from(element).toString())).toEqual(texts);
    }
    expect([...elementEnds(tensor([0, 3], new Uint8Array(0)))]).toEqual([]);
  });

  it.each<[string, Tensor, string]>([
    ['more bytes than elements', tensor([3]), 'bytes tensor of shape [3] needs 3 elements, its bytes hold 3 and a rest'],
    ['fewer elements', tensor([5]), 'bytes tensor of shape [5] needs 5 elements, its bytes hold 4'],
    [
      'an element past the end',
      tensor([1], Uint8Array.of(9, 0, 0, 0, 1)),
      'bytes tensor of shape [1] needs 1 elements, its bytes hold 0 and a rest',
    ],
    [
      'a length cut short',
      tensor([1], Uint8Array.of(0, 0, 0, 0, 1)),
      'bytes tensor of shape [1] needs 1 elements, its bytes hold 1 and a rest',
    ],
    [
      'a shape that the bytes cannot hold, before anything is made of it',
      tensor([2 ** 40]),
      'bytes tensor of shape [1099511627776] needs 1099511627776 elements, its 20 bytes cannot hold them',
    ],
  ])('are refused: %s', (_, wrong, text) => {
    expect(() => elementEnds(wrong)).toThrow(text);
  });
});
