/** Buckets of a power of two of microseconds: values differ from what is kept by less than 1/128 of themselves. */
const subBuckets = 128;
const subBits = 7;
/** About 35 minutes. */
const mostMicroseconds = 2 ** 31 - 1;

function indexOf(microseconds: number): number {
  const exponent = Math.max(0, 31 - Math.clz32(microseconds) - subBits);
  return exponent * subBuckets + (microseconds >>> exponent);
}

/** The largest number of microseconds that a bucket takes. */
function upperOf(index: number): number {
  const exponent = index < 2 * subBuckets ? 0 : (index >>> subBits) - 1;
  return (index - exponent * subBuckets + 1) * 2 ** exponent - 1;
}

/** A bucket of a histogram: times up to `seconds`, and above those of the bucket before. */
export interface LatencyBucket {
  readonly seconds: number;
  readonly count: number;
}

/** What a histogram knows of its times, in seconds; 0 when it has none. */
export interface LatencySummary {
  readonly count: number;
  readonly min: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** Times from 1 us to 35 min in buckets that are less than 0.8 % wide: percentiles of any number of times in 20 KiB. */
export class LatencyHistogram {
  private readonly counts = new Float64Array(indexOf(mostMicroseconds) + 1);
  private total = 0;
  private sum = 0;
  private least = Infinity;
  private most = 0;

  get count(): number {
    return this.total;
  }

  /** Times above 35 min count as that. */
  record(seconds: number): void {
    const index = indexOf(Math.max(0, Math.min(mostMicroseconds, Math.round(seconds * 1e6))));
    this.counts[index] = (this.counts[index] as number) + 1;
    this.total += 1;
    this.sum += seconds;
    this.least = Math.min(this.least, seconds);
    this.most = Math.max(this.most, seconds);
  }

  /** The time, in seconds, that `share` (0 to 1) of all times do not exceed; at most 0.8 % too large. 0 when there are none. */
  percentile(share: number): number {
    if (this.total === 0) return 0;
    const rank = Math.max(1, Math.ceil(share * this.total));
    let seen = 0;
    for (let index = 0; index < this.counts.length; index++) {
      seen += this.counts[index] as number;
      if (seen >= rank) return Math.min(this.most, upperOf(index) / 1e6);
    }
    return this.most;
  }

  summary(): LatencySummary {
    const { total } = this;
    return {
      count: total,
      min: total === 0 ? 0 : this.least,
      mean: total === 0 ? 0 : this.sum / total,
      p50: this.percentile(0.5),
      p90: this.percentile(0.9),
      p95: this.percentile(0.95),
      p99: this.percentile(0.99),
      p999: this.percentile(0.999),
      max: this.most,
    };
  }

  /** Those that hold something, ascending; at most `steps` for each power of two (a divisor of 128). */
  buckets(steps: number): LatencyBucket[] {
    const width = subBuckets / steps;
    const buckets: LatencyBucket[] = [];
    for (let from = 0; from < this.counts.length; from += width) {
      let count = 0;
      for (let index = from; index < Math.min(from + width, this.counts.length); index++) count += this.counts[index] as number;
      if (count > 0) buckets.push({ seconds: upperOf(from + width - 1) / 1e6, count });
    }
    return buckets;
  }
}
