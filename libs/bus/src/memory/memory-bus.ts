import { refusal, ServingError, type HeldBytes } from '@mserve/wire';
import { maxBroadcastBytes, type Bus, type BusState, type RequestOptions, type Subscription } from '../bus.js';
import type { Channel } from '../channel.js';
import { withTimeout } from '../deadline.js';
import { checkName, checkToken } from '../names.js';
import { HeldTable, checkRange } from '../held-table.js';
import { tellUndelivered } from '../undelivered.js';
import { ChannelInbox } from './channel-inbox.js';
import type { MemoryEndpoint, MemoryMedium, MemoryResponder } from './memory-medium.js';

/** The Bus within a process; made by MemoryExchange.connect. Never `down`. */
export class MemoryBus implements Bus, MemoryEndpoint {
  readonly inboxes = new Map<string, ChannelInbox>();
  readonly ownResponders = new Map<string, MemoryResponder>();
  private readonly ownListeners = new Set<Subscription>();
  private readonly stateListeners = new Set<(state: BusState) => void>();
  readonly held: HeldTable;
  private readonly inHand = new Set<Promise<void>>();
  /** Reject the requests that this endpoint waits for. */
  private readonly asked = new Set<(error: ServingError) => void>();
  private closed = false;

  constructor(
    private readonly medium: MemoryMedium,
    readonly address: string,
  ) {
    this.held = new HeldTable(address);
  }

  get state(): BusState {
    return this.closed ? 'closed' : 'up';
  }

  get heldBytes(): number {
    return this.held.bytes;
  }

  onState(listener: (state: BusState) => void): Subscription {
    this.stateListeners.add(listener);
    return { unsubscribe: () => void this.stateListeners.delete(listener) };
  }

  send<M>(channel: Channel<M>, to: string, message: M, onUndelivered?: (error: Error) => void): void {
    if (!this.closed) {
      const inbox = this.medium.endpoints.get(to)?.inboxes.get(channel.name);
      if (inbox !== undefined) {
        inbox.push(message, onUndelivered);
        return;
      }
    }
    checkName('address', to);
    if (onUndelivered !== undefined) queueMicrotask(() => tellUndelivered([onUndelivered], this.medium.report));
  }

  receive<M>(channel: Channel<M>, handler: (messages: readonly M[]) => void): Subscription {
    this.checkOpen();
    checkToken('channel', channel.name);
    if (this.inboxes.has(channel.name)) throw new TypeError(`channel ${channel.name} has a receiver already`);
    const inbox = new ChannelInbox(handler as (messages: readonly unknown[]) => void, this.medium.report, channel.name);
    this.inboxes.set(channel.name, inbox);
    return {
      unsubscribe: () => {
        inbox.close();
        if (this.inboxes.get(channel.name) === inbox) this.inboxes.delete(channel.name);
      },
    };
  }

  async request(to: string | undefined, subject: string, body: Uint8Array, options: RequestOptions = {}): Promise<Uint8Array> {
    checkName('subject', subject);
    if (to !== undefined) checkName('address', to);
    const responder = this.closed ? undefined : this.findResponder(to, subject);
    if (responder === undefined) throw new ServingError('UNAVAILABLE', `nobody answers ${subject} now`);
    let abandon: (error: ServingError) => void = () => undefined;
    const abandoned = new Promise<never>((_, reject) => (abandon = reject));
    this.asked.add(abandon);
    try {
      const answered = responder.owner.answer(responder, subject, body);
      return await withTimeout(Promise.race([answered, abandoned]), options.timeoutMs ?? 2000, () => `${subject} was not answered`);
    } finally {
      this.asked.delete(abandon);
    }
  }

  respond(subject: string, responder: (body: Uint8Array) => Promise<Uint8Array>): Subscription {
    this.checkOpen();
    checkName('subject', subject);
    if (this.ownResponders.has(subject)) throw new TypeError(`subject ${subject} has a responder already`);
    const entry: MemoryResponder = { owner: this, respond: responder };
    this.ownResponders.set(subject, entry);
    const responders = this.medium.responders.get(subject);
    if (responders === undefined) this.medium.responders.set(subject, [entry]);
    else responders.push(entry);
    return { unsubscribe: () => this.removeResponder(subject, entry) };
  }

  broadcast(topic: string, body: Uint8Array): void {
    checkName('topic', topic);
    if (body.byteLength > maxBroadcastBytes)
      throw new RangeError(`a broadcast of ${body.byteLength} bytes, at most ${maxBroadcastBytes} are allowed`);
    if (this.closed) return;
    queueMicrotask(() => {
      for (const listener of [...(this.medium.listeners.get(topic) ?? [])]) {
        if (this.medium.listeners.get(topic)?.has(listener) !== true) continue;
        try {
          listener(body);
        } catch (error) {
          this.medium.report(`a listener of topic ${topic} threw`, error);
        }
      }
    });
  }

