import {
  failureFrom,
  failureOf,
  instanceCount,
  ServingError,
  type Assignment,
  type Cancellation,
  type Failure,
  type Instance,
  type Ticket,
} from '@mserve/wire';
import {
  answers,
  assignments,
  cancellations,
  IdTable,
  receipts,
  type Bus,
  type ReplicaStatus,
  type Subscription,
  type TensorStore,
  type WorkerProcessReport,
} from '@mserve/bus';
import { EndOfTurn, maxTimerMs, timerMs } from '@mserve/event-loop';
import { MetricRegistry, type SpanFacts, type Tracer } from '@mserve/metrics';
import { deadlineExceeded } from '../execution/failures.js';
import type { LoneClient } from '../execution/lone-client.js';
import { AssignmentRun, failureCount, type ReadyAnswer } from './assignment-run.js';
import { leaveOutputs } from './leave-outputs.js';
import type { Replica } from './replica.js';
import { HandlerCounters, workerMetrics } from './worker-metrics.js';

/**
 * Answers leave when they are this part of what is in hand, or at the end of the turn. Each lot wakes who reads it, and costs a message: with many small ones
 * that is a tenth of a request's time. A client that waits alone has its answer at once.
 */
const lotPart = 1 / 3;

/** Assignments between two looks for gateways that are gone. */
const sweepEvery = 4096;

/** Counts since the start; all only grow. In instances, except for the assignments. */
export interface HandlerStats {
  readonly assignments: number;
  readonly succeeded: number;
  readonly failed: number;
}

/** Counts and states, for operators. */
export interface WorkerStats extends HandlerStats, WorkerProcessReport {
  readonly replicas: readonly ReplicaStatus[];
}

/** Who is told what a worker does. */
export interface WorkerObservers {
  /** Where it counts. Default: a registry of its own. */
  readonly metrics?: MetricRegistry | undefined;
  /** Default: nothing is traced. */
  readonly tracer?: Tracer | undefined;
}

/**
 * The hot path of the worker: assignments in, answers to gateways and receipts to schedulers out. Every instance that comes in leaves
 * exactly once, whatever happens to its ticket; results that became ready in one turn leave together.
 */
export class AssignmentHandler {
  private readonly counters: HandlerCounters;
  private readonly tracer: Tracer | undefined;
  /** gateway, then ticket id: what is in hand (a ticket may come in several assignments). */
  private readonly inHand = new Map<string, IdTable<AssignmentRun[]>>();
  private runs = 0;
  private forgotten = 0;
  private outbox: AssignmentRun[] = [];
  private idleWaiters: (() => void)[] = [];
  private readonly subscriptions: Subscription[];
  private readonly end = new EndOfTurn(() => {
    const runs = this.outbox;
    this.outbox = [];
    const now = performance.now();
    for (const run of runs) this.send(run, now);
  });
  private readonly onResults = (run: AssignmentRun): void => {
    this.outbox.push(run);
    this.end.ask(this.outbox.length >= this.runs * lotPart ? 'microtask' : 'check');
  };

  constructor(
    private readonly bus: Bus,
    private readonly store: TensorStore,
    private readonly replicas: ReadonlyMap<string, Replica>,
    private readonly loneClient: LoneClient,
    { metrics = new MetricRegistry(), tracer }: WorkerObservers = {},
  ) {
    this.counters = new HandlerCounters(metrics);
    this.tracer = tracer;
    const inHand = metrics.gauge(workerMetrics.inHand).of([]);
    metrics.beforeRead(() => inHand.set(this.runs));
    this.subscriptions = [
      bus.receive(assignments, (list) => this.acceptAll(list)),
      bus.receive(cancellations, (list) => list.forEach((cancellation) => this.cancel(cancellation))),
    ];
  }

  get stats(): HandlerStats {
    const { assignments: taken, succeeded, failed } = this.counters;
    return { assignments: taken.value, succeeded: succeeded.value, failed: failed.value };
  }

  /** Assignments in hand. */
  get size(): number {
    return this.runs;
  }

  /** Resolves when nothing is in hand. */
  whenIdle(): Promise<void> {
    if (this.runs === 0) return Promise.resolve();
    return new Promise((resolve) => this.idleWaiters.push(resolve));
  }

  /** Fails what a replica that goes has in hand; its clients are answered so. */
  giveUp(replica: Replica): void {
    for (const tickets of this.inHand.values()) {
      for (const runs of tickets.list())
        for (const run of runs) if (run.replica === replica) run.giveUp(notAvailable(run.assignment.ticket));
    }
  }

  /** Fails what is in hand, and stops receiving. */
  close(): void {
    for (const subscription of this.subscriptions) subscription.unsubscribe();
    for (const tickets of this.inHand.values()) {
      for (const runs of tickets.list()) for (const run of runs) run.cancel();
    }
  }

  private acceptAll(list: readonly Assignment[]): void {
    const now = performance.now();
    for (const assignment of list) this.accept(assignment, now);
  }

  private accept(assignment: Assignment, now: number): void {
    const { ticket } = assignment;
    this.counters.assignments.add();
    const count = instanceCount(ticket.instances);
    if (count === 0) return;
    const run = new AssignmentRun(assignment, this.replicas.get(assignment.replica), count, now, this.onResults);
    this.remember(run);
    if (this.tracer !== undefined && ticket.watch !== undefined)
      run.span = this.tracer.begin('batch', ticket.watch, factsOf(assignment, count));
    try {
      const instances = this.store.read(ticket.instances, run);
      if (instances instanceof Promise) void this.startLater(run, instances);
      else this.start(run, instances);
    } catch (thrown) {
      run.fail(unreadable(thrown));
    }
  }

