import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { PermissionViolationError, type NatsConnection, type Subscription as NatsSubscription } from '@nats-io/transport-node';
import { ServingError, type HeldBytes } from '@mserve/wire';
import { maxBroadcastBytes, type Bus, type BusState, type RequestOptions, type Subscription } from '../bus.js';
import type { Channel } from '../channel.js';
import { withTimeout } from '../deadline.js';
import { HeldTable, checkRange } from '../held-table.js';
import type { BusTraffic } from '../message-ways.js';
import { checkToken } from '../names.js';
import { reportToConsole, type Report } from '../report.js';
import type { Rings } from '../ring/rings.js';
import { tellUndelivered } from '../undelivered.js';
import { Arrivals } from './arrivals.js';
import { connectToServer, type NatsBusOptions } from './connect.js';
import { Reconnecting } from './reconnecting.js';
import { Discovery, discoverySubject } from './discovery.js';
import { Deliveries } from './deliveries.js';
import { bodyOf, errorOf, heldFrame, heldOf } from './frame.js';
import { answerFetches } from './held-responder.js';
import { ReplyInbox } from './reply-inbox.js';
import { Outboxes } from './outboxes.js';
import { Puller } from './puller.js';
import { Responders } from './responders.js';
import { Releases } from './releases.js';
import { RingInlets } from './ring-inlets.js';
import { Subjects } from './subjects.js';

/** Room in a NATS message for our headers; the server counts them in. */
const headerBytes = 1024;
const defaultMaxFetchBytes = 1 << 30;
/** How long an outage may last for held bytes that are being pulled, and how long their owner may take to reconnect after it. */
const outagePatienceMs = 10_000;
const ownerPatienceMs = 3_000;
const retryPullMs = 100;
/** At most one dropped message is reported in this time. */
const reportEveryMs = 1000;

interface Receiver {
  readonly arrivals: { stop(): void; drained(): Promise<void> };
  readonly subscription: NatsSubscription;
}

/** The Bus between processes, over a nats-server. Subjects and frames: docs/bus.md. */
export class NatsBus implements Bus {
  /** Messages that this version does not understand, since the start. */
  dropped = 0;

  private reportedAt = -Infinity;
  /** When the last outage ended. */
  private reconnectedAt = -Infinity;
  private currentState: BusState = 'up';
  private readonly stateListeners = new Set<(state: BusState) => void>();
  private readonly receivers = new Map<string, Receiver>();
  private readonly topicSubscriptions = new Set<NatsSubscription>();
  private readonly rings: Rings | undefined;
  private readonly table: HeldTable;
  private readonly deliveries: Deliveries;
  private readonly inbox: ReplyInbox;
  private readonly puller: Puller;
  private readonly releases: Releases;
  private readonly outboxes: Outboxes;
  private readonly responders: Responders;
  private readonly inlets: RingInlets;
  private readonly discovery: Discovery | undefined;

  private constructor(
    private readonly connection: NatsConnection,
    private readonly subjects: Subjects,
    readonly address: string,
    role: string,
    options: NatsBusOptions,
    private readonly report: Report,
    private readonly reconnecting: Reconnecting,
  ) {
    const maxBytes = (): number => this.maxMessageBytes;
    const onDropped = (what: string, cause: unknown): void => this.drop(what, cause);
    const pull = (held: HeldBytes): Promise<Uint8Array> => this.pull(held);
    this.rings = options.rings;
    this.table = new HeldTable(address);
    this.deliveries = new Deliveries(() => connection.flush(), report);
    this.inlets = new RingInlets({ rings: options.rings, onDropped });
    // Whatever comes over the server comes after what its sender wrote into a ring before it
    const before = (): void => this.inlets.read();
    this.inbox = new ReplyInbox(connection, subjects.inbox(role, address), this.deliveries, report, before);
    answerFetches({ connection, subjects, address, table: this.table, report, maxBytes, onDropped, inlets: this.inlets });
    const maxFetchBytes = options.maxFetchBytes ?? defaultMaxFetchBytes;
    this.puller = new Puller({ connection, inbox: this.inbox, subjects, maxPayload: () => this.maxPayload, maxFetchBytes });
    this.releases = new Releases({ connection, inbox: this.inbox, subjects, report, rings: options.rings });
    const isUp = (): boolean => this.currentState === 'up';
    this.outboxes = new Outboxes({
      connection,
      subjects,
      deliveries: this.deliveries,
      inbox: this.inbox,
      table: this.table,
      report,
      isUp,
      maxBytes,
      maxFetchBytes,
      rings: options.rings,
    });
    const discovery = options.service && new Discovery(connection, options.service, address);
    this.discovery = discovery;
    this.responders = new Responders({
      connection,
      subjects,
      address,
      table: this.table,
      pull,
      maxBytes,
      report,
      onDropped,
      discovery,
      before,
    });
    void this.watch();
    void connection.closed().then(() => this.changeState('closed'));
  }

