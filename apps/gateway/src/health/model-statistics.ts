import { Inject, Injectable } from '@nestjs/common';
import { MetricRegistry } from '@mserve/metrics';
import { MethodCatalog } from '../catalog/method-catalog.js';
import { ModelCounters } from '../infer/model-counters.js';
import type { ResolvedMethod } from '../protocols/protocol.js';

/** How many, and their time in nanoseconds, added up. */
export interface StatisticDuration {
  readonly count: number;
  readonly ns: number;
}

/** What is counted of one model version; field names are those of the statistics extension. */
export interface ModelStatisticsEntry {
  readonly name: string;
  readonly version: string;
  /** Unix time in milliseconds; 0 = none yet. */
  readonly last_inference: number;
  /** Instances. */
  readonly inference_count: number;
  readonly inference_stats: { readonly success: StatisticDuration; readonly fail: StatisticDuration };
}

/** Answer of the statistics extension. */
export interface ModelStatisticsList {
  readonly model_stats: readonly ModelStatisticsEntry[];
}

/** What this gateway has counted of its models since its start, from the registry of counters. */
@Injectable()
export class ModelStatistics {
  private readonly counters: ModelCounters;

  constructor(
    @Inject(MethodCatalog) private readonly catalog: MethodCatalog,
    @Inject(MetricRegistry) metrics: MetricRegistry,
  ) {
    this.counters = new ModelCounters(metrics);
  }

  /** All ready versions of a model, or the one that is named; `name` '' = all models. Throws ServingError NOT_FOUND or UNAVAILABLE. */
  list(name: string, version: string): ModelStatisticsList {
    if (name === '') {
      const all = this.catalog.ready.flatMap(({ signature: { servable, version: running, methods } }) =>
        methods.map((method) => this.entryOf(`${servable}.${method.name}`, { servable, version: running, method })),
      );
      return { model_stats: all };
    }
    const { versions } = this.catalog.findModel(name, version);
    const wanted = version === '' ? versions.map(String) : [version];
    return { model_stats: wanted.map((each) => this.entryOf(name, this.catalog.findModel(name, each))) };
  }

  private entryOf(name: string, target: ResolvedMethod): ModelStatisticsEntry {
    const { succeeded, succeededSeconds, failed, failedSeconds, instances, lastSuccess } = this.counters.of(target);
    return {
      name,
      version: String(target.version),
      last_inference: Math.round(lastSuccess.value * 1000),
      inference_count: instances.value,
      inference_stats: {
        success: { count: succeeded.value, ns: Math.round(succeededSeconds.value * 1e9) },
        fail: { count: failed.value, ns: Math.round(failedSeconds.value * 1e9) },
      },
    };
  }
}
