import type { ReplicaStatus } from './messages.js';

/** What a process says of itself, for people who look at a fleet. */
export interface ProcessReport {
  /** Name of its machine. */
  readonly host: string;
  readonly pid: number;
  /** Version of Node. */
  readonly node: string;
  /** When it started, in ms since 1970. */
  readonly startedAt: number;
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
  /** Outside of the heap: buffers of bodies and tensors. */
  readonly externalBytes: number;
  /** Cores that it kept busy lately. */
  readonly cpuCores: number;
  /** Share of time that its event loop was busy lately, 0 to 1. */
  readonly loopBusy: number;
  /** How late its event loop was lately, in ms. */
  readonly loopDelayMs: { readonly p50: number; readonly p99: number; readonly max: number };
}

/** Topic `gateways.hello`, once a second, for the pages of other gateways: nothing hangs on it. */
export interface GatewayHello {
  readonly address: string;
  readonly leaving: boolean;
  readonly process: ProcessReport;
}

/** An agent of a distributed servable, as its worker hears it. */
export interface AgentReport {
  readonly address: string;
  readonly servable: string;
  readonly rank: number;
  /** undefined: it does not say (an agent of MindSpore Serving). */
  readonly process?: ProcessReport | undefined;
}

/** Body of `scheduler.stats` and `worker.stats`. */
export interface StatsRequest {
  /** Also where the time of each method went. Default false. */
  readonly methods?: boolean | undefined;
}

/** How long assignments of a method waited at their scheduler, since its start. */
export interface MethodWaits {
  readonly servable: string;
  readonly version: number;
  readonly method: string;
  readonly assignments: number;
  readonly waitMs: number;
}

/** Where the time of a method went in a worker since its start, added up over requests. */
export interface MethodWork {
  readonly servable: string;
  readonly version: number;
  readonly method: string;
  /** All of whose instances succeeded. */
  readonly assignments: number;
  readonly waitMs: number;
  readonly inputMs: number;
  readonly computeMs: number;
  readonly outputMs: number;
  readonly functionMs: number;
  /** Runs of the first model that it uses, other methods' included; none without a model. */
  readonly runs: readonly SizedRuns[];
}

/** Runs of a model with one number of instances, and their times added up. */
export interface SizedRuns {
  readonly instances: number;
  readonly runs: number;
  readonly inputMs: number;
  readonly computeMs: number;
  readonly outputMs: number;
}

/** What waits for a method, as its scheduler sees it. */
export interface QueueReport {
  readonly servable: string;
  readonly version: number;
  readonly method: string;
  readonly instances: number;
}

/** A worker as a scheduler hears it. */
export interface WorkerReport {
  readonly address: string;
  readonly leaving: boolean;
  readonly replicas: readonly Omit<ReplicaStatus, 'signature' | 'content' | 'credits' | 'leastCredits'>[];
}

/** A replica as its scheduler uses it. */
export interface ReplicaUse {
  readonly replica: string;
  readonly servable: string;
  readonly version: number;
  readonly credits: number;
  readonly inHand: number;
  readonly draining: boolean;
  readonly suspended: boolean;
}

/** Of the answer to `scheduler.stats`, what a page about the fleet shows. Counts are instances since the scheduler's start. */
export interface SchedulerReport {
  readonly process: ProcessReport;
  readonly queued: number;
  readonly running: number;
  readonly batches: number;
  readonly receipted: number;
  readonly retried: number;
  readonly undelivered: number;
  readonly averageBatchSize: number;
  readonly replicas: readonly ReplicaUse[];
  readonly queues: readonly QueueReport[];
  readonly workers: readonly WorkerReport[];
  readonly setAside: readonly string[];
  /** When they were asked for. */
  readonly methods?: readonly MethodWaits[] | undefined;
}

/** Of the answer to `worker.stats`, what a page about the fleet shows. */
export interface WorkerProcessReport {
  readonly process: ProcessReport;
  /** Assignments. */
  readonly inHand: number;
  /** Of its distributed servables, as far as there are any. */
  readonly agents?: readonly AgentReport[] | undefined;
  /** When they were asked for. */
  readonly methods?: readonly MethodWork[] | undefined;
}

/** Names of the subjects of control requests that only people need. */
export const statsSubjects = { scheduler: 'scheduler.stats', worker: 'worker.stats' } as const;
