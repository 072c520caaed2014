import type { Count, MetricRegistry, Series } from '@mserve/metrics';
import { bucketQuantile, historyLength, methodKey, type Rates, type Sample } from '@mserve/ops';
import { modelMetrics } from '../infer/model-counters.js';
import type { FailureLog } from '../infer/failure-log.js';

/** Of a sample, the methods with most requests are kept. */
const mostMethods = 50;

/** What the recorder cannot read off the registry. */
export interface RecordedLevels {
  readonly inHand: number;
  readonly queued: number;
  readonly running: number;
  readonly batch: number | null;
}

interface Counted {
  readonly ok: number;
  readonly failed: number;
  readonly counts: readonly number[];
}

const { buckets } = modelMetrics.seconds;

/** Records what the gateway counts, as differences from one sample to the next, for as long as the history goes back. */
export class Recorder {
  readonly samples: Sample[] = [];
  /** Failed requests of all samples that are kept, by reason. */
  readonly failures = new Map<string, number>();
  private before = new Map<string, Counted>();
  private failuresBefore = new Map<string, number>();
  private lastAt: number | undefined;

  constructor(
    private readonly registry: MetricRegistry,
    private readonly log: FailureLog,
  ) {
    this.before = this.read();
  }

  /** To be called once a second. */
  record(at: number, levels: RecordedLevels): Sample {
    const seconds = this.lastAt === undefined ? 1 : Math.max((at - this.lastAt) / 1000, 0.001);
    this.lastAt = at;
    const now = this.read();
    const sum = { ok: 0, failed: 0, counts: new Array<number>(buckets.length + 1).fill(0) };
    const methods: [string, Rates, number][] = [];
    for (const [key, counted] of now) {
      const difference = differenceOf(counted, this.before.get(key));
      const requests = difference.ok + difference.failed;
      if (requests === 0) continue;
      sum.ok += difference.ok;
      sum.failed += difference.failed;
      for (const [i, count] of difference.counts.entries()) sum.counts[i] = (sum.counts[i] ?? 0) + count;
      methods.push([key, ratesOf(difference, seconds), requests]);
    }
    this.before = now;
    if (methods.length > mostMethods) methods.sort((a, b) => b[2] - a[2]).splice(mostMethods);
    const failures = this.newFailures();
    // Requests that were refused before their method was known are no method's
    const failed = Math.max(
      sum.failed,
      Object.values(failures).reduce((total, count) => total + count, 0),
    );
    const rates = ratesOf({ ...sum, failed }, seconds);
    const sample = { at, ...rates, ...levels, methods: Object.fromEntries(methods.map(([key, of]) => [key, of])), failures };
    this.keep(sample);
    return sample;
  }

  private keep(sample: Sample): void {
    this.samples.push(sample);
    for (const [reason, count] of Object.entries(sample.failures)) this.failures.set(reason, (this.failures.get(reason) ?? 0) + count);
    if (this.samples.length <= historyLength) return;
    for (const [reason, count] of Object.entries(this.samples.shift()?.failures ?? {})) {
      const left = (this.failures.get(reason) ?? 0) - count;
      if (left > 0) this.failures.set(reason, left);
      else this.failures.delete(reason);
    }
  }

  private newFailures(): Record<string, number> {
    const found: Record<string, number> = {};
    for (const [reason, count] of this.log.counts) {
      const more = count - (this.failuresBefore.get(reason) ?? 0);
      if (more > 0) found[reason] = more;
    }
    this.failuresBefore = new Map(this.log.counts);
    return found;
  }

  private read(): Map<string, Counted> {
    const failed = valuesOf(this.registry.counter(modelMetrics.failed));
    const seconds = new Map(this.registry.histogram(modelMetrics.seconds).all.map(({ values, state }) => [keyOf(values), state.counts]));
    return new Map(
      [...valuesOf(this.registry.counter(modelMetrics.succeeded))].map(([key, ok]) => [
        key,
        { ok, failed: failed.get(key) ?? 0, counts: [...(seconds.get(key) ?? [])] },
      ]),
    );
  }
}

function keyOf([servable = '', version = '', method = '']: readonly string[]): string {
  return methodKey(servable, version, method);
}

function valuesOf(series: Series<Count>): Map<string, number> {
  return new Map(series.all.map(({ values, state }) => [keyOf(values), state.value]));
}

function differenceOf(now: Counted, before: Counted | undefined): Counted {
  if (before === undefined) return now;
  return {
    ok: now.ok - before.ok,
    failed: now.failed - before.failed,
    counts: now.counts.map((count, i) => count - (before.counts[i] ?? 0)),
  };
}

function ratesOf({ ok, failed, counts }: Counted, seconds: number): Rates {
  const quantile = (share: number): number | null => rounded(bucketQuantile(share, buckets, counts) ?? null);
  return {
    ok: rounded(ok / seconds) ?? 0,
    failed: rounded(failed / seconds) ?? 0,
    p50: quantile(0.5),
    p90: quantile(0.9),
    p99: quantile(0.99),
  };
}

/** Four digits are enough to look at. */
function rounded(value: number | null): number | null {
  return value === null ? null : Number(value.toPrecision(4));
}
