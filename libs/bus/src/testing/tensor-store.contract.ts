import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { absent, decodeAnswers, decodeTickets, encodeAnswers, encodeTickets, sliceInstances, stringTensor } from '@mserve/wire';
import type { HeldBytes, Instance, InstanceResult, Instances, PlacedResult, Ticket } from '@mserve/wire';
import type { Bus } from '../bus.js';
import type { BusTensorStore } from '../bus-tensor-store.js';
import type { TensorWay } from '../tensor-ways.js';

/** Two participants and their stores. */
export interface TensorRig {
  readonly owner: Bus;
  readonly owned: BusTensorStore;
  readonly reading: BusTensorStore;
  close(): Promise<void>;
}

export function floats(count: number): Instance {
  const values = Float32Array.from({ length: count }, (_, i) => i);
  return [{ dtype: 'float32', shape: [count], bytes: new Uint8Array(values.buffer) }, stringTensor('é'), absent];
}

export const small = [floats(3), floats(0), floats(1)];
export const large = [floats(3000), floats(5), floats(7000)];
const failed: InstanceResult = { failure: { code: 'ABORTED', message: 'no' } };

export const kindOf = (result: PlacedResult): string => ('failure' in result ? result.failure.code : (Object.keys(result)[0] as string));

export const heldOf = (results: readonly PlacedResult[]): HeldBytes[] =>
  results.flatMap((result) => ('held' in result ? [result.held] : []));

/** What is left of instances that went through a message. */
export function travelled(instances: Instances): Instances {
  const ticket: Ticket = {
    ...{ gateway: 'gateway-1', id: 1, key: 1, attempt: 1, servable: 's', version: 1, method: 'm', firstInstance: 0 },
    ...{ deadlineAt: Infinity, priority: 0, watch: undefined, context: undefined, instances },
  };
  return (decodeTickets(encodeTickets([ticket]))[0] as Ticket).instances;
}

/** What is left of results that went through a message. */
export function travelledResults(results: readonly PlacedResult[]): readonly PlacedResult[] {
  const answer = { id: 1, attempt: 1, firstInstance: 0, results, grant: 1, grantedFirst: 0, grantedInstances: 0 };
  return decodeAnswers(encodeAnswers([answer]))[0]?.results ?? [];
}

/** Every way that tensors take between the processes of a fleet keeps to this. `way`: that of large ones. */
export function describeTensorStore(name: string, way: TensorWay, connect: () => Promise<TensorRig>): void {
  describe(`BusTensorStore, ${name}`, () => {
    let rig: TensorRig;
    beforeAll(async () => void (rig = await connect()));
    afterAll(() => rig.close());

    /** Bytes that came by each way meanwhile. */
    async function waysOf(read: () => unknown): Promise<TensorWay[]> {
      const before = { ...rig.reading.counts.bytes };
      await read();
      const after = rig.reading.counts.bytes;
      return (['inline', 'shared', 'direct', 'bus'] as const).filter((each) => after[each] > before[each]);
    }
    const read = (instances: Instances): Promise<readonly Instance[]> => Promise.resolve(rig.reading.read(travelled(instances)));

    it('sends small instances along, and reads them without a promise', async () => {
      const placed = rig.owned.place(small);
      expect(placed.kind).toBe('inline');
      const ways = await waysOf(() => expect(rig.reading.read(travelled(placed))).toEqual(small));
      expect(ways).toEqual(['inline']);
      expect(rig.reading.read(travelled(sliceInstances(placed, 1, 3)))).toEqual(small.slice(1));
    });

    it('keeps large instances until they are released, and gives slices of them', async () => {
      const placed = rig.owned.place(large);
      expect(placed.kind).toBe('held');
      const ways = await waysOf(async () => expect(isDeepStrictEqual(await read(placed), large)).toBe(true));
      expect(ways).toEqual([way]);
      expect(isDeepStrictEqual(await read(sliceInstances(placed, 2, 3)), large.slice(2))).toBe(true);
      rig.owned.release(placed);
      await expect(read(placed)).rejects.toMatchObject({ code: 'NOT_FOUND' });
      expect(rig.owner.heldBytes).toBe(0);
    });

    it('keeps what was read as it was, whatever comes after the release', async () => {
      const placed = rig.owned.place(large);
      const kept = await read(placed);
      rig.owned.release(placed);
      const later = [1, 2, 3].map(() => rig.owned.place([[{ dtype: 'uint8', shape: [50_000], bytes: new Uint8Array(50_000).fill(9) }]]));
      expect(isDeepStrictEqual(kept, large)).toBe(true);
      for (const each of later) rig.owned.release(each);
    });

    it('sends small results along, the same list', () => {
      const results = [...small.map((outputs) => ({ outputs })), failed];
      const placed = rig.owned.placeResults(results);
      expect(placed).toBe(results);
      expect(rig.reading.readResults(travelledResults(placed))).toEqual(results);
    });

    it('keeps large outputs until their reader has them, and no longer; failures stay beside them', async () => {
      const results = [{ outputs: floats(140_000) }, failed, { outputs: floats(10_000) }, { outputs: floats(150_000) }];
      const placed = rig.owned.placeResults(results);
      expect(heldOf(placed).length).toBeGreaterThan(0);
      const ways = await waysOf(async () =>
        expect(isDeepStrictEqual(await rig.reading.readResults(travelledResults(placed)), results)).toBe(true),
      );
      expect(ways.filter((each) => each !== 'inline')).toEqual([way]);
      await untilNothingIsHeld();
      const again = await rig.reading.readResults(travelledResults(placed));
      expect(again.map(kindOf)).toEqual(placed.map((result) => ('held' in result ? 'NOT_FOUND' : kindOf(result))));
    });

    it('forgets outputs that nobody will read', async () => {
      const placed = rig.owned.placeResults([{ outputs: floats(140_000) }, { outputs: floats(140_000) }]);
      rig.reading.releaseResults(travelledResults(placed));
      await untilNothingIsHeld();
      expect(
        (await rig.reading.readResults(heldOf(placed).map((held) => ({ held })))).every((result) => kindOf(result) === 'NOT_FOUND'),
      ).toBe(true);
    });

    it('refuses bytes that are no instances', async () => {
      const placed = rig.owned.place(large);
      if (placed.kind !== 'held') throw new TypeError('large instances are held');
      const wrong = { ...placed, sizes: placed.sizes.map((size) => size - 1) };
      await expect((async () => rig.reading.read(wrong))()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
      rig.owned.release(placed);
    });

    /** Releases are messages. */
    async function untilNothingIsHeld(): Promise<void> {
      while (rig.owner.heldBytes > 0) await new Promise((resolve) => setTimeout(resolve, 2));
    }
  });
}
