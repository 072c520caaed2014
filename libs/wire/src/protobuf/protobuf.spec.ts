import { describe, expect, it } from '@jest/globals';
import {
  GrowingWriter,
  ProtobufError,
  ProtobufReader,
  ProtobufWriter,
  TextCache,
  fieldSize,
  linkedBytes,
  packedSize,
  varintSize,
} from './index.js';

const numbers = [0, 1, 127, 128, 300, 2 ** 31 - 1, 2 ** 31, 2 ** 35 - 1, 2 ** 35, 2 ** 35 + 5, 2 ** 49, Number.MAX_SAFE_INTEGER];

describe('ProtobufWriter', () => {
  it.each(numbers)('writes %d into as many bytes as it has', (value) => {
    const writer = new ProtobufWriter(varintSize(value));
    writer.varint(value);
    const bytes = writer.finish();
    expect(new ProtobufReader(bytes).varint()).toBe(value);
    expect(new ProtobufReader(bytes).varint64()).toBe(BigInt(value));
  });

  it.each([-1, -2, -300, -(2 ** 31)])('writes %d as an int32 of ten bytes', (value) => {
    const writer = new ProtobufWriter(11);
    writer.int32(3, value);
    const reader = new ProtobufReader(writer.finish());
    expect(reader.tag()).toBe(24);
    expect(reader.int32()).toBe(value);
    reader.at = 1;
    expect(reader.signed()).toBe(value);
    expect(reader.more).toBe(false);
  });

  it.each(['a', 'x'.repeat(63), 'x'.repeat(64), 'é'.repeat(40), 'ß', '€'.repeat(1000)])('writes texts as UTF-8', (text) => {
    const size = Buffer.byteLength(text);
    const writer = new ProtobufWriter(1 + varintSize(size) + size);
    writer.string(1, text);
    const bytes = writer.finish();
    for (const texts of [undefined, new TextCache()]) {
      const reader = new ProtobufReader(bytes, 0, bytes.byteLength, texts);
      expect([reader.tag(), reader.string(), reader.tag()]).toEqual([10, text, 0]);
    }
  });

  it('writes packed numbers', () => {
    const size = packedSize(numbers);
    const writer = new ProtobufWriter(1 + varintSize(size) + size);
    writer.packed(2, numbers, size);
    const reader = new ProtobufReader(writer.finish());
    const read: number[] = [];
    reader.uints(reader.tag(), read, numbers.length);
    expect(read).toEqual(numbers);
  });

  it('finds out what was measured wrong', () => {
    const short = new ProtobufWriter(3);
    short.uint(1, 5);
    expect(() => short.finish()).toThrow('wrote 2 of 3 measured bytes');
    const long = new ProtobufWriter(1);
    long.uint(1, 5);
    expect(() => long.finish()).toThrow(RangeError);
  });
});

describe('a message with large values', () => {
  const large = new Uint8Array(64 * 1024).fill(7);
  const small = new Uint8Array(64 * 1024 - 1).fill(8);

  it('has them as parts of their own, uncopied, and small ones copied', () => {
    const size = fieldSize(large.byteLength) * 2 + fieldSize(small.byteLength);
    const linked = [large, small, large].reduce((sum, value) => sum + linkedBytes(value), 0);
    const writer = new ProtobufWriter(size, linked);
    writer.field(1, large);
    writer.field(2, small);
    writer.field(3, large);
    const parts = writer.message();
    expect(parts.filter((part) => part === large)).toHaveLength(2);
    const plain = new ProtobufWriter(size);
    plain.field(1, large);
    plain.field(2, small);
    plain.field(3, large);
    expect(Buffer.concat(parts).equals(plain.finish())).toBe(true);
    expect(plain.message()).toHaveLength(1);
  });

  it('that is not as long as it was measured is a bug', () => {
    const writer = new ProtobufWriter(fieldSize(large.byteLength) + 1, linkedBytes(large));
    writer.field(1, large);
    expect(() => writer.message()).toThrow(RangeError);
  });
});

describe('GrowingWriter', () => {
  it.each([...numbers, -1, -2, -(2 ** 31), -(2 ** 52), 2n ** 63n - 1n, -(2n ** 63n)])('writes the integer %d', (value) => {
    const writer = new GrowingWriter();
    writer.integer(300, value);
    const reader = new ProtobufReader(writer.finish());
    expect(reader.tag()).toBe(2400);
    expect(BigInt.asIntN(64, reader.varint64())).toBe(BigInt(value));
    expect(reader.tag()).toBe(0);
  });

  it.each([0.5, NaN, Infinity])('refuses %d as an integer', (value) => {
    expect(() => new GrowingWriter().integer(1, value)).toThrow(RangeError);
  });

  it('nests messages of any length', () => {
    const writer = new GrowingWriter();
    writer.message(1, (outer) => {
      outer.message(2, (inner) => inner.text(3, 'x'.repeat(100_000)));
      outer.packedIntegers(4, [1, -1, 300]);
      outer.packedFloats(5, [0.5, -2]);
    });
    const reader = new ProtobufReader(writer.finish());
    reader.tag();
    const end = reader.open();
    reader.tag();
    const inner = reader.open();
    expect([reader.tag(), reader.string().length, reader.tag()]).toEqual([26, 100_000, 0]);
    reader.close(inner);
    const integers: number[] = [];
    const floats: number[] = [];
    reader.ints(reader.tag(), integers, 3);
    reader.floats(reader.tag(), floats, 2);
    reader.close(end);
    expect([integers, floats, reader.more]).toEqual([[1, -1, 300], [0.5, -2], false]);
  });
});

