import { packElements, type DType } from '@mserve/wire';
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

const comma = 0x2c;
const bracketClose = 0x5d;

/** Takes the elements of one tensor in order. Throws `unreadable` for an element of another JSON type, ElementError for one out of range. */
export abstract class ElementSink {
  /** Reads one element, the cursor before it. */
  abstract one(reader: JsonReader): void;
  /** The elements as tensor bytes. */
  abstract finish(): Uint8Array;

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

/** Which literals a float dtype takes: those with a fraction or exponent only (the original's rule), or all. */
export type FloatLiterals = 'fractional' | 'any';

/** A new sink of a dtype; undefined for float16 and bfloat16, which have no JSON form. */
export function elementSink(dtype: DType, literals: FloatLiterals): ElementSink | undefined {
  switch (dtype) {
    case 'float32':
      return new Float32Sink(literals === 'any');
    case 'float64':
      return new Float64Sink(literals === 'any');
    case 'bool':
      return new BoolSink();
    case 'string':
    case 'bytes':
      return new StringSink();
    case 'int64':
    case 'uint64':
      return new LongSink(dtype);
    case 'float16':
    case 'bfloat16':
      return undefined;
    default:
      return new IntegerSink(dtype);
  }
}

type Values = Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer> | BigInt64Array<ArrayBuffer> | Uint8Array<ArrayBuffer>;

/** Bytes of the first `count` elements. What was grown beyond a quarter too much is copied to its size. */
function trimmed(values: Values, count: number): Uint8Array {
  const size = count * values.BYTES_PER_ELEMENT;
  if (size * 4 >= values.byteLength * 3) return new Uint8Array(values.buffer, 0, size);
  return new Uint8Array(values.buffer.slice(0, size));
}

const firstCapacity = 16;

class Float32Sink extends ElementSink {
  #values = new Float32Array(firstCapacity);
  #count = 0;

  constructor(readonly takesIntegers: boolean) {
    super();
  }

  override one(reader: JsonReader): void {
    const numbers = reader.number();
    const value = numbers.float32();
    if (numbers.integral && !this.takesIntegers) throw unreadable;
    if (!Number.isFinite(value)) throw new ElementError(numbers.text(), 'float32');
    if (this.#count === this.#values.length) this.#grow();
    this.#values[this.#count++] = value;
  }

  // The hot loop of large requests: `0.5,0.25,...` without blanks takes one scan and one comparison per element.
  override row(reader: JsonReader): number {
    const { numbers, bytes } = reader;
    const { takesIntegers } = this;
    const first = this.#count;
    let count = first;
    let values = this.#values;
    for (;;) {
      if (!numbers.scan(reader.at)) {
        reader.peek();
        if (!numbers.scan(reader.at)) throw unreadable;
      }
      reader.at = numbers.end;
      const value = numbers.float32();
      if (numbers.integral && !takesIntegers) throw unreadable;
      if (value - value !== 0) throw new ElementError(numbers.text(), 'float32');
      if (count === values.length) values = this.#grow();
      values[count++] = value;
      if (bytes[numbers.end] === comma) reader.at++;
      else if (!reader.more(bracketClose)) break;
    }
    this.#count = count;
    return count - first;
  }

  override finish(): Uint8Array {
    return trimmed(this.#values, this.#count);
  }

  #grow(): Float32Array<ArrayBuffer> {
    const grown = new Float32Array(this.#values.length * 2);
    grown.set(this.#values);
    return (this.#values = grown);
  }
}

class Float64Sink extends ElementSink {
  #values = new Float64Array(firstCapacity);
  #count = 0;

  constructor(readonly takesIntegers: boolean) {
    super();
  }

  override one(reader: JsonReader): void {
    const numbers = reader.number();
    if (numbers.integral && !this.takesIntegers) throw unreadable;
    const value = numbers.float64();
    if (!Number.isFinite(value)) throw new ElementError(numbers.text(), 'float64');
    if (this.#count === this.#values.length) {
      const grown = new Float64Array(this.#count * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#count++] = value;
  }

  override finish(): Uint8Array {
    return trimmed(this.#values, this.#count);
  }
}

type SmallInteger = 'int8' | 'uint8' | 'int16' | 'uint16' | 'int32' | 'uint32';

const integerArrays = { int8: Int8Array, uint8: Uint8Array, int16: Int16Array, uint16: Uint16Array, int32: Int32Array, uint32: Uint32Array };

/** Integers of up to 32 bits: gathered as doubles, which hold them all, narrowed at the end. */
class IntegerSink extends ElementSink {
  #values = new Float64Array(firstCapacity);
  #count = 0;
  readonly #least: number;
  readonly #most: number;

  constructor(readonly dtype: SmallInteger) {
    super();
    const bits = integerArrays[dtype].BYTES_PER_ELEMENT * 8;
    const signed = dtype.startsWith('int');
    this.#least = signed ? -(2 ** (bits - 1)) : 0;
    this.#most = signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
  }

  override one(reader: JsonReader): void {
    const numbers = reader.number();
    const { value } = numbers;
    if (!numbers.integral) throw new ElementError(numbers.text(), this.dtype);
    if (value < this.#least || value > this.#most) throw new ElementError(numbers.text(), this.dtype);
    if (this.#count === this.#values.length) {
      const grown = new Float64Array(this.#count * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#count++] = value;
  }

  override finish(): Uint8Array {
    return new Uint8Array(new integerArrays[this.dtype](this.#values.subarray(0, this.#count)).buffer);
  }
}

/** 64 bit integers, exact. */
class LongSink extends ElementSink {
  #values = new BigInt64Array(firstCapacity);
  #count = 0;
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
    if (this.#count === this.#values.length) {
      const grown = new BigInt64Array(this.#count * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#count++] = value; // modulo 2^64: the same bits for uint64
  }

  override finish(): Uint8Array {
    return trimmed(this.#values, this.#count);
  }
}

class BoolSink extends ElementSink {
  #values = new Uint8Array(firstCapacity);
  #count = 0;

  override one(reader: JsonReader): void {
    const value = reader.boolean();
    if (this.#count === this.#values.length) {
      const grown = new Uint8Array(this.#count * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#count++] = value ? 1 : 0;
  }

  override finish(): Uint8Array {
    return trimmed(this.#values, this.#count);
  }
}

/** Strings: each element's UTF-8 bytes, packed at the end. */
class StringSink extends ElementSink {
  readonly #elements: Uint8Array[] = [];

  override one(reader: JsonReader): void {
    this.#elements.push(reader.string());
  }

  override finish(): Uint8Array {
    return packElements(this.#elements);
  }
}
