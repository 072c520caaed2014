import { Inject, Injectable, type BeforeApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import type { AppLog } from '@mserve/app';
import { answers, cancellations, IdTable, refusals, tickets, type Bus, type Subscription, type TensorStore } from '@mserve/bus';
import { BUS, TENSOR_STORE } from '@mserve/bus/nest';
import type { OwnSettingsOf } from '@mserve/config';
import { DeadlineTimer } from '@mserve/event-loop';
import { MetricRegistry, type SpanFacts, type Tracer } from '@mserve/metrics';
import { failureFrom, refusal, ServingError, type Answer, type Failure, type InstanceResult, type Refusal } from '@mserve/wire';
import { MethodCatalog } from '../catalog/method-catalog.js';
import { SchedulerWatch } from '../catalog/scheduler-watch.js';
import { Ingress, type IngressAnswer, type IngressListener, type IngressRequest, type InferRoute } from '../edge/ingress.js';
import { requestIdOf } from '../edge/request-id.js';
import { logToken, tracerToken } from '../edge/tokens.js';
import type { InferRequest, Protocol } from '../protocols/protocol.js';
import { InferCounters, type InferStats } from './counters.js';
import { ModelCounters } from './model-counters.js';
import { laterTicketIds, PendingRequest } from './pending-request.js';
import { catalogWaitMs, maxMoves, MoveQueue, VersionProbe, type Moving } from './version-move.js';

/** The protocol of each infer route. */
export type Protocols = Readonly<Record<InferRoute, Protocol>>;

/** Limits of infer requests: settings of the gateway, see their declarations. */
export type InferOptions = Pick<OwnSettingsOf<'gateway'>, 'maxInFlight' | 'defaultDeadlineMs'>;

/** Injection tokens. */
export const protocolsToken = Symbol('protocols');
/** Nest's token of {@link InferOptions}. */
export const inferOptionsToken = Symbol('infer options');

/**
 * The life of an infer request in the gateway: decoded, placed in the tensor store, sent to the scheduler as a ticket, kept until
 * every instance has a result (or the deadline passes, or the client leaves), encoded, answered. All in batches: one per turn.
 * Nothing here throws to the ingress or to the bus; a request that fails costs its neighbours nothing.
 */
@Injectable()
export class InferPath implements IngressListener, OnModuleInit, BeforeApplicationShutdown {
  private readonly counters: InferCounters;
  private readonly models: ModelCounters;
  /** The level debug is on. */
  private readonly logsRefusals: boolean;
  /** By ticket id. */
  private readonly pending = new IdTable<PendingRequest>();
  private readonly moving = new MoveQueue((moving) => this.giveUpMove(moving));
  private readonly deadlines = new DeadlineTimer<PendingRequest>(
    (pending) => this.expire(pending),
    () => this.flush(),
  );
  private readonly subscriptions: Subscription[] = [];
  private outgoing: IngressAnswer[] = [];
  private cut = 0;

  constructor(
    @Inject(Ingress) private readonly ingress: Ingress,
    @Inject(BUS) private readonly bus: Bus,
    @Inject(TENSOR_STORE) private readonly store: TensorStore,
    @Inject(MethodCatalog) private readonly methods: MethodCatalog,
    @Inject(SchedulerWatch) private readonly schedulers: SchedulerWatch,
    @Inject(protocolsToken) private readonly protocols: Protocols,
    @Inject(inferOptionsToken) private options: InferOptions,
    @Inject(logToken) private readonly log: AppLog,
    @Inject(MetricRegistry) metrics: MetricRegistry,
    @Inject(tracerToken) private readonly tracer: Tracer | undefined,
  ) {
    this.counters = new InferCounters(metrics);
    this.models = new ModelCounters(metrics);
    this.logsRefusals = log.isLevelEnabled?.('debug') ?? true;
  }

  /** What was counted since the start. */
  get stats(): InferStats {
    return this.counters.stats;
  }

  /** For requests that come from now on. */
  limit({ maxInFlight, defaultDeadlineMs }: InferOptions): void {
    this.options = { maxInFlight, defaultDeadlineMs };
  }

  onModuleInit(): void {
    this.subscriptions.push(
      this.bus.receive(answers, (list) => this.onAnswers(list)),
      this.bus.receive(refusals, (list) => this.onRefusals(list)),
      this.schedulers.onChange((scheduler) => this.resendAll(scheduler)),
      this.methods.onUpdate(() => this.moveOn()),
    );
  }

  /** The ports have drained: refuses what is still in hand. Before the ports close, so that clients are told. */
  beforeApplicationShutdown(): void {
    for (const subscription of this.subscriptions.splice(0)) subscription.unsubscribe();
    this.cut = this.pending.size;
    for (const pending of this.pending.list()) {
      this.finish(pending, refusal('shutting-down'));
      this.cancel(pending);
    }
    this.flush();
    this.deadlines.clear();
  }

  /** Requests that were refused because the gateway shut down before they were answered. */
  get cutOff(): number {
    return this.cut;
  }

  onRequests(requests: readonly IngressRequest[]): void {
    const now = performance.now();
    this.counters.received.add(requests.length);
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
      const pending = this.pendingOf(token);
      if (pending === undefined) continue;
      this.counters.gone.add();
      this.forget(pending, 'CANCELLED');
      this.cancel(pending);
    }
  }

  /** The request's refusal in its own protocol; counted and logged. */
  refusalOf(request: IngressRequest, error: ServingError): IngressAnswer {
    this.counters.countRefused(error.code, error.reason);
    this.report(request, error);
    let answer: IngressAnswer;
    try {
      answer = this.protocols[request.route].refuse(request, error);
    } catch (bug) {
      this.report(request, ServingError.from(bug));
      return lastResort(request);
    }
    return answer.kind === 'http' ? withHttpHeaders(request, answer) : answer;
  }

  private accept(request: IngressRequest, now: number): void {
    const { options, protocols, methods, schedulers, store } = this;
    if (this.pending.size >= options.maxInFlight) {
      throw refusal('too-many-requests', { limit: options.maxInFlight });
    }
    const infer = protocols[request.route].decode(request, methods);
    const { target } = infer;
    const deadlineAt = infer.deadlineAt === Infinity ? now + options.defaultDeadlineMs : infer.deadlineAt;
    if (deadlineAt <= now) throw refusal('late-on-arrival');
    const scheduler = schedulers.current;
    if (scheduler === undefined) throw notAvailable(target.servable, target.method.name);
    const pending = new PendingRequest(request, infer, store.place(infer.instances), deadlineAt, now);
    this.pending.set(pending.ticketId, pending);
    if (this.tracer !== undefined) pending.span = this.tracer.begin('request', infer.traceparent, requestFacts(infer));
    this.deadlines.add(pending);
    this.send(pending, scheduler);
  }

  private send(pending: PendingRequest, scheduler: string): void {
    pending.scheduler = scheduler;
    const { bus } = this;
    const onUndelivered = (): void => this.onUndelivered(pending, scheduler);
    for (const ticket of pending.tickets(bus.address)) bus.send(tickets, scheduler, ticket, onUndelivered);
  }

  private onUndelivered(pending: PendingRequest, scheduler: string): void {
    this.counters.undelivered.add();
    const { schedulers } = this;
    // May find another one, which then gets everything unanswered, this one included
    schedulers.suspect(scheduler);
    if (this.pending.get(pending.ticketId) !== pending || pending.scheduler !== scheduler) return;
    const { target } = pending.infer;
    this.finish(pending, notAvailable(target.servable, target.method.name));
    this.flush();
  }

  /** A scheduler that is new to us knows nothing of our tickets: it gets the unanswered ones. The first answer wins, whoever gives it. */
  private resendAll(scheduler: string | undefined): void {
    if (scheduler === undefined) return;
    for (const pending of this.pending.list()) {
      this.counters.resent.add();
      pending.span?.event('sent to another scheduler');
      this.send(pending, scheduler);
    }
  }

  private onAnswers(list: readonly Answer[]): void {
    for (const { id, firstInstance, results } of list) {
      const pending = this.pending.get(id);
      if (pending === undefined) {
        this.counters.late.add(results.length);
        this.store.releaseResults(results);
        continue;
      }
      try {
        const read = this.store.readResults(results, pending);
        if (read instanceof Promise) void this.takeLater(id, firstInstance, read);
        else this.take(id, firstInstance, read);
      } catch (thrown) {
        this.take(id, firstInstance, new Array<InstanceResult>(results.length).fill({ failure: failureFrom(thrown) }));
      }
    }
    this.flush();
  }

  /** Outputs that were still with their worker: taken when they are here, or when nobody waits for them any more. */
  private async takeLater(id: number, firstInstance: number, reading: Promise<readonly InstanceResult[]>): Promise<void> {
    this.take(id, firstInstance, await reading);
    this.flush();
  }

  private onRefusals(list: readonly Refusal[]): void {
    for (const { id, firstInstance, instances, failure } of list) {
      const pending = this.pending.get(id);
      if (pending === undefined) this.counters.late.add(instances);
      else if (firstInstance === 0 && instances >= pending.infer.instances.length) this.finishOrMove(pending, failure);
      else this.take(id, firstInstance, new Array<InstanceResult>(Math.min(instances, pending.infer.instances.length)).fill({ failure }));
    }
    this.flush();
  }

  private take(id: number, firstInstance: number, results: readonly InstanceResult[]): void {
    const pending = this.pending.get(id);
    if (pending === undefined) {
      this.counters.late.add(results.length);
      return;
    }
    this.counters.late.add(pending.take(firstInstance, results));
    if (pending.isComplete) this.finishOrMove(pending, undefined);
  }

  /** `failure`: of the whole request. */
  private finishOrMove(pending: PendingRequest, failure: Failure | undefined): void {
    const gone = failure === undefined ? pending.versionGone : failure.reason === 'servable-unavailable' ? failure : undefined;
    if (gone === undefined || !this.move({ pending, failure: gone, until: performance.now() + catalogWaitMs }))
      this.finish(pending, failure && ServingError.of(failure));
  }

  /**
   * The servable version of a request has gone. A request that named none begins again with the version that is the latest now, from its bytes: the
   * methods of that version may differ. false: it does not, and is to be answered.
   */
  private move(moving: Moving): boolean {
    const { pending } = moving;
    const { request, deadlineAt, moves } = pending;
    const scheduler = this.schedulers.current;
    if (moves >= maxMoves || scheduler === undefined) return false;
    const probe = new VersionProbe(this.methods);
    let infer: InferRequest;
    try {
      infer = this.protocols[request.route].decode(request, probe);
    } catch (thrown) {
      const error = ServingError.from(thrown);
      // No other version either: what the scheduler said stands
      if (!probe.leftOpen || error.reason === 'servable-not-found' || error.reason === 'servable-unavailable') return false;
      this.finish(pending, error);
      return true;
    }
    if (!probe.leftOpen) return false;
    if (infer.target.version === pending.infer.target.version) {
      this.moving.add(moving);
      return true;
    }
    const next = new PendingRequest(request, infer, this.store.place(infer.instances), deadlineAt, pending.cameAt, moves + 1);
    next.span = pending.span;
    next.span?.event('sent to another version');
    pending.span = undefined;
    this.forget(pending);
    this.pending.set(next.ticketId, next);
    this.deadlines.add(next);
    this.counters.moved.add();
    this.send(next, scheduler);
    return true;
  }

  /** The catalog has changed. */
  private moveOn(): void {
    for (const moving of this.moving.take()) {
      const { pending, failure } = moving;
      if (this.pending.get(pending.ticketId) === pending && !this.move(moving)) this.finish(pending, ServingError.of(failure));
    }
    this.flush();
  }

  private giveUpMove({ pending, failure }: Moving): void {
    if (this.pending.get(pending.ticketId) !== pending) return;
    this.finish(pending, ServingError.of(failure));
    this.flush();
  }

  private pendingOf(token: number): PendingRequest | undefined {
    const first = this.pending.get(token);
    if (first !== undefined || this.counters.moved.value === 0) return first;
    for (const id of laterTicketIds(token, maxMoves)) {
      const later = this.pending.get(id);
      if (later !== undefined) return later;
    }
    return undefined;
  }

  /** Answers a request and lets go of it. */
  private finish(pending: PendingRequest, refusal?: ServingError): void {
    this.forget(pending, refusal?.reason ?? refusal?.code);
    const { request, infer, cameAt } = pending;
    const seconds = (performance.now() - cameAt) / 1000;
    if (refusal !== undefined) {
      this.models.fail(infer.target, seconds);
      return this.refuse(request, refusal);
    }
    try {
      this.outgoing.push(this.protocols[request.route].encode(request, infer, pending.completeResults()));
      this.counters.answered.add();
      if (pending.hasFailure) this.models.fail(infer.target, seconds);
      else this.models.succeed(infer.target, infer.instances.length, seconds);
    } catch (error) {
      this.models.fail(infer.target, seconds);
      this.refuse(request, ServingError.from(error, 'Failed to construct the response'));
    }
  }

  private refuse(request: IngressRequest, error: ServingError): void {
    this.outgoing.push(this.refusalOf(request, error));
  }

  private flush(): void {
    const { outgoing } = this;
    if (outgoing.length === 0) return;
    this.outgoing = [];
    this.ingress.answer(outgoing);
  }

  private report(request: IngressRequest, error: ServingError): void {
    const { log } = this;
    const isBug = error.code === 'INTERNAL';
    if (!isBug && !this.logsRefusals) return;
    const requestId = requestIdOf(request.headers['x-request-id'], request.token);
    if (isBug) log.error({ request: request.token, requestId, route: request.route, err: error.cause ?? error }, error.message);
    else log.debug({ request: request.token, requestId, route: request.route, code: error.code }, error.message);
  }

  /** `error`: code or reason, when it was not answered with results. */
  private forget(pending: PendingRequest, error?: string): void {
    pending.span?.end(error);
    pending.stopReading();
    this.pending.delete(pending.ticketId);
    this.deadlines.remove(pending);
    this.store.release(pending.placed);
  }

  private cancel(pending: PendingRequest): void {
    const { bus } = this;
    bus.send(cancellations, pending.scheduler, { gateway: bus.address, id: pending.ticketId });
  }

  private expire(pending: PendingRequest): void {
    const { target } = pending.infer;
    this.finish(pending, refusal('deadline-exceeded', { servable: target.servable, method: target.method.name }));
    this.cancel(pending);
  }
}

function requestFacts({ target, instances }: InferRequest): SpanFacts {
  return { servable: target.servable, version: target.version, method: target.method.name, instances: instances.length };
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
function withHttpHeaders(request: IngressRequest, answer: Extract<IngressAnswer, { kind: 'http' }>): IngressAnswer {
  const { status, headers } = answer;
  if (request.verb !== 'POST' && status !== 200) return { ...answer, status: 405, headers: { ...headers, allow: 'POST' } };
  if ((status === 429 || status === 503) && headers['retry-after'] === undefined)
    return { ...answer, headers: { ...headers, 'retry-after': '1' } };
  return answer;
}
