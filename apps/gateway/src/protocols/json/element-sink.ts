import type { DType } from '@mserve/wire';
import { tooLarge } from '../../edge/status.js';
import { checkTextCount } from '../text-count.js';
import { narrowed } from './float16.js';
import { unreadable, type JsonReader } from './json-reader.js';

/** An element that its dtype cannot hold. Carries the literal, for the error text of the protocol. */
export class ElementError extends Error {
  constructor(
    readonly literal: string,
    readonly dtype: DType,
  ) {
    super(`${literal} is not a value of ${dtype}`);
  }
}

const bracketClose = 0x5d;

/** Takes the elements of one tensor in order. Throws `unreadable` for an element of another JSON type, ElementError for one out of range. */
export abstract class ElementSink {
  /** Reads one element, the cursor before it. */
  abstract one(reader: JsonReader): void;
  /** The elements as tensor bytes; the sink is empty after it. */
  abstract finish(): Uint8Array;
  /** Drops what a reader that failed left behind. */
  abstract clear(): void;

  /** Reads elements up to and with the `]` that ends their row, the cursor before the first; how many there were. */
  row(reader: JsonReader): number {
    let count = 0;
    do {
      this.one(reader);
      count++;
    } while (reader.more(bracketClose));
    return count;
  }
}

/** Which literals a float dtype takes: those with a fraction or exponent only (the original's rule), or all numbers, NaN and infinities too. */
export type FloatLiterals = 'fractional' | 'any';

/**
 * One sink of each dtype, whose store is used again by the requests of its owner: a reader takes its tensor out of it before it asks for another. Stores
 * grow up to the reader's maxTensorBytes.
 */
export class ElementSinks {
  readonly #any = sinks(true);
  readonly #fractional = sinks(false);

  /** The sink of a dtype, empty; undefined for float16 and bfloat16 by the original's rule, which has no JSON form for them. */
  of(dtype: DType, literals: FloatLiterals): ElementSink | undefined {
    const sink = (literals === 'any' ? this.#any : this.#fractional).get(dtype);
    sink?.clear();
    return sink;
  }
}

type NumberStore = {
  [Dtype in SmallInteger]: InstanceType<(typeof integerArrays)[Dtype]>;
}[SmallInteger];
type Store = Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer> | BigInt64Array<ArrayBuffer> | NumberStore;

const firstCapacity = 256;
const firstTextBytes = 1024;
/** Elements beyond which a store is let go after its tensor was taken, not kept for the next one. */
const keptCapacity = 65_536;
/** From here on a store grows as the rest of the text says. */
const foreseenFrom = 4_096;
/** Stores from this size on lie in the request's memory. */
const leasedFromBytes = 128 * 1024;

/** A store never grows by more than this at a time: not all of a text need belong to its tensor. */
const mostGrowth = 8;

/**
 * How large a store is to be that is full. A large one gets what the rest of the text needs if it is written as densely as since it grew last: memory that is
 * not written to costs nothing, and whenever a store grows, its copy is in memory beside it.
 */
class Growth {
  private at = 0;
  private used = 0;

  /** `used`: of the store, in its own units; `kept`: from there on it is a large one. */
  next(used: number, kept: number, { at, bytes }: JsonReader): number {
    const isKnown = used >= kept && this.used > 0;
    const perByte = (used - this.used) / Math.max(1, at - this.at);
    const needed = used + Math.ceil((bytes.length - at) * perByte * 1.02) + firstCapacity;
    this.at = at;
    this.used = used;
    return isKnown ? Math.min(Math.max(needed, Math.ceil(used * 1.25)), used * mostGrowth) : used * 2;
  }

  clear(): void {
    this.used = 0;
  }
}

/** Makes a store of so many elements, in this memory from its begin. */
type MakeStore<S extends Store> = (buffer: ArrayBuffer, elements: number) => S;

/** The elements gathered so far, in a store that grows when it is full. */
class Elements<S extends Store> {
  values: S;
  count = 0;
  private bytes: Uint8Array;
  /** What the store is, where it is the request's memory. */
  private leased: Buffer | undefined = undefined;
  private readonly growth = new Growth();

  constructor(private readonly make: MakeStore<S>) {
    this.values = make(new ArrayBuffer(firstCapacity * 8), firstCapacity);
    this.bytes = new Uint8Array(this.values.buffer);
  }

  /** Room for one more. What passes the limit is refused: a body of `1,1,1` grows fourfold as int64. */
  grow(reader: JsonReader): void {
    const { count, values, leased } = this;
    const { maxTensorBytes, memory } = reader;
    const width = values.BYTES_PER_ELEMENT;
    const most = Math.floor(maxTensorBytes / width);
    if (count >= most) throw tooLarge(`a tensor of the request is bigger than ${maxTensorBytes} bytes`);
    const wanted = Math.min(this.growth.next(count, foreseenFrom, reader), most);
    this.leased = wanted * width < leasedFromBytes ? undefined : memory?.take(wanted * width);
    const room = this.leased === undefined ? wanted : Math.min(Math.floor(this.leased.byteLength / width), most);
    const grown = this.make((this.leased?.buffer as ArrayBuffer | undefined) ?? new ArrayBuffer(wanted * width), room);
    (grown as Uint8Array).set(values as Uint8Array);
    this.use(grown);
    if (leased !== undefined) memory?.give(leased);
  }

  clear(): void {
    this.count = 0;
    this.growth.clear();
    if (this.leased === undefined && this.values.length <= keptCapacity) return;
    this.leased = undefined;
    this.use(this.make(new ArrayBuffer(firstCapacity * 8), firstCapacity));
  }

