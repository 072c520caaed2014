import { Inject, Injectable } from '@nestjs/common';
import { statsSubjects, type Bus, type MethodWaits, type MethodWork, type SizedRuns } from '@mserve/bus';
import { BUS, encodeJson, parseControl, SchedulerReportDto, WorkerProcessReportDto } from '@mserve/bus/nest';
import { MetricRegistry } from '@mserve/metrics';
import { MethodCatalog } from '../catalog/method-catalog.js';
import { SchedulerWatch } from '../catalog/scheduler-watch.js';
import { ModelCounters } from '../infer/model-counters.js';
import type { ResolvedMethod } from '../protocols/protocol.js';

/** Longest wait for a scheduler or a worker to tell its part. */
const answerMs = 900;

/** How many, and their time in nanoseconds, added up. */
export interface StatisticDuration {
  readonly count: number;
  readonly ns: number;
}

/** Where the time of runs with `batch_size` instances went. */
export interface BatchStatistics {
  readonly batch_size: number;
  readonly compute_input: StatisticDuration;
  readonly compute_infer: StatisticDuration;
  readonly compute_output: StatisticDuration;
}

/** What is counted of requests; times of functions are in none of these but `success` and `fail`. */
export interface InferenceStatistics {
  readonly success: StatisticDuration;
  readonly fail: StatisticDuration;
  /** Waits at the scheduler, and at the worker for a run. */
  readonly queue: StatisticDuration;
  readonly compute_input: StatisticDuration;
  readonly compute_infer: StatisticDuration;
  readonly compute_output: StatisticDuration;
  /** There is no cache of answers: 0. */
  readonly cache_hit: StatisticDuration;
  readonly cache_miss: StatisticDuration;
}

/** What is counted of one model version; field names are those of the statistics extension. */
export interface ModelStatisticsEntry {
  readonly name: string;
  readonly version: string;
  /** Unix time in milliseconds; 0 = none yet. */
  readonly last_inference: number;
  /** Instances. */
  readonly inference_count: number;
  /** Runs of the first model that the method uses. */
  readonly execution_count: number;
  readonly inference_stats: InferenceStatistics;
  readonly batch_stats: readonly BatchStatistics[];
}

/** Answer of the statistics extension. */
export interface ModelStatisticsList {
  readonly model_stats: readonly ModelStatisticsEntry[];
}

const none: StatisticDuration = { count: 0, ns: 0 };

/**
 * The statistics extension. Requests and instances are those of this gateway; queues and runs are those that the scheduler in charge and its workers have
 * counted since they started, of all gateways. They are asked when statistics are asked for; one that does not answer counts as nothing.
 */
@Injectable()
export class ModelStatistics {
  private readonly counters: ModelCounters;

  constructor(
    @Inject(MethodCatalog) private readonly catalog: MethodCatalog,
    @Inject(SchedulerWatch) private readonly schedulers: SchedulerWatch,
    @Inject(BUS) private readonly bus: Bus,
    @Inject(MetricRegistry) metrics: MetricRegistry,
  ) {
    this.counters = new ModelCounters(metrics);
  }

  /** All ready versions of a model, or the one that is named; `name` '' = all models. Rejects with ServingError NOT_FOUND or UNAVAILABLE. */
  async list(name: string, version: string): Promise<ModelStatisticsList> {
    const targets = this.targetsOf(name, version);
    const { waits, work } = await this.ask();
    return { model_stats: targets.map(([called, target]) => this.entryOf(called, target, waits, work)) };
  }

  private targetsOf(name: string, version: string): (readonly [string, ResolvedMethod])[] {
    if (name === '') {
      return this.catalog.ready.flatMap(({ signature: { servable, version: running, methods } }) =>
        methods.map((method) => [`${servable}.${method.name}`, { servable, version: running, method }] as const),
      );
    }
    const { versions } = this.catalog.findModel(name, version);
    const wanted = version === '' ? versions.map(String) : [version];
    return wanted.map((each) => [name, this.catalog.findModel(name, each)] as const);
  }

  /** Never rejects. */
  private async ask(): Promise<{ readonly waits: readonly MethodWaits[]; readonly work: readonly MethodWork[] }> {
    const scheduler = this.schedulers.current;
    if (scheduler === undefined) return { waits: [], work: [] };
    const body = encodeJson({ methods: true });
    const options = { timeoutMs: answerMs };
    try {
      const report = parseControl(SchedulerReportDto, await this.bus.request(scheduler, statsSubjects.scheduler, body, options));
      const asked = report.workers.map(async ({ address }) => {
        const told = parseControl(WorkerProcessReportDto, await this.bus.request(address, statsSubjects.worker, body, options));
        return told.methods ?? [];
      });
      const work = (await Promise.allSettled(asked)).flatMap((told) => (told.status === 'fulfilled' ? told.value : []));
      return { waits: report.methods ?? [], work };
    } catch {
      return { waits: [], work: [] };
    }
  }

  private entryOf(name: string, target: ResolvedMethod, waits: readonly MethodWaits[], work: readonly MethodWork[]): ModelStatisticsEntry {
    const { succeeded, succeededSeconds, failed, failedSeconds, instances, lastSuccess } = this.counters.of(target);
    const isOfTarget = (each: MethodWaits | MethodWork): boolean =>
      each.servable === target.servable && each.version === target.version && each.method === target.method.name;
    const queued = waits.filter(isOfTarget);
    const worked = work.filter(isOfTarget);
    const batches = batchesOf(worked.flatMap(({ runs }) => runs));
    const times = (of: (each: MethodWork) => number): StatisticDuration => ({
      count: sum(worked, ({ assignments }) => assignments),
      ns: nanoseconds(sum(worked, of)),
    });
    return {
      name,
      version: String(target.version),
      last_inference: Math.round(lastSuccess.value * 1000),
      inference_count: instances.value,
      execution_count: sum(batches, ({ compute_infer: { count } }) => count),
      inference_stats: {
        success: { count: succeeded.value, ns: nanoseconds(succeededSeconds.value * 1000) },
        fail: { count: failed.value, ns: nanoseconds(failedSeconds.value * 1000) },
        queue: {
          count: sum(queued, ({ assignments }) => assignments),
          ns: nanoseconds(sum(queued, ({ waitMs }) => waitMs) + sum(worked, ({ waitMs }) => waitMs)),
        },
        compute_input: times(({ inputMs }) => inputMs),
        compute_infer: times(({ computeMs }) => computeMs),
        compute_output: times(({ outputMs }) => outputMs),
        cache_hit: none,
        cache_miss: none,
      },
      batch_stats: batches,
    };
  }
}

/** One entry for each size, the smallest first. */
function batchesOf(all: readonly SizedRuns[]): BatchStatistics[] {
  const sizes = [...new Set(all.map(({ instances }) => instances))].sort((a, b) => a - b);
  return sizes.map((size) => {
    const runs = all.filter(({ instances }) => instances === size);
    const count = sum(runs, (each) => each.runs);
    const times = (of: (each: SizedRuns) => number): StatisticDuration => ({ count, ns: nanoseconds(sum(runs, of)) });
    return {
      batch_size: size,
      compute_input: times(({ inputMs }) => inputMs),
      compute_infer: times(({ computeMs }) => computeMs),
      compute_output: times(({ outputMs }) => outputMs),
    };
  });
}

function sum<T>(list: readonly T[], of: (each: T) => number): number {
  return list.reduce((total, each) => total + of(each), 0);
}

function nanoseconds(ms: number): number {
  return Math.round(ms * 1e6);
}
