import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sliceInstances, stringTensor, type Instance } from '@mserve/wire';
import { startNatsServer, type NatsServer } from '../../../test/support/nats-server.js';
import type { Bus } from './bus.js';
import { BusTensorStore, LocalTensorStore, MemoryExchange, NatsBus } from './index.js';

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

  it('refuses instances that travelled', () => {
    expect(() => store.read({ kind: 'inline', sizes: [], bytes: new Uint8Array(0) })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });
});

describe.each(['MemoryBus', 'NatsBus'])('BusTensorStore over %s', (name) => {
  let server: NatsServer | undefined;
  let owner: Bus;
  let reader: Bus;
  let owned: BusTensorStore;
  let reading: BusTensorStore;
  beforeAll(async () => {
    const exchange = new MemoryExchange();
    if (name === 'NatsBus') server = await startNatsServer();
    const connect = async (role: string): Promise<Bus> =>
      server === undefined ? exchange.connect(role) : NatsBus.connect({ servers: server.url, role });
    owner = await connect('gateway');
    reader = await connect('worker');
    owned = new BusTensorStore(owner);
    reading = new BusTensorStore(reader);
  });
  afterAll(async () => {
    await owner.close();
    await reader.close();
    await server?.stop();
  });

  it('sends small instances along, and reads them without a promise', () => {
    const placed = owned.place(small);
    expect(placed.kind).toBe('inline');
    expect(reading.read(placed)).toEqual(small);
    expect(reading.read(sliceInstances(placed, 1, 3))).toEqual(small.slice(1));
  });

  it('holds large instances until they are released, and fetches slices of them', async () => {
    const placed = owned.place(large);
    expect(placed.kind).toBe('held');
    expect(await reading.read(placed)).toEqual(large);
    expect(await reading.read(sliceInstances(placed, 2, 3))).toEqual(large.slice(2));
    owned.release(placed);
    await expect(Promise.resolve(reading.read(placed))).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('sends small results along, the same list, and reads them without a promise', () => {
    const results = [...small.map((outputs) => ({ outputs })), { failure: { code: 'ABORTED' as const, message: 'no' } }];
    const placed = owned.placeResults(results);
    expect(placed).toBe(results);
    expect(reading.readResults(placed)).toBe(results);
  });

  it('keeps large outputs until their reader has them, and no longer', async () => {
    const holding = new BusTensorStore(owner, { answerBytes: 1000 });
    const results = [
      { outputs: large[0]! },
      { outputs: small[0]! },
      { failure: { code: 'ABORTED' as const, message: 'no' } },
      { outputs: large[2]! },
    ];
    const placed = holding.placeResults(results);
    expect(placed.map((result) => Object.keys(result)[0])).toEqual(['held', 'outputs', 'failure', 'held']);
    expect(await reading.readResults(placed)).toEqual(results);
    // Taken: what is read again is a failure of its instance, and its neighbours stay
    const again = await reading.readResults(placed);
    expect(again.map((result) => ('failure' in result ? result.failure.code : 'outputs'))).toEqual([
      'NOT_FOUND',
      'outputs',
      'ABORTED',
      'NOT_FOUND',
    ]);
  });

  it('forgets outputs that nobody will read', async () => {
    const holding = new BusTensorStore(owner, { answerBytes: 0 });
    const placed = holding.placeResults([{ outputs: large[0]! }]);
    reading.releaseResults(placed);
    const [result] = await reading.readResults(placed);
    expect(result).toMatchObject({ failure: { code: 'NOT_FOUND' } });
  });

  it('goes by the bytes it was told', () => {
    expect(new BusTensorStore(owner, { inlineBytes: 0 }).place(small).kind).toBe('held');
    expect(new BusTensorStore(owner, { inlineBytes: 1 << 30 }).place(large).kind).toBe('inline');
  });

  it('refuses local instances, and bytes that are no instances', async () => {
    expect(() => reading.read({ kind: 'local', instances: small })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    const placed = owned.place(large);
    if (placed.kind !== 'held') throw new TypeError('large instances are held');
    const wrong = { ...placed, sizes: placed.sizes.map((size) => size - 1) };
    await expect(Promise.resolve(reading.read(wrong))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