  /**
   * Connects, waiting for the server as long as connectTimeoutMs says. Rejects with INVALID_ARGUMENT when the server refuses the
   * credentials, UNAVAILABLE after the timeout, CANCELLED by the signal; TypeError for a role or prefix that is not a name.
   */
  static async connect(options: NatsBusOptions): Promise<NatsBus> {
    const { role, name } = options;
    const subjects = new Subjects(options.prefix ?? 'mserve');
    const random = randomBytes(4).toString('hex');
    const address = name === undefined ? `${checkToken('role', role)}-${random}` : `${checkToken('name', name)}.${random}`;
    const reconnecting = new Reconnecting();
    const connection = await connectToServer(options, address, subjects.inbox(role, address), reconnecting).catch((thrown: unknown) => {
      options.rings?.close();
      throw thrown;
    });
    const bus = new NatsBus(connection, subjects, address, role, options, options.report ?? reportToConsole, reconnecting);
    // The subscriptions are known to the server before anybody learns this address.
    await connection.flush().catch(() => undefined);
    return bus;
  }

  get state(): BusState {
    return this.currentState;
  }

  get heldBytes(): number {
    return this.table.bytes;
  }

  get traffic(): BusTraffic {
    return { sent: this.outboxes.sent, ringsWritten: this.outboxes.openRings + this.releases.openRings, ringsRead: this.inlets.count };
  }

  onState(listener: (state: BusState) => void): Subscription {
    this.stateListeners.add(listener);
    return { unsubscribe: () => void this.stateListeners.delete(listener) };
  }

  send<M>(channel: Channel<M>, to: string, message: M, onUndelivered?: (error: Error) => void): void {
    if (this.currentState === 'closed') {
      this.subjects.to(to, channel.name);
      queueMicrotask(() => tellUndelivered([onUndelivered], this.report));
      return;
    }
    this.outboxes.push(channel, to, message, onUndelivered);
  }

  receive<M>(channel: Channel<M>, handler: (messages: readonly M[]) => void): Subscription {
    this.checkOpen();
    const { name } = channel;
    const subject = this.subjects.to(this.address, name);
    if (this.receivers.has(name)) throw new TypeError(`channel ${name} has a receiver already`);
    const arrivals = new Arrivals<M>({
      channel,
      handler,
      pull: (held) => this.pull(held),
      onDropped: (what, cause) => this.drop(what, cause),
      report: this.report,
    });
    const served = this.discovery?.serve(name, subject);
    const count = (): void => {
      if (served !== undefined) served.requests += 1;
    };
    const taker = {
      acceptFrom: (sender: string, bytes: Uint8Array): void => {
        count();
        arrivals.acceptFrom(sender, bytes);
      },
    };
    const subscription = this.connection.subscribe(subject, {
      callback: (error, message) => {
        if (error !== null) return this.report(`the bus server does not let this participant receive ${name}`, error);
        this.inlets.read();
        if (this.inlets.take(message, taker)) return;
        count();
        arrivals.accept(message);
      },
    });
    const receiver = { arrivals, subscription };
    this.receivers.set(name, receiver);
    return {
      unsubscribe: () => {
        if (this.receivers.get(name) === receiver) this.receivers.delete(name);
        arrivals.stop();
        this.inlets.shut(taker);
        if (!subscription.isClosed()) subscription.unsubscribe();
      },
    };
  }

  /** Asks for a ring to a receiver before there is anything to send to it; resolves with whether there is one. Rings are asked for without this, too. */
  openRing<M>(channel: Channel<M>, to: string): Promise<boolean> {
    return this.outboxes.openRing(channel as Channel<unknown>, to);
  }

