import type { NatsConnection } from '@nats-io/transport-node';
import { EndOfTurn } from '@mserve/event-loop';
import { ServingError } from '@mserve/wire';
import type { Channel } from '../channel.js';
import type { HeldTable } from '../held-table.js';
import type { MessageWay } from '../message-ways.js';
import type { Report } from '../report.js';
import type { Rings } from '../ring/rings.js';
import { tellUndelivered, type OnUndelivered } from '../undelivered.js';
import type { Deliveries } from './deliveries.js';
import { heldFrame } from './frame.js';
import type { ReplyInbox } from './reply-inbox.js';
import { RingWay } from './ring-way.js';
import type { Subjects } from './subjects.js';

/** More messages than this go in several lists (the decoder bounds what one list may hold). */
const maxListMessages = 4096;

interface Outbox {
  readonly channel: Channel<unknown>;
  readonly subject: string;
  /** Undefined: all of it goes over the bus. */
  readonly way: RingWay | undefined;
  messages: unknown[];
  callbacks: OnUndelivered[];
}

interface OutboxesOptions {
  readonly connection: NatsConnection;
  readonly subjects: Subjects;
  readonly deliveries: Deliveries;
  readonly inbox: ReplyInbox;
  readonly table: HeldTable;
  readonly report: Report;
  readonly isUp: () => boolean;
  /** Largest body that goes into one NATS message. */
  readonly maxBytes: () => number;
  /** Largest message that a receiver pulls. */
  readonly maxFetchBytes: number;
  /** Undefined: there are none. */
  readonly rings: Rings | undefined;
}

/** Gathers what one event-loop turn has for each receiver, and publishes it at the end of the turn. */
export class Outboxes {
  /** Messages since the start; each list adds its own once. */
  readonly sent: { [Way in MessageWay]: number } = { ring: 0, server: 0 };
  private readonly byChannel = new Map<string, Map<string, Outbox>>();
  private waiting: Outbox[] = [];
  /** What arrives on other sockets in this turn goes along. */
  private readonly end = new EndOfTurn(() => this.publishWaiting(), 'check');

  constructor(private readonly options: OutboxesOptions) {}

  /** TypeError for an address or channel that is not a name. */
  push<M>(channel: Channel<M>, to: string, message: M, onUndelivered: OnUndelivered): void {
    const outbox = this.byChannel.get(channel.name)?.get(to) ?? this.open(channel as Channel<unknown>, to);
    if (outbox.messages.length === 0) {
      this.waiting.push(outbox);
      this.end.ask();
    }
    outbox.messages.push(message);
    outbox.callbacks.push(onUndelivered);
  }

  /** Publishes all that is waiting, now. */
  flush(): void {
    this.end.flush();
  }

  /** Asks for a ring to a receiver before there is anything to send; resolves with whether there is one. */
  async openRing(channel: Channel<unknown>, to: string): Promise<boolean> {
    const { way } = this.byChannel.get(channel.name)?.get(to) ?? this.open(channel, to);
    await way?.ask();
    return way?.isOpen === true;
  }

  /** Rings of others that are open now. */
  get openRings(): number {
    let count = 0;
    for (const outboxes of this.byChannel.values()) for (const { way } of outboxes.values()) if (way?.isOpen === true) count++;
    return count;
  }

  /** Whoever is sent to from now on gets it over the bus, until there is a ring again. */
  giveUpRings(): void {
    for (const outboxes of this.byChannel.values()) for (const { way } of outboxes.values()) way?.giveUp();
  }

  private publishWaiting(): void {
    const { waiting } = this;
    this.waiting = [];
    for (const outbox of waiting) {
      const { messages, callbacks } = outbox;
      outbox.messages = [];
      outbox.callbacks = [];
      this.publish(outbox, messages, callbacks);
    }
  }