  listen(topic: string, listener: (body: Uint8Array) => void): Subscription {
    this.checkOpen();
    checkName('topic', topic);
    const { listeners } = this.medium;
    const own = (body: Uint8Array): void => listener(body);
    const ofTopic = listeners.get(topic) ?? new Set();
    listeners.set(topic, ofTopic.add(own));
    const subscription = {
      unsubscribe: () => {
        ofTopic.delete(own);
        this.ownListeners.delete(subscription);
        if (ofTopic.size === 0 && listeners.get(topic) === ofTopic) listeners.delete(topic);
      },
    };
    this.ownListeners.add(subscription);
    return subscription;
  }

  hold(bytes: Uint8Array, onForgotten?: () => void): HeldBytes {
    this.checkOpen();
    return this.held.hold(bytes, onForgotten);
  }

  holdForOne(bytes: Uint8Array, onLost?: () => void, onForgotten?: () => void): HeldBytes {
    this.checkOpen();
    return this.held.holdForOne(bytes, onLost, onForgotten);
  }

  async take(held: HeldBytes, signal?: AbortSignal): Promise<Uint8Array> {
    try {
      return await this.fetch(held, signal);
    } finally {
      this.release(held);
    }
  }

  readonly maxMessageBytes = Infinity;

  release(held: HeldBytes): void {
    this.medium.endpoints.get(held.owner)?.held.release(held);
  }

  async fetch(held: HeldBytes, signal?: AbortSignal): Promise<Uint8Array> {
    checkName('address', held.owner);
    checkRange(held);
    if (signal?.aborted === true) throw new ServingError('CANCELLED', 'the fetch was cancelled');
    const owner = this.closed ? undefined : this.medium.endpoints.get(held.owner);
    if (owner === undefined) throw refusal('tensors-lost');
    return owner.held.read(held.id, held.offset, held.length);
  }

  async drain(graceMs: number): Promise<number> {
    // What has arrived is handed over first; from then on senders learn at once that nobody receives here.
    for (const [name, inbox] of [...this.inboxes]) {
      inbox.flush();
      inbox.close();
      this.inboxes.delete(name);
    }
    for (const [subject, entry] of [...this.ownResponders]) this.removeResponder(subject, entry);
    for (const subscription of [...this.ownListeners]) subscription.unsubscribe();
    const done = Promise.all([...this.inHand, this.held.allTaken()]).then(() => undefined);
    await withTimeout(done, graceMs, () => 'drain').catch(() => undefined);
    return this.inHand.size;
  }

  async close(): Promise<void> {
    if (this.closed) return;
    await this.drain(0);
    if (this.closed) return;
    this.closed = true;
    this.medium.endpoints.delete(this.address);
    this.held.clear();
    for (const abandon of [...this.asked]) abandon(new ServingError('UNAVAILABLE', 'the bus is closed'));
    for (const listener of [...this.stateListeners]) listener('closed');
    this.stateListeners.clear();
  }

  /** Runs a responder of this endpoint for another one and counts it as work in hand. */
  answer(responder: MemoryResponder, subject: string, body: Uint8Array): Promise<Uint8Array> {
    const answered = Promise.resolve(body)
      .then(responder.respond)
      .catch((error: unknown) => {
        if (!(error instanceof ServingError)) this.medium.report(`the responder of ${subject} threw`, error);
        throw ServingError.from(error);
      });
    const settled: Promise<void> = answered.then(
      () => void this.inHand.delete(settled),
      () => void this.inHand.delete(settled),
    );
    this.inHand.add(settled);
    return answered;
  }

  private findResponder(to: string | undefined, subject: string): MemoryResponder | undefined {
    if (to !== undefined) return this.medium.endpoints.get(to)?.ownResponders.get(subject);
    const responders = this.medium.responders.get(subject);
    return responders?.[Math.floor(Math.random() * responders.length)];
  }

  private removeResponder(subject: string, entry: MemoryResponder): void {
    if (this.ownResponders.get(subject) !== entry) return;
    this.ownResponders.delete(subject);
    const left = (this.medium.responders.get(subject) ?? []).filter((other) => other !== entry);
    if (left.length === 0) this.medium.responders.delete(subject);
    else this.medium.responders.set(subject, left);
  }

  private checkOpen(): void {
    if (this.closed) throw new ServingError('UNAVAILABLE', 'the bus is closed');
  }
}
