/**
 * A label of a metric. Its set of values is bounded: `values` names all there are, `most` says how many different ones are kept. What comes
 * beyond that is counted together, under {@link otherValue}.
 */
export type Label = { readonly name: string; readonly values: readonly string[] } | { readonly name: string; readonly most: number };

/** The value of a label that has more values than it may. */
export const otherValue = 'other';

/**
 * What a room says about one of its metrics, as plain data: docs are made from it. Names are Prometheus names with the prefix `mserve_`, base
 * units and their suffix: `_seconds`, `_bytes`, and `_total` for counters.
 */
export interface MetricDeclaration {
  readonly name: string;
  /** One sentence. */
  readonly help: string;
  readonly labels?: readonly Label[] | undefined;
}

export interface HistogramDeclaration extends MetricDeclaration {
  /** Upper bounds of the buckets, ascending; +Inf comes by itself. */
  readonly buckets: readonly number[];
  /** Its values are kept also while nobody reads the registry: something else tells of them. Default false. */
  readonly isAlwaysKept?: boolean | undefined;
}

const metricName = /^mserve_[a-z0-9]+(_[a-z0-9]+)*$/;
const labelName = /^[a-z][a-z0-9_]*$/;

/** TypeError for a declaration that no exporter could write. */
export function checkDeclaration(declaration: MetricDeclaration, isCounter: boolean): void {
  const { name, help, labels = [] } = declaration;
  if (!metricName.test(name)) throw new TypeError(`metric '${name}': a name is mserve_ and lower-case words joined by _`);
  if (isCounter !== name.endsWith('_total')) throw new TypeError(`metric '${name}': counters, and nothing else, end with _total`);
  if (help === '') throw new TypeError(`metric '${name}' has no help`);
  for (const label of labels) {
    if (!labelName.test(label.name)) throw new TypeError(`metric '${name}': '${label.name}' is no name of a label`);
    if ('most' in label && !(Number.isSafeInteger(label.most) && label.most > 0))
      throw new TypeError(`metric '${name}': label '${label.name}' needs a bound of at least 1`);
  }
}
