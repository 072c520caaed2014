import { describe, expect, it } from '@jest/globals';
import { Collected, blobs, notes, patterned, undelivered, type BusRig } from './bus-rig.js';

/** What every Bus does with messages of channels. */
export function describeChannels(rig: BusRig): void {
  describe('channels', () => {
    it('delivers what one turn sends as one list, in order', async () => {
      const got = new Collected<string>();
      rig.receiver.receive(notes, got.take);
      await rig.settled();
      for (let i = 0; i < 100; i++) rig.sender.send(notes, rig.receiver.address, `note ${i}`);
      expect(await got.until(100)).toEqual(Array.from({ length: 100 }, (_, i) => `note ${i}`));
      expect(got.lists).toHaveLength(1);
    });

    it('keeps the order of a sender over many turns and lists longer than one message takes', async () => {
      const got = new Collected<string>();
      rig.receiver.receive(notes, got.take);
      await rig.settled();
      const sent: string[] = [];
      for (let turn = 0; turn < 20; turn++) {
        for (let i = 0; i < 500; i++) {
          sent.push(`turn ${turn} note ${i} ${'x'.repeat(turn === 7 ? 4000 : 0)}`);
          rig.sender.send(notes, rig.receiver.address, sent.at(-1) as string);
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(await got.until(10_000)).toEqual(sent);
    });

    it('delivers messages of 5 MB and 40 MB whole, and later small ones after them', async () => {
      const got = new Collected<Uint8Array>();
      rig.receiver.receive(blobs, got.take);
      await rig.settled();
      const sizes = [10, 5_000_000, 11, 40_000_000, 12];
      const sent = sizes.map(patterned);
      for (const bytes of sent) rig.sender.send(blobs, rig.receiver.address, bytes);
      const received = await got.until(sizes.length);
      expect(received.map((bytes) => bytes.byteLength)).toEqual(sizes);
      received.forEach((bytes, i) => expect(Buffer.compare(bytes, sent[i] as Uint8Array)).toBe(0));
    });

    it('lets other senders pass while a large message of one is on its way', async () => {
      const third = await rig.connect('gateway');
      const got = new Collected<Uint8Array>();
      rig.receiver.receive(blobs, got.take);
      await rig.settled();
      rig.sender.send(blobs, rig.receiver.address, patterned(8_000_000));
      third.send(blobs, rig.receiver.address, patterned(3));
      const sizes = (await got.until(2)).map((bytes) => bytes.byteLength).sort((a, b) => a - b);
      expect(sizes).toEqual([3, 8_000_000]);
    });

    it('sends to itself', async () => {
      const got = new Collected<string>();
      rig.sender.receive(notes, got.take);
      rig.sender.send(notes, rig.sender.address, 'to me');
      expect(await got.until(1)).toEqual(['to me']);
    });

    it.each([
      ['an address that nobody has', 'gateway-00000000'],
      ['a participant that does not receive on the channel', ''],
    ])('says at once that nobody got a message: %s', async (_, address) => {
      const error = await undelivered(rig.sender, address === '' ? rig.receiver.address : address);
      expect(error).toMatchObject({ code: 'UNAVAILABLE' });
    });

    it('says so for exactly the messages that nobody got', async () => {
      const got = new Collected<string>();
      const subscription = rig.receiver.receive(notes, got.take);
      await rig.settled();
      const failed: string[] = [];
      const send = (message: string, to: string): void => rig.sender.send(notes, to, message, () => failed.push(message));
      for (let i = 0; i < 10; i++) {
        send(`good ${i}`, rig.receiver.address);
        send(`bad ${i}`, 'nobody-1');
      }
      await got.until(10);
      subscription.unsubscribe();
      await undelivered(rig.sender, 'nobody-1');
      expect(failed).toEqual(Array.from({ length: 10 }, (_, i) => `bad ${i}`));
      expect(await undelivered(rig.sender, rig.receiver.address)).toMatchObject({ code: 'UNAVAILABLE' });
      expect(got.lists.flat()).toHaveLength(10);
    });

    it('says so for a large message too', async () => {
      const error = await new Promise((resolve) => rig.sender.send(blobs, rig.receiver.address, patterned(3_000_000), resolve));
      expect(error).toMatchObject({ code: 'UNAVAILABLE' });
    });

    it('has one receiver per channel, and goes on after a handler threw', async () => {
      const got = new Collected<string>();
      rig.receiver.receive(notes, (messages) => {
        got.take(messages);
        throw new Error('handler of a test that throws');
      });
      expect(() => rig.receiver.receive(notes, () => undefined)).toThrow(TypeError);
      await rig.settled();
      rig.sender.send(notes, rig.receiver.address, 'one');
      await got.until(1);
      rig.sender.send(notes, rig.receiver.address, 'two');
      expect(await got.until(2)).toEqual(['one', 'two']);
    });

    it('receives again on a channel after unsubscribing', async () => {
      rig.receiver.receive(notes, () => undefined).unsubscribe();
      const got = new Collected<string>();
      rig.receiver.receive(notes, got.take);
      await rig.settled();
      rig.sender.send(notes, rig.receiver.address, 'again');
      expect(await got.until(1)).toEqual(['again']);
    });
  });
}
