import { functionThreadStates, type FunctionRunner } from '../functions/function-runner.js';
import type { Replica } from './replica.js';
import type { ReplicaState } from '@mserve/bus';
import { arenaUse } from '@mserve/native';
import {
  deviceLabel,
  replicaLabel,
  versionLabels,
  type Count,
  type Label,
  type MetricDeclaration,
  type MetricRegistry,
} from '@mserve/metrics';

const replicaStates = ['loading', 'ready', 'draining', 'gone', 'failed'] as const satisfies readonly ReplicaState[];

const replicaLabels: readonly Label[] = [...versionLabels, deviceLabel, replicaLabel];

/** The metrics of a worker. */
export const workerMetrics = {
  assignments: { name: 'mserve_worker_assignments_total', help: 'Assignments received.' },
  succeeded: { name: 'mserve_worker_succeeded_instances_total', help: 'Instances that left with outputs.' },
  failed: { name: 'mserve_worker_failed_instances_total', help: 'Instances that left with a failure, cancelled ones included.' },
  inHand: { name: 'mserve_worker_assignments_in_hand', help: 'Assignments that have not left yet.' },
  replicas: {
    name: 'mserve_worker_replicas',
    help: 'Replicas of this worker, by servable version and state.',
    labels: [...versionLabels, { name: 'state', values: replicaStates }],
  },
  setAside: {
    name: 'mserve_worker_replicas_set_aside',
    help: 'Replicas that are not loaded, because two workers ended while their servable version was being loaded.',
    labels: versionLabels,
  },
  credits: {
    name: 'mserve_worker_replica_credits',
    help: 'Instances that the ready replicas of a servable version take at a time.',
    labels: versionLabels,
  },
  loaded: {
    name: 'mserve_worker_replica_load_seconds',
    help: 'Time in which a replica was loaded; 0 for one that is not ready yet.',
    labels: replicaLabels,
  },
  replicaReady: {
    name: 'mserve_worker_replica_ready',
    help: '1 for a replica that is ready, 0 for one that is being loaded, drains or has failed. Those that are gone are not there.',
    labels: replicaLabels,
  },
  replicaInHand: {
    name: 'mserve_worker_replica_assignments_in_hand',
    help: 'Assignments of a replica that have not left yet.',
    labels: replicaLabels,
  },
  replicaTaken: {
    name: 'mserve_worker_replica_assignments_total',
    help: 'Assignments that a replica received.',
    labels: replicaLabels,
  },
  arenaInUse: {
    name: 'mserve_worker_arena_in_use_bytes',
    help: 'Memory of the process that weights and native runs on the CPU use, all models together. Where ONNX Runtime is 1.23 or later.',
  },
  arenaAllocated: {
    name: 'mserve_worker_arena_allocated_bytes',
    help: 'Memory of the process that is taken for weights and native runs on the CPU, and kept for further runs.',
  },
  arenaPeak: {
    name: 'mserve_worker_arena_peak_bytes',
    help: 'The most memory of the process that weights and native runs on the CPU used at one time.',
  },
  agents: {
    name: 'mserve_worker_agents',
    help: 'Agents of a distributed servable that are there: one for each rank when it can be served.',
    labels: versionLabels,
  },
  agentsLost: {
    name: 'mserve_worker_agents_lost_total',
    help: 'Agents of a distributed servable that fell silent or left, while it was to be served.',
    labels: versionLabels,
  },
  threads: {
    name: 'mserve_worker_function_threads',
    help: 'Threads (or processes) of functions, by state. stuck: busy with one call for so long that another thread stands in for it.',
    labels: [...versionLabels, { name: 'state', values: functionThreadStates }],
  },
  replaced: {
    name: 'mserve_worker_function_threads_replaced_total',
    help: 'Threads (or processes) of functions that ended by themselves, or hung and were given up.',
    labels: versionLabels,
  },
} as const satisfies Readonly<Record<string, MetricDeclaration>>;

/** What the worker counts; {@link workerMetrics} says what each is. */
export class HandlerCounters {
  readonly assignments: Count;
  readonly succeeded: Count;
  readonly failed: Count;

  constructor(registry: MetricRegistry) {
    this.assignments = registry.counter(workerMetrics.assignments).of([]);
    this.succeeded = registry.counter(workerMetrics.succeeded).of([]);
    this.failed = registry.counter(workerMetrics.failed).of([]);
  }
}

/** Shows what a worker has, whenever the registry is read. */
export function showWorker(registry: MetricRegistry, replicas: () => Iterable<Replica>, distributed: () => Iterable<AgentCounts>): void {
  showReplicas(registry, replicas);
  showEachReplica(registry, replicas);
  showSetAside(registry, replicas);
  showFunctionThreads(registry, replicas);
  showAgents(registry, distributed);
  showArena(registry);
}

