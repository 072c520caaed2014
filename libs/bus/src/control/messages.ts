import type { ServableSignature } from '@mserve/wire';

/**
 * Control messages between rooms: JSON, carried by Nest message patterns. Discovery is by beacons (topics) that say
 * "I am here, my state has revision r", and by a request that fetches the state when the revision is new; so rooms may start in any order
 * and nothing needs to be stored.
 */

/** A beacon: every 250 ms and at every change. */
export interface Hello {
  readonly address: string;
  /** Start time in ms since 1970. */
  readonly epoch: number;
  /** Counts up when the sender's state changes: the catalog of a scheduler, the replicas of a worker. */
  readonly revision: number;
  /** The sender is leaving: it takes nothing new. */
  readonly leaving: boolean;
}

/** Topic `schedulers.hello`. Gateways send tickets to the scheduler with the lowest epoch (then the lowest address) of those alive. */
export type SchedulerHello = Hello;

/** Request `catalog.list` to a scheduler. Body `{}`. */
export interface Catalog {
  readonly revision: number;
  readonly servables: readonly ServableStatus[];
  /** What workers are loading now, each once; left out when there is nothing. */
  readonly loading?: readonly LoadingServable[] | undefined;
}

/** A servable version that a worker is loading. */
export interface LoadingServable {
  readonly servable: string;
  /** 0 while it is not known which one the highest is. */
  readonly version: number;
}

/** A servable version that can be called, as its scheduler sees it. */
export interface ServableStatus {
  readonly signature: ServableSignature;
  readonly readyReplicas: number;
  /** Instances queued at the scheduler. */
  readonly queued: number;
}

/** Topic `workers.hello`. */
export type WorkerHello = Hello;

/** Request `replicas.list` to a worker. Body `{}`. */
export interface ReplicaList {
  readonly revision: number;
  readonly replicas: readonly ReplicaStatus[];
}

/** The states of a replica. */
export const replicaStates = ['loading', 'ready', 'draining', 'gone', 'failed'] as const;

/** States only move forward. */
export type ReplicaState = (typeof replicaStates)[number];

/** One replica of a servable version, as its worker sees it. */
export interface ReplicaStatus {
  /** Unique: `{worker address}.{n}`. */
  readonly replica: string;
  readonly servable: string;
  /** 0 until it is known which one the highest is. */
  readonly version: number;
  readonly deviceId: number;
  readonly state: ReplicaState;
  /** Instances it takes at a time: what runs and what waits behind it. 0 until ready. */
  readonly credits: number;
  /** Of these, what keeps it busy when an instance takes long: what runs and one batch behind it. Default: all of them. */
  readonly leastCredits?: number | undefined;
  /** Undefined until ready. */
  readonly signature?: ServableSignature | undefined;
  /** Digest of the files that it was loaded from; left out where they were not read for one. Replicas of a version have the same, or a scheduler sets them aside. */
  readonly content?: string | undefined;
  /** Why it failed; for operators, never for clients. */
  readonly error?: string | undefined;
}

/**
 * Request `servables.load` to a worker: make replicas of a servable version. Answered with the worker's ReplicaList as soon as they are loading;
 * what becomes of them its later lists say. INVALID_ARGUMENT when it has that version already and is not to load it anew.
 */
export interface LoadServable {
  readonly servable: string;
  /** 0 = the highest that is there. */
  readonly version: number;
  /** Default: the worker's. */
  readonly deviceIds?: readonly number[] | undefined;
  /** Threads for functions over all devices. Default: the worker's. */
  readonly numParallelWorkers?: number | undefined;
  /** The worker may have that version: then it is loaded anew, and the old replicas go when the new ones are ready. Default false. */
  readonly reload?: boolean | undefined;
}

/** Request `servables.found` to a worker: which servables and versions its directory has now. */
export interface FindServables {
  /** Default: all of them. */
  readonly servable?: string | undefined;
}

/** What a worker found in its directory. */
export interface FoundServables {
  /** Name of the worker's machine, for people. */
  readonly host: string;
  readonly servables: readonly FoundServable[];
}

/** A servable in a worker's directory; without versions when it is not there. */
export interface FoundServable {
  readonly servable: string;
  readonly versions: readonly FoundVersion[];
}

export interface FoundVersion {
  readonly version: number;
  /** By the worker's version policy. */
  readonly wanted: boolean;
  /** The worker serves it as it was before its files changed. */
  readonly changed: boolean;
}

/**
 * Request `servables.unload` to a worker: take a servable version out. Answered with the worker's ReplicaList as soon as its replicas get nothing
 * new; they leave later lists when they have finished what they have in hand. NOT_FOUND when it has no such version.
 */
export interface UnloadServable {
  readonly servable: string;
  /** 0 = all versions. */
  readonly version: number;
  /** Longest time that work in hand may take. Default 30 000. */
  readonly graceMs?: number | undefined;
}

/** Names of the topics of control messages. */
export const topics = { gatewaysHello: 'gateways.hello', schedulersHello: 'schedulers.hello', workersHello: 'workers.hello' } as const;
/** Names of the subjects of control requests. */
export const subjects = {
  catalogList: 'catalog.list',
  replicasList: 'replicas.list',
  servablesLoad: 'servables.load',
  servablesUnload: 'servables.unload',
  servablesFound: 'servables.found',
} as const;