  /** The elements as bytes of their own, or of the request's memory. */
  take(): Uint8Array {
    const { values, leased } = this;
    const size = this.count * values.BYTES_PER_ELEMENT;
    let bytes: Uint8Array;
    // A large store is not kept: where it is nearly full it becomes the tensor itself.
    if (leased !== undefined || (values.length > keptCapacity && size * 4 >= values.byteLength * 3))
      bytes = new Uint8Array(values.buffer, 0, size);
    else if (size > 1024) bytes = new Uint8Array(values.buffer.slice(0, size));
    else {
      bytes = Buffer.allocUnsafe(size);
      // Byte by byte while that is cheaper than making a view
      if (size <= 64) for (let i = 0; i < size; i++) bytes[i] = this.bytes[i] as number;
      else bytes.set(this.bytes.subarray(0, size));
    }
    this.clear();
    return bytes;
  }

  private use(values: S): void {
    this.values = values;
    this.bytes = new Uint8Array(values.buffer);
  }
}

class Float32Sink extends ElementSink {
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

class Float64Sink extends ElementSink {
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
class NarrowFloatSink extends ElementSink {
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

type SmallInteger = 'int8' | 'uint8' | 'int16' | 'uint16' | 'int32' | 'uint32';

const integerArrays = {
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
};

/** Integers as they are read, before they are checked: doubles, which hold all that have up to 32 bits. One for all sinks: nothing waits in it. */
const unchecked = new Float64Array(1024);

/** Integers of up to 32 bits. */
class IntegerSink extends ElementSink {
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

  override row(reader: JsonReader): number {
    const { plain, bytes } = reader;
    const elements = this.#elements;
    const first = elements.count;
    do {
      let read: number;
      do {
        read = plain.read(bytes, reader.at, unchecked, 0, 'integral');
        reader.at = plain.at;
        this.#take(read, reader);
      } while (read === unchecked.length);
      this.one(reader);
    } while (reader.more(bracketClose));
    return elements.count - first;
  }

  /** The first so many of those that are unchecked. */
  #take(read: number, reader: JsonReader): void {
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

/** 64 bit integers, exact. */
class LongSink extends ElementSink {
  readonly #elements = new Elements((buffer, elements) => new BigInt64Array(buffer, 0, elements));
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
    const value = BigInt(numbers.exact ? numbers.value : numbers.text());
    if (value < this.#least || value > this.#most) throw new ElementError(numbers.text(), this.dtype);
    const elements = this.#elements;
    if (elements.count === elements.values.length) elements.grow(reader);
    elements.values[elements.count++] = value; // modulo 2^64: the same bits for uint64
  }

  override finish(): Uint8Array {
    return this.#elements.take();
  }

  override clear(): void {
    this.#elements.clear();
  }
}

class BoolSink extends ElementSink {
  readonly #elements = new Elements((buffer, elements) => new Uint8Array(buffer, 0, elements));

  override one(reader: JsonReader): void {
    const value = reader.boolean();
    const elements = this.#elements;
    if (elements.count === elements.values.length) elements.grow(reader);
    elements.values[elements.count++] = value ? 1 : 0;
  }

  override finish(): Uint8Array {
    return this.#elements.take();
  }

  override clear(): void {
    this.#elements.clear();
  }
}

/** Strings: each element's length and UTF-8 bytes, as tensors have them. */
class StringSink extends ElementSink {
  #packed = Buffer.allocUnsafeSlow(firstTextBytes);
  #size = 0;
  #count = 0;
  readonly #growth = new Growth();

  override one(reader: JsonReader): void {
    const text = reader.string();
    checkTextCount(++this.#count, reader.maxTensorStrings);
    const begin = this.#size;
    this.#size = begin + 4 + text.byteLength;
    if (this.#size > this.#packed.byteLength) this.#grow(begin, reader);
    this.#packed.writeUInt32LE(text.byteLength, begin);
    this.#packed.set(text, begin + 4);
  }

  /** The last string may pass the limit: it is in the text, too, and that is no larger. */
  #grow(used: number, reader: JsonReader): void {
    const { maxTensorBytes } = reader;
    if (used >= maxTensorBytes) throw tooLarge(`a tensor of the request is bigger than ${maxTensorBytes} bytes`);
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#size, this.#growth.next(used, keptCapacity, reader)));
    this.#packed.copy(grown, 0, 0, used);
    this.#packed = grown;
  }

  override finish(): Uint8Array {
    const { byteLength } = this.#packed;
    // A large store is not kept: where it is nearly full it becomes the tensor itself.
    const given = byteLength > keptCapacity && this.#size * 4 >= byteLength * 3;
    const packed = given ? this.#packed.subarray(0, this.#size) : new Uint8Array(this.#packed.subarray(0, this.#size));
    this.clear();
    return packed;
  }

  override clear(): void {
    this.#size = 0;
    this.#count = 0;
    this.#growth.clear();
    if (this.#packed.byteLength > keptCapacity) this.#packed = Buffer.allocUnsafeSlow(firstTextBytes);
  }
}

function sinks(takesIntegers: boolean): ReadonlyMap<DType, ElementSink> {
  const found = new Map<DType, ElementSink>([
    ['float32', new Float32Sink(takesIntegers)],
    ['float64', new Float64Sink(takesIntegers)],
    ['bool', new BoolSink()],
    ['string', new StringSink()],
    ['bytes', new StringSink()],
  ]);
  if (takesIntegers) for (const dtype of ['float16', 'bfloat16'] as const) found.set(dtype, new NarrowFloatSink(dtype));
  for (const dtype of ['int64', 'uint64'] as const) found.set(dtype, new LongSink(dtype));
  for (const dtype of Object.keys(integerArrays) as SmallInteger[]) found.set(dtype, new IntegerSink(dtype));
  return found;
}
