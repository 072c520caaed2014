import { bracketClose, ElementError, ElementSink } from './element-sink.js';
import { Elements } from './elements.js';
import type { JsonReader } from './json-reader.js';

/** Integer dtypes of up to 32 bits. */
export type SmallInteger = 'int8' | 'uint8' | 'int16' | 'uint16' | 'int32' | 'uint32';

/** The array of each. */
export const integerArrays = {
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
};

type NumberStore = InstanceType<(typeof integerArrays)[SmallInteger]> & { readonly buffer: ArrayBuffer };

/** Integers as they are read, before they are checked: doubles, which hold all that have up to 32 bits. One for all sinks: nothing waits in it. */
const unchecked = new Float64Array(1024);

/** Integers of all sizes: those that look as nearly all do are read many at a time. */
abstract class WholeNumberSink extends ElementSink {
  /** How many elements it has. */
  protected abstract get count(): number;
  /** Adds the first so many of those that are {@link unchecked}. */
  protected abstract take(read: number, reader: JsonReader): void;

  override row(reader: JsonReader): number {
    const { plain, bytes } = reader;
    const first = this.count;
    do {
      let read: number;
      do {
        read = plain.read(bytes, reader.at, unchecked, 0, 'integral');
        reader.at = plain.at;
        this.take(read, reader);
      } while (read === unchecked.length);
      this.one(reader);
    } while (reader.more(bracketClose));
    return this.count - first;
  }
}

/** Integers of up to 32 bits. */
export class IntegerSink extends WholeNumberSink {
  readonly #elements: Elements<NumberStore>;
  readonly #least: number;
  readonly #most: number;

  constructor(readonly dtype: SmallInteger) {
    super();
    const IntegerArray = integerArrays[dtype];
    const bits = IntegerArray.BYTES_PER_ELEMENT * 8;
    this.#elements = new Elements((buffer, elements): NumberStore => new IntegerArray(buffer, 0, elements));
    const signed = dtype.startsWith('int');
    this.#least = signed ? -(2 ** (bits - 1)) : 0;
    this.#most = signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
  }

  override one(reader: JsonReader): void {
    const numbers = reader.number();
    const { value } = numbers;
    if (!numbers.integral || value < this.#least || value > this.#most) throw new ElementError(numbers.text(), this.dtype);
    const elements = this.#elements;
    if (elements.count === elements.values.length) elements.grow(reader);
    elements.values[elements.count++] = value;
  }

  protected override get count(): number {
    return this.#elements.count;
  }

  protected override take(read: number, reader: JsonReader): void {
    for (let i = 0; i < read; i++) {
      const value = unchecked[i] as number;
      if (value < this.#least || value > this.#most) throw new ElementError(String(value), this.dtype);
    }
    const elements = this.#elements;
    if (read === unchecked.length && elements.count + read <= elements.values.length) {
      elements.values.set(unchecked, elements.count);
      elements.count += read;
      return;
    }
    for (let i = 0; i < read; i++) {
      if (elements.count === elements.values.length) elements.grow(reader);
      elements.values[elements.count++] = unchecked[i] as number;
    }
  }

  override finish(): Uint8Array {
    return this.#elements.take();
  }

  override clear(): void {
    this.#elements.clear();
  }
}

/** 64 bit integers, exact. Nearly all are short, and are written as two words each, without a BigInt. */
export class LongSink extends WholeNumberSink {
  readonly #elements = new Elements((buffer, elements) => new BigInt64Array(buffer, 0, elements));
  #ofWords = this.#elements.values;
  #words = new Int32Array(this.#ofWords.buffer, 0, 2 * this.#ofWords.length);
  readonly #least: bigint;
  readonly #most: bigint;

  constructor(readonly dtype: 'int64' | 'uint64') {
    super();
    this.#least = dtype === 'int64' ? -(2n ** 63n) : 0n;
    this.#most = dtype === 'int64' ? 2n ** 63n - 1n : 2n ** 64n - 1n;
  }

  override one(reader: JsonReader): void {
    const numbers = reader.number();
    // A literal of thousands of digits is out of range by its length alone: BigInt() of it would take quadratic time.
    if (!numbers.integral || numbers.end - numbers.start > 24) throw new ElementError(numbers.text(), this.dtype);
    const elements = this.#elements;
    if (elements.count === elements.values.length) elements.grow(reader);
    const value = BigInt(numbers.exact ? numbers.value : numbers.text());
    if (value < this.#least || value > this.#most) throw new ElementError(numbers.text(), this.dtype);
    elements.values[elements.count++] = value; // modulo 2^64: the same bits for uint64
  }

  protected override get count(): number {
    return this.#elements.count;
  }

  protected override take(read: number, reader: JsonReader): void {
    const elements = this.#elements;
    const isUnsigned = this.dtype === 'uint64';
    for (let i = 0; i < read;) {
      if (elements.count === elements.values.length) elements.grow(reader);
      const words = this.#currentWords();
      const end = Math.min(read, i + elements.values.length - elements.count);
      let at = 2 * elements.count;
      elements.count += end - i;
      for (; i < end; i++) {
        // Of at most nine digits
        const value = unchecked[i] as number;
        if (value < 0 && isUnsigned) throw new ElementError(String(value), this.dtype);
        words[at++] = value;
        words[at++] = value < 0 ? -1 : 0;
      }
    }
  }

  /** The store that elements are in now, as words. */
  #currentWords(): Int32Array {
    const { values } = this.#elements;
    if (this.#ofWords !== values) {
      this.#ofWords = values;
      this.#words = new Int32Array(values.buffer, 0, 2 * values.length);
    }
    return this.#words;
  }

  override finish(): Uint8Array {
    return this.#elements.take();
  }

  override clear(): void {
    this.#elements.clear();
  }
}
