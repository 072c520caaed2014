import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ServingError } from '@mserve/wire';
import { maxBroadcastBytes, type Bus, type BusState } from './bus.js';
import type { Channel } from './channel.js';

/** Connects participants to one medium; the suite closes them. */
export interface BusFactory {
  connect(role: string): Promise<Bus>;
}

/** A channel of texts. */
export const notes: Channel<string> = {
  name: 'notes',
  encode: (messages) => new TextEncoder().encode(JSON.stringify(messages)),
  decode: (bytes) => {
    try {
      const list = JSON.parse(new TextDecoder().decode(bytes)) as unknown;
      if (Array.isArray(list)) return list as string[];
    } catch {
      // Refused below.
    }
    throw new ServingError('INVALID_ARGUMENT', 'not notes');
  },
};

/** A channel of plain bytes, one message per list. */
const blobs: Channel<Uint8Array> = {
  name: 'blobs',
  encode: (messages) => {
    if (messages.length !== 1) throw new ServingError('INVALID_ARGUMENT', 'one at a time');
    return messages[0] as Uint8Array;
  },
  decode: (bytes) => [bytes],
};

/** Collects messages and lets a test wait for the n-th. */
export class Collected<M> {
  readonly lists: (readonly M[])[] = [];
  private readonly waiters: { count: number; resolve: (messages: readonly M[]) => void }[] = [];

  readonly take = (messages: readonly M[]): void => {
    this.lists.push(messages);
    const all = this.lists.flat() as M[];
    for (const waiter of this.waiters) if (all.length >= waiter.count) waiter.resolve(all);
  };

  until(count: number): Promise<readonly M[]> {
    return new Promise((resolve) => {
      this.waiters.push({ count, resolve });
      const all = this.lists.flat() as M[];
      if (all.length >= count) resolve(all);
    });
  }
}

/** Bytes whose every 32-bit word differs, so that misplaced pieces show. */
export function patterned(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const words = new Uint32Array(bytes.buffer, 0, length >> 2);
  for (let i = 0; i < words.length; i++) words[i] = i * 2654435761;
  return bytes;
}

function undelivered(bus: Bus, to: string, message = 'lost'): Promise<Error> {
  return new Promise((resolve) => bus.send(notes, to, message, resolve));
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'no error',
    (error: unknown) => (error instanceof ServingError ? error.code : String(error)),
  );
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const bytesOf = (words: string): Uint8Array => new TextEncoder().encode(words);

