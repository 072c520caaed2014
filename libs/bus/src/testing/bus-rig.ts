import { ServingError } from '@mserve/wire';
import type { Bus } from '../bus.js';
import type { Channel } from '../channel.js';

/** Connects participants to one medium; the suite closes them. */
export interface BusFactory {
  connect(role: string): Promise<Bus>;
  /** What else is to be waited for before one sends to the other. */
  settled?(sender: Bus, receiver: Bus): Promise<void>;
}

/** A channel of texts. */
export const notes: Channel<string> = {
  name: 'notes',
  takesRing: true,
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
export const blobs: Channel<Uint8Array> = {
  name: 'blobs',
  takesRing: true,
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

/** Resolves with the error of a note that nobody got. */
export function undelivered(bus: Bus, to: string, message = 'lost'): Promise<Error> {
  return new Promise((resolve) => bus.send(notes, to, message, resolve));
}

/** The code of the ServingError that a promise rejects with. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'no error',
    (error: unknown) => (error instanceof ServingError ? error.code : String(error)),
  );
}

export const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
export const bytesOf = (words: string): Uint8Array => new TextEncoder().encode(words);

/** Participants of one medium for the tests of a contract: a sender, a receiver, and as many more as are asked for. */
export class BusRig {
  private started: { readonly factory: BusFactory; readonly sender: Bus; readonly receiver: Bus } | undefined;
  private readonly members: Bus[] = [];

  async start(factory: BusFactory): Promise<void> {
    const join = async (role: string): Promise<Bus> => {
      const bus = await factory.connect(role);
      this.members.push(bus);
      return bus;
    };
    this.started = { factory: { ...factory, connect: join }, sender: await join('gateway'), receiver: await join('scheduler') };
  }

  async stop(): Promise<void> {
    await Promise.all(this.members.splice(0).map((bus) => bus.close()));
  }

  get sender(): Bus {
    return this.running.sender;
  }

  get receiver(): Bus {
    return this.running.receiver;
  }

  connect(role: string): Promise<Bus> {
    return this.running.factory.connect(role);
  }

  /** Resolves when what the receiver subscribed to so far is known to the medium (it takes what one participant says in order). */
  async settled(): Promise<void> {
    const { receiver, sender } = this;
    receiver.respond('settled', async (body) => body);
    await receiver.request(receiver.address, 'settled', new Uint8Array(0));
    await this.running.factory.settled?.(sender, receiver);
  }

  private get running(): NonNullable<typeof this.started> {
    if (this.started === undefined) throw new TypeError('the rig is not started');
    return this.started;
  }
}
