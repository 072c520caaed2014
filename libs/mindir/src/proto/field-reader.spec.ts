import { describe, expect, it } from '@jest/globals';
import { GrowingWriter } from '@mserve/wire';
import { DecodeBudget, FieldReader, readingFile } from './field-reader.js';

function over(bytes: Uint8Array, objects = 1000): FieldReader {
  return FieldReader.over(bytes, new DecodeBudget(objects));
}

describe('FieldReader', () => {
  it.each([
    ['a number that never ends', [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
    ['a length past the end', [0x0a, 0x05, 0x01]],
    ['field number 0', [0x00, 0x00]],
  ])('refuses %s as a file that is damaged', (_what, bytes) => {
    const reader = over(Uint8Array.from(bytes));
    expect(() =>
      readingFile(() => {
        while (reader.next()) reader.skip();
      }),
    ).toThrow(expect.objectContaining({ kind: 'format' }));
  });

  it('refuses a field of another wire type', () => {
    const reader = over(Uint8Array.of(0x08, 1));
    reader.next();
    expect(() => reader.text()).toThrow(expect.objectContaining({ kind: 'format' }));
    expect(() => reader.floatsInto([])).toThrow(expect.objectContaining({ kind: 'format' }));
  });

  it('refuses more messages than its budget', () => {
    const writer = new GrowingWriter();
    for (let index = 0; index < 20; index++) writer.message(1, () => undefined);
    const reader = over(writer.finish(), 10);
    expect(() => {
      while (reader.next()) reader.message();
    }).toThrow(expect.objectContaining({ kind: 'limits' }));
  });

  it.each([9, 10])('takes lists of 10 elements in all with a budget for them (%d at first)', (first) => {
    const writer = new GrowingWriter();
    const whole = Array.from({ length: first }, () => 1);
    writer.packedIntegers(1, whole);
    writer.integer(1, 1);
    const reader = over(writer.finish(), 10);
    const list: number[] = [];
    const read = (): void => {
      while (reader.next()) reader.integersInto(list);
    };
    if (first === 9) read();
    else expect(read).toThrow(expect.objectContaining({ kind: 'limits' }));
    expect(list).toHaveLength(10);
  });
});