  async request(to: string | undefined, subject: string, body: Uint8Array, options: RequestOptions = {}): Promise<Uint8Array> {
    const target = this.subjects.ask(to, subject);
    this.checkUp();
    const timeoutMs = options.timeoutMs ?? 2000;
    const inline = body.byteLength <= this.maxPayload - headerBytes;
    const held = inline ? undefined : this.table.hold(body);
    try {
      const frame = held === undefined ? { body, headers: undefined } : heldFrame(held);
      const asked = this.inbox.ask(target, frame.body, { timeoutMs, headers: frame.headers }).then(async (answer) => {
        const error = errorOf(answer);
        if (error !== undefined) throw error;
        const reply = heldOf(answer);
        return reply === undefined ? bodyOf(answer) : this.pull(reply);
      });
      return await withTimeout(asked, timeoutMs, () => `${subject} was not answered`);
    } finally {
      if (held !== undefined) this.table.release(held);
    }
  }

  respond(subject: string, responder: (body: Uint8Array) => Promise<Uint8Array>): Subscription {
    this.checkOpen();
    return this.responders.add(subject, responder);
  }

  broadcast(topic: string, body: Uint8Array): void {
    const subject = this.subjects.topic(topic);
    if (body.byteLength > maxBroadcastBytes)
      throw new RangeError(`a broadcast of ${body.byteLength} bytes, at most ${maxBroadcastBytes} are allowed`);
    if (this.currentState !== 'up') return;
    try {
      this.connection.publish(subject, body);
    } catch (thrown) {
      this.report(`a broadcast of ${topic} was not sent`, thrown);
    }
  }

  listen(topic: string, listener: (body: Uint8Array) => void): Subscription {
    this.checkOpen();
    let stopped = false;
    const subscription = this.connection.subscribe(this.subjects.topic(topic), {
      callback: (error, message) => {
        if (error !== null) return this.report(`the bus server does not let this participant listen to ${topic}`, error);
        this.inlets.read();
        if (stopped) return;
        try {
          listener(bodyOf(message));
        } catch (thrown) {
          this.report(`a listener of topic ${topic} threw`, thrown);
        }
      },
    });
    this.topicSubscriptions.add(subscription);
    return {
      unsubscribe: () => {
        stopped = true;
        this.topicSubscriptions.delete(subscription);
        if (!subscription.isClosed()) subscription.unsubscribe();
      },
    };
  }

  hold(bytes: Uint8Array, onForgotten?: () => void): HeldBytes {
    this.checkOpen();
    return this.table.hold(bytes, onForgotten);
  }

  holdForOne(bytes: Uint8Array, onLost?: () => void, onForgotten?: () => void): HeldBytes {
    this.checkOpen();
    return this.table.holdForOne(bytes, onLost, onForgotten);
  }

  async take(held: HeldBytes, signal?: AbortSignal): Promise<Uint8Array> {
    try {
      return await this.pull(held, signal);
    } catch (thrown) {
      // Nobody else will take them.
      this.release(held);
      throw thrown;
    }
  }

  get maxMessageBytes(): number {
    return this.maxPayload - headerBytes;
  }

  release(held: HeldBytes): void {
    if (held.owner === this.address) this.table.release(held);
    else this.releases.send(held);
  }

  async fetch(held: HeldBytes, signal?: AbortSignal): Promise<Uint8Array> {
    if (signal?.aborted === true) throw fetchCancelled();
    checkRange(held);
    this.checkUp();
    if (held.owner === this.address) return this.table.read(held.id, held.offset, held.length);
    return this.puller.fetch(held, signal);
  }

  async drain(graceMs: number): Promise<number> {
    const endsAt = performance.now() + graceMs;
    if (this.currentState === 'closed') return this.responders.unfinished;
    const receivers = [...this.receivers.values()];
    this.receivers.clear();
    const topics = [...this.topicSubscriptions];
    this.topicSubscriptions.clear();
    this.inlets.drain();
    const drainOf = (subscription: NatsSubscription): Promise<void> => subscription.drain().catch(() => undefined);
    const work = Promise.all([
      this.responders.drain(),
      ...topics.map(drainOf),
      ...receivers.map(async ({ subscription, arrivals }) => {
        await drainOf(subscription);
        await arrivals.drained();
      }),
    ]);
    await withTimeout(work, graceMs, () => 'drain').catch(() => undefined);
    for (const { arrivals } of receivers) arrivals.stop();
    this.outboxes.flush();
    if (this.currentState === 'up')
      await withTimeout(this.connection.flush(), Math.max(endsAt - performance.now(), 100), () => 'flush').catch(() => undefined);
    // What was too large to be sent is out only when its receivers have it.
    await withTimeout(this.table.allTaken(), Math.max(endsAt - performance.now(), 0), () => 'pull').catch(() => undefined);
    return this.responders.unfinished;
  }

