import {
  methodLabels,
  secondsBuckets,
  type Count,
  type Distribution,
  type HistogramDeclaration,
  type Level,
  type MetricDeclaration,
  type MetricRegistry,
  type Series,
} from '@mserve/metrics';
import type { MethodSignature } from '@mserve/wire';
import type { ResolvedMethod } from '../protocols/protocol.js';

const labels = methodLabels;

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
  seconds: {
    name: 'mserve_gateway_method_request_seconds',
    help: 'Time that requests were in hand of the gateway: from their last byte to their answer, those that failed included.',
    labels,
    buckets: secondsBuckets,
  },
  decode: {
    name: 'mserve_gateway_method_decode_seconds',
    help: 'Time in which the bytes of requests were read into tensors.',
    labels,
    buckets: secondsBuckets,
  },
  encode: {
    name: 'mserve_gateway_method_encode_seconds',
    help: 'Time in which answers were written from tensors.',
    labels,
    buckets: secondsBuckets,
  },
} as const satisfies Readonly<Record<string, MetricDeclaration | HistogramDeclaration>>;

/** Counts of one method of one servable version; {@link modelMetrics} says what each is. */
export interface ModelCounts {
  readonly succeeded: Count;
  readonly succeededSeconds: Count;
  readonly failed: Count;
  readonly failedSeconds: Count;
  readonly instances: Count;
  readonly lastSuccess: Level;
  readonly seconds: Distribution;
  readonly decode: Distribution;
  readonly encode: Distribution;
}

interface Known {
  readonly servable: string;
  readonly version: number;
  readonly counts: ModelCounts;
}

/** How long the difference between the two clocks is used. */
const clockMs = 1_000;

/** Unix time from performance.now(), which costs a fraction of Date.now(). The system's clock may be changed: that shows within a second. */
class UnixClock {
  private offsetMs = 0;
  private takenAt = -Infinity;

  /** `now`: of performance.now(). */
  secondsAt(now: number): number {
    if (now - this.takenAt > clockMs) {
      this.takenAt = now;
      this.offsetMs = Date.now() - now;
    }
    return (now + this.offsetMs) / 1000;
  }
}

/** The counts of all methods. */
export class ModelCounters {
  private readonly clock = new UnixClock();
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
      seconds: registry.histogram(modelMetrics.seconds),
      decode: registry.histogram(modelMetrics.decode),
      encode: registry.histogram(modelMetrics.encode),
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
        seconds: series.seconds.of(values),
        decode: series.decode.of(values),
        encode: series.encode.of(values),
      };
      this.known.set(method, (known = { servable, version, counts }));
    }
    return known.counts;
  }

  /** A request was answered with results for all its instances, `now` (performance.now()). `seconds`: since it came. */
  succeed(request: CountedRequest, instances: number, now: number, seconds: number, encodeSeconds: number): void {
    const counts = this.of(request.infer.target);
    counts.succeeded.add();
    counts.succeededSeconds.add(seconds);
    counts.instances.add(instances);
    counts.lastSuccess.set(this.clock.secondsAt(now));
    observe(counts, request, seconds, encodeSeconds);
  }

  /** `encodeSeconds`: undefined where there were no results. */
  fail(request: CountedRequest, seconds: number, encodeSeconds?: number): void {
    const counts = this.of(request.infer.target);
    counts.failed.add();
    counts.failedSeconds.add(seconds);
    observe(counts, request, seconds, encodeSeconds);
  }
}

/** What is counted of a request. */
export interface CountedRequest {
  readonly infer: { readonly target: ResolvedMethod };
  readonly decodeSeconds: number;
}

function observe(counts: ModelCounts, { decodeSeconds }: CountedRequest, seconds: number, encodeSeconds: number | undefined): void {
  if (!counts.seconds.isRead) return;
  counts.seconds.observe(seconds);
  counts.decode.observe(decodeSeconds);
  if (encodeSeconds !== undefined) counts.encode.observe(encodeSeconds);
}
