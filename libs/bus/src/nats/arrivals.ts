import type { Msg } from '@nats-io/transport-node';
import { TextCache, type HeldBytes } from '@mserve/wire';
import type { Channel } from '../channel.js';
import { bodyOf, heldOf } from './frame.js';

type Waiting = { readonly held: HeldBytes } | { readonly bytes: Uint8Array };

/** The most lists of one sender that wait behind a large one. */
const maxWaiting = 10_000;

interface ArrivalsOptions<M> {
  readonly channel: Channel<M>;
  readonly handler: (messages: readonly M[]) => void;
  readonly pull: (held: HeldBytes) => Promise<Uint8Array>;
  readonly onDropped: (what: string, cause: unknown) => void;
  readonly report: (text: string, cause: unknown) => void;
}

/**
 * What comes in on one channel. Lists are handed over as they come; while a large one of a sender is being pulled,
 * that sender's later lists wait for it and the others' do not.
 */
export class Arrivals<M> {
  private readonly waiting = new Map<string, Waiting[]>();
  private readonly texts = new TextCache();
  private stopped = false;
  private idle: (() => void) | undefined;

  constructor(private readonly options: ArrivalsOptions<M>) {}

  /** Never throws. */
  accept(message: Msg): void {
    try {
      const held = heldOf(message);
      if (held === undefined && this.waiting.size === 0) return this.deliver(bodyOf(message));
      const sender = senderOf(message.reply ?? '');
      if (held === undefined) return this.acceptFrom(sender, bodyOf(message));
      if (this.waitBehind(sender, { held })) return;
      const opened: Waiting[] = [{ held }];
      this.waiting.set(sender, opened);
      void this.deliverInOrder(sender, opened);
    } catch (thrown) {
      this.options.onDropped(`a message of channel ${this.options.channel.name}`, thrown);
    }
  }

  /** A list of a sender that came in any way; see {@link senderOf}. Never throws. */
  acceptFrom(sender: string, bytes: Uint8Array): void {
    try {
      if (this.waiting.size === 0 || !this.waitBehind(sender, { bytes })) this.deliver(bytes);
    } catch (thrown) {
      this.options.onDropped(`a message of channel ${this.options.channel.name}`, thrown);
    }
  }

  /** No handler call after this. */
  stop(): void {
    this.stopped = true;
    this.waiting.clear();
    this.idle?.();
  }

  /** Resolves when nothing waits any more. */
  drained(): Promise<void> {
    if (this.waiting.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.idle = resolve;
    });
  }

  /** False: nothing of this sender waits. */
  private waitBehind(sender: string, next: Waiting): boolean {
    const queue = this.waiting.get(sender);
    if (queue === undefined) return false;
    if (queue.length >= maxWaiting) throw new Error(`${maxWaiting} lists wait already`);
    queue.push(next);
    return true;
  }

  private async deliverInOrder(sender: string, queue: Waiting[]): Promise<void> {
    for (let next = queue[0]; next !== undefined; next = queue[0]) {
      try {
        const bytes = 'held' in next ? await this.options.pull(next.held) : next.bytes;
        if (this.stopped) return;
        this.deliver(bytes);
      } catch (thrown) {
        this.options.onDropped(`a large message of channel ${this.options.channel.name}`, thrown);
      }
      queue.shift();
    }
    this.waiting.delete(sender);
    if (this.waiting.size === 0) this.idle?.();
  }

  private deliver(bytes: Uint8Array): void {
    if (this.stopped) return;
    let messages: M[];
    try {
      messages = this.options.channel.decode(bytes, this.texts);
    } catch (thrown) {
      return this.options.onDropped(`a message of channel ${this.options.channel.name}`, thrown);
    }
    if (messages.length === 0) return;
    try {
      this.options.handler(messages);
    } catch (thrown) {
      this.options.report(`the handler of channel ${this.options.channel.name} threw`, thrown);
    }
  }
}

/** The sender's inbox, without the message's own number: the same for all messages of one sender. */
export function senderOf(reply: string): string {
  return reply.slice(0, reply.lastIndexOf('.') + 1);
}