  async close(): Promise<void> {
    if (this.currentState === 'closed') return;
    for (const { arrivals } of this.receivers.values()) arrivals.stop();
    this.receivers.clear();
    this.inlets.refuse();
    this.outboxes.flush();
    if (this.currentState === 'up') await withTimeout(this.connection.flush(), 500, () => 'flush').catch(() => undefined);
    await this.connection.close();
    this.changeState('closed');
  }

  private get maxPayload(): number {
    return this.connection.info?.max_payload ?? 1 << 20;
  }

  /** Bytes that their owner holds for this participant; the owner learns that it may forget them. Pulls again after an outage of the bus. */
  private async pull(held: HeldBytes, signal?: AbortSignal): Promise<Uint8Array> {
    if (held.owner === this.address) {
      if (signal?.aborted === true) throw fetchCancelled();
      const own = this.table.read(held.id, held.offset, held.length);
      this.table.release(held);
      return own;
    }
    for (;;) {
      try {
        const bytes = await this.puller.fetch(held, signal);
        this.releases.send(held);
        return bytes;
      } catch (thrown) {
        if (ServingError.from(thrown).code !== 'UNAVAILABLE') throw thrown;
        if (this.currentState === 'down') await this.untilUp(outagePatienceMs, signal);
        // This participant has reconnected, the owner perhaps has not yet.
        else if (performance.now() - this.reconnectedAt < ownerPatienceMs) await delay(retryPullMs);
        else throw thrown;
      }
    }
  }

  private async untilUp(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    let settle: () => void = () => undefined;
    const up = new Promise<void>((resolve, reject) => {
      const subscription = this.onState((state) =>
        state === 'up' ? resolve() : reject(new ServingError('UNAVAILABLE', `the bus is ${state}`)),
      );
      const onAbort = (): void => reject(fetchCancelled());
      signal?.addEventListener('abort', onAbort);
      if (signal?.aborted === true) onAbort();
      settle = () => {
        subscription.unsubscribe();
        signal?.removeEventListener('abort', onAbort);
      };
    });
    return withTimeout(up, timeoutMs, () => 'the bus was not back').finally(settle);
  }

  private async watch(): Promise<void> {
    for await (const status of this.connection.status()) {
      if (status.type === 'disconnect') this.changeState('down');
      else if (status.type === 'reconnecting') this.reconnecting.tried();
      else if (status.type === 'reconnect') await this.reconnected();
      else if (status.type === 'error') {
        if (status.error instanceof PermissionViolationError && status.error.operation === 'publish')
          this.deliveries.failSubject(status.error.subject);
        if (status.error instanceof PermissionViolationError && status.error.subject.startsWith(discoverySubject)) continue;
        this.reconnecting.reportOnce(status.error, this.currentState === 'down', this.report);
      }
    }
  }

  /** The state is up only when the server has taken the subscriptions again: whoever is up can be sent to. If the connection is lost before that, it stays down. */
  private async reconnected(): Promise<void> {
    await this.connection.flush().then(
      () => {
        this.reconnecting.succeeded();
        this.changeState('up');
      },
      () => undefined,
    );
  }

  private changeState(state: BusState): void {
    if (this.currentState === state || this.currentState === 'closed') return;
    this.currentState = state;
    if (state === 'up') {
      this.reconnectedAt = performance.now();
    } else {
      this.deliveries.forget();
      this.outboxes.giveUpRings();
      this.releases.giveUpRings();
      this.inlets.shutAll();
      this.inbox.failAll(new ServingError('UNAVAILABLE', 'the connection to the bus is lost'));
    }
    if (state === 'closed') {
      this.table.clear();
      this.rings?.close();
    }
    for (const listener of [...this.stateListeners]) {
      try {
        listener(state);
      } catch (thrown) {
        this.report('a listener of the bus state threw', thrown);
      }
    }
    if (state === 'closed') this.stateListeners.clear();
  }

  private drop(what: string, cause: unknown): void {
    this.dropped++;
    const now = performance.now();
    if (now - this.reportedAt < reportEveryMs) return;
    this.reportedAt = now;
    this.report(`${what} was dropped (${this.dropped} since the start)`, cause);
  }

  private checkOpen(): void {
    if (this.currentState === 'closed') throw new ServingError('UNAVAILABLE', 'the bus is closed');
  }

  private checkUp(): void {
    if (this.currentState !== 'up') throw new ServingError('UNAVAILABLE', `the bus is ${this.currentState}`);
  }
}

function fetchCancelled(): ServingError {
  return new ServingError('CANCELLED', 'the fetch was cancelled');
}
