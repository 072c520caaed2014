import { isDeepStrictEqual } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ServingError, decodeInstances, stringTensor } from '@mserve/wire';
import type { HeldBytes, Instance, InstanceResult, PlacedResult, Tensor } from '@mserve/wire';
import { startNatsServer, type NatsServer } from '../../../test/support/nats-server.js';
import { HeldTable } from './held-table.js';
import { BusTensorStore, LocalTensorStore, NatsBus } from './index.js';

function floats(count: number): Instance {
  const values = Float32Array.from({ length: count }, (_, i) => i);
  return [{ dtype: 'float32', shape: [count], bytes: new Uint8Array(values.buffer) }, stringTensor('é')];
}
const small = [floats(3), floats(0), floats(1)];
const large = [floats(3000), floats(5), floats(7000)];

describe('LocalTensorStore', () => {
  const store = new LocalTensorStore();

  it('gives back the very array', () => {
    const placed = store.place(large);
    expect(placed.kind).toBe('local');
    expect(store.read(placed)).toBe(large);
    store.release(placed);
  });

  it('passes results by reference, and refuses those of another process', () => {
    const results = large.map((outputs) => ({ outputs }));
    expect(store.placeResults(results)).toBe(results);
    expect(store.readResults(results)).toBe(results);
    const held = { owner: 'worker-1', id: 1, offset: 0, length: 4 };
    expect(() => store.readResults([{ held }])).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });

  it('lends results in memory that wants to be given back: once for each instance that has parts of it', () => {
    const lent = new Uint8Array(24);
    const given: ArrayBufferLike[] = [];
    const lending = new LocalTensorStore({ isLent: (buffer) => buffer === lent.buffer, giveBack: (buffer) => given.push(buffer) });
    const part = (at: number): Tensor => ({ dtype: 'uint8', shape: [8], bytes: lent.subarray(at, at + 8) });
    const [own] = floats(1);
    const failed = { failure: { code: 'INTERNAL' as const, message: '' } };
    const borrowed = lending.borrowedBy([{ outputs: [part(0), own as Tensor, part(8)] }, failed, { outputs: [part(16)] }]);
    expect([borrowed?.isUnder(lent), borrowed?.isUnder((own as Tensor).bytes)]).toEqual([true, false]);
    borrowed?.giveBack();
    expect(given).toEqual([lent.buffer, lent.buffer]);
    expect([lending.borrowedBy([{ outputs: [own as Tensor] }, failed]), store.borrowedBy([{ outputs: [part(0)] }])]).toEqual([
      undefined,
      undefined,
    ]);
  });

  it('refuses instances that travelled', () => {
    expect(() => store.read({ kind: 'inline', sizes: [], bytes: new Uint8Array(0) })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });
});

describe('BusTensorStore', () => {
  let server: NatsServer;
  let owner: NatsBus;
  let reader: NatsBus;
  let owned: BusTensorStore;
  let reading: BusTensorStore;
  beforeAll(async () => {
    server = await startNatsServer();
    const connect = (role: string): Promise<NatsBus> => NatsBus.connect({ servers: server.url, role, report: () => undefined });
    owner = await connect('gateway');
    reader = await connect('worker');
    owned = new BusTensorStore(owner);
    reading = new BusTensorStore(reader);
  });
  afterAll(async () => {
    await owner.close();
    await reader.close();
    await server.stop();
  });

  const failed: InstanceResult = { failure: { code: 'ABORTED', message: 'no' } };
  const kindOf = (result: PlacedResult): string => ('failure' in result ? result.failure.code : (Object.keys(result)[0] as string));
  const heldOf = (results: readonly PlacedResult[]): HeldBytes[] => results.flatMap((result) => ('held' in result ? [result.held] : []));
  /** What the reader takes of its bus, one row per fetch. */
  const takes = (): (readonly [owner: string, id: number])[] => {
    const taken: (readonly [string, number])[] = [];
    const take = reader.take.bind(reader);
    jest.spyOn(reader, 'take').mockImplementation((held, signal) => {
      taken.push([held.owner, held.id]);
      return take(held, signal);
    });
    return taken;
  };
  afterEach(() => void jest.restoreAllMocks());

  it('holds the large outputs of an answer as one until their reader has them, in one fetch, and no longer', async () => {
    const results = [
      { outputs: floats(200_000) },
      { outputs: floats(3) },
      failed,
      { outputs: floats(300_000) },
      { outputs: floats(150_000) },
    ];
    const placed = owned.placeResults(results);
    expect(placed.map(kindOf)).toEqual(['held', 'outputs', 'ABORTED', 'held', 'held']);
    const [held] = heldOf(placed);
    const taken = takes();
    // jest compares large views element by element, for seconds
    expect(isDeepStrictEqual(await reading.readResults(placed), results)).toBe(true);
    expect(taken).toEqual([[owner.address, held?.id]]);
    // Taken: what is read again is a failure of its instance, and its neighbours stay
    const again = await reading.readResults(placed);
    expect(again.map(kindOf)).toEqual(['NOT_FOUND', 'outputs', 'ABORTED', 'NOT_FOUND', 'NOT_FOUND']);
  });

  it('lets a reader take the outputs of an answer one by one', async () => {
    const results = [{ outputs: floats(200_000) }, { outputs: floats(300_000) }];
    const parts = heldOf(owned.placeResults(results));
    for (const [index, held] of parts.entries()) {
      const outputs = decodeInstances([held.length], await reader.take(held));
      expect(isDeepStrictEqual(outputs, [results[index]?.outputs])).toBe(true);
    }
    for (const held of parts) await expect(reader.take(held)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('holds no more than 64 MiB as one', async () => {
    const outputs: Instance = [{ dtype: 'uint8', shape: [40 * 2 ** 20], bytes: new Uint8Array(40 * 2 ** 20) }];
    const placed = owned.placeResults([{ outputs }, { outputs }]);
    const [first, second] = heldOf(placed);
    expect(second?.id).not.toBe(first?.id);
    const taken = takes();
    expect((await reading.readResults(placed)).map(kindOf)).toEqual(['outputs', 'outputs']);
    expect(taken).toHaveLength(2);
  });

  it('pulls no more when its reader has left, and the owner forgets the outputs', async () => {
    const results = [{ outputs: floats(10_000_000) }];
    const placed = owned.placeResults(results);
    const [held] = heldOf(placed);
    const left = new AbortController();
    const reads = jest.spyOn(HeldTable.prototype, 'read').mockImplementationOnce(() => {
      left.abort();
      throw new ServingError('INTERNAL', 'this piece comes too late');
    });
    const [result] = await reading.readResults(placed, { readingSignal: left.signal });
    expect(result).toMatchObject({ failure: { code: 'CANCELLED' } });
    // Of 80 pieces those that were on their way
    expect(reads.mock.calls.length).toBeLessThan(10);
    await expect(reader.take(held as HeldBytes)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await owner.drain(0)).toBe(0);
  });

  it('asks for no signal where nothing has to be fetched', () => {
    const readerOf = {
      get readingSignal(): AbortSignal {
        throw new Error('nothing is fetched');
      },
    };
    expect(reading.read(owned.place(small), readerOf)).toEqual(small);
    const results = small.map((outputs) => ({ outputs }));
    expect(reading.readResults(owned.placeResults(results), readerOf)).toBe(results);
  });

  it('refuses local instances, and bytes that are no instances', async () => {
    expect(() => reading.read({ kind: 'local', instances: small })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    const placed = owned.place(large);
    if (placed.kind !== 'held') throw new TypeError('large instances are held');
    const wrong = { ...placed, sizes: placed.sizes.map((size) => size - 1) };
    await expect(Promise.resolve(reading.read(wrong))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
