import { bracketClose, ElementError, ElementSink } from './element-sink.js';
import { Elements } from './elements.js';
import { narrowed } from './float16.js';
import { unreadable, type JsonReader } from './json-reader.js';

/** float32; with `takesIntegers` from all numbers, NaN and infinities, else from literals with a fraction or exponent. */
export class Float32Sink extends ElementSink {
  readonly #elements = new Elements((buffer, elements) => new Float32Array(buffer, 0, elements));

  constructor(readonly takesIntegers: boolean) {
    super();
  }

  override one(reader: JsonReader): void {
    const value = floatOf(reader, this.takesIntegers, 'float32');
    const elements = this.#elements;
    if (elements.count === elements.values.length) elements.grow(reader);
    elements.values[elements.count++] = value;
  }

  // The hot loop of large requests
  override row(reader: JsonReader): number {
    return readFloats(reader, this.#elements, 'float32', this.takesIntegers);
  }

  override finish(): Uint8Array {
    return this.#elements.take();
  }

  override clear(): void {
    this.#elements.clear();
  }
}

/** float64, as {@link Float32Sink}. */
export class Float64Sink extends ElementSink {
  readonly #elements = new Elements((buffer, elements) => new Float64Array(buffer, 0, elements));

  constructor(readonly takesIntegers: boolean) {
    super();
  }

  override one(reader: JsonReader): void {
    const value = floatOf(reader, this.takesIntegers, 'float64');
    const elements = this.#elements;
    if (elements.count === elements.values.length) elements.grow(reader);
    elements.values[elements.count++] = value;
  }

  override row(reader: JsonReader): number {
    return readFloats(reader, this.#elements, 'float64', this.takesIntegers);
  }

  override finish(): Uint8Array {
    return this.#elements.take();
  }

  override clear(): void {
    this.#elements.clear();
  }
}

/** Elements of a row, up to and with the `]` that ends it; how many there were. */
function readFloats(
  reader: JsonReader,
  elements: Elements<Float32Array<ArrayBuffer>> | Elements<Float64Array<ArrayBuffer>>,
  dtype: 'float32' | 'float64',
  takesIntegers: boolean,
): number {
  const { plain, bytes } = reader;
  const form = takesIntegers ? 'any' : 'fractional';
  const first = elements.count;
  do {
    elements.count = plain.read(bytes, reader.at, elements.values, elements.count, form);
    reader.at = plain.at;
    const value = floatOf(reader, takesIntegers, dtype);
    if (elements.count === elements.values.length) elements.grow(reader);
    elements.values[elements.count++] = value;
  } while (reader.more(bracketClose));
  return elements.count - first;
}

/** One float literal, the cursor before it. Throws `unreadable` for what is no number, ElementError for one beyond the range. */
function floatOf(reader: JsonReader, takesAny: boolean, dtype: 'float32' | 'float64'): number {
  reader.peek();
  const { numbers } = reader;
  if (!numbers.scan(reader.at)) {
    if (takesAny) return reader.notFinite();
    throw unreadable;
  }
  reader.at = numbers.end;
  if (numbers.integral && !takesAny) throw unreadable;
  const value = dtype === 'float32' ? numbers.float32() : numbers.float64();
  if (value - value !== 0) throw new ElementError(numbers.text(), dtype);
  return value;
}

/** float16 and bfloat16: each rounded once, from the double, many of them at a time. */
export class NarrowFloatSink extends ElementSink {
  readonly #elements = new Elements((buffer, elements) => new Uint16Array(buffer, 0, elements));
  /** Those that are not rounded yet. */
  readonly #wide = new Float64Array(256);
  #waiting = 0;

  constructor(readonly dtype: 'float16' | 'bfloat16') {
    super();
  }

  override one(reader: JsonReader): void {
    const value = floatOf(reader, true, 'float64');
    const isFinite = value - value === 0;
    if (isFinite && Math.abs(value) >= leastInfinite[this.dtype]) throw new ElementError(reader.numbers.text(), this.dtype);
    const elements = this.#elements;
    if (elements.count + this.#waiting === elements.values.length) {
      this.#round();
      elements.grow(reader);
    } else if (this.#waiting === this.#wide.length) this.#round();
    this.#wide[this.#waiting++] = value;
  }

  #round(): void {
    const elements = this.#elements;
    const { values, count } = elements;
    for (let i = 0; i < this.#waiting; i++) values[count + i] = narrowed(this.dtype, this.#wide[i] as number);
    elements.count += this.#waiting;
    this.#waiting = 0;
  }

  override finish(): Uint8Array {
    this.#round();
    return this.#elements.take();
  }

  override clear(): void {
    this.#waiting = 0;
    this.#elements.clear();
  }
}

/** From here on a number rounds to an infinity. */
const leastInfinite = { float16: 65520, bfloat16: (2 - 2 ** -8) * 2 ** 127 };
