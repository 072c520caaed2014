import { describe, expect, it } from '@jest/globals';
import { dtypeTable, stringTensor, type Instance } from '@mserve/wire';
import { fitsPack, PackReader, PackWriter, transferOf } from './instance-pack.js';

describe('a pack of instances', () => {
  it('gives back every dtype, shape and byte, and the numbers between', () => {
    const instances: Instance[] = dtypeTable.map(({ dtype, elementBytes }, index) =>
      elementBytes === 0
        ? [stringTensor(['a', 'bcd'])]
        : [
            { dtype, shape: [index, 1], bytes: Uint8Array.from({ length: index * elementBytes }, (_, i) => i) },
            { dtype, shape: [], bytes: new Uint8Array(elementBytes) },
          ],
    );
    const writer = new PackWriter();
    instances.forEach((instance, index) => writer.number(index).instance(instance));
    writer.instance([]);
    const reader = new PackReader(structuredClone(writer.finish()));
    instances.forEach((instance, index) => {
      expect(reader.number()).toBe(index);
      expect(reader.instance()).toEqual(instance);
    });
    expect(reader.instance()).toEqual([]);
    expect(reader.atEnd).toBe(true);
  });

  it('puts each tensor where every TypedArray can be laid on it', () => {
    const writer = new PackWriter().instance([
      { dtype: 'uint8', shape: [3], bytes: new Uint8Array(3) },
      { dtype: 'float64', shape: [1], bytes: new Uint8Array(8) },
    ]);
    expect(new PackReader(writer.finish()).instance().map(({ bytes }) => bytes.byteOffset)).toEqual([0, 8]);
  });

  it('copies from inside a larger buffer only what belongs to the tensor', () => {
    const writer = new PackWriter().instance([{ dtype: 'uint8', shape: [2], bytes: new Uint8Array(1000).subarray(10, 12) }]);
    expect(writer.finish().buffer.byteLength).toBe(8);
  });

  it('passes large tensors in shared memory by reference', () => {
    const bytes = new Uint8Array(new SharedArrayBuffer(8192)).fill(7);
    const pack = new PackWriter().instance([{ dtype: 'uint8', shape: [8192], bytes }]).finish();
    expect(pack.buffer.byteLength).toBe(0);
    expect(new PackReader(pack).instance()[0]?.bytes.buffer).toBe(bytes.buffer);
  });

  it('holds what small tensors had when they were written, if asked to', () => {
    const bytes = Uint8Array.of(1, 2);
    const writers = [new PackWriter(true), new PackWriter()].map((writer) => writer.instance([{ dtype: 'uint8', shape: [2], bytes }]));
    bytes.fill(9);
    expect(writers.map(({ borrows }) => borrows)).toEqual([false, true]);
    expect(writers.map((writer) => [...(new PackReader(writer.finish()).instance()[0]?.bytes ?? [])])).toEqual([
      [1, 2],
      [9, 9],
    ]);
  });

  it('takes no more than 2 GiB', () => {
    const bytes = new Uint8Array(1.5 * 2 ** 30);
    const writer = new PackWriter().instance([{ dtype: 'uint8', shape: [bytes.length], bytes }]);
    expect(() => writer.instance([{ dtype: 'uint8', shape: [bytes.length], bytes }])).toThrow('they have more than 2147483632 bytes');
    expect([
      fitsPack([{ dtype: 'uint8', shape: [bytes.length], bytes }]),
      fitsPack([{ dtype: 'uint8', shape: [bytes.length], bytes }], bytes.length),
    ]).toEqual([true, false]);
  });

  it('is transferred when it is large', () => {
    const pack = (length: number) =>
      new PackWriter().instance([{ dtype: 'uint8', shape: [length], bytes: new Uint8Array(length) }]).finish();
    expect(transferOf(pack(1000))).toEqual([]);
    const large = pack(100_000);
    expect(transferOf(large)).toEqual([large.buffer]);
  });
});
