import { describe, expect, it } from '@jest/globals';
import { DecodeBudget, ProtoReader } from './proto-reader.js';
import { ProtoWriter } from './proto-writer.js';

function over(bytes: Uint8Array, objects = 1000): ProtoReader {
  return ProtoReader.over(bytes, new DecodeBudget(objects));
}

describe('protobuf', () => {
  it.each([0, 1, 127, 128, 300, 2 ** 31, 2 ** 35 + 5, Number.MAX_SAFE_INTEGER, -1, -2, -(2 ** 31), -(2 ** 52)])(
    'reads the integer %d that was written',
    (value) => {
      const writer = new ProtoWriter();
      writer.integer(3, value);
      const reader = over(writer.finish());
      expect(reader.next()).toBe(true);
      expect(reader.field).toBe(3);
      expect(reader.integer()).toBe(value);
      expect(reader.next()).toBe(false);
    },
  );

  it('nests messages of any length', () => {
    const writer = new ProtoWriter();
    writer.message(1, (outer) => {
      outer.message(2, (inner) => inner.text(3, 'x'.repeat(100_000)));
      outer.packedIntegers(4, [1, -1, 300]);
      outer.packedFloats(5, [0.5, -2]);
    });
    const reader = over(writer.finish());
    reader.next();
    const outer = reader.message();
    outer.next();
    const inner = outer.message();
    inner.next();
    expect(inner.text()).toHaveLength(100_000);
    const integers: number[] = [];
    const floats: number[] = [];
    outer.next();
    outer.integersInto(integers);
    outer.next();
    outer.floatsInto(floats);
    expect([integers, floats]).toEqual([
      [1, -1, 300],
      [0.5, -2],
    ]);
  });

  it('gives views, not copies', () => {
    const writer = new ProtoWriter();
    writer.bytes(9, Uint8Array.of(1, 2, 3));
    const bytes = writer.finish();
    const reader = over(bytes);
    reader.next();
    const view = reader.view();
    expect(view.buffer).toBe(bytes.buffer);
    expect([...view]).toEqual([1, 2, 3]);
  });

  it.each([
    ['a number that never ends', [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
    ['a number that is cut off', [0x08, 0x80]],
    ['a length past the end', [0x0a, 0x05, 0x01]],
    ['a negative length', [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
    ['a group', [0x0b]],
    ['field number 0', [0x00, 0x00]],
  ])('refuses %s', (_what, bytes) => {
    const reader = over(Uint8Array.from(bytes));
    expect(() => {
      while (reader.next()) reader.skip();
    }).toThrow(expect.objectContaining({ kind: 'format' }));
  });

  it('refuses more objects than its budget', () => {
    const writer = new ProtoWriter();
    for (let index = 0; index < 20; index++) writer.message(1, () => undefined);
    const reader = over(writer.finish(), 10);
    expect(() => {
      while (reader.next()) reader.message();
    }).toThrow(expect.objectContaining({ kind: 'limits' }));
  });
});
