/** The symbol of the number of rows. */
const rowsSymbol = 'B';
/** Symbols that stand for something computed from the number of rows begin so. */
const opaqueRows = 'B?';

/**
 * A dim, or a number computed from dims: a polynomial with whole coefficients over symbols. Symbols are unknown whole numbers >= 0, the same in every
 * run; `B` is the number of rows that run together. Immutable; equal expressions have the same {@link key}.
 */
export class Dim {
  private constructor(
    private readonly terms: ReadonlyMap<string, number>,
    readonly key: string,
  ) {}

  static of(value: number): Dim {
    return value === 1 ? Dim.one : new Dim(new Map(value === 0 ? [] : [['', value]]), String(value));
  }

  /** A number that nothing is known of; equal names are equal numbers. */
  static symbol(name: string): Dim {
    return Dim.from(new Map([[`d:${name.replaceAll('*', '_')}`, 1]]));
  }

  static readonly one: Dim = new Dim(new Map([['', 1]]), '1');
  static readonly rows: Dim = new Dim(new Map([[rowsSymbol, 1]]), `1*${rowsSymbol}`);
  static readonly zero = Dim.of(0);

  /** Of an unknown number that is computed from these. */
  static opaque(what: string, from: readonly Dim[]): Dim {
    const inner = `${what}(${from.map(({ key }) => key).join(',')})`.replaceAll('*', '·');
    return Dim.from(new Map([[`${from.some((dim) => dim.hasRows) ? opaqueRows : 'u:'}${inner}`, 1]]));
  }

  static product(dims: readonly Dim[]): Dim {
    return dims.reduce((product, dim) => product.times(dim), Dim.one);
  }

  private static from(terms: Map<string, number>): Dim {
    if (terms.size === 1) {
      const [[symbols, factor]] = [...terms] as [[string, number]];
      if (symbols === '') return Dim.of(factor);
    }
    const kept = [...terms].filter(([, factor]) => factor !== 0).sort(([a], [b]) => (a < b ? -1 : 1));
    return new Dim(new Map(kept), kept.map(([symbols, factor]) => `${factor}${symbols === '' ? '' : `*${symbols}`}`).join('+') || '0');
  }

  /** The number, when it is one. */
  get value(): number | undefined {
    if (this.terms.size === 0) return 0;
    return this.terms.size === 1 ? this.terms.get('') : undefined;
  }

  /** Depends on the number of rows. */
  get hasRows(): boolean {
    for (const symbols of this.terms.keys())
      if (symbols.split('*').some((symbol) => symbol === rowsSymbol || symbol.startsWith(opaqueRows))) return true;
    return false;
  }

  /** Cannot be negative: every coefficient is positive. */
  get isCount(): boolean {
    for (const factor of this.terms.values()) if (factor < 0) return false;
    return true;
  }

  equals(other: Dim): boolean {
    return this.key === other.key;
  }

  is(value: number): boolean {
    return this.value === value;
  }

  plus(other: Dim): Dim {
    if (this.terms.size === 0) return other;
    if (other.terms.size === 0) return this;
    const terms = new Map(this.terms);
    for (const [symbols, factor] of other.terms) terms.set(symbols, (terms.get(symbols) ?? 0) + factor);
    return Dim.from(terms);
  }

  times(other: Dim): Dim {
    if (this === Dim.one) return other;
    if (other === Dim.one) return this;
    const terms = new Map<string, number>();
    for (const [a, x] of this.terms) {
      for (const [b, y] of other.terms) {
        const symbols = joined(a, b);
        terms.set(symbols, (terms.get(symbols) ?? 0) + x * y);
      }
    }
    return Dim.from(terms);
  }

  minus(other: Dim): Dim {
    return this.plus(other.times(Dim.of(-1)));
  }

  /** The quotient where the division leaves no rest whatever the symbols are, else undefined. */
  dividedBy(other: Dim): Dim | undefined {
    if (other.terms.size === 0) return undefined;
    if (this.terms.size === 0) return Dim.zero;
    if (other.terms.size === 1) {
      const [[divisor, factor]] = [...other.terms] as [[string, number]];
      const terms = new Map<string, number>();
      for (const [symbols, own] of this.terms) {
        const rest = without(symbols, divisor);
        if (rest === undefined || own % factor !== 0) return undefined;
        terms.set(rest, own / factor);
      }
      return Dim.from(terms);
    }
    // A monomial times the divisor is the only case that shapes bring.
    const [[divisor, factor]] = [...other.terms] as [[string, number]];
    for (const [symbols, own] of this.terms) {
      const rest = without(symbols, divisor);
      if (rest === undefined || own % factor !== 0) continue;
      const quotient = Dim.from(new Map([[rest, own / factor]]));
      if (quotient.times(other).equals(this)) return quotient;
    }
    return undefined;
  }

  /** Rounded down; an unknown number where that is not exact. */
  floorDividedBy(other: Dim): Dim {
    const [a, b] = [this.value, other.value];
    if (a !== undefined && b !== undefined && b !== 0) return Dim.of(Math.floor(a / b));
    return this.dividedBy(other) ?? Dim.opaque('floor', [this, other]);
  }
}

function joined(a: string, b: string): string {
  if (a === '') return b;
  if (b === '') return a;
  return [...a.split('*'), ...b.split('*')].sort().join('*');
}

/** The symbols of `a` without those of `b`; undefined when one is not there. */
function without(a: string, b: string): string | undefined {
  if (b === '') return a;
  const left = a === '' ? [] : a.split('*');
  for (const symbol of b.split('*')) {
    const at = left.indexOf(symbol);
    if (at < 0) return undefined;
    left.splice(at, 1);
  }
  return left.join('*');
}