describe('ProtobufReader', () => {
  it('gives plain views, not copies', () => {
    const bytes = Uint8Array.of(0x4a, 3, 1, 2, 3);
    const reader = new ProtobufReader(bytes);
    expect(reader.tag()).toBe(74);
    const view = reader.view();
    expect(view.buffer).toBe(bytes.buffer);
    expect(Object.getPrototypeOf(view)).toBe(Uint8Array.prototype);
    expect([...view]).toEqual([1, 2, 3]);
  });

  it('reads a part of the bytes only', () => {
    const reader = new ProtobufReader(Uint8Array.of(0xff, 8, 1, 0xff), 1, 3);
    expect([reader.tag(), reader.uint(), reader.tag()]).toEqual([8, 1, 0]);
  });

  it('leaves a message at its end, whatever was read of it', () => {
    const reader = new ProtobufReader(Uint8Array.of(10, 4, 8, 1, 8, 2, 16, 3));
    reader.tag();
    const outer = reader.open();
    reader.tag();
    reader.close(outer);
    expect([reader.tag(), reader.uint()]).toEqual([16, 3]);
  });

  it('reads repeated numbers that are packed, and those that are not', () => {
    const reader = new ProtobufReader(Uint8Array.of(10, 2, 1, 2, 8, 3, 10, 0));
    const values: number[] = [];
    for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) reader.uints(tag, values, 3);
    expect(values).toEqual([1, 2, 3]);
  });

  it('skips groups, one in another', () => {
    const reader = new ProtobufReader(Uint8Array.of(0x0b, 0x13, 0x08, 1, 0x14, 0x0c, 0x10, 7));
    reader.skip(reader.tag());
    expect([reader.tag(), reader.uint()]).toEqual([16, 7]);
  });

  it.each([
    ['a number that never ends', [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
    ['a number that is cut off', [0x08, 0x80]],
    ['a length past the end', [0x0a, 0x05, 0x01]],
    ['a negative length', [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
    ['fixed32 that is cut off', [0x0d, 1, 2, 3]],
    ['fixed64 that is cut off', [0x09, 1, 2, 3, 4, 5, 6, 7]],
    ['a group that does not end', [0x0b]],
    ['a group that did not begin', [0x0c]],
    ['a group that ends as another', [0x0b, 0x14]],
    ['65 groups', new Array<number>(65).fill(0x0b)],
    ['wire type 6', [0x0e]],
    ['wire type 7', [0x0f]],
    ['field number 0', [0x00, 0x00]],
    ['field number 2^29', [0x80, 0x80, 0x80, 0x80, 0x10, 0]],
  ])('refuses %s', (_what, bytes) => {
    const reader = new ProtobufReader(Uint8Array.from(bytes));
    expect(() => {
      for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) reader.skip(tag);
    }).toThrow(ProtobufError);
    expect(reader.at).toBeLessThanOrEqual(bytes.length);
  });

  it.each([
    ['more numbers than allowed, packed', [10, 4, 1, 2, 3, 4], (reader: ProtobufReader) => reader.uints(reader.tag(), [], 3)],
    ['more numbers than allowed', [8, 1], (reader: ProtobufReader) => reader.uints(reader.tag(), [], 0)],
    ['packed numbers that leave their field', [10, 1, 0x80, 1], (reader: ProtobufReader) => reader.ints(reader.tag(), [], 3)],
    ['packed floats that leave their field', [10, 3, 1, 2, 3, 4], (reader: ProtobufReader) => reader.floats(reader.tag(), [], 3)],
    [
      'a message that leaves the one around it',
      [10, 2, 10, 5, 1, 2, 3, 4, 5],
      (reader: ProtobufReader) => {
        reader.tag();
        reader.open();
        reader.tag();
        reader.open();
      },
    ],
    ['a uint32 above 2^32', [0x80, 0x80, 0x80, 0x80, 0x10], (reader: ProtobufReader) => reader.uint32()],
    ['a uint above 2^53', [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20], (reader: ProtobufReader) => reader.uint()],
    ['a string that is not UTF-8', [2, 0x61, 0xff], (reader: ProtobufReader) => reader.string()],
    ['a view that is not UTF-8', [2, 0x61, 0xff], (reader: ProtobufReader) => reader.textView()],
  ])('refuses %s', (_what, bytes, read) => {
    expect(() => read(new ProtobufReader(Uint8Array.from(bytes)))).toThrow(ProtobufError);
  });

  it('keeps what it reads apart from texts that it read before', () => {
    const texts = new TextCache();
    const read = (text: string): string => {
      const bytes = Buffer.from(`\n${text}`);
      bytes[0] = text.length;
      return new ProtobufReader(bytes, 0, bytes.byteLength, texts).string();
    };
    // The same length, first and last letter: the same place.
    const names = ['gateway-1', 'gatewbx-1', 'gateway-1', 'gatewcy-1'];
    expect(names.map(read)).toEqual(names);
  });
});