/** What every Bus does. */
export function describeBus(name: string, start: () => Promise<BusFactory>, stop: () => Promise<void>): void {
  describe(`${name} as a Bus`, () => {
    let factory: BusFactory;
    let sender: Bus;
    let receiver: Bus;
    const others: Bus[] = [];
    const connect = async (role: string): Promise<Bus> => {
      const bus = await factory.connect(role);
      others.push(bus);
      return bus;
    };

    beforeEach(async () => {
      factory = await start();
      sender = await connect('gateway');
      receiver = await connect('scheduler');
    });
    afterEach(async () => {
      await Promise.all(others.splice(0).map((bus) => bus.close()));
      await stop();
    });

    /** Resolves when what the receiver subscribed to so far is known to the medium (it takes what one participant says in order). */
    const settled = async (): Promise<void> => {
      receiver.respond('settled', async (body) => body);
      await receiver.request(receiver.address, 'settled', new Uint8Array(0));
    };

    describe('channels', () => {
      it('delivers what one turn sends as one list, in order', async () => {
        const got = new Collected<string>();
        receiver.receive(notes, got.take);
        await settled();
        for (let i = 0; i < 100; i++) sender.send(notes, receiver.address, `note ${i}`);
        expect(await got.until(100)).toEqual(Array.from({ length: 100 }, (_, i) => `note ${i}`));
        expect(got.lists).toHaveLength(1);
      });

      it('keeps the order of a sender over many turns and lists longer than one message takes', async () => {
        const got = new Collected<string>();
        receiver.receive(notes, got.take);
        await settled();
        const sent: string[] = [];
        for (let turn = 0; turn < 20; turn++) {
          for (let i = 0; i < 500; i++) {
            sent.push(`turn ${turn} note ${i} ${'x'.repeat(turn === 7 ? 4000 : 0)}`);
            sender.send(notes, receiver.address, sent.at(-1) as string);
          }
          await new Promise((resolve) => setImmediate(resolve));
        }
        expect(await got.until(10_000)).toEqual(sent);
      });

      it('delivers messages of 5 MB and 40 MB whole, and later small ones after them', async () => {
        const got = new Collected<Uint8Array>();
        receiver.receive(blobs, got.take);
        await settled();
        const sizes = [10, 5_000_000, 11, 40_000_000, 12];
        const sent = sizes.map(patterned);
        for (const bytes of sent) sender.send(blobs, receiver.address, bytes);
        const received = await got.until(sizes.length);
        expect(received.map((bytes) => bytes.byteLength)).toEqual(sizes);
        received.forEach((bytes, i) => expect(Buffer.compare(bytes, sent[i] as Uint8Array)).toBe(0));
      });

      it('lets other senders pass while a large message of one is on its way', async () => {
        const third = await connect('gateway');
        const got = new Collected<Uint8Array>();
        receiver.receive(blobs, got.take);
        await settled();
        sender.send(blobs, receiver.address, patterned(8_000_000));
        third.send(blobs, receiver.address, patterned(3));
        const sizes = (await got.until(2)).map((bytes) => bytes.byteLength).sort((a, b) => a - b);
        expect(sizes).toEqual([3, 8_000_000]);
      });

      it('sends to itself', async () => {
        const got = new Collected<string>();
        sender.receive(notes, got.take);
        sender.send(notes, sender.address, 'to me');
        expect(await got.until(1)).toEqual(['to me']);
      });

      it.each([
        ['an address that nobody has', 'gateway-00000000'],
        ['a participant that does not receive on the channel', ''],
      ])('says at once that nobody got a message: %s', async (_, address) => {
        const error = await undelivered(sender, address === '' ? receiver.address : address);
        expect(error).toMatchObject({ code: 'UNAVAILABLE' });
      });

      it('says so for exactly the messages that nobody got', async () => {
        const got = new Collected<string>();
        const subscription = receiver.receive(notes, got.take);
        await settled();
        const failed: string[] = [];
        const send = (message: string, to: string): void => sender.send(notes, to, message, () => failed.push(message));
        for (let i = 0; i < 10; i++) {
          send(`good ${i}`, receiver.address);
          send(`bad ${i}`, 'nobody-1');
        }
        await got.until(10);
        subscription.unsubscribe();
        await undelivered(sender, 'nobody-1');
        expect(failed).toEqual(Array.from({ length: 10 }, (_, i) => `bad ${i}`));
        expect(await undelivered(sender, receiver.address)).toMatchObject({ code: 'UNAVAILABLE' });
        expect(got.lists.flat()).toHaveLength(10);
      });

      it('says so for a large message too', async () => {
        const error = await new Promise((resolve) => sender.send(blobs, receiver.address, patterned(3_000_000), resolve));
        expect(error).toMatchObject({ code: 'UNAVAILABLE' });
      });

      it('has one receiver per channel, and goes on after a handler threw', async () => {
        const got = new Collected<string>();
        receiver.receive(notes, (messages) => {
          got.take(messages);
          throw new Error('handler of a test that throws');
        });
        expect(() => receiver.receive(notes, () => undefined)).toThrow(TypeError);
        await settled();
        sender.send(notes, receiver.address, 'one');
        await got.until(1);
        sender.send(notes, receiver.address, 'two');
        expect(await got.until(2)).toEqual(['one', 'two']);
      });

      it('receives again on a channel after unsubscribing', async () => {
        receiver.receive(notes, () => undefined).unsubscribe();
        const got = new Collected<string>();
        receiver.receive(notes, got.take);
        await settled();
        sender.send(notes, receiver.address, 'again');
        expect(await got.until(1)).toEqual(['again']);
      });
    });

    describe('requests', () => {
      it('answers at an address and anywhere', async () => {
        receiver.respond('upper.case', async (body) => bytesOf(text(body).toUpperCase()));
        await settled();
        expect(text(await sender.request(receiver.address, 'upper.case', bytesOf('here')))).toBe('HERE');
        expect(text(await sender.request(undefined, 'upper.case', bytesOf('anywhere')))).toBe('ANYWHERE');
      });

      it('asks one of several responders', async () => {
        const third = await connect('scheduler');
        let asked = 0;
        for (const bus of [receiver, third]) {
          bus.respond('count', async (body) => {
            asked++;
            return body;
          });
          await bus.request(bus.address, 'count', bytesOf('known now'));
        }
        asked = 0;
        for (let i = 0; i < 20; i++) await sender.request(undefined, 'count', bytesOf('x'));
        expect(asked).toBe(20);
      });

      it('carries bodies and answers larger than one message', async () => {
        receiver.respond('echo', async (body) => body);
        await settled();
        const body = patterned(3_000_001);
        const answer = await sender.request(receiver.address, 'echo', body, { timeoutMs: 20_000 });
        expect(Buffer.compare(answer, body)).toBe(0);
      });

      it('rejects with UNAVAILABLE at once when nobody answers the subject', async () => {
        expect(await codeOf(sender.request(receiver.address, 'nothing', bytesOf(''), { timeoutMs: 20_000 }))).toBe('UNAVAILABLE');
        expect(await codeOf(sender.request(undefined, 'nothing', bytesOf(''), { timeoutMs: 20_000 }))).toBe('UNAVAILABLE');
      });

      it('rejects with DEADLINE_EXCEEDED when no answer comes in time', async () => {
        receiver.respond('never', () => new Promise(() => undefined));
        await settled();
        expect(await codeOf(sender.request(receiver.address, 'never', bytesOf(''), { timeoutMs: 50 }))).toBe('DEADLINE_EXCEEDED');
      });

      it('carries the ServingError of a responder, and INTERNAL without text for anything else', async () => {
        receiver.respond('refuse', async () => {
          throw new ServingError('NOT_FOUND', "servable 'nö' is not here");
        });
        receiver.respond('break', async () => {
          throw new Error('/secret/path');
        });
        await settled();
        const refused = { code: 'NOT_FOUND', message: "servable 'nö' is not here" };
        await expect(sender.request(receiver.address, 'refuse', bytesOf(''))).rejects.toMatchObject(refused);
        await expect(sender.request(receiver.address, 'break', bytesOf(''))).rejects.toMatchObject({
          code: 'INTERNAL',
          message: 'internal error',
        });
      });

      it('has one responder per subject, and none after unsubscribing', async () => {
        const subscription = receiver.respond('once', async (body) => body);
        expect(() => receiver.respond('once', async (body) => body)).toThrow(TypeError);
        await settled();
        subscription.unsubscribe();
        await receiver.request(receiver.address, 'settled', bytesOf(''));
        expect(await codeOf(sender.request(receiver.address, 'once', bytesOf('')))).toBe('UNAVAILABLE');
      });
    });

    describe('topics', () => {
      it('tells everybody who listens, the sender included, until they unsubscribe', async () => {
        const heard: string[] = [];
        const all = new Collected<string>();
        const listen = (bus: Bus, who: string): { unsubscribe(): void } =>
          bus.listen('schedulers.hello', (body) => {
            heard.push(`${who} ${text(body)}`);
            all.take([who]);
          });
        listen(sender, 'sender');
        const subscription = listen(receiver, 'receiver');
        await settled();
        sender.broadcast('schedulers.hello', bytesOf('1'));
        await all.until(2);
        subscription.unsubscribe();
        await receiver.request(receiver.address, 'settled', bytesOf(''));
        sender.broadcast('schedulers.hello', bytesOf('2'));
        await all.until(3);
        expect(heard.sort()).toEqual(['receiver 1', 'sender 1', 'sender 2']);
      });

      it('refuses a broadcast that is no beacon', () => {
        expect(() => sender.broadcast('big', new Uint8Array(maxBroadcastBytes + 1))).toThrow(RangeError);
      });
    });

    describe('held bytes', () => {
      it('fetches all, ranges and nothing of them, until they are released', async () => {
        const bytes = patterned(5_000_003);
        const held = sender.hold(bytes);
        expect(held).toMatchObject({ owner: sender.address, offset: 0, length: bytes.byteLength });
        expect(Buffer.compare(await receiver.fetch(held), bytes)).toBe(0);
        expect(
          Buffer.compare(
            await receiver.fetch({ ...held, offset: 700_001, length: 1_234_567 }),
            bytes.subarray(700_001, 700_001 + 1_234_567),
          ),
        ).toBe(0);
        expect(Buffer.compare(await receiver.fetch({ ...held, offset: 3, length: 5 }), bytes.subarray(3, 8))).toBe(0);
        expect(await receiver.fetch({ ...held, offset: 9, length: 0 })).toHaveLength(0);
        expect(Buffer.compare(await sender.fetch(held), bytes)).toBe(0);
        sender.release(held);
        sender.release(held);
        expect(await codeOf(receiver.fetch(held))).toBe('NOT_FOUND');
        expect(await codeOf(sender.fetch(held))).toBe('NOT_FOUND');
      });

      it('lets the reader release them', async () => {
        const held = sender.hold(patterned(100));
        receiver.release(held);
        // The owner takes what one participant says in order.
        expect(await codeOf(receiver.fetch(held))).toBe('NOT_FOUND');
      });

      it('refuses ranges outside them and impossible references', async () => {
        const held = sender.hold(patterned(100));
        for (const range of [
          { offset: 50, length: 51 },
          { offset: 101, length: 0 },
          { offset: -1, length: 5 },
          { offset: 0.5, length: 1 },
          { offset: 0, length: Number.MAX_SAFE_INTEGER },
        ]) {
          expect(['INVALID_ARGUMENT', 'RESOURCE_EXHAUSTED']).toContain(await codeOf(receiver.fetch({ ...held, ...range })));
        }
        expect(await codeOf(receiver.fetch({ ...held, id: 999 }))).toBe('NOT_FOUND');
      });

      it('rejects with UNAVAILABLE when the owner is gone', async () => {
        const held = sender.hold(patterned(2_000_000));
        await sender.close();
        expect(await codeOf(receiver.fetch(held))).toBe('UNAVAILABLE');
      });

      it('are kept for one reader: gone when it took them, and drain waits for that', async () => {
        const bytes = patterned(3_000_001);
        const held = sender.holdForOne(bytes);
        let isDrained = false;
        const drained = sender.drain(20_000).then((unfinished) => {
          isDrained = true;
          return unfinished;
        });
        const taken = await receiver.take(held);
        expect([isDrained, Buffer.compare(taken, bytes)]).toEqual([false, 0]);
        expect(await drained).toBe(0);
        expect(await codeOf(receiver.take(held))).toBe('NOT_FOUND');
      });

      it('are taken in parts, and kept until the last', async () => {
        const bytes = patterned(1000);
        const held = sender.holdForOne(bytes);
        const drained = sender.drain(20_000);
        const parts = [await receiver.take({ ...held, length: 300 }), await receiver.take({ ...held, offset: 300, length: 700 })];
        expect(Buffer.concat(parts)).toEqual(Buffer.from(bytes));
        expect(await drained).toBe(0);
        expect(await codeOf(receiver.take(held))).toBe('NOT_FOUND');
      });

      it('are released by a reader that cancels taking them', async () => {
        const held = sender.holdForOne(patterned(3_000_000));
        expect(await codeOf(receiver.take(held, AbortSignal.abort()))).toBe('CANCELLED');
        expect(await sender.drain(20_000)).toBe(0);
        expect(await codeOf(receiver.fetch(held))).toBe('NOT_FOUND');
      });

      it('says how large a message may be that is sent in one piece', () => {
        expect(sender.maxMessageBytes).toBeGreaterThan(256 * 1024);
      });

      it('is cancelled by the signal', async () => {
        const held = sender.hold(patterned(100));
        expect(await codeOf(receiver.fetch(held, AbortSignal.abort()))).toBe('CANCELLED');
      });

      it('serves several readers at once', async () => {
        const bytes = patterned(6_000_000);
        const held = sender.hold(bytes);
        const readers = await Promise.all(Array.from({ length: 4 }, () => connect('worker')));
        const fetched = await Promise.all(readers.map((reader) => reader.fetch(held)));
        for (const copy of fetched) expect(Buffer.compare(copy, bytes)).toBe(0);
      });
    });

    describe('names', () => {
      const bad = ['', 'a..b', '.a', 'a.', 'a.*', '>', 'a b', 'a\r\nPUB x', 'ä', 'x'.repeat(201)];
      it.each(bad)('refuses %j', async (name) => {
        expect(() => sender.broadcast(name, bytesOf(''))).toThrow(TypeError);
        expect(() => sender.listen(name, () => undefined)).toThrow(TypeError);
        expect(() => sender.respond(name, async (body) => body)).toThrow(TypeError);
        expect(() => sender.send(notes, name, 'x')).toThrow(TypeError);
        await expect(sender.request(undefined, name, bytesOf(''))).rejects.toThrow(TypeError);
        await expect(sender.request(name, 'subject', bytesOf(''))).rejects.toThrow(TypeError);
        await expect(sender.fetch({ owner: name, id: 1, offset: 0, length: 1 })).rejects.toThrow(TypeError);
      });
    });

    describe('the end', () => {
      it('drain refuses new work at once, waits for work in hand, keeps held bytes and sending', async () => {
        let finish: (body: Uint8Array) => void = () => undefined;
        const asked = new Promise<void>((started) => {
          receiver.respond('slow', () => {
            started();
            return new Promise((resolve) => {
              finish = resolve;
            });
          });
        });
        receiver.receive(notes, () => undefined);
        const got = new Collected<string>();
        sender.receive(notes, got.take);
        await settled();
        const answer = sender.request(receiver.address, 'slow', bytesOf(''), { timeoutMs: 20_000 });
        await asked;
        const held = receiver.hold(patterned(10));
        const drained = receiver.drain(20_000);
        // Retried: only the server knows when it stopped routing here.
        while ((await codeOf(sender.request(receiver.address, 'settled', bytesOf('')))) !== 'UNAVAILABLE');
        expect(await undelivered(sender, receiver.address)).toMatchObject({ code: 'UNAVAILABLE' });
        finish(bytesOf('done'));
        expect(text(await answer)).toBe('done');
        expect(await drained).toBe(0);
        expect(await sender.fetch(held)).toHaveLength(10);
        receiver.send(notes, sender.address, 'bye');
        expect(await got.until(1)).toEqual(['bye']);
      });

      it('loses none of many requests that are in hand when it drains', async () => {
        const third = await connect('scheduler');
        const release: (() => void)[] = [];
        let asked = 0;
        const half = new Promise<void>((resolve) => {
          for (const bus of [receiver, third]) {
            bus.respond('slow', async (body) => {
              if (++asked === 100) resolve();
              await new Promise<void>((finish) => release.push(finish));
              return body;
            });
          }
        });
        await settled();
        await third.request(third.address, 'slow', bytesOf('known now'), { timeoutMs: 1 }).catch(() => undefined);
        const requests = Array.from({ length: 300 }, (_, i) =>
          sender.request(undefined, 'slow', bytesOf(`${i}`), { timeoutMs: 20_000 }).then(text),
        );
        await half;
        const drained = receiver.drain(20_000);
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
        sender.receive(blobs, got.take);
        await sender.request(sender.address, 'known', bytesOf('')).catch(() => undefined);
        const asked = new Promise<void>((started) => {
          receiver.respond('large', async (body) => {
            started();
            return patterned(20_000_000 + body.byteLength);
          });
        });
        await settled();
        const answer = sender.request(receiver.address, 'large', bytesOf('x'), { timeoutMs: 20_000 });
        await asked;
        for (const size of sizes) receiver.send(blobs, sender.address, patterned(size));
        expect(await receiver.drain(20_000)).toBe(0);
        await receiver.close();
        expect(Buffer.compare(await answer, patterned(20_000_001))).toBe(0);
        const received = await got.until(sizes.length);
        received.forEach((bytes, i) => expect(Buffer.compare(bytes, patterned(sizes[i] as number))).toBe(0));
      });

      it('drain gives up after its grace and says how many responders are unfinished', async () => {
        receiver.respond('stuck', () => new Promise(() => undefined));
        await settled();
        void codeOf(sender.request(receiver.address, 'stuck', bytesOf(''), { timeoutMs: 20_000 }));
        await sender.request(receiver.address, 'settled', bytesOf(''));
        expect(await receiver.drain(50)).toBe(1);
      });

      it('close ends everything, sends what was sent, and can be repeated', async () => {
        const got = new Collected<string>();
        receiver.receive(notes, got.take);
        await settled();
        const states: BusState[] = [];
        expect(sender.state).toBe('up');
        sender.onState((state) => states.push(state));
        sender.send(notes, receiver.address, 'last words');
        await sender.close();
        await sender.close();
        expect(sender.state).toBe('closed');
        expect(states).toEqual(['closed']);
        expect(await got.until(1)).toEqual(['last words']);
        expect(await undelivered(sender, receiver.address)).toMatchObject({ code: 'UNAVAILABLE' });
        expect(await codeOf(sender.request(receiver.address, 'settled', bytesOf('')))).toBe('UNAVAILABLE');
        expect(await codeOf(sender.fetch({ owner: receiver.address, id: 1, offset: 0, length: 1 }))).toBe('UNAVAILABLE');
        expect(() => sender.receive(notes, () => undefined)).toThrow(ServingError);
        expect(() => sender.respond('x', async (body) => body)).toThrow(ServingError);
        expect(() => sender.hold(bytesOf('x'))).toThrow(ServingError);
        sender.broadcast('topic', bytesOf('nobody hears this'));
        sender.release({ owner: receiver.address, id: 1, offset: 0, length: 1 });
      });

      it('fails the requests that a closed participant waits for', async () => {
        receiver.respond('stuck', () => new Promise(() => undefined));
        await settled();
        const waiting = codeOf(sender.request(receiver.address, 'stuck', bytesOf(''), { timeoutMs: 20_000 }));
        await sender.request(receiver.address, 'settled', bytesOf(''));
        await sender.close();
        expect(await waiting).toBe('UNAVAILABLE');
      });
    });
  });
}
