import { describe, expect, it } from '@jest/globals';
import { ServingError } from '@mserve/wire';
import type { BusState } from '../bus.js';
import { Collected, blobs, bytesOf, codeOf, notes, patterned, text, undelivered, type BusRig } from './bus-rig.js';

/** How every Bus drains and closes. */
export function describeEnd(rig: BusRig): void {
  describe('the end', () => {
    it('drain refuses new work at once, waits for work in hand, keeps held bytes and sending', async () => {
      let finish: (body: Uint8Array) => void = () => undefined;
      const asked = new Promise<void>((started) => {
        rig.receiver.respond('slow', () => {
          started();
          return new Promise((resolve) => {
            finish = resolve;
          });
        });
      });
      rig.receiver.receive(notes, () => undefined);
      const got = new Collected<string>();
      rig.sender.receive(notes, got.take);
      await rig.settled();
      const answer = rig.sender.request(rig.receiver.address, 'slow', bytesOf(''), { timeoutMs: 20_000 });
      await asked;
      const held = rig.receiver.hold(patterned(10));
      const drained = rig.receiver.drain(20_000);
      // Retried: only the server knows when it stopped routing here.
      while ((await codeOf(rig.sender.request(rig.receiver.address, 'settled', bytesOf('')))) !== 'UNAVAILABLE');
      expect(await undelivered(rig.sender, rig.receiver.address)).toMatchObject({ code: 'UNAVAILABLE' });
      finish(bytesOf('done'));
      expect(text(await answer)).toBe('done');
      expect(await drained).toBe(0);
      expect(await rig.sender.fetch(held)).toHaveLength(10);
      rig.receiver.send(notes, rig.sender.address, 'bye');
      expect(await got.until(1)).toEqual(['bye']);
    });

    it('loses none of many requests that are in hand when it drains', async () => {
      const third = await rig.connect('scheduler');
      const release: (() => void)[] = [];
      let asked = 0;
      const half = new Promise<void>((resolve) => {
        for (const bus of [rig.receiver, third]) {
          bus.respond('slow', async (body) => {
            if (++asked === 100) resolve();
            await new Promise<void>((finish) => release.push(finish));
            return body;
          });
        }
      });
      await rig.settled();
      await third.request(third.address, 'slow', bytesOf('known now'), { timeoutMs: 1 }).catch(() => undefined);
      const requests = Array.from({ length: 300 }, (_, i) =>
        rig.sender.request(undefined, 'slow', bytesOf(`${i}`), { timeoutMs: 20_000 }).then(text),
      );
      await half;
      const drained = rig.receiver.drain(20_000);
      const releasing = setInterval(() => release.splice(0).forEach((finish) => finish()), 5);
      try {
        expect(await Promise.all(requests)).toEqual(Array.from({ length: 300 }, (_, i) => `${i}`));
        expect(await drained).toBe(0);
      } finally {
        clearInterval(releasing);
      }
    });

    it('close right after drain loses no large message and no large answer', async () => {
      const sizes = [30_000_000, 3_000_000, 3];
      const got = new Collected<Uint8Array>();
      rig.sender.receive(blobs, got.take);
      await rig.sender.request(rig.sender.address, 'known', bytesOf('')).catch(() => undefined);
      const asked = new Promise<void>((started) => {
        rig.receiver.respond('large', async (body) => {
          started();
          return patterned(20_000_000 + body.byteLength);
        });
      });
      await rig.settled();
      const answer = rig.sender.request(rig.receiver.address, 'large', bytesOf('x'), { timeoutMs: 20_000 });
      await asked;
      for (const size of sizes) rig.receiver.send(blobs, rig.sender.address, patterned(size));
      expect(await rig.receiver.drain(20_000)).toBe(0);
      await rig.receiver.close();
      expect(Buffer.compare(await answer, patterned(20_000_001))).toBe(0);
      const received = await got.until(sizes.length);
      received.forEach((bytes, i) => expect(Buffer.compare(bytes, patterned(sizes[i] as number))).toBe(0));
    });

    it('drain gives up after its grace and says how many responders are unfinished', async () => {
      rig.receiver.respond('stuck', () => new Promise(() => undefined));
      await rig.settled();
      void codeOf(rig.sender.request(rig.receiver.address, 'stuck', bytesOf(''), { timeoutMs: 20_000 }));
      await rig.sender.request(rig.receiver.address, 'settled', bytesOf(''));
      expect(await rig.receiver.drain(50)).toBe(1);
    });

    it('close ends everything, sends what was sent, and can be repeated', async () => {
      const got = new Collected<string>();
      rig.receiver.receive(notes, got.take);
      await rig.settled();
      const states: BusState[] = [];
      expect(rig.sender.state).toBe('up');
      rig.sender.onState((state) => states.push(state));
      rig.sender.send(notes, rig.receiver.address, 'last words');
      await rig.sender.close();
      await rig.sender.close();
      expect(rig.sender.state).toBe('closed');
      expect(states).toEqual(['closed']);
      expect(await got.until(1)).toEqual(['last words']);
      expect(await undelivered(rig.sender, rig.receiver.address)).toMatchObject({ code: 'UNAVAILABLE' });
      expect(await codeOf(rig.sender.request(rig.receiver.address, 'settled', bytesOf('')))).toBe('UNAVAILABLE');
      expect(await codeOf(rig.sender.fetch({ owner: rig.receiver.address, id: 1, offset: 0, length: 1 }))).toBe('UNAVAILABLE');
      expect(() => rig.sender.receive(notes, () => undefined)).toThrow(ServingError);
      expect(() => rig.sender.respond('x', async (body) => body)).toThrow(ServingError);
      expect(() => rig.sender.hold(bytesOf('x'))).toThrow(ServingError);
      rig.sender.broadcast('topic', bytesOf('nobody hears this'));
      rig.sender.release({ owner: rig.receiver.address, id: 1, offset: 0, length: 1 });
    });

    it('fails the requests that a closed participant waits for', async () => {
      rig.receiver.respond('stuck', () => new Promise(() => undefined));
      await rig.settled();
      const waiting = codeOf(rig.sender.request(rig.receiver.address, 'stuck', bytesOf(''), { timeoutMs: 20_000 }));
      await rig.sender.request(rig.receiver.address, 'settled', bytesOf(''));
      await rig.sender.close();
      expect(await waiting).toBe('UNAVAILABLE');
    });
  });
}
