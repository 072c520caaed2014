import { describe, expect, it } from '@jest/globals';
import { codeOf, patterned, type BusRig } from './bus-rig.js';

/** What every Bus does with held bytes. */
export function describeHeldBytes(rig: BusRig): void {
  describe('held bytes', () => {
    it('fetches all, ranges and nothing of them, until they are released', async () => {
      const bytes = patterned(5_000_003);
      const held = rig.sender.hold(bytes);
      expect(held).toMatchObject({ owner: rig.sender.address, offset: 0, length: bytes.byteLength });
      expect(Buffer.compare(await rig.receiver.fetch(held), bytes)).toBe(0);
      expect(
        Buffer.compare(
          await rig.receiver.fetch({ ...held, offset: 700_001, length: 1_234_567 }),
          bytes.subarray(700_001, 700_001 + 1_234_567),
        ),
      ).toBe(0);
      expect(Buffer.compare(await rig.receiver.fetch({ ...held, offset: 3, length: 5 }), bytes.subarray(3, 8))).toBe(0);
      expect(await rig.receiver.fetch({ ...held, offset: 9, length: 0 })).toHaveLength(0);
      expect(Buffer.compare(await rig.sender.fetch(held), bytes)).toBe(0);
      rig.sender.release(held);
      rig.sender.release(held);
      expect(await codeOf(rig.receiver.fetch(held))).toBe('NOT_FOUND');
      expect(await codeOf(rig.sender.fetch(held))).toBe('NOT_FOUND');
    });

    it('lets the reader release them', async () => {
      const held = rig.sender.hold(patterned(100));
      rig.receiver.release(held);
      // The owner takes what one participant says in order.
      expect(await codeOf(rig.receiver.fetch(held))).toBe('NOT_FOUND');
    });

    it('refuses ranges outside them and impossible references', async () => {
      const held = rig.sender.hold(patterned(100));
      for (const range of [
        { offset: 50, length: 51 },
        { offset: 101, length: 0 },
        { offset: -1, length: 5 },
        { offset: 0.5, length: 1 },
        { offset: 0, length: Number.MAX_SAFE_INTEGER },
      ]) {
        expect(['INVALID_ARGUMENT', 'RESOURCE_EXHAUSTED']).toContain(await codeOf(rig.receiver.fetch({ ...held, ...range })));
      }
      expect(await codeOf(rig.receiver.fetch({ ...held, id: 999 }))).toBe('NOT_FOUND');
    });

    it('rejects with UNAVAILABLE when the owner is gone', async () => {
      const held = rig.sender.hold(patterned(2_000_000));
      await rig.sender.close();
      expect(await codeOf(rig.receiver.fetch(held))).toBe('UNAVAILABLE');
    });

    it('are kept for one reader: gone when it took them, and drain waits for that', async () => {
      const bytes = patterned(3_000_001);
      const held = rig.sender.holdForOne(bytes);
      let isDrained = false;
      const drained = rig.sender.drain(20_000).then((unfinished) => {
        isDrained = true;
        return unfinished;
      });
      const taken = await rig.receiver.take(held);
      expect([isDrained, Buffer.compare(taken, bytes)]).toEqual([false, 0]);
      expect(await drained).toBe(0);
      expect(await codeOf(rig.receiver.take(held))).toBe('NOT_FOUND');
    });

    it('are taken in parts, and kept until the last', async () => {
      const bytes = patterned(1000);
      const held = rig.sender.holdForOne(bytes);
      const drained = rig.sender.drain(20_000);
      const parts = [await rig.receiver.take({ ...held, length: 300 }), await rig.receiver.take({ ...held, offset: 300, length: 700 })];
      expect(Buffer.concat(parts)).toEqual(Buffer.from(bytes));
      expect(await drained).toBe(0);
      expect(await codeOf(rig.receiver.take(held))).toBe('NOT_FOUND');
    });

    it('are released by a reader that cancels taking them', async () => {
      const held = rig.sender.holdForOne(patterned(3_000_000));
      expect(await codeOf(rig.receiver.take(held, AbortSignal.abort()))).toBe('CANCELLED');
      expect(await rig.sender.drain(20_000)).toBe(0);
      expect(await codeOf(rig.receiver.fetch(held))).toBe('NOT_FOUND');
    });

    it('says how large a message may be that is sent in one piece', () => {
      expect(rig.sender.maxMessageBytes).toBeGreaterThan(256 * 1024);
    });

    it('is cancelled by the signal', async () => {
      const held = rig.sender.hold(patterned(100));
      expect(await codeOf(rig.receiver.fetch(held, AbortSignal.abort()))).toBe('CANCELLED');
    });

    it('serves several readers at once', async () => {
      const bytes = patterned(6_000_000);
      const held = rig.sender.hold(bytes);
      const readers = await Promise.all(Array.from({ length: 4 }, () => rig.connect('worker')));
      const fetched = await Promise.all(readers.map((reader) => reader.fetch(held)));
      for (const copy of fetched) expect(Buffer.compare(copy, bytes)).toBe(0);
    });
  });
}
