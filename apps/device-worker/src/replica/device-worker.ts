import { availableParallelism } from 'node:os';
import type { Bus, ReplicaList, ReplicaStatus, TensorStore } from '@mserve/bus';
import { LoneClient } from '../execution/lone-client.js';
import { AssignmentHandler, type HandlerCounters } from './assignment-handler.js';
import { Beacon } from './beacon.js';
import { FailureLog } from './failure-log.js';
import { LateModelCaller, loadServable } from './load-servable.js';
import { Replica } from './replica.js';
import type { WorkerDefaults } from './worker-defaults.js';
import { silentLog, type DeviceWorkerOptions, type ServableOptions, type WorkerLog } from './worker-options.js';

/** Longest time that an assignment is expected to be on its way. */
const lateArrivalMs = 50;
/** Configs are small programs; see DeviceWorkerOptions.configPatienceMs. */
const configPatienceMs = 2_000;

interface Plan {
  readonly replica: Replica;
  readonly servable: ServableOptions;
  readonly threads: number;
}

/** Counts and states, for operators. */
export interface WorkerStats extends HandlerCounters {
  /** Assignments in hand. */
  readonly inHand: number;
  readonly replicas: readonly ReplicaStatus[];
}

/**
 * The device-worker: makes replicas, says where it is and what it has, runs what schedulers assign. A servable that fails to load is a
 * failed replica and does not stop the others.
 */
export class DeviceWorker {
  private readonly replicas = new Map<string, Replica>();
  private readonly plans: readonly Plan[];
  private readonly handler: AssignmentHandler;
  private readonly beacon: Beacon;
  private readonly loneClient = new LoneClient();
  private readonly log: WorkerLog;
  private closing: Promise<number> | undefined;

  constructor(
    private readonly bus: Bus,
    store: TensorStore,
    servables: readonly ServableOptions[],
    private readonly options: DeviceWorkerOptions,
    private readonly defaults: WorkerDefaults,
  ) {
    this.log = options.log ?? silentLog;
    this.handler = new AssignmentHandler(bus, store, this.replicas, this.loneClient);
    this.beacon = new Beacon(bus);
    this.plans = this.plan(servables);
  }

  /** Says hello and loads everything. Resolves when every replica is ready or failed; never rejects. Once. */
  async start(): Promise<void> {
    this.beacon.start();
    // One after the other: loading takes all cores by itself, and what is first in the list serves first.
    const loads: Promise<void>[] = [];
    for (const plan of this.plans) {
      if (this.closing !== undefined) break;
      await new Promise<void>((next) => {
        const patience = setTimeout(next, this.options.configPatienceMs ?? configPatienceMs);
        const goOn = (): void => {
          clearTimeout(patience);
          next();
        };
        loads.push(this.load(plan, () => clearTimeout(patience)).finally(goOn));
      });
    }
    await Promise.all(loads);
  }

  get address(): string {
    return this.bus.address;
  }

  get statuses(): readonly ReplicaStatus[] {
    return [...this.replicas.values()].map((replica) => replica.status);
  }

  /** The answer to `replicas.list`. */
  get list(): ReplicaList {
    return { revision: this.beacon.revision, replicas: this.statuses };
  }

  get stats(): WorkerStats {
    return { ...this.handler.counters, inHand: this.handler.size, replicas: this.statuses };
  }

  /**
   * Leaves: says so, takes nothing new, finishes what is in hand for at most `graceMs`, frees everything. The bus stays the caller's.
   * Resolves with the number of assignments given up. A second call returns the first one's promise.
   */
  close(graceMs: number): Promise<number> {
    this.closing ??= this.leave(graceMs);
    return this.closing;
  }

  private async leave(graceMs: number): Promise<number> {
    for (const replica of this.replicas.values()) replica.drain();
    this.beacon.leave();
    const until = performance.now() + graceMs;
    await idleWithin(this.handler, graceMs);
    // What a scheduler sent before it heard of the leaving is still on its way.
    await new Promise((resolve) => setTimeout(resolve, Math.min(lateArrivalMs, graceMs)));
    await idleWithin(this.handler, until - performance.now());
    const unfinished = this.handler.size;
    this.handler.close();
    // Quiet from here: who hears of a change asks what changed, and soon nobody is here to answer.
    this.beacon.stop();
    await Promise.allSettled([...this.replicas.values()].map((replica) => replica.close()));
    return unfinished;
  }

  private plan(servables: readonly ServableOptions[]): Plan[] {
    const plans: Plan[] = [];
    for (const servable of servables) {
      const deviceIds = servable.deviceIds ?? this.options.deviceIds ?? [0];
      const wanted = servable.numParallelWorkers ?? this.options.numParallelWorkers ?? 1;
      const threads = Math.max(1, Math.ceil(wanted / Math.max(1, deviceIds.length)));
      for (const deviceId of deviceIds) {
        const id = `${this.bus.address}.${this.replicas.size}`;
        const replica = new Replica(id, servable.name, servable.version ?? 0, deviceId, () => this.beacon.changed());
        this.replicas.set(id, replica);
        plans.push({ replica, servable, threads });
      }
    }
    return plans;
  }

  /** `onConfig`: the config is loaded, what follows are models. Never rejects. */
  private async load({ replica, servable, threads }: Plan, onConfig: () => void): Promise<void> {
    const { options, log } = this;
    const about = { servable: servable.name, deviceId: replica.deviceId };
    const startedAt = performance.now();
    const caller = new LateModelCaller();
    try {
      const loaded = await loadServable(
        {
          servable: servable.name,
          version: servable.version ?? 0,
          deviceId: replica.deviceId,
          threads,
          directory: options.directory,
          open: options.open ?? this.defaults.open,
          openers: options.openers ?? this.defaults.openers,
          intraOpThreads: options.intraOpThreads ?? Math.max(1, Math.floor((availableParallelism() - 1) / this.plans.length)),
          concurrentRuns: options.concurrentRuns ?? 1,
          credits: options.credits,
          warmUp: options.warmUp ?? true,
          decryption: servable.decKey && { key: servable.decKey, mode: servable.decMode },
          onVersion: (version) => {
            replica.version = version;
            onConfig();
          },
          onProgress: (progress) => options.onProgress?.({ ...about, version: replica.version, ...progress }),
          onWarning: (text, cause) => log.warn({ ...about, version: replica.version, err: cause }, text),
        },
        caller,
      );
      try {
        const failures = new FailureLog(log, { ...about, version: loaded.version, replica: replica.id });
        replica.ready(loaded, this.loneClient, (plan, cause) => failures.report(plan, cause));
        caller.executor = replica.executor;
      } catch (thrown) {
        await loaded.close();
        throw thrown;
      }
      log.info(
        { ...about, version: replica.version, replica: replica.id, ms: Math.round(performance.now() - startedAt) },
        'replica is ready',
      );
    } catch (thrown) {
      if (this.closing !== undefined) return;
      log.error({ ...about, version: replica.version, err: thrown }, 'replica could not be loaded');
      replica.fail(thrown instanceof Error ? thrown.message : String(thrown));
    }
  }
}

async function idleWithin(handler: AssignmentHandler, graceMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, graceMs)));
  await Promise.race([handler.whenIdle(), late]);
  clearTimeout(timer);
}
