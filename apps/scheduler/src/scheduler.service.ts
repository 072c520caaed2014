import type { AppLog } from '@mserve/app';
import { assignments, cancellations, receipts, refusals, subjects, tickets, topics } from '@mserve/bus';
import type {
  Bus,
  Catalog,
  MethodWaits,
  ProcessReport,
  QueueReport,
  SchedulerHello,
  Subscription,
  WorkerHello,
  WorkerReport,
} from '@mserve/bus';
import { type BusClient, encodeJson } from '@mserve/bus/nest';
import { EndOfTurn, WakeTimer } from '@mserve/event-loop';
import { MetricRegistry } from '@mserve/metrics';
import { ProcessWatch } from '@mserve/ops';
import type { Assignment, Cancellation, Refusal } from '@mserve/wire';
import { firstValueFrom } from 'rxjs';
import type { DispatchObservers, DispatchOutlet } from './dispatch/dispatch-options.js';
import { dispatchMetrics, type DispatchStats } from './dispatch/dispatch-stats.js';
import { Dispatcher } from './dispatch/dispatcher.js';
import { ReplicaTable } from './replicas/replica-table.js';
import { defaultSchedulerOptions, type SchedulerOptions } from './scheduler-options.js';

/** How often the silence of workers is looked at, and what is overdue in the dispatcher. */
const checkMs = 125;
const sweepMs = 1_000;
/** So many of its own beacons may be missing before a scheduler takes itself for cut off. */
const missingBeacons = 2;

/** Answer to the request `scheduler.stats`. */
export interface SchedulerStats extends DispatchStats {
  /** Replicas that are not used, because their signature or their files differ from those of the replicas in use. */
  readonly setAside: readonly string[];
  /** Queues that are not empty, at most 1000. */
  readonly queues: readonly QueueReport[];
  /** The workers that are heard, with at most 2000 replicas in all. */
  readonly workers: readonly WorkerReport[];
  readonly process: ProcessReport;
  readonly methods?: readonly MethodWaits[] | undefined;
}

const mostQueuesReported = 1000;
const mostReplicasReported = 2000;

/**
 * The dispatcher on a bus: owns its subscriptions, its timers and the replica table. The bus stays the caller's.
 * Control messages come in through the controllers (control/), which call the public methods.
 */
export class SchedulerService implements DispatchOutlet {
  private readonly options: SchedulerOptions;
  private readonly dispatcher: Dispatcher;
  private readonly table: ReplicaTable;
  /** A new one after each outage of the bus: gateways then send again what is unanswered, and it is not the oldest any more. */
  private epoch = Date.now();
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly subscriptions: Subscription[] = [];
  private ticketSubscription: Subscription | undefined;
  private revision = 0;
  private listed = JSON.stringify([[], undefined]);
  private readonly helloAtEnd = new EndOfTurn(() => this.sayHello());
  private leaving = false;
  private readonly wakeTimer = new WakeTimer(() => this.turn((now) => this.dispatcher.wake(now)));
  /** Of other schedulers, when they were heard last. */
  private readonly others = new Map<string, number>();
  /** Its own beacon, when it came back last; undefined on a bus that does not bring it back. */
  private heardSelfAt: number | undefined;
  private onIdle: (() => void) | undefined;
  private readonly watch = new ProcessWatch();

  constructor(
    private readonly bus: Bus,
    private readonly client: BusClient,
    options: Partial<SchedulerOptions>,
    private readonly log: AppLog,
    { metrics = new MetricRegistry(), tracer }: DispatchObservers = {},
  ) {
    this.options = { ...defaultSchedulerOptions, ...options };
    this.dispatcher = new Dispatcher(bus.address, this, this.options, { metrics, tracer });
    this.declareGauges(metrics);
    const workersLost = metrics.counter(dispatchMetrics.workersLost).of([]);
    this.table = new ReplicaTable(this.dispatcher, {
      fetchReplicas: (address) => this.fetchReplicas(address),
      now: () => performance.now(),
      isCutOff: (now) => this.heardSelfAt !== undefined && now - this.heardSelfAt > missingBeacons * this.options.helloMs,
      onChange: () => this.checkCatalog(),
      onDeath: () => workersLost.add(),
      log,
      workerLostMs: this.options.workerLostMs,
      busReturnMs: this.options.busReturnMs,
      suspectLostMs: this.options.suspectLostMs,
      mixedModels: new Set(this.options.mixedModels?.split(',')),
    });
  }

  /** Begins to take tickets and to say hello. Once. */
  start(): void {
    const { bus, dispatcher } = this;
    this.ticketSubscription = bus.receive(tickets, (list) => this.turn((now) => dispatcher.submit(list, now)));
    this.subscriptions.push(
      bus.receive(receipts, (list) => this.turn((now) => dispatcher.settle(list, now))),
      bus.receive(cancellations, (list) => this.turn(() => dispatcher.cancel(list))),
      bus.onState((state) => {
        if (state === 'up') {
          this.epoch = Math.max(Date.now(), this.epoch + 1);
          this.sayHello();
        } else this.turn((now) => this.table.loseAll(now + this.options.busReturnMs));
      }),
    );
    this.every(this.options.helloMs, () => this.sayHello());
    this.every(checkMs, () => this.turn(() => this.table.check(checkMs)));
    this.every(sweepMs, () => this.turn((now) => dispatcher.sweep(now)));
    this.sayHello();
  }

  hearWorker(hello: WorkerHello): void {
    this.turn(() => this.table.hear(hello));
  }

  hearScheduler(hello: SchedulerHello): void {
    if (hello.address === this.bus.address) this.heardSelfAt = performance.now();
    else if (hello.leaving) this.others.delete(hello.address);
    else this.others.set(hello.address, performance.now());
  }

