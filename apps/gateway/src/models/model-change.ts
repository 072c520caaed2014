import type { ReplicaState } from '@mserve/bus';
import type { ServingErrorCode } from '@mserve/wire';

/** Whom a change is for, and how long it may take. */
export interface ChangeOptions {
  /** Bus addresses. Default: every worker that has the servable, loaded or on disk. */
  readonly workers?: readonly string[] | undefined;
  /** How long versions may take to load. Then the answer says so; they go on loading. Default 600 000. */
  readonly timeoutMs?: number | undefined;
  /** How long what is unloaded may take for the requests that it has. Default 30 000. */
  readonly graceMs?: number | undefined;
}

/** As {@link ChangeOptions}; what serves already can be loaded anew. */
export interface LoadChangeOptions extends ChangeOptions {
  /** A version that serves already is loaded anew from its files, and takes the place of the old copy when it is ready. Default false. */
  readonly reload?: boolean | undefined;
}

/** What a worker did. */
export interface WorkerResult {
  readonly worker: string;
  readonly loaded: readonly number[];
  readonly unloaded: readonly number[];
  /** Why it did not do all that was asked, for operators; undefined when it did. */
  readonly error?: string | undefined;
  /**
   * Of the error. UNAVAILABLE: the worker is silent, lost or leaving; asked again later it may do it. DEADLINE_EXCEEDED: it goes on, longer than was waited
   * for. ABORTED: it could, but another worker could not. Anything else is a failure of its own.
   */
  readonly code?: ServingErrorCode | undefined;
}

/** What became of a change. */
export interface ModelChange {
  readonly servable: string;
  /** Versions that were asked for; none for an unloading of all. */
  readonly versions: readonly number[];
  /** Every worker did what was asked. */
  readonly ok: boolean;
  readonly workers: readonly WorkerResult[];
  /** Workers that had the servable, and were passed over: they went in the last minute without leaving. One that comes back has what it had. */
  readonly passedOver?: readonly string[] | undefined;
}

/** A version of a servable on one worker. */
export interface ListedReplica {
  readonly worker: string;
  readonly deviceId: number;
  readonly state: ReplicaState;
  /** Why it failed, for operators. */
  readonly error?: string | undefined;
}

export interface ListedVersion {
  readonly version: number;
  /** The best that a replica of it has; `unloaded`: it is on disk only. */
  readonly state: 'ready' | 'loading' | 'draining' | 'failed' | 'unloaded';
  readonly replicas: readonly ListedReplica[];
}

export interface ListedServable {
  readonly servable: string;
  /** The version that requests get which name none; undefined when none is ready. */
  readonly latest?: number | undefined;
  /** Ascending. */
  readonly versions: readonly ListedVersion[];
}

export interface ListedWorker {
  readonly worker: string;
  /** Its machine; undefined when it did not answer in time. */
  readonly host?: string | undefined;
  readonly leaving: boolean;
}

/** What the workers have. */
export interface ModelList {
  readonly workers: readonly ListedWorker[];
  readonly servables: readonly ListedServable[];
}

/** What a change that was not carried out as a whole is for its client: a failure of one worker's own weighs more than one that may pass. Undefined: all is done. */
export function codeOfChange({ ok, workers }: ModelChange): 'INTERNAL' | 'DEADLINE_EXCEEDED' | 'UNAVAILABLE' | undefined {
  if (ok) return undefined;
  const codes = new Set(workers.flatMap(({ error, code }) => (error === undefined ? [] : [code])));
  codes.delete('ABORTED');
  const passing = (['UNAVAILABLE', 'DEADLINE_EXCEEDED'] as const).filter((code) => codes.delete(code));
  return codes.size > 0 ? 'INTERNAL' : (passing.at(-1) ?? 'INTERNAL');
}

/** What went wrong on which worker. */
export function errorsOf({ workers }: ModelChange): string {
  return workers.flatMap(({ worker, error }) => (error === undefined ? [] : [`${worker}: ${error}`])).join('; ');
}

/** The workers with this code. */
export function workersWith({ workers }: ModelChange, wanted: ServingErrorCode): string[] {
  return workers.filter(({ code }) => code === wanted).map(({ worker }) => worker);
}