/** Shows the threads of functions, whenever the registry is read. */
function showFunctionThreads(registry: MetricRegistry, replicas: () => Iterable<Replica>): void {
  const threads = registry.gauge(workerMetrics.threads);
  const replaced = registry.counter(workerMetrics.replaced);
  /** Replacements that were counted before. */
  const counted = new WeakMap<FunctionRunner, number>();
  registry.beforeRead(() => {
    for (const { state } of threads.all) state.set(0);
    for (const { servable, version, runner } of replicas()) {
      if (runner === undefined) continue;
      const now = runner.threads;
      for (const state of now.states) threads.of([servable, `${version}`, state]).add(1);
      replaced.of([servable, `${version}`]).add(now.replaced - (counted.get(runner) ?? 0));
      counted.set(runner, now.replaced);
    }
  });
}

/** What is shown of the agents of a distributed servable. */
export interface AgentCounts {
  readonly servable: string;
  readonly version: number;
  readonly agents: readonly unknown[];
  /** Since it is to be served; only grows. */
  readonly lostAgents: number;
}

/** Shows the agents of distributed servables, whenever the registry is read. */
function showAgents(registry: MetricRegistry, distributed: () => Iterable<AgentCounts>): void {
  const agents = registry.gauge(workerMetrics.agents);
  const lost = registry.counter(workerMetrics.agentsLost);
  /** Losses that were counted before. */
  const counted = new WeakMap<AgentCounts, number>();
  registry.beforeRead(() => {
    for (const { state } of agents.all) state.set(0);
    for (const one of distributed()) {
      const version = [one.servable, `${one.version}`];
      agents.of(version).add(one.agents.length);
      lost.of(version).add(one.lostAgents - (counted.get(one) ?? 0));
      counted.set(one, one.lostAgents);
    }
  });
}

/** Shows the memory of native runs, whenever the registry is read and there is something to tell. */
function showArena(registry: MetricRegistry): void {
  const inUse = registry.gauge(workerMetrics.arenaInUse);
  const allocated = registry.gauge(workerMetrics.arenaAllocated);
  const peak = registry.gauge(workerMetrics.arenaPeak);
  registry.beforeRead(() => {
    const use = arenaUse();
    if (use === undefined) return;
    inUse.of([]).set(use.inUseBytes);
    allocated.of([]).set(use.allocatedBytes);
    peak.of([]).set(use.peakBytes);
  });
}

/** Shows the replicas that are set aside, whenever the registry is read. */
function showSetAside(registry: MetricRegistry, replicas: () => Iterable<Replica>): void {
  const setAside = registry.gauge(workerMetrics.setAside);
  registry.beforeRead(() => {
    for (const { state } of setAside.all) state.set(0);
    for (const { servable, version, isSetAside } of replicas()) if (isSetAside) setAside.of([servable, `${version}`]).add(1);
  });
}

/** Shows the replicas there are, whenever the registry is read. */
function showReplicas(registry: MetricRegistry, replicas: () => Iterable<Replica>): void {
  const counts = registry.gauge(workerMetrics.replicas);
  const credits = registry.gauge(workerMetrics.credits);
  registry.beforeRead(() => {
    // Those that are gone stay with 0
    for (const { state } of [...counts.all, ...credits.all]) state.set(0);
    for (const { status } of replicas()) {
      const version = [status.servable, `${status.version}`];
      counts.of([...version, status.state]).add(1);
      credits.of(version).add(status.credits);
    }
  });
}

/** Shows each replica with its device, whenever the registry is read. */
function showEachReplica(registry: MetricRegistry, replicas: () => Iterable<Replica>): void {
  const ready = registry.gauge(workerMetrics.replicaReady);
  const inHand = registry.gauge(workerMetrics.replicaInHand);
  const taken = registry.counter(workerMetrics.replicaTaken);
  const loaded = registry.gauge(workerMetrics.loaded);
  registry.beforeRead(() => {
    for (const series of [ready, inHand, taken, loaded]) series.clear();
    for (const replica of replicas()) {
      if (replica.state === 'gone') continue;
      const values = [replica.servable, `${replica.version}`, `${replica.deviceId}`, replica.id];
      ready.of(values).set(replica.state === 'ready' ? 1 : 0);
      inHand.of(values).set(replica.inHand);
      taken.of(values).add(replica.taken);
      loaded.of(values).set(replica.loadMs / 1000);
    }
  });
}