  private open(channel: Channel<unknown>, to: string): Outbox {
    const subject = this.options.subjects.to(to, channel.name);
    const { rings } = this.options;
    const way = rings === undefined || channel.takesRing !== true ? undefined : new RingWay(subject, { ...this.options, rings });
    const outbox: Outbox = { channel, subject, way, messages: [], callbacks: [] };
    const ofChannel = this.byChannel.get(channel.name) ?? new Map<string, Outbox>();
    // Participants come and go; the outboxes of those that went must not pile up.
    if (ofChannel.size >= 1024) {
      for (const [address, idle] of ofChannel) {
        if (idle.messages.length > 0) continue;
        idle.way?.giveUp();
        ofChannel.delete(address);
      }
    }
    ofChannel.set(to, outbox);
    this.byChannel.set(channel.name, ofChannel);
    return outbox;
  }

  private publish(outbox: Outbox, messages: readonly unknown[], callbacks: readonly OnUndelivered[]): void {
    const { options } = this;
    if (!options.isUp()) return tellUndelivered(callbacks, options.report);
    if (messages.length > maxListMessages) return this.publishHalves(outbox, messages, callbacks);
    let bytes: Uint8Array;
    try {
      bytes = outbox.channel.encode(messages);
    } catch (thrown) {
      // One that cannot be encoded must not take the others with it.
      if (messages.length > 1) return this.publishHalves(outbox, messages, callbacks);
      return this.giveUp(outbox, callbacks, 'cannot be encoded', ServingError.from(thrown));
    }
    const { way } = outbox;
    if (messages.length > 1 && way?.isTooLong(bytes) === true) return this.publishHalves(outbox, messages, callbacks);
    if (way?.send(bytes, callbacks) === true) {
      this.sent.ring += messages.length;
      return;
    }
    if (bytes.byteLength <= options.maxBytes()) return this.publishBytes(outbox.subject, bytes, callbacks);
    if (messages.length > 1) return this.publishHalves(outbox, messages, callbacks);
    if (bytes.byteLength > options.maxFetchBytes) {
      const error = new ServingError(
        'RESOURCE_EXHAUSTED',
        `a message of ${bytes.byteLength} bytes, at most ${options.maxFetchBytes} are sent`,
      );
      return this.giveUp(outbox, callbacks, 'is too large', error);
    }
    this.publishHeld(outbox.subject, bytes, callbacks);
  }

  private giveUp({ channel }: Outbox, callbacks: readonly OnUndelivered[], why: string, error: ServingError): void {
    const { report } = this.options;
    report(`a message of channel ${channel.name} ${why}`, error);
    tellUndelivered(callbacks, report, error);
  }

  private publishHalves(outbox: Outbox, messages: readonly unknown[], callbacks: readonly OnUndelivered[]): void {
    const half = messages.length >> 1;
    this.publish(outbox, messages.slice(0, half), callbacks.slice(0, half));
    this.publish(outbox, messages.slice(half), callbacks.slice(half));
  }

  private publishBytes(subject: string, bytes: Uint8Array, callbacks: readonly OnUndelivered[]): void {
    const { connection, deliveries, inbox } = this.options;
    const number = deliveries.add(subject, callbacks);
    this.sent.server += callbacks.length;
    try {
      connection.publish(subject, bytes, { reply: inbox.deliveryReply(number) });
    } catch {
      // The connection was closed, or a reconnect brought a smaller max_payload: nobody got it.
      deliveries.fail(number);
    }
  }

  private publishHeld(subject: string, bytes: Uint8Array, callbacks: readonly OnUndelivered[]): void {
    const { connection, deliveries, inbox, table, report } = this.options;
    this.sent.server += callbacks.length;
    const held = table.holdForOne(bytes, () => tellUndelivered(callbacks, report));
    // The table tells them, once: the server says that nobody got it, or nobody pulls.
    const number = deliveries.add(subject, [], () => table.lose(held.id));
    const frame = heldFrame(held);
    try {
      connection.publish(subject, frame.body, { reply: inbox.deliveryReply(number), headers: frame.headers });
    } catch {
      deliveries.fail(number);
    }
  }
}