  listCatalog(): Catalog {
    const usable = [...this.dispatcher.pools()]
      .filter((pool) => pool.usableReplicas > 0)
      .map((pool) => ({ signature: pool.signature, readyReplicas: pool.usableReplicas, queued: pool.queuedInstances }));
    const { loading, lostVersions } = this.table;
    const servables = [...usable, ...lostVersions.map((signature) => ({ signature, readyReplicas: 0, queued: 0 }))];
    return loading.length === 0 ? { revision: this.revision, servables } : { revision: this.revision, servables, loading };
  }

  /** Bus addresses of the workers whose replicas it knows as they are now; none of them leaves, or is loading. */
  get knownWorkers(): string[] {
    return this.table.settled;
  }

  /** From now on at most so many requests and instances wait; those that wait already stay. At least 1. `maxQueuedInstances`: default: as it is. */
  limitQueue(maxQueuedRequests: number, maxQueuedInstances?: number): void {
    this.dispatcher.limitQueue(maxQueuedRequests, maxQueuedInstances);
  }

  /** `withMethods`: how long the assignments of each method waited, too. */
  stats(withMethods = false): SchedulerStats {
    return {
      ...this.dispatcher.stats(),
      setAside: this.table.setAside,
      queues: this.dispatcher.queues(mostQueuesReported),
      workers: this.table.reports(mostReplicasReported),
      process: this.watch.report(),
      ...(withMethods && { methods: this.dispatcher.waits() }),
    };
  }

  /**
   * Leaves: takes no more tickets, says so, and finishes what is queued and in hand, at most `graceMs` long. When another scheduler is
   * there, it leaves at once: gateways give that one everything unanswered. What is still queued at the end is refused UNAVAILABLE.
   * Resolves with the number of instances that were left unfinished.
   */
  async close(graceMs: number): Promise<number> {
    if (this.leaving) return 0;
    this.leaving = true;
    this.ticketSubscription?.unsubscribe();
    this.sayHello();
    const handedOver = this.hasSuccessor();
    if (!handedOver) await this.whenIdle(graceMs);
    const { queued, running } = this.dispatcher.stats();
    if (!handedOver) this.dispatcher.refuseAll();
    for (const timer of this.timers) clearInterval(timer);
    this.wakeTimer.disarm();
    this.watch.close();
    for (const subscription of this.subscriptions) subscription.unsubscribe();
    if (queued + running > 0) this.log.warn({ queued, running, handedOver }, 'the scheduler left with unfinished instances');
    return handedOver ? 0 : queued + running;
  }

  /** DispatchOutlet; for the dispatcher only. */
  assign(worker: string, assignment: Assignment, onUndelivered: (now: number) => void): void {
    this.bus.send(assignments, worker, assignment, () => {
      this.table.suspect(worker);
      this.turn(onUndelivered);
    });
  }

  /** DispatchOutlet; for the dispatcher only. */
  cancel(worker: string, cancellation: Cancellation): void {
    this.bus.send(cancellations, worker, cancellation);
  }

  /** DispatchOutlet; for the dispatcher only. A gateway that is gone waits for nothing. */
  refuse(gateway: string, refusal: Refusal): void {
    this.bus.send(refusals, gateway, refusal);
  }

  /** Everything that touches the dispatcher goes through here, so that its next wake-up is never forgotten. */
  private turn(act: (now: number) => void): void {
    const now = performance.now();
    act(now);
    this.wakeTimer.arm(this.dispatcher.nextWakeAt());
    if (this.onIdle !== undefined && this.dispatcher.isIdle) this.onIdle();
  }

  private declareGauges(metrics: MetricRegistry): void {
    const queuedRequests = metrics.gauge(dispatchMetrics.queuedRequests).of([]);
    const queued = metrics.gauge(dispatchMetrics.queued).of([]);
    const running = metrics.gauge(dispatchMetrics.running).of([]);
    const setAside = metrics.gauge(dispatchMetrics.setAside);
    const workers = metrics.gauge(dispatchMetrics.workers).of([]);
    metrics.beforeRead(() => {
      workers.set(this.table.size);
      for (const { state } of setAside.all) state.set(0);
      for (const { servable, version, reason } of this.table.setAsideVersions) setAside.of([servable, `${version}`, reason]).add(1);
      this.dispatcher.showGauges(performance.now());
      const stats = this.dispatcher.stats();
      queuedRequests.set(stats.queuedRequests);
      queued.set(stats.queued);
      running.set(stats.running);
    });
  }

  private every(intervalMs: number, act: () => void): void {
    this.timers.push(setInterval(act, intervalMs).unref());
  }

  private fetchReplicas(address: string): Promise<unknown> {
    return firstValueFrom(this.client.to(address).send<unknown>(subjects.replicasList, {}));
  }

  /** Counts the revision up when what gateways know of servables has changed, and says so in this turn. */
  private checkCatalog(): void {
    const { servables, loading } = this.listCatalog();
    const listed = JSON.stringify([servables.map(({ signature, readyReplicas }) => [signature, readyReplicas]), loading]);
    if (listed === this.listed) return;
    this.listed = listed;
    this.revision += 1;
    this.helloAtEnd.ask();
  }

  private sayHello(): void {
    if (this.bus.state !== 'up') return;
    const hello: SchedulerHello = { address: this.bus.address, epoch: this.epoch, revision: this.revision, leaving: this.leaving };
    this.bus.broadcast(topics.schedulersHello, encodeJson(hello));
  }

  private hasSuccessor(): boolean {
    const now = performance.now();
    for (const heardAt of this.others.values()) if (now - heardAt < 1_000) return true;
    return false;
  }

  private whenIdle(graceMs: number): Promise<void> {
    if (this.dispatcher.isIdle) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, graceMs);
      this.onIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
