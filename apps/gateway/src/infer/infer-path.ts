import { answers, cancellations, IdTable, refusals, tickets, type Bus, type Subscription, type TensorStore } from '@mserve/bus';
import { DeadlineTimer } from '@mserve/event-loop';
import { refusal, ServingError, type Answer, type InstanceResult, type Refusal } from '@mserve/wire';
import type { SchedulerWatch } from '../catalog/scheduler-watch.js';
import type { Ingress, IngressAnswer, IngressListener, IngressRequest, InferRoute } from '../edge/ingress.js';
import type { MethodLookup, Protocol } from '../protocols/protocol.js';
import { InferCounters } from './counters.js';
import { PendingRequest } from './pending-request.js';

export type Protocols = Readonly<Record<InferRoute, Protocol>>;

export interface InferOptions {
  /** Requests in hand at a time; further ones are refused at once. Default 10 000. */
  readonly maxInFlight: number;
  /** The deadline of requests that bring none, in ms. Default 100 000. */
  readonly defaultDeadlineMs: number;
}

/** Told of every refused request; for the log. */
export type FailureReport = (request: IngressRequest, error: ServingError) => void;

export interface InferPathParts {
  readonly bus: Bus;
  readonly store: TensorStore;
  readonly methods: MethodLookup;
  readonly schedulers: SchedulerWatch;
  readonly protocols: Protocols;
  readonly options: InferOptions;
  readonly onFailure: FailureReport;
}

/**
 * The life of an infer request in the gateway: decoded, placed in the tensor store, sent to the scheduler as a ticket, kept until
 * every instance has a result (or the deadline passes, or the client leaves), encoded, answered. All in batches: one per turn.
 * Nothing here throws to the ingress or to the bus; a request that fails costs its neighbours nothing.
 */
export class InferPath implements IngressListener {
  readonly counters = new InferCounters();
  private readonly pending = new IdTable<PendingRequest>();
  private readonly deadlines = new DeadlineTimer<PendingRequest>(
    (pending) => this.expire(pending),
    () => this.flush(),
  );
  private readonly subscriptions: Subscription[];
  private ingress: Ingress | undefined;
  private outgoing: IngressAnswer[] = [];
  private idleWaiters: (() => void)[] = [];

  constructor(private readonly parts: InferPathParts) {
    const { bus, schedulers } = parts;
    this.subscriptions = [
      bus.receive(answers, (list) => this.onAnswers(list)),
      bus.receive(refusals, (list) => this.onRefusals(list)),
      schedulers.onChange((scheduler) => this.resendAll(scheduler)),
    ];
  }

  /** Where answers go. To be called once, before the first request. */
  attach(ingress: Ingress): void {
    this.ingress = ingress;
  }

  get inFlight(): number {
    return this.pending.size;
  }

  onRequests(requests: readonly IngressRequest[]): void {
    const now = performance.now();
    this.counters.received += requests.length;
    for (const request of requests) {
      try {
        this.accept(request, now);
      } catch (error) {
        this.refuse(request, ServingError.from(error));
      }
    }
    this.flush();
  }

  onGone(tokens: readonly number[]): void {
    for (const token of tokens) {
      const pending = this.pending.get(token);
      if (pending === undefined) continue;
      this.counters.gone++;
      this.forget(pending);
      this.cancel(pending);
    }
  }

  /** The request's refusal in its own protocol; counted and reported. For refusals the ingress makes by itself, too. */
  shapeRefusal(request: IngressRequest, error: ServingError): IngressAnswer {
    this.counters.countRefused(error.code);
    this.parts.onFailure(request, error);
    let answer: IngressAnswer;
    try {
      answer = this.parts.protocols[request.route].refuse(request, error);
    } catch (bug) {
      this.parts.onFailure(request, ServingError.from(bug));
      return lastResort(request);
    }
    return answer.kind === 'http' ? withHttpDuties(request, answer) : answer;
  }

  /** Resolves when nothing is in hand. */
  whenIdle(): Promise<void> {
    if (this.pending.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.idleWaiters.push(resolve));
  }

  /** Refuses what is in hand, and stops. */
  close(): void {
    for (const subscription of this.subscriptions) subscription.unsubscribe();
    for (const pending of this.pending.list()) {
      this.finish(pending, refusal('shutting-down'));
      this.cancel(pending);
    }
    this.flush();
    this.deadlines.clear();
  }

  private accept(request: IngressRequest, now: number): void {
    const { options, protocols, methods, schedulers, store } = this.parts;
    if (this.pending.size >= options.maxInFlight) {
      throw refusal('too-many-requests', { limit: options.maxInFlight });
    }
    const infer = protocols[request.route].decode(request, methods);
    const { target } = infer;
    const deadlineAt = infer.deadlineAt === Infinity ? now + options.defaultDeadlineMs : infer.deadlineAt;
    if (deadlineAt <= now) throw refusal('late-on-arrival');
    const scheduler = schedulers.current;
    if (scheduler === undefined) throw notAvailable(target.servable, target.method.name);
    const pending = new PendingRequest(request, infer, store.place(infer.instances), deadlineAt);
    this.pending.set(request.token, pending);
    this.deadlines.add(pending);
    this.send(pending, scheduler);
  }

