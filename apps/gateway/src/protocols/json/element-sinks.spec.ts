import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { DType } from '@mserve/wire';
import { decodeLimitsOf } from '../decode-limits.js';
import type { ElementSink } from './element-sink.js';
import { ElementSinks } from './element-sinks.js';
import { JsonReader } from './json-reader.js';
import { readArray } from './nested-array.js';
import { numbersOf } from './value-text.js';

const sinks = new ElementSinks();
const limits = decodeLimitsOf({ maxMessageBytes: Infinity });

function read(dtype: DType, text: string): { shape: number[]; values: unknown[] } {
  const sink = sinks.of(dtype, 'any') as ElementSink;
  const shape = readArray(new JsonReader(Buffer.from(text), limits), sink);
  return { shape, values: Array.from(numbersOf(dtype, sink.finish()) as ArrayLike<number>) };
}

describe('numbers', () => {
  it('of 64 bits are exact, however large they are and whatever stands beside them', () => {
    const edges = [0n, 1n, 9n, 999_999_999n, 10n ** 9n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 62n, 2n ** 63n, 2n ** 64n];
    const near = fc
      .tuple(fc.constantFrom(...edges), fc.bigInt(-2n, 2n), fc.constantFrom(1n, -1n))
      .map(([edge, more, sign]) => sign * (edge + more));
    const bounds = { int64: [-(2n ** 63n), 2n ** 63n - 1n], uint64: [0n, 2n ** 64n - 1n] } as const;
    for (const dtype of ['int64', 'uint64'] as const) {
      const [least, most] = bounds[dtype];
      fc.assert(
        fc.property(fc.array(fc.oneof(near, fc.bigInt(-(10n ** 6n), 10n ** 6n)), { minLength: 1, maxLength: 40 }), (values) => {
          const text = `[${values.join(',')}]`;
          if (values.some((value) => value < least || value > most)) expect(() => read(dtype, text)).toThrow(`is not a value of ${dtype}`);
          else expect(read(dtype, text).values.map(BigInt as (value: unknown) => bigint)).toEqual(values);
        }),
      );
    }
  });

  it('of large tensors lie in the memory of their request, which has each store back that became too small', () => {
    const held = new Set<Buffer>();
    let taken = 0;
    const memory = {
      takeBuffer(bytes: number): Buffer {
        // Larger than asked for, as buffers that were used before are
        const buffer = Buffer.alloc(bytes + 1001, 0xff);
        held.add(buffer);
        taken++;
        return buffer;
      },
      giveBuffer: (buffer: Buffer): void => void (held.delete(buffer) || expect(buffer).toBe('one that was taken')),
    };
    const values = Float64Array.from({ length: 300_000 }, (_, i) => i % 1000);
    const own = new ElementSinks();
    for (const dtype of ['float32', 'float64', 'int64', 'int32', 'int8'] as const) {
      const expected = dtype === 'int8' ? values.map((value) => value % 100) : values;
      const sink = own.of(dtype, 'any') as ElementSink;
      readArray(new JsonReader(Buffer.from(`[${expected.join(',')}]`), limits, false, memory), sink);
      const bytes = sink.finish();
      expect([...held].map(({ buffer }) => buffer)).toEqual([bytes.buffer]);
      expect(Array.from(numbersOf(dtype, bytes) as ArrayLike<number>, Number)).toEqual(Array.from(expected));
      held.clear();
    }
    // One that is refused is given back
    taken = 0;
    const refused = own.of('int32', 'any') as ElementSink;
    expect(() => readArray(new JsonReader(Buffer.from(`[${values.join(',')},"x"]`), limits, false, memory), refused)).toThrow(
      'unreadable JSON',
    );
    own.of('int32', 'any');
    expect([taken > 0, held.size]).toEqual([true, 0]);
    // Small ones do not
    const small = own.of('float32', 'any') as ElementSink;
    readArray(new JsonReader(Buffer.from('[1,2,3]'), limits, false, memory), small);
    expect([small.finish().byteLength, held.size]).toEqual([12, 0]);
  });
});
