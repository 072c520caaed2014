import { describe, expect, it } from '@jest/globals';
import { PieceList } from './piece-list.js';

describe('pieces that wait', () => {
  it('are few, however small they came, and keep their order', () => {
    const list = new PieceList(false);
    const sizes = [...Array.from({ length: 100_000 }, (_, n) => n % 3), 5_000, 1, 20_000, 7];
    const came = sizes.map((size, n) => Buffer.alloc(size, n));
    for (const piece of came) list.add(piece);
    expect(list.bytes).toBe(sizes.reduce((sum, size) => sum + size));
    const pieces = list.take();
    expect(Buffer.concat(pieces)).toEqual(Buffer.concat(came));
    expect(pieces.length).toBeLessThan(30);
    expect([list.bytes, list.take()]).toEqual([0, []]);
  });

  it('do not change with what they were read from, unless they are large', () => {
    const list = new PieceList(false);
    const read = Buffer.from('abc');
    list.add(read);
    read.fill(0);
    const large = Buffer.alloc(5_000);
    list.add(large);
    const [small, other] = list.take();
    expect([small?.toString(), other === large]).toEqual(['abc', true]);
  });

  it('do not change with what they were read from at all where that is lent', () => {
    const list = new PieceList(true);
    const large = Buffer.alloc(5_000, 1);
    list.add(large);
    large.fill(2);
    expect(list.take()).toEqual([Buffer.alloc(5_000, 1)]);
  });
});
