import { Inject, Injectable, type BeforeApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import type { AppLog } from '@mserve/app';
import { answers, cancellations, IdTable, refusals, tickets, type Bus, type Subscription, type TensorStore } from '@mserve/bus';
import { BUS, TENSOR_STORE } from '@mserve/bus/nest';
import type { OwnSettingsOf } from '@mserve/config';
import { DeadlineTimer } from '@mserve/event-loop';
import { MetricRegistry, type Span, type Tracer } from '@mserve/metrics';
import {
  failureFrom,
  refusal,
  SecretNumbers,
  ServingError,
  type Answer,
  type Failure,
  type InstanceResult,
  type Refusal,
} from '@mserve/wire';
import { MethodCatalog } from '../catalog/method-catalog.js';
import { SchedulerWatch } from '../catalog/scheduler-watch.js';
import { Ingress, type IngressAnswer, type IngressListener, type IngressRequest } from '../edge/ingress.js';
import { logToken, tracerToken } from '../edge/tokens.js';
import type { InferRequest, Protocols } from '../protocols/protocol.js';
import { FailureLog } from './failure-log.js';
import { InferCounters, showInHand, type InferStats } from './counters.js';
import { ModelCounters } from './model-counters.js';
import { OutageQueue } from './outage-queue.js';
import { givingBack, isPartOf } from './answer-parts.js';
import { PendingRequest } from './pending-request.js';
import { withTrace } from './refusal-answer.js';
import { Refusals } from './refusals.js';
import { RequestLog } from './request-log.js';
import { spanOf } from './request-span.js';
import { catalogWaitMs, decodeAgain, maxMoves, MoveQueue, unavailable, VersionProbe, type Moving } from './version-move.js';

/** Limits of infer requests: settings of the gateway, see their declarations. */
export type InferOptions = Pick<OwnSettingsOf<'gateway'>, 'maxInFlight' | 'defaultDeadlineMs' | 'unavailableGraceMs'>;

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
  private readonly refusals: Refusals;
  private readonly probe: VersionProbe;
  /** By ticket id. */
  private readonly pending = new IdTable<PendingRequest>();
  private readonly byToken = new IdTable<PendingRequest>();
  private readonly secrets = new SecretNumbers();
  private readonly moving = new MoveQueue((moving) => this.giveUpMove(moving));
  private readonly outage = new OutageQueue(
    (pending) => this.finish(pending, unavailable(pending, this.methods)),
    () => this.flush(),
  );
  private readonly deadlines = new DeadlineTimer<PendingRequest>(
    (pending) => this.expire(pending),
    () => this.flush(),
  );
  private readonly subscriptions: Subscription[] = [];
  private outgoing: IngressAnswer[] = [];
  private cut = 0;
  /** Tickets went to a scheduler that is not in charge any more. */
  private mustResend = false;

  constructor(
    @Inject(Ingress) private readonly ingress: Ingress,
    @Inject(BUS) private readonly bus: Bus,
    @Inject(TENSOR_STORE) private readonly store: TensorStore,
    @Inject(MethodCatalog) private readonly methods: MethodCatalog,
    @Inject(SchedulerWatch) private readonly schedulers: SchedulerWatch,
    @Inject(protocolsToken) private readonly protocols: Protocols,
    @Inject(inferOptionsToken) private options: InferOptions,
    @Inject(logToken) log: AppLog,
    @Inject(MetricRegistry) private readonly metrics: MetricRegistry,
    @Inject(tracerToken) private readonly tracer: Tracer | undefined,
    @Inject(FailureLog) private readonly failures: FailureLog,
    @Inject(RequestLog) private readonly requests: RequestLog,
  ) {
    this.counters = new InferCounters(metrics);
    this.models = new ModelCounters(metrics);
    showInHand(metrics, () => this.pending.list());
    this.refusals = new Refusals(protocols, this.counters, failures, requests, log, tracer);
    this.probe = new VersionProbe(methods);
  }

  /** What was counted since the start. */
  get stats(): InferStats {
    return this.counters.stats;
  }

  /** Requests that are taken and not answered. */
  get inHand(): number {
    return this.pending.size;
  }

  /** For requests that come from now on. What is left out stays as it is. */
  limit(limits: Partial<InferOptions>): void {
    const { maxInFlight, defaultDeadlineMs, unavailableGraceMs } = { ...this.options, ...limits };
    this.options = { maxInFlight, defaultDeadlineMs, unavailableGraceMs };
  }

  onModuleInit(): void {
    this.subscriptions.push(
      this.bus.receive(answers, (list) => this.onAnswers(list)),
      this.bus.receive(refusals, (list) => this.onRefusals(list)),
      this.schedulers.onChange(() => (this.mustResend = true)),
      this.methods.onUpdate(() => this.onCatalog()),
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
    this.outage.clear();
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
      const pending = this.byToken.get(token);
      if (pending === undefined) continue;
      this.counters.gone.add();
      this.requests.gone(pending);
      this.forget(pending, 'CANCELLED');
      this.cancel(pending);
    }
  }

  /** The refusal, in its own protocol, of a request that the ingress does not hand over; counted and logged. */
  refusalOf(request: IngressRequest, error: ServingError): IngressAnswer {
    this.counters.received.add();
    return this.refusals.answerOf(request, error);
  }

  private accept(request: IngressRequest, now: number): void {
    const { options, protocols, probe, store } = this;
    if (this.pending.size >= options.maxInFlight) {
      throw refusal('too-many-requests', { limit: options.maxInFlight });
    }
    const isTimed = this.metrics.isRead || this.requests.isOn;
    const begunAt = isTimed ? performance.now() : 0;
    probe.leftOpen = false;
    const infer = protocols[request.route].decode(request, probe);
    const decodedAt = isTimed ? performance.now() : 0;
    const { client } = request;
    const { servable } = infer.target;
    if (client !== undefined && !client.mayUse(servable))
      throw refusal('client-not-allowed', { given: client.name, detail: `use '${servable}'` });
    const deadlineAt = infer.deadlineAt === Infinity ? now + options.defaultDeadlineMs : infer.deadlineAt;
    if (deadlineAt <= now) throw refusal('late-on-arrival');
    const pending = new PendingRequest(request, infer, store.place(infer.instances), deadlineAt, now, this.secrets);
    pending.isForLatest = probe.leftOpen;
    if (isTimed) {
      pending.decodedAt = decodedAt;
      pending.decodeSeconds = (decodedAt - begunAt) / 1000;
      pending.isTimed = this.requests.seesSlow;
    }
    this.remember(pending);
    if (this.tracer !== undefined) pending.span = spanOf(this.tracer, request, infer);
    this.deadlines.add(pending);
    this.counters.sent[request.route].add();
    this.sendOrWait(pending);
  }

  /** To the scheduler in charge, once it says that it has the servable. Until then the request waits: it has been resolved, so there was one that had it. */
  private sendOrWait(pending: PendingRequest): void {
    const scheduler = this.schedulers.current;
    const { servable, version } = pending.infer.target;
    if (scheduler !== undefined && this.methods.isConfirmed(servable, version)) this.send(pending, scheduler);
    else this.wait(pending);
  }

  private wait(pending: PendingRequest): void {
    const { unavailableGraceMs } = this.options;
    pending.scheduler = '';
    const isHandover = this.schedulers.current !== undefined;
    if (unavailableGraceMs === 0 && !isHandover) return this.finish(pending, unavailable(pending, this.methods));
    this.counters.waited.add();
    pending.span?.event('waits for a scheduler');
    this.outage.add(pending, performance.now() + (isHandover ? Math.max(unavailableGraceMs, catalogWaitMs) : unavailableGraceMs));
  }

  private send(pending: PendingRequest, scheduler: string): void {
    pending.sentTo(scheduler);
    this.outage.remove(pending);
    const { bus } = this;
    for (const ticket of pending.tickets(bus.address)) {
      bus.send(tickets, scheduler, ticket, (error) => this.onUndelivered(pending, scheduler, error));
    }
  }

  private onUndelivered(pending: PendingRequest, scheduler: string, error: Error): void {
    this.counters.undelivered.add();
    const known = ServingError.from(error);
    // May find another one, which then gets everything unanswered, this one included
    if (known.code === 'UNAVAILABLE') this.schedulers.suspect(scheduler);
    if (this.pending.get(pending.ticketId) !== pending || pending.scheduler !== scheduler) return;
    if (known.code === 'UNAVAILABLE') this.wait(pending);
    else this.finish(pending, known);
    this.flush();
  }

  /**
   * A scheduler that is new to us knows nothing of our tickets: it gets the unanswered ones as soon as it lists their servable. The first answer
   * wins, whoever gives it.
   */
  private onCatalog(): void {
    const { schedulers, methods, mustResend } = this;
    const scheduler = schedulers.current;
    if (scheduler !== undefined && (mustResend || this.outage.size > 0)) {
      this.mustResend = false;
      for (const pending of this.pending.list()) {
        const { servable, version } = pending.infer.target;
        const waits = pending.scheduler === '';
        if (!waits && !mustResend) continue;
        if (waits && pending.isForLatest && methods.hasOtherLatest(servable, version) && this.changeVersion(pending)) continue;
        if (methods.isConfirmed(servable, version)) {
          this.counters.resent.add();
          pending.span?.event('sent to another scheduler');
          this.send(pending, scheduler);
        } else if (!waits) this.wait(pending);
      }
    }
    this.moveOn();
  }

  private onAnswers(list: readonly Answer[]): void {
    for (const answer of list) {
      const { id, firstInstance, results } = answer;
      const pending = this.pending.get(id);
      if (pending === undefined) {
        this.counters.late.add(results.length);
        this.store.releaseResults(results);
        continue;
      }
      if (!pending.isGranted(answer)) {
        this.counters.forged.add(results.length);
        continue;
      }
      if (answer.steps !== undefined) pending.steps = answer.steps;
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
    for (const refused of list) {
      const { id, firstInstance, instances, failure } = refused;
      const pending = this.pending.get(id);
      if (pending === undefined) this.counters.late.add(instances);
      else if (!pending.isFromScheduler(refused)) this.counters.forged.add(instances);
      else if (failure.reason === 'shutting-down') this.onLeft(pending);
      else if (firstInstance === 0 && instances >= pending.infer.instances.length) this.finishOrMove(pending, failure);
      else this.take(id, firstInstance, new Array<InstanceResult>(Math.min(instances, pending.infer.instances.length)).fill({ failure }));
    }
    this.flush();
  }

  /** The scheduler left before it gave the instances to anybody: the next one gets them. */
  private onLeft(pending: PendingRequest): void {
    this.schedulers.suspect(pending.scheduler);
    this.sendOrWait(pending);
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

  /**
   * `failure`: of the whole request. One whose worker went with the outputs, before they were fetched, begins again, as it would had the worker not answered.
   */
  private finishOrMove(pending: PendingRequest, failure: Failure | undefined): void {
    if (failure === undefined && pending.firstFailure === undefined) return this.finish(pending);
    if (failure === undefined && pending.hasLostTensors && pending.moves < maxMoves) return this.beginAgain(pending, pending.infer);
    const gone = failure === undefined ? pending.versionGone : failure.reason === 'servable-unavailable' ? failure : undefined;
    if (gone === undefined || !this.move({ pending, failure: gone, until: performance.now() + catalogWaitMs }))
      this.finish(pending, failure && ServingError.of(failure));
  }

  /**
   * The servable version of a request has gone. A request that named none begins again with the version that is the latest now, from its bytes: the
   * methods of that version may differ. Any request begins again when the catalog lists its version anew: its last replica left a moment before the next one was known.
   * false: it does not, and is to be answered. `isNews`: the catalog has changed since it was refused.
   */
  private move(moving: Moving, isNews = false): boolean {
    const { pending } = moving;
    const { request, moves } = pending;
    if (moves >= maxMoves || this.schedulers.current === undefined) return false;
    let infer: InferRequest;
    try {
      infer = this.protocols[request.route].decode(request, this.methods);
    } catch (thrown) {
      const error = ServingError.from(thrown);
      // It may be listed again in a moment
      if (error.reason === 'servable-unavailable' || error.reason === 'servable-loading') {
        this.moving.add(moving);
        return true;
      }
      // No other version either: what the scheduler said stands
      if (!pending.isForLatest || error.reason === 'servable-not-found') return false;
      this.finish(pending, error);
      return true;
    }
    const { servable, version } = infer.target;
    const isOther = version !== pending.infer.target.version;
    // One that is not confirmed waits for its next replica, or for what the scheduler in charge says of it
    if (!isOther && !isNews && this.methods.isConfirmed(servable, version)) {
      this.moving.add(moving);
      return true;
    }
    this.beginAgain(pending, infer);
    return true;
  }

  /** A request that waits for the version that was the latest begins again with the one that is now. false: that one does not take it. */
  private changeVersion(pending: PendingRequest): boolean {
    const infer = pending.moves < maxMoves ? decodeAgain(this.protocols[pending.request.route], pending, this.methods) : undefined;
    if (infer === undefined) return false;
    this.beginAgain(pending, infer);
    return true;
  }

  private beginAgain(pending: PendingRequest, infer: InferRequest): void {
    const { request, deadlineAt, cameAt, moves } = pending;
    const next = new PendingRequest(request, infer, this.store.place(infer.instances), deadlineAt, cameAt, this.secrets, moves + 1);
    next.follows(pending);
    this.forget(pending);
    this.remember(next);
    this.deadlines.add(next);
    if (infer.target.version !== pending.infer.target.version) this.counters.moved.add();
    this.sendOrWait(next);
  }

  /** The catalog has changed. */
  private moveOn(): void {
    for (const moving of this.moving.take()) {
      const { pending, failure } = moving;
      if (this.pending.get(pending.ticketId) === pending && !this.move(moving, true)) this.finish(pending, ServingError.of(failure));
    }
    this.flush();
  }

  private giveUpMove({ pending }: Moving): void {
    if (this.pending.get(pending.ticketId) !== pending) return;
    this.finish(pending, unavailable(pending, this.methods));
    this.flush();
  }

  private remember(pending: PendingRequest): void {
    this.pending.set(pending.ticketId, pending);
    this.byToken.set(pending.request.token, pending);
  }

  /** Answers a request and lets go of it. */
  private finish(pending: PendingRequest, refusal?: ServingError): void {
    this.forget(pending, refusal?.reason ?? refusal?.code);
    const { request, infer, cameAt } = pending;
    const now = performance.now();
    const seconds = (now - cameAt) / 1000;
    if (refusal !== undefined) {
      this.models.fail(pending, seconds);
      this.requests.failed(pending, refusal);
      return this.refuse(request, refusal, infer, pending.span);
    }
    try {
      const results = pending.completeResults();
      const answer = this.protocols[request.route].encode(request, infer, results);
      const borrowed = this.store.borrowedBy(results);
      const leaving = borrowed === undefined ? answer : givingBack(answer, borrowed);
      this.outgoing.push(pending.span === undefined ? leaving : withTrace(leaving, pending.span));
      const encodeSeconds = this.metrics.isRead ? (performance.now() - now) / 1000 : 0;
      const { firstFailure } = pending;
      if (this.requests.isOn) this.requests.answered(pending, answer, now, firstFailure?.reason ?? firstFailure?.code);
      if (pending.wasSentOnce && firstFailure === undefined) request.release((buffer) => isPartOf(buffer, answer));
      this.counters.answered.add();
      if (firstFailure !== undefined) {
        this.models.fail(pending, seconds, encodeSeconds);
        this.failures.add(request, firstFailure, infer, pending.span);
      } else this.models.succeed(pending, infer.instances.length, now, seconds, encodeSeconds);
    } catch (error) {
      this.models.fail(pending, seconds);
      this.refuse(request, ServingError.from(error, 'Failed to construct the response'), infer, pending.span);
    }
  }

  private refuse(request: IngressRequest, error: ServingError, infer?: InferRequest, span?: Span): void {
    this.outgoing.push(this.refusals.answerOf(request, error, infer, span));
  }

  private flush(): void {
    const { outgoing } = this;
    if (outgoing.length === 0) return;
    this.outgoing = [];
    this.ingress.answer(outgoing);
  }

  /** `error`: code or reason, when it was not answered with results. */
  private forget(pending: PendingRequest, error?: string): void {
    pending.span?.end(error);
    pending.stopReading();
    this.pending.delete(pending.ticketId);
    this.byToken.delete(pending.request.token);
    this.deadlines.remove(pending);
    this.outage.remove(pending);
    this.store.release(pending.placed);
  }

  private cancel(pending: PendingRequest): void {
    const { bus } = this;
    if (pending.scheduler !== '') bus.send(cancellations, pending.scheduler, { gateway: bus.address, id: pending.ticketId });
  }

  private expire(pending: PendingRequest): void {
    const { target } = pending.infer;
    this.finish(pending, refusal('deadline-exceeded', { servable: target.servable, method: target.method.name }));
    this.cancel(pending);
  }
}
