import type { Msg, NatsConnection, Subscription as NatsSubscription } from '@nats-io/transport-node';
import { ServingError, type HeldBytes } from '@mserve/wire';
import type { Subscription } from '../bus.js';
import type { HeldTable } from '../held-table.js';
import type { Report } from '../report.js';
import { bodyOf, errorFrame, heldFrame, heldOf } from './frame.js';
import type { Discovery, ServedSubject } from './discovery.js';
import type { Subjects } from './subjects.js';

interface RespondersOptions {
  readonly connection: NatsConnection;
  readonly subjects: Subjects;
  readonly address: string;
  readonly table: HeldTable;
  readonly pull: (held: HeldBytes) => Promise<Uint8Array>;
  readonly maxBytes: () => number;
  readonly report: Report;
  readonly onDropped: (what: string, cause: unknown) => void;
  readonly discovery: Discovery | undefined;
  /** Called before each request is looked at. */
  readonly before: () => void;
}

/** Answers requests, and knows which of them are in hand (the client's own drain does not wait for them). */
export class Responders {
  private readonly bySubject = new Map<string, NatsSubscription[]>();
  private readonly inHand = new Set<Promise<void>>();

  constructor(private readonly options: RespondersOptions) {}

  get unfinished(): number {
    return this.inHand.size;
  }

  add(subject: string, responder: (body: Uint8Array) => Promise<Uint8Array>): Subscription {
    if (this.bySubject.has(subject)) throw new TypeError(`subject ${subject} has a responder already`);
    const { connection, subjects, address, discovery } = this.options;
    const served = discovery?.serve(subject, subjects.ask(address, subject));
    const callback = (error: Error | null, message: Msg): void => {
      if (error !== null) return this.options.report(`the bus server does not let this participant answer ${subject}`, error);
      this.options.before();
      const done: Promise<void> = this.answer(message, subject, responder, served).finally(() => void this.inHand.delete(done));
      this.inHand.add(done);
    };
    const subscriptions = [
      connection.subscribe(subjects.ask(address, subject), { callback }),
      connection.subscribe(subjects.ask(undefined, subject), { callback, queue: 'any' }),
    ];
    this.bySubject.set(subject, subscriptions);
    return {
      unsubscribe: () => {
        if (this.bySubject.get(subject) === subscriptions) this.bySubject.delete(subject);
        for (const subscription of subscriptions) if (!subscription.isClosed()) subscription.unsubscribe();
      },
    };
  }

  /** Takes no more requests, those excepted that are on the way; resolves when all are answered. */
  async drain(): Promise<void> {
    const subscriptions = [...this.bySubject.values()].flat();
    this.bySubject.clear();
    await Promise.all(subscriptions.map((subscription) => subscription.drain().catch(() => undefined)));
    while (this.inHand.size > 0) await Promise.all(this.inHand);
  }

  /** Never rejects. */
  private async answer(
    message: Msg,
    subject: string,
    responder: (body: Uint8Array) => Promise<Uint8Array>,
    served: ServedSubject | undefined,
  ): Promise<void> {
    const begunAt = performance.now();
    try {
      const held = heldOf(message);
      const body = held === undefined ? bodyOf(message) : await this.options.pull(held);
      this.reply(message, await responder(body));
    } catch (thrown) {
      if (!(thrown instanceof ServingError)) this.options.report(`the responder of ${subject} threw`, thrown);
      const error = ServingError.from(thrown);
      if (served !== undefined) {
        served.errors += 1;
        served.lastError = error.code;
      }
      this.refuse(message, error);
    }
    if (served === undefined) return;
    served.requests += 1;
    served.busyMs += performance.now() - begunAt;
  }

  private reply(message: Msg, body: Uint8Array): void {
    if (body.byteLength <= this.options.maxBytes()) {
      message.respond(body);
      return;
    }
    const held = this.options.table.holdForOne(body);
    const frame = heldFrame(held);
    message.respond(frame.body, { headers: frame.headers });
  }

  private refuse(message: Msg, error: ServingError): void {
    try {
      const frame = errorFrame(error);
      message.respond(frame.body, { headers: frame.headers });
    } catch (thrown) {
      this.options.onDropped('an answer', thrown);
    }
  }
}
