import { checkDeclaration, type HistogramDeclaration, type MetricDeclaration } from './declaration.js';
import { Series } from './series.js';

/** A number that only grows: one combination of label values of a counter. Adding costs one addition. */
export class Count {
  value = 0;

  add(by = 1): void {
    this.value += by;
  }
}

/** A number of one combination of label values of a gauge. */
export class Level {
  value = 0;

  set(value: number): void {
    this.value = value;
  }

  add(by: number): void {
    this.value += by;
  }
}

const alwaysRead = { isRead: true };

/** How often which values were seen: one combination of label values of a histogram. */
export class Distribution {
  sum = 0;
  /** Per bucket those at or below its bound and above the one before; the last is +Inf. */
  readonly counts: number[];

  constructor(
    private readonly buckets: readonly number[],
    private readonly reading: { readonly isRead: boolean },
  ) {
    this.counts = new Array<number>(buckets.length + 1).fill(0);
  }

  /** Whether values are kept at all. Ask before a value is worked out that costs something. */
  get isRead(): boolean {
    return this.reading.isRead;
  }

  /** How many values were seen. */
  get count(): number {
    let count = 0;
    for (const each of this.counts) count += each;
    return count;
  }

  /** Does nothing while nobody reads, unless its declaration says that it is always kept. */
  observe(value: number): void {
    if (!this.reading.isRead) return;
    const { buckets } = this;
    let low = 0;
    let high = buckets.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (value <= (buckets[middle] as number)) high = middle;
      else low = middle + 1;
    }
    this.counts[low] = (this.counts[low] as number) + 1;
    this.sum += value;
  }
}

/** A metric and what it has counted, as an exporter reads it. */
export type MetricSnapshot =
  | { readonly type: 'counter' | 'gauge'; readonly declaration: MetricDeclaration; readonly samples: readonly Sample<number>[] }
  | {
      readonly type: 'histogram';
      readonly declaration: HistogramDeclaration;
      /** `counts` per bucket (not cumulative), the last for +Inf. */
      readonly samples: readonly Sample<{ readonly sum: number; readonly counts: readonly number[] }>[];
    };

export interface Sample<V> {
  /** In the order of the declaration's labels. */
  readonly labels: readonly string[];
  readonly value: V;
}

interface Registered {
  readonly declaration: MetricDeclaration;
  readonly type: MetricSnapshot['type'];
  readonly series: Series<unknown>;
  snapshot(): MetricSnapshot;
}

/**
 * The metrics of one process, in the model of Prometheus (https://prometheus.io/docs/concepts/metric_types). Every room declares its own
 * here, once; rooms that share a process share the registry. Exporters read it with {@link snapshot}.
 *
 * Counters always count: it costs an addition, and the rooms' own statistics read them. Histograms keep nothing (but for those that are declared as
 * always kept), and gauges are not worked out, while nobody reads.
 */
export class MetricRegistry {
  /** Somebody exports these metrics. To be set before the first request. */
  isRead = false;
  readonly #metrics = new Map<string, Registered>();
  readonly #refreshers: (() => void)[] = [];

  /** The same declaration gives the same counter. TypeError for one that is not sound, or another one of that name. */
  counter(declaration: MetricDeclaration): Series<Count> {
    return this.#register('counter', declaration, () => new Count());
  }

  gauge(declaration: MetricDeclaration): Series<Level> {
    return this.#register('gauge', declaration, () => new Level());
  }

  histogram(declaration: HistogramDeclaration): Series<Distribution> {
    const { buckets, isAlwaysKept = false } = declaration;
    if (buckets.some((bound, i) => !(bound > (buckets[i - 1] ?? -Infinity)) || bound === Infinity))
      throw new TypeError(`metric '${declaration.name}': the bounds of buckets ascend and are finite`);
    return this.#register('histogram', declaration, () => new Distribution(buckets, isAlwaysKept ? alwaysRead : this));
  }

  /** `refresh` sets gauges; it is called before they are read. */
  beforeRead(refresh: () => void): void {
    this.#refreshers.push(refresh);
  }

  /** Everything there is now. */
  snapshot(): MetricSnapshot[] {
    for (const refresh of this.#refreshers) refresh();
    return [...this.#metrics.values()].map((metric) => metric.snapshot());
  }

  #register<S extends Count | Level | Distribution>(
    type: MetricSnapshot['type'],
    declaration: MetricDeclaration,
    make: () => S,
  ): Series<S> {
    const known = this.#metrics.get(declaration.name);
    if (known !== undefined) {
      if (known.declaration !== declaration || known.type !== type)
        throw new TypeError(`there are two metrics with the name '${declaration.name}'`);
      return known.series as Series<S>;
    }
    checkDeclaration(declaration, type === 'counter');
    const series = new Series(declaration.labels ?? [], make);
    this.#metrics.set(declaration.name, { declaration, type, series, snapshot: () => snapshotOf(type, declaration, series) });
    return series;
  }
}

function snapshotOf(
  type: MetricSnapshot['type'],
  declaration: MetricDeclaration,
  series: Series<Count | Level | Distribution>,
): MetricSnapshot {
  if (type === 'histogram') {
    const samples = series.all.flatMap(({ values, state }) =>
      state instanceof Distribution ? [{ labels: values, value: { sum: state.sum, counts: state.counts } }] : [],
    );
    return { type, declaration: declaration as HistogramDeclaration, samples };
  }
  const samples = series.all.flatMap(({ values, state }) =>
    state instanceof Distribution ? [] : [{ labels: values, value: state.value }],
  );
  return { type, declaration, samples };
}
