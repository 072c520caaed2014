import { type DTypeEntry, elementCount, isVariableSize, packElements, type ProtobufReader } from '@mserve/wire';
import { invalidInput, shapeText } from '../oip/oip-inputs.js';
import type { DecodeLimits } from '../decode-limits.js';
import { tooLarge } from '../../edge/status.js';
import { checkTextCount } from '../text-count.js';

/** Which repeated field of InferTensorContents holds the elements of a dtype; undefined for those that travel raw only. */
export function contentsField({ dtype }: DTypeEntry): number | undefined {
  switch (dtype) {
    case 'bool':
      return 1;
    case 'int8':
    case 'int16':
    case 'int32':
      return 2;
    case 'int64':
      return 3;
    case 'uint8':
    case 'uint16':
    case 'uint32':
      return 4;
    case 'uint64':
      return 5;
    case 'float32':
      return 6;
    case 'float64':
      return 7;
    case 'string':
    case 'bytes':
      return 8;
    default:
      return undefined;
  }
}

/**
 * Reads InferTensorContents (cursor on its first byte, `reader.end` at its end) as the bytes of a tensor. Elements must be as many as the
 * shape says; they are counted while they are read, and never stored beyond that. Floats that came as one packed field are a view.
 * Throws ServingError INVALID_ARGUMENT; RESOURCE_EXHAUSTED when the tensor would be bigger than `maxBytes`.
 */
export function readContents(
  reader: ProtobufReader,
  entry: DTypeEntry,
  shape: readonly number[],
  name: string,
  { maxMessageBytes: maxBytes, maxTensorStrings }: DecodeLimits,
): Uint8Array {
  const field = contentsField(entry);
  if (field === undefined)
    throw invalidInput(name, `input '${name}': ${entry.oipName} has no typed contents, send it in raw_input_contents`);
  const count = elementCount(shape);
  if (count * entry.elementBytes > maxBytes)
    throw tooLarge(`input '${name}' of shape ${shapeText(shape)} is bigger than ${maxBytes} bytes`);
  if (isVariableSize(entry.dtype)) {
    checkTextCount(count, maxTensorStrings);
    return readElements(reader, count, shape, name);
  }
  // Each element is at least one byte of the message: what cannot be there is not allocated.
  if (count > reader.end - reader.at) throw countFault(name, shape, count, undefined);
  const into = new ElementStore(entry, count, name, shape);
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag >>> 3 !== field) {
      if (tag >>> 3 <= 8) throw invalidInput(name, `input '${name}' is ${entry.oipName}, its contents are in a field of another type`);
      reader.skip(tag);
      continue;
    }
    if ((tag & 7) === 2) {
      if ((field === 6 || field === 7) && into.count === 0) {
        const from = reader.at;
        const packed = reader.view();
        if (packed.byteLength === count * entry.elementBytes && !reader.more) return packed;
        reader.at = from;
      }
      const outer = reader.open();
      while (reader.more) into.add(reader);
      reader.close(outer);
    } else into.add(reader);
  }
  if (into.count !== count) throw countFault(name, shape, count, into.count);
  return into.bytes;
}

function countFault(name: string, shape: readonly number[], expected: number, given: number | undefined): Error {
  return invalidInput(
    name,
    `input '${name}' of shape ${shapeText(shape)} needs ${expected} elements, its contents have ${given ?? 'fewer'}`,
  );
}

function readElements(reader: ProtobufReader, count: number, shape: readonly number[], name: string): Uint8Array {
  const elements: Uint8Array[] = [];
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag !== 0x42) {
      reader.skip(tag);
      continue;
    }
    if (elements.length === count)
      throw invalidInput(name, `input '${name}' of shape ${shapeText(shape)} needs ${count} elements, its contents have more`);
    elements.push(reader.view());
  }
  if (elements.length !== count) throw countFault(name, shape, count, elements.length);
  return packElements(elements);
}

/** Takes `count` elements of one dtype, each checked against its range. */
class ElementStore {
  count = 0;
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  constructor(
    readonly entry: DTypeEntry,
    readonly expected: number,
    readonly name: string,
    readonly shape: readonly number[],
  ) {
    this.bytes = new Uint8Array(expected * entry.elementBytes);
    this.#view = new DataView(this.bytes.buffer);
  }

  /** Reads one element, the cursor on it. */
  add(reader: ProtobufReader): void {
    if (this.count === this.expected) {
      throw invalidInput(
        this.name,
        `input '${this.name}' of shape ${shapeText(this.shape)} needs ${this.expected} elements, its contents have more`,
      );
    }
    const at = this.count++ * this.entry.elementBytes;
    const view = this.#view;
    switch (this.entry.dtype) {
      case 'bool':
        view.setUint8(at, reader.varint() === 0 ? 0 : 1);
        break;
      case 'int64':
      case 'uint64':
        view.setBigUint64(at, reader.varint64(), true);
        break;
      case 'float32':
      case 'float64':
        this.#copy(reader, at);
        break;
      default:
        this.#integer(at, reader.signed());
    }
  }

  #copy(reader: ProtobufReader, at: number): void {
    const size = this.entry.elementBytes;
    const from = reader.pass(size);
    this.bytes.set(reader.bytes.subarray(from, from + size), at);
  }

  #integer(at: number, value: number): void {
    const { dtype, elementBytes, oipName } = this.entry;
    const bits = elementBytes * 8;
    const signed = dtype.startsWith('int');
    if (value < (signed ? -(2 ** (bits - 1)) : 0) || value > (signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1)) {
      throw invalidInput(this.name, `input '${this.name}': ${value} is not a value of ${oipName}`);
    }
    if (elementBytes === 1) this.#view.setInt8(at, value);
    else if (elementBytes === 2) this.#view.setInt16(at, value, true);
    else this.#view.setInt32(at, value, true);
  }
}