  /** For tensors that have to be fetched: given up at the deadline, like everything else. */
  private async startLater(run: AssignmentRun, reading: Promise<readonly Instance[]>): Promise<void> {
    const { ticket } = run.assignment;
    const leftMs = ticket.deadlineAt - performance.now();
    // A flag, not a look at the clock: timers may fire a fraction of a millisecond early.
    let isLate = false;
    const giveUp = (): void => {
      isLate = true;
      run.stopReading();
    };
    const timer = leftMs < maxTimerMs ? setTimeout(giveUp, timerMs(leftMs)) : undefined;
    try {
      const instances = await reading;
      run.cameAt = performance.now();
      this.start(run, instances);
    } catch (thrown) {
      run.fail(isLate ? deadlineExceeded(ticket.method, 1) : unreadable(thrown));
    } finally {
      clearTimeout(timer);
    }
  }

  private start(run: AssignmentRun, instances: readonly Instance[]): void {
    const { replica } = run;
    const { ticket } = run.assignment;
    // Its executor may have gone while the tensors were fetched.
    if (replica?.executor === undefined || replica.servable !== ticket.servable || replica.version !== ticket.version) {
      run.fail(notAvailable(ticket));
    } else if (instances.length !== instanceCount(ticket.instances)) {
      run.fail(
        failureOf('internal', { detail: `${instances.length} instances were found, the ticket has ${instanceCount(ticket.instances)}` }),
      );
    } else {
      run.borrow(this.store.borrowedBy(instances));
      run.started(replica.executor.start(ticket.method, instances, ticket.deadlineAt, run));
    }
  }

  private cancel({ gateway, id }: Cancellation): void {
    for (const run of this.inHand.get(gateway)?.get(id) ?? []) run.cancel();
  }

  private send(run: AssignmentRun, now: number): void {
    const { scheduler, ticket } = run.assignment;
    const complete = run.isComplete;
    for (const { answer, receipt } of run.takeReady()) {
      const failed = failureCount(answer.results);
      run.failed += failed;
      this.counters.failed.add(failed);
      this.counters.succeeded.add(answer.results.length - failed);
      if (!run.cancelled) this.answer(ticket.gateway, answer);
      run.left(answer.results);
      this.bus.send(receipts, scheduler, receipt);
    }
    if (!complete) return;
    run.giveBack();
    run.span?.end(run.cancelled ? 'CANCELLED' : undefined);
    if (run.failed === 0 && !run.cancelled) run.replica?.executor?.times(ticket.method)?.total.observe((now - run.cameAt) / 1000);
    this.forget(run);
  }

  /** An answer that the bus cannot carry becomes one that says so: its client would wait for its deadline. Those whose outputs all go along it can. */
  private answer(gateway: string, answer: ReadyAnswer): void {
    const results = this.store.placeResults(answer.results);
    if (results === answer.results) {
      this.bus.send(answers, gateway, answer);
      return;
    }
    leaveOutputs(answer.results, results);
    this.bus.send(answers, gateway, { ...answer, results }, (error) => {
      this.store.releaseResults(results);
      const { code, message } = ServingError.from(error);
      if (code === 'UNAVAILABLE') return;
      const failure: Failure =
        code === 'RESOURCE_EXHAUSTED'
          ? failureOf('answer-too-large', { detail: message })
          : { code, message: `the outputs cannot be sent: ${message}` };
      this.bus.send(answers, gateway, { ...answer, results: answer.results.map(() => ({ failure })) });
    });
  }

  private remember(run: AssignmentRun): void {
    const { gateway, id } = run.assignment.ticket;
    let tickets = this.inHand.get(gateway);
    if (tickets === undefined) this.inHand.set(gateway, (tickets = new IdTable<AssignmentRun[]>()));
    const others = tickets.get(id);
    if (others === undefined) tickets.set(id, [run]);
    else others.push(run);
    run.replica?.took();
    this.loneClient.came(++this.runs);
  }

  private forget(run: AssignmentRun): void {
    const { gateway, id } = run.assignment.ticket;
    const tickets = this.inHand.get(gateway);
    const runs = tickets?.get(id);
    if (runs === undefined || runs.length === 1) tickets?.delete(id);
    else runs.splice(runs.indexOf(run), 1);
    this.runs--;
    run.replica?.released();
    if (++this.forgotten % sweepEvery === 0) this.sweep();
    if (this.runs > 0 || this.idleWaiters.length === 0) return;
    for (const resolve of this.idleWaiters.splice(0)) resolve();
  }

  /** Gateways come and go; not done on the way, because one that has nothing here now comes back with its next request. */
  private sweep(): void {
    for (const [gateway, tickets] of this.inHand) if (tickets.size === 0) this.inHand.delete(gateway);
  }
}

function factsOf({ replica, ticket }: Assignment, instances: number): SpanFacts {
  const { servable, version, method, attempt } = ticket;
  return { servable, version, method, replica, attempt, instances };
}

/** Why tensors could not be read. */
function unreadable(thrown: unknown): Failure {
  return failureFrom(thrown, 'the tensors of the request could not be read');
}

function notAvailable({ servable, method }: Ticket): Failure {
  return failureOf('servable-unavailable', { servable, method });
}
