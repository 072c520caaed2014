import type { SizedRuns } from '@mserve/bus';
import {
  batchSizeBuckets,
  nameLabel,
  methodLabels,
  secondsBuckets,
  versionLabels,
  type Count,
  type Distribution,
  type HistogramDeclaration,
  type Label,
  type Level,
  type MetricDeclaration,
  type MetricRegistry,
} from '@mserve/metrics';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const labels: readonly Label[] = [...versionLabels, nameLabel('model')];

/** What a worker counts of the native runs of each model. */
export const runMetrics = {
  seconds: {
    name: 'mserve_worker_run_seconds',
    help: 'Time of native runs that ended well, from their hand-over to the session to their outputs, without copies into and out of batches.',
    labels,
    buckets: secondsBuckets,
  },
  instances: {
    name: 'mserve_worker_run_instances',
    help: 'Instances of native runs: the sizes of batches.',
    labels,
    buckets: batchSizeBuckets,
  },
  failed: { name: 'mserve_worker_failed_runs_total', help: 'Native runs that failed, cancelled ones included.', labels },
  running: { name: 'mserve_worker_runs_in_hand', help: 'Native runs handed to sessions that have not ended.', labels },
  lanes: {
    name: 'mserve_worker_run_lanes',
    help: 'Native runs that the sessions of a model execute at the same time, over its subgraphs and replicas.',
    labels,
  },
} as const satisfies Readonly<Record<string, MetricDeclaration | HistogramDeclaration>>;

/** What a worker measures of each method. A request counts once for each run that has instances of it. */
export const methodMetrics = {
  total: {
    name: 'mserve_worker_method_assignment_seconds',
    help: 'Time that assignments all of whose instances succeeded were in the worker: from their arrival to their last answer.',
    labels: methodLabels,
    buckets: secondsBuckets,
    isAlwaysKept: true,
  },
  wait: {
    name: 'mserve_worker_method_wait_seconds',
    help: 'Time that instances waited in the worker for a run of a model or a call of a function: since they came, or since the stage before.',
    labels: methodLabels,
    buckets: secondsBuckets,
    isAlwaysKept: true,
  },
  input: {
    name: 'mserve_worker_method_input_seconds',
    help: 'Time in which inputs were laid side by side for a native run.',
    labels: methodLabels,
    buckets: secondsBuckets,
    isAlwaysKept: true,
  },
  compute: {
    name: 'mserve_worker_method_compute_seconds',
    help: 'Time of native runs that requests had a part in.',
    labels: methodLabels,
    buckets: secondsBuckets,
    isAlwaysKept: true,
  },
  output: {
    name: 'mserve_worker_method_output_seconds',
    help: 'Time in which the outputs of a native run were cut apart.',
    labels: methodLabels,
    buckets: secondsBuckets,
    isAlwaysKept: true,
  },
  functions: {
    name: 'mserve_worker_method_function_seconds',
    help: 'Time of calls of functions that requests had a part in, the way to their thread and back included.',
    labels: methodLabels,
    buckets: secondsBuckets,
    isAlwaysKept: true,
  },
  runs: {
    name: 'mserve_worker_method_runs_total',
    help: 'Native runs that ended well and that the method had instances in: a run with instances of several methods counts for each.',
    labels: methodLabels,
  },
} as const satisfies Readonly<Record<string, MetricDeclaration | HistogramDeclaration>>;

/** Where the time of one method goes; {@link methodMetrics} says what each is. */
export class MethodTimes {
  readonly total: Distribution;
  readonly wait: Distribution;
  readonly input: Distribution;
  readonly compute: Distribution;
  readonly output: Distribution;
  readonly functions: Distribution;
  readonly runs: Count;

  constructor(registry: MetricRegistry, servable: string, version: number, method: string) {
    const of = (declaration: HistogramDeclaration): Distribution => registry.histogram(declaration).of([servable, `${version}`, method]);
    this.total = of(methodMetrics.total);
    this.wait = of(methodMetrics.wait);
    this.input = of(methodMetrics.input);
    this.compute = of(methodMetrics.compute);
    this.output = of(methodMetrics.output);
    this.functions = of(methodMetrics.functions);
    this.runs = registry.counter(methodMetrics.runs).of([servable, `${version}`, method]);
  }

  /** A run has ended well. In milliseconds. */
  ran(waitMs: number, { inputMs, computeMs, outputMs }: RunTimes): void {
    this.wait.observe(waitMs / 1000);
    this.input.observe(inputMs / 1000);
    this.compute.observe(computeMs / 1000);
    this.output.observe(outputMs / 1000);
  }

  /** A call of a function has ended. In milliseconds. */
  called(waitMs: number, callMs: number): void {
    this.wait.observe(waitMs / 1000);
    this.functions.observe(callMs / 1000);
  }
}

/** Where the time of one native run went. */
export interface RunTimes {
  readonly inputMs: number;
  readonly computeMs: number;
  readonly outputMs: number;
}

/** Where the time of one instance went, all its stages together. In milliseconds. */
export class TimeSpent {
  waitMs = 0;
  runMs = 0;
  functionMs = 0;

  /** It was part of a run that ended well. */
  ran(waitMs: number, { inputMs, computeMs, outputMs }: RunTimes): void {
    this.waitMs += waitMs;
    this.runMs += inputMs + computeMs + outputMs;
  }

  /** It was part of a call of a function. */
  called(waitMs: number, callMs: number): void {
    this.waitMs += waitMs;
    this.functionMs += callMs;
  }
}

/** Sizes of batches that are told apart; larger ones count as this. */
const largestSize = 1024;

/** Counts of the runs of one model; {@link runMetrics} says what each is. */
export class RunCounts {
  readonly seconds: Distribution;
  readonly instances: Distribution;
  readonly failed: Count;
  readonly running: Level;
  readonly lanes: Level;
  private readonly sizes: (Mutable<SizedRuns> | undefined)[] = [];

  constructor(registry: MetricRegistry, servable: string, version: number, model: string) {
    const values = [servable, `${version}`, model];
    this.seconds = registry.histogram(runMetrics.seconds).of(values);
    this.instances = registry.histogram(runMetrics.instances).of(values);
    this.failed = registry.counter(runMetrics.failed).of(values);
    this.running = registry.gauge(runMetrics.running).of(values);
    this.lanes = registry.gauge(runMetrics.lanes).of(values);
  }

  /** Runs that ended well, by the number of their instances. */
  get bySize(): readonly SizedRuns[] {
    return this.sizes.filter((each) => each !== undefined);
  }

  /** A run with so many instances has ended well. */
  ran(instances: number, { inputMs, computeMs, outputMs }: RunTimes): void {
    const at = Math.min(instances, largestSize);
    const sized = (this.sizes[at] ??= { instances: at, runs: 0, inputMs: 0, computeMs: 0, outputMs: 0 });
    sized.runs += 1;
    sized.inputMs += inputMs;
    sized.computeMs += computeMs;
    sized.outputMs += outputMs;
    this.seconds.observe(computeMs / 1000);
    this.instances.observe(instances);
  }
}
