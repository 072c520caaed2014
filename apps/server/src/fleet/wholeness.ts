import type { AppReport } from '@mserve/app';
import type { FailedServable, RunningServable } from '../server.js';
import type { ProcessKind } from './supervised.js';

/** What a process says of itself; undefined: nothing, it does not run or does not answer. */
export interface Reported {
  readonly kind: ProcessKind;
  readonly report: AppReport | undefined;
}

/** What workers have loaded. */
export interface Loaded {
  readonly ready: readonly RunningServable[];
  /** Not served by any worker, or not by all. */
  readonly failed: readonly FailedServable[];
}

/** What a fleet serves when all of it works together. */
export interface Wholeness extends Loaded {
  readonly gateway: AppReport | undefined;
}

/** Undefined while something does not do its work yet, or is not known yet to those that give it work. */
export function wholenessOf(processes: readonly Reported[]): Wholeness | undefined {
  const of = (wanted: ProcessKind): AppReport[] =>
    processes.flatMap(({ kind, report }) => (kind === wanted && report !== undefined ? [report] : []));
  if (!processes.every(({ report }) => report !== undefined && (report.settled ?? report.ready))) return undefined;
  const [gateways, schedulers, workers] = [of('gateway'), of('scheduler'), of('worker')];
  const loaded = loadedBy(workers);
  if (loaded === undefined || !allKnow(gateways, schedulers) || !allKnow(schedulers, workers)) return undefined;
  return { ...loaded, gateway: gateways[0] };
}

/** Undefined while one of these workers is loading. */
export function loadedBy(workers: readonly (AppReport | undefined)[]): Loaded | undefined {
  if (!workers.every((report) => report?.settled === true)) return undefined;
  const replicas = workers.flatMap((report) => report?.replicas ?? []);
  const ready = replicas.filter(({ state }) => state === 'ready');
  const failed = replicas.filter(({ state }) => state === 'failed');
  return {
    ready: [...new Map(ready.map(({ servable, version, methods }) => [`${servable}:${version}`, { servable, version, methods }])).values()],
    failed: [...new Map(failed.map(({ servable, error }) => [servable, { servable, reason: error ?? 'failed' }])).values()],
  };
}

function allKnow(askers: readonly AppReport[], others: readonly AppReport[]): boolean {
  return askers.every(({ knows = [] }) => others.every(({ address = '' }) => knows.includes(address)));
}
