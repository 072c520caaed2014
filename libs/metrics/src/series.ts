import { otherValue, type Label } from './declaration.js';

/**
 * What one metric keeps per combination of label values. Combinations are made when they are first asked for and stay until {@link clear}, so that their
 * owner may keep them and count without a look-up; their number is bounded by the bounds of the labels.
 */
export class Series<S> {
  readonly #labels: readonly Label[];
  readonly #make: () => S;
  readonly #root = new Map<string, unknown>();
  /** Values that each open label has so far. */
  readonly #seen: readonly Set<string>[];
  readonly #all: { readonly values: readonly string[]; readonly state: S }[] = [];

  constructor(labels: readonly Label[], make: () => S) {
    this.#labels = labels;
    this.#make = make;
    this.#seen = labels.map(() => new Set());
  }

  /** TypeError unless there is one value for each label. */
  of(values: readonly string[]): S {
    const labels = this.#labels;
    if (values.length !== labels.length)
      throw new TypeError(
        `${values.length} label values, ${labels.length} are needed: ${labels.map(({ name }) => name).join(', ') || 'none'}`,
      );
    let map = this.#root;
    const bounded: string[] = [];
    for (let i = 0; i <= labels.length; i++) {
      const key = i === labels.length ? '' : this.#bounded(i, values[i] as string);
      if (i < labels.length) bounded.push(key);
      let next = map.get(key);
      if (next === undefined) {
        if (i === labels.length) {
          next = this.#make();
          this.#all.push({ values: bounded, state: next as S });
        } else next = new Map<string, unknown>();
        map.set(key, next);
      }
      if (i === labels.length) return next as S;
      map = next as Map<string, unknown>;
    }
    throw new RangeError('not reached');
  }

  /** All that were asked for, in that order. */
  get all(): readonly { readonly values: readonly string[]; readonly state: S }[] {
    return this.#all;
  }

  /** Forgets all of them: for metrics of things that come and go, which are worked out anew whenever they are read. */
  clear(): void {
    this.#root.clear();
    this.#all.length = 0;
    for (const values of this.#seen) values.clear();
  }

  #bounded(index: number, value: string): string {
    const label = this.#labels[index] as Label;
    if ('values' in label) return label.values.includes(value) ? value : otherValue;
    const seen = this.#seen[index] as Set<string>;
    if (seen.has(value)) return value;
    if (seen.size >= label.most) return otherValue;
    seen.add(value);
    return value;
  }
}
