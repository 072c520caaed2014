import type { Count, Label, Level, MetricDeclaration, MetricRegistry, Series } from '@mserve/metrics';
import type { MethodSignature } from '@mserve/wire';
import type { ResolvedMethod } from '../protocols/protocol.js';

const labels: readonly Label[] = [
  { name: 'servable', most: 1000 },
  { name: 'version', most: 1000 },
  { name: 'method', most: 1000 },
];

/** What the gateway counts of each method of each servable version. */
export const modelMetrics = {
  succeeded: {
    name: 'mserve_gateway_method_succeeded_requests_total',
    help: 'Requests all of whose instances succeeded.',
    labels,
  },
  succeededSeconds: {
    name: 'mserve_gateway_method_succeeded_requests_seconds_total',
    help: 'Time that such requests were in hand of the gateway, added up.',
    labels,
  },
  failed: { name: 'mserve_gateway_method_failed_requests_total', help: 'Requests that failed, as a whole or in part.', labels },
  failedSeconds: {
    name: 'mserve_gateway_method_failed_requests_seconds_total',
    help: 'Time that failed requests were in hand of the gateway, added up.',
    labels,
  },
  instances: { name: 'mserve_gateway_method_succeeded_instances_total', help: 'Instances of requests that succeeded.', labels },
  lastSuccess: {
    name: 'mserve_gateway_method_last_success_timestamp_seconds',
    help: 'When the last request succeeded, as Unix time.',
    labels,
  },
} as const satisfies Readonly<Record<string, MetricDeclaration>>;

/** Counts of one method of one servable version; {@link modelMetrics} says what each is. */
export interface ModelCounts {
  readonly succeeded: Count;
  readonly succeededSeconds: Count;
  readonly failed: Count;
  readonly failedSeconds: Count;
  readonly instances: Count;
  readonly lastSuccess: Level;
}

interface Known {
  readonly servable: string;
  readonly version: number;
  readonly counts: ModelCounts;
}

/** The counts of all methods. */
export class ModelCounters {
  /** By signature, of which every version has its own as a rule: saves the look-up by labels. */
  private readonly known = new WeakMap<MethodSignature, Known>();
  private readonly series: { readonly [name in keyof ModelCounts]: Series<ModelCounts[name]> };

  constructor(registry: MetricRegistry) {
    this.series = {
      succeeded: registry.counter(modelMetrics.succeeded),
      succeededSeconds: registry.counter(modelMetrics.succeededSeconds),
      failed: registry.counter(modelMetrics.failed),
      failedSeconds: registry.counter(modelMetrics.failedSeconds),
      instances: registry.counter(modelMetrics.instances),
      lastSuccess: registry.gauge(modelMetrics.lastSuccess),
    };
  }

  of({ servable, version, method }: ResolvedMethod): ModelCounts {
    let known = this.known.get(method);
    if (known === undefined || known.version !== version || known.servable !== servable) {
      const values = [servable, String(version), method.name];
      const { series } = this;
      const counts = {
        succeeded: series.succeeded.of(values),
        succeededSeconds: series.succeededSeconds.of(values),
        failed: series.failed.of(values),
        failedSeconds: series.failedSeconds.of(values),
        instances: series.instances.of(values),
        lastSuccess: series.lastSuccess.of(values),
      };
      this.known.set(method, (known = { servable, version, counts }));
    }
    return known.counts;
  }

  /** A request was answered with results for all its instances. `seconds`: since it came. */
  succeed(target: ResolvedMethod, instances: number, seconds: number): void {
    const counts = this.of(target);
    counts.succeeded.add();
    counts.succeededSeconds.add(seconds);
    counts.instances.add(instances);
    counts.lastSuccess.set(Date.now() / 1000);
  }

  fail(target: ResolvedMethod, seconds: number): void {
    const counts = this.of(target);
    counts.failed.add();
    counts.failedSeconds.add(seconds);
  }
}
