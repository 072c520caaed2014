import type { DType } from '@mserve/wire';
import { tooLarge } from '../../edge/status.js';
import { checkTextCount } from '../text-count.js';
import { ElementSink } from './element-sink.js';
import { Elements, Growth, keptCapacity } from './elements.js';
import { Float32Sink, Float64Sink, NarrowFloatSink } from './float-sinks.js';
import { IntegerSink, LongSink, integerArrays, type SmallInteger } from './integer-sinks.js';
import type { JsonReader } from './json-reader.js';

const firstTextBytes = 1024;

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
