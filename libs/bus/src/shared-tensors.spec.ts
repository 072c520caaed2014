import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { SharedMemory } from '@mserve/native/shared-memory';
import type { HeldBytes, Instance, InstanceResult, Instances } from '@mserve/wire';
import { startNatsServer, type NatsServer } from '../../../test/support/nats-server.js';
import { BusTensorStore, MemoryExchange, NatsBus } from './index.js';
import {
  describeTensorStore,
  floats,
  heldOf,
  large,
  travelled,
  travelledResults,
  type TensorRig,
} from './testing/tensor-store.contract.js';

let server: NatsServer;
beforeAll(async () => void (server = await startNatsServer()));
afterAll(() => server.stop());

const mebibyte = 2 ** 20;

/** Like the processes of a fleet, each with a memory of its own, or none. */
async function rigOf(ownedMb: number, readingMb: number): Promise<TensorRig> {
  const connect = (role: string): Promise<NatsBus> => NatsBus.connect({ servers: server.url, role, report: () => undefined });
  const [owner, reader] = await Promise.all([connect('gateway'), connect('worker')]);
  const [mine, theirs] = [ownedMb, readingMb].map((sizeMb) => (sizeMb === 0 ? undefined : new SharedMemory(sizeMb * mebibyte)));
  return {
    owner,
    owned: new BusTensorStore(owner, { memory: mine }),
    reading: new BusTensorStore(reader, { memory: theirs }),
    async close() {
      await Promise.all([owner.close(), reader.close()]);
      mine?.close();
      theirs?.close();
    },
  };
}

describeTensorStore('over the bus', 'bus', () => rigOf(0, 0));
describeTensorStore('through shared memory', 'shared', () => rigOf(64, 1));
describeTensorStore('from shared memory to a reader that has none', 'bus', () => rigOf(64, 0));
describeTensorStore('where the memory is too small', 'bus', () => rigOf(0.05, 1));

describe('tensors in shared memory', () => {
  const exchange = new MemoryExchange();
  const owner = exchange.connect('gateway');
  const reader = exchange.connect('worker');
  const memory = new SharedMemory(16 * mebibyte);
  const readers = new SharedMemory(mebibyte);
  const onDetour = jest.fn();
  const owned = new BusTensorStore(owner, { memory, onDetour });
  const reading = new BusTensorStore(reader, { memory: readers, onDetour });
  afterAll(async () => {
    await owner.close();
    await reader.close();
    memory.close();
    readers.close();
  });
  /** Memory that was given back is free in the next turn. */
  const untilUnused = async (): Promise<void> => {
    while (memory.usedBytes > 0) await new Promise((resolve) => setImmediate(resolve));
  };
  const read = (instances: Instances): Promise<readonly Instance[]> => Promise.resolve(reading.read(travelled(instances)));
  const withShared = (
    instances: Instances,
    shared: Partial<NonNullable<HeldBytes['shared']>>,
    held: Partial<HeldBytes> = {},
  ): Instances => {
    if (instances.kind !== 'held' || instances.held.shared === undefined) throw new TypeError('not in shared memory');
    return { ...instances, held: { ...instances.held, ...held, shared: { ...instances.held.shared, ...shared } } };
  };

  it('lie where native code takes them as they are, slices too', async () => {
    const placed = owned.place([floats(1), floats(9), floats(3001)]);
    const instances = await read(placed);
    for (const [tensor] of instances) expect((tensor?.bytes.byteOffset ?? 1) % 64).toBe(0);
    owned.release(placed);
    reading.borrowedBy(instances)?.giveBack();
  });

  it('are read without a promise once their memory is known', () => {
    const placed = owned.place(large);
    const instances = reading.read(travelled(placed));
    if (instances instanceof Promise) throw new TypeError('nothing has to be waited for');
    expect(isDeepStrictEqual(instances, large)).toBe(true);
    reading.borrowedBy(instances)?.giveBack();
    const results = reading.readResults(travelledResults(owned.placeResults([{ outputs: large[0] as Instance }])));
    if (results instanceof Promise) throw new TypeError('nothing has to be waited for');
    expect(isDeepStrictEqual(results, [{ outputs: large[0] }])).toBe(true);
    owned.release(placed);
    reading.borrowedBy(results)?.giveBack();
  });

  it('take no room any more when they were released and given back', async () => {
    const placed = owned.place(large);
    const borrowed = reading.borrowedBy(await read(placed));
    owned.release(placed);
    expect(memory.usedBytes).toBeGreaterThan(0);
    borrowed?.giveBack();
    await untilUnused();
  });

  it('are empty for who reads on after giving them back', async () => {
    const placed = owned.place(large);
    const instances = await read(placed);
    reading.borrowedBy(instances)?.giveBack();
    expect(instances.map(([tensor]) => tensor?.bytes.byteLength)).toEqual([0, 0, 0]);
    expect(reading.borrowedBy(instances)).toBeUndefined();
    owned.release(placed);
  });

  it.each([
    ['another slot', { slot: 3 }],
    ['a slot that there is not', { slot: 5000 }],
    ['another generation', { generation: 12 }],
    ['no generation', { generation: 0 }],
    ['memory that is nowhere', { slab: 77 }],
    ['numbers that are none', { slab: 2 ** 53 - 1, token: 0, slot: 2 ** 53 - 1, generation: 2 ** 53 - 1 }],
  ])('come over the bus when their reference names %s', async (_, shared) => {
    const placed = owned.place(large);
    const before = reading.counts.bytes.shared;
    expect(isDeepStrictEqual(await read(withShared(placed, shared)), large)).toBe(true);
    expect(reading.counts.bytes.shared).toBe(before);
    owned.release(placed);
  });

  it('are not for who does not know the token of their memory', async () => {
    const stranger = new SharedMemory(mebibyte);
    const store = new BusTensorStore(reader, { memory: stranger });
    const placed = owned.place(large);
    expect(isDeepStrictEqual(await store.read(withShared(placed, { token: 1 })), large)).toBe(true);
    expect([store.counts.bytes.shared, store.counts.detours.apart]).toEqual([0, 1]);
    owned.release(placed);
    stranger.close();
  });

  it.each([
    ['begins outside', { offset: 1e9 }],
    ['is longer than what lies there', { length: 1e9 }],
  ])('a reference that %s is an error of its message', async (_, held) => {
    const placed = owned.place(large);
    if (placed.kind !== 'held') throw new TypeError('large instances are held');
    await expect((async () => reading.read(withShared(placed, {}, held)))()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    owned.release(placed);
  });

  it('of a process that has ended come over the bus, if at all', async () => {
    const gone = new SharedMemory(mebibyte);
    const stored = new BusTensorStore(owner, { memory: gone });
    const placed = stored.place(large);
    gone.close();
    expect(isDeepStrictEqual(await read(placed), large)).toBe(true);
    stored.release(placed);
  });

  it('go along, or over the bus, when there is no room for all of an answer; the first time it is told', async () => {
    await untilUnused();
    onDetour.mockClear();
    const results = new Array<InstanceResult>(40).fill({ outputs: floats(120_000) });
    const placed = owned.placeResults(results);
    expect(heldOf(placed).every(({ shared }) => shared === undefined)).toBe(true);
    owned.placeResults(results);
    expect([onDetour.mock.calls, owned.counts.detours['no-room']]).toEqual([[['no-room']], 2]);
    expect(memory.usedBytes).toBe(0);
  });
});