  private send(pending: PendingRequest, scheduler: string): void {
    pending.scheduler = scheduler;
    const { bus } = this.parts;
    const onUndelivered = (): void => this.onUndelivered(pending, scheduler);
    for (const ticket of pending.tickets(bus.address)) bus.send(tickets, scheduler, ticket, onUndelivered);
  }

  private onUndelivered(pending: PendingRequest, scheduler: string): void {
    this.counters.undelivered++;
    const { schedulers } = this.parts;
    // May find another one, which then gets everything unanswered, this one included
    schedulers.suspect(scheduler);
    if (this.pending.get(pending.token) !== pending || pending.scheduler !== scheduler) return;
    const { target } = pending.infer;
    this.finish(pending, notAvailable(target.servable, target.method.name));
    this.flush();
  }

  /** A scheduler that is new to us knows nothing of our tickets: it gets the unanswered ones. The first answer wins, whoever gives it. */
  private resendAll(scheduler: string | undefined): void {
    if (scheduler === undefined) return;
    for (const pending of this.pending.list()) {
      this.counters.resent++;
      this.send(pending, scheduler);
    }
  }

  private onAnswers(list: readonly Answer[]): void {
    for (const { id, firstInstance, results } of list) this.take(id, firstInstance, results);
    this.flush();
  }

  private onRefusals(list: readonly Refusal[]): void {
    for (const { id, firstInstance, instances, failure } of list) {
      const pending = this.pending.get(id);
      if (pending === undefined) this.counters.late += instances;
      else if (firstInstance === 0 && instances >= pending.infer.instances.length) this.finish(pending, ServingError.of(failure));
      else this.take(id, firstInstance, new Array<InstanceResult>(Math.min(instances, pending.infer.instances.length)).fill({ failure }));
    }
    this.flush();
  }

  private take(id: number, firstInstance: number, results: readonly InstanceResult[]): void {
    const pending = this.pending.get(id);
    if (pending === undefined) {
      this.counters.late += results.length;
      return;
    }
    this.counters.late += pending.take(firstInstance, results);
    if (pending.isComplete) this.finish(pending);
  }

  /** Answers a request and lets go of it. */
  private finish(pending: PendingRequest, refusal?: ServingError): void {
    this.forget(pending);
    const { request, infer } = pending;
    if (refusal !== undefined) return this.refuse(request, refusal);
    try {
      this.outgoing.push(this.parts.protocols[request.route].encode(request, infer, pending.completeResults()));
      this.counters.answered++;
    } catch (error) {
      this.refuse(request, ServingError.from(error, 'Failed to construct the response'));
    }
  }

  private refuse(request: IngressRequest, error: ServingError): void {
    this.outgoing.push(this.shapeRefusal(request, error));
  }

  private flush(): void {
    const { outgoing } = this;
    if (outgoing.length === 0) return;
    this.outgoing = [];
    this.ingress?.answer(outgoing);
  }

  private forget(pending: PendingRequest): void {
    this.pending.delete(pending.token);
    this.deadlines.remove(pending);
    this.parts.store.release(pending.placed);
    if (this.pending.size === 0 && this.idleWaiters.length > 0) {
      for (const resolve of this.idleWaiters) resolve();
      this.idleWaiters = [];
    }
  }

  private cancel(pending: PendingRequest): void {
    const { bus } = this.parts;
    bus.send(cancellations, pending.scheduler, { gateway: bus.address, id: pending.token });
  }

  private expire(pending: PendingRequest): void {
    const { target } = pending.infer;
    this.finish(pending, refusal('deadline-exceeded', { servable: target.servable, method: target.method.name }));
    this.cancel(pending);
  }
}

/** A servable that nobody runs now. */
function notAvailable(servable: string, method: string): ServingError {
  return refusal('servable-unavailable', { servable, method });
}

/** The answer when even the refusal cannot be shaped. */
function lastResort({ token, route }: IngressRequest): IngressAnswer {
  if (route.endsWith('grpc')) return { token, kind: 'grpc-error', status: 13, message: 'internal error' };
  return { token, kind: 'http', status: 500, headers: { 'content-type': 'application/json' }, body: ['{"error":"internal error"}'] };
}

/** What HTTP wants of a refusal whatever the protocol: Allow for a wrong verb, Retry-After when trying again makes sense. */
function withHttpDuties(request: IngressRequest, answer: Extract<IngressAnswer, { kind: 'http' }>): IngressAnswer {
  const { status, headers } = answer;
  if (request.verb !== 'POST' && status !== 200) return { ...answer, status: 405, headers: { ...headers, allow: 'POST' } };
  if ((status === 429 || status === 503) && headers['retry-after'] === undefined)
    return { ...answer, headers: { ...headers, 'retry-after': '1' } };
  return answer;
}
