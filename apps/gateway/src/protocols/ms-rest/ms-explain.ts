import {
  dtypeEntry,
  dtypeOfB64Type,
  elementCount,
  isVariableSize,
  maxRank,
  refusal,
  type DType,
  type MethodSignature,
  type TensorSignature,
} from '@mserve/wire';
import { ElementError } from '../json/element-sink.js';
import { clip } from '../../edge/clip.js';
import { JsonReader, unreadable, utf8Text } from '../json/json-reader.js';
import type { DecodeLimits } from '../decode-limits.js';
import { maxMembers, type Slots } from '../ms-tensors.js';
import type { MethodPlan } from '../plan.js';
import { tooLarge } from '../../edge/status.js';
import { firstNonBase64, strictBase64 } from './base64.js';
import { declaredFloat, literalDType, readValue, type ValueContext } from './ms-value.js';

const instancesMember = [Buffer.from('instances')];

/**
 * The second pass over a body that the first one stopped at: the original's checks in the original's order, members of an object
 * sorted by name, of two members with one name the last. The bytes are known to be JSON. Throws the text, or answers the instances
 * when the stop had another reason (a doubled name with a bad first value).
 */
export function explainBody(
  body: Uint8Array,
  limits: DecodeLimits,
  plan: MethodPlan,
  method: MethodSignature | undefined,
  context: ValueContext,
): Slots[] {
  const reader = new JsonReader(body, limits);
  const instances = reader.peek() === 0x7b ? lastInstances(reader) : undefined;
  if (instances === undefined) throw parserFault(`key 'instances' expects to exist once, but actually 0 times`);
  reader.at = instances;
  const byte = reader.peek();
  if (byte === 0x7b) return [explainInstance(reader, 'json object, value is empty', plan, method, context)];
  if (byte !== 0x5b) throw parserFault('instances no key mode is not supported');
  if (!reader.enter(0x5b)) throw parserFault('instances value is array type, but no value');
  if (reader.peek() !== 0x7b) throw parserFault('instances no key mode is not supported');
  const all: Slots[] = [];
  do {
    if (all.length === limits.maxRequestInstances) throw tooLarge(`the request has more than ${limits.maxRequestInstances} instances`);
    if (reader.peek() !== 0x7b) throw parserFault('json array, instance is not object type');
    all.push(explainInstance(reader, 'json array, instance is object type, but no value', plan, method, context));
  } while (reader.more(0x5d));
  return all;
}

function parserFault(text: string): Error {
  return refusal('body-malformed', { detail: `Parser request failed, ${text}` });
}

/** Where the value of the last member `instances` of the body is. */
function lastInstances(reader: JsonReader): number | undefined {
  let at: number | undefined;
  if (!reader.enter(0x7b)) return undefined;
  do {
    const found = reader.member(instancesMember) === 0;
    reader.peek();
    if (found) ({ at } = reader);
    reader.skip();
  } while (reader.more(0x7d));
  return at;
}

/** Where the value of each member is, by name; of doubled names the last. The cursor goes from the `{` to after the `}`. */
function members(reader: JsonReader): Map<string, number> {
  const found = new Map<string, number>();
  if (!reader.enter(0x7b)) return found;
  do {
    const name = utf8Text(reader.key());
    if (found.size === maxMembers) throw tooLarge(`an object of the request has more than ${maxMembers} members`);
    reader.peek();
    found.set(name, reader.at);
    reader.skip();
  } while (reader.more(0x7d));
  return found;
}

/** Names in the order of their bytes. */
function sorted(found: ReadonlyMap<string, number>): [string, number][] {
  return [...found].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

function explainInstance(
  reader: JsonReader,
  emptyText: string,
  plan: MethodPlan,
  method: MethodSignature | undefined,
  context: ValueContext,
): Slots {
  const found = members(reader);
  const end = reader.at;
  if (found.size === 0) throw parserFault(emptyText);
  const slots: Slots = plan.inputNames.map(() => undefined);
  for (const [name, at] of sorted(found)) {
    if (name === '') throw parserFault('string key is empty');
    const index = method?.inputs.findIndex((signature) => signature.name === name) ?? -1;
    const signature = method?.inputs[index];
    reader.at = at;
    explainValue(reader, signature, context);
    reader.at = at;
    try {
      const tensor = readValue(reader, signature, context);
      if (index !== -1) slots[index] = tensor;
    } catch (thrown) {
      if (thrown === unreadable) throw parserFault('json value is not supported');
      if (thrown instanceof ElementError) throw parserFault(`json value ${clip(thrown.literal)} is out of the range of ${thrown.dtype}`);
      throw thrown;
    }
  }
  reader.at = end;
  return slots;
}

/** Throws the text for a value that is no tensor; the cursor is on it. */
function explainValue(reader: JsonReader, signature: TensorSignature | undefined, context: ValueContext): void {
  const byte = reader.peek();
  if (byte === 0x6e) throw parserFault('json value is null, it is not supported');
  if (byte === 0x7b) explainObject(reader);
  else if (byte === 0x5b) explainArray(reader, signature, context);
}

function explainObject(reader: JsonReader): void {
  const found = members(reader);
  if (found.size === 0) throw parserFault('json object, value is empty');
  if (found.size > 3) throw parserFault(`json object, items size is more than 3, only support specified ['b64', 'type', 'shape']`);
  let shape: number[] = [];
  let type: DType = 'bytes';
  for (const [name, at] of sorted(found)) {
    reader.at = at;
    if (name === 'shape') shape = explainShape(reader);
    else if (name === 'type') type = explainType(reader);
    else if (name !== 'b64') throw parserFault(`json object, key is not ['b64', 'type', 'shape'], fail key:${clip(name)}`);
  }
  const at = found.get('b64');
  if (at === undefined) throw parserFault(`json object, 'b64' should be specified only one time`);
  reader.at = at;
  explainB64(reader, type, shape);
}

function explainType(reader: JsonReader): DType {
  if (reader.peek() !== 0x22) throw parserFault(`json object, key is 'type', value should be string type`);
  const name = reader.text();
  const type = dtypeOfB64Type(name);
  if (type === undefined) throw parserFault(`json object, specified type:'${clip(name)}' is illegal`);
  return type;
}

function explainShape(reader: JsonReader): number[] {
  if (reader.peek() !== 0x5b) throw parserFault(`json object, key is 'shape', value should be array type`);
  const begin = reader.at;
  const text = (): string => {
    reader.at = begin;
    reader.skip();
    return clip(utf8Text(withoutBlanks(reader.bytes.subarray(begin, reader.at))));
  };
  const shape: number[] = [];
  let zero = false;
  if (!reader.enter(0x5b)) return shape;
  do {
    if (zero) throw parserFault(`json object, key is 'shape', invalid shape value ${text()}`);
    reader.peek();
    const { numbers, at } = reader;
    if (!numbers.scan(at) || !numbers.integral || reader.bytes[at] === 0x2d || numbers.end - at > 20) {
      throw parserFault(`json object, key is 'shape', array value should be unsigned integer`);
    }
    if (numbers.value > 0x7fffffff)
      throw parserFault(`json object, key is 'shape', number value should not be negative number, shape value: ${text()}`);
    zero = numbers.value === 0;
    if (shape.length === maxRank) throw parserFault(`json object, key is 'shape', at most ${maxRank} dims are allowed`);
    shape.push(numbers.value);
    reader.at = numbers.end;
  } while (reader.more(0x5d));
  return shape;
}

/** JSON text as the original prints it again, near enough: without blanks. As much of it as an error text can show. */
function withoutBlanks(text: Uint8Array): Uint8Array {
  const kept: number[] = [];
  let quoted = false;
  for (let i = 0; i < text.length && kept.length < 1000; i++) {
    const byte = text[i] as number;
    if (byte === 0x22) quoted = !quoted;
    else if (quoted && byte === 0x5c) kept.push(byte, text[++i] as number);
    if (quoted ? byte !== 0x5c : byte > 0x20) kept.push(byte);
  }
  return Uint8Array.from(kept);
}

/** The cursor is on the value of `b64`. */
function explainB64(reader: JsonReader, type: DType, shape: readonly number[]): void {
  const count = elementCount(shape);
  if (isVariableSize(type) && count !== 1) {
    throw parserFault(`json object, only support scalar when data type is string or bytes, please check 'type' or 'shape'`);
  }
  const bytes = decodeB64(reader);
  if (isVariableSize(type)) return;
  const { elementBytes } = dtypeEntry(type);
  if (bytes.byteLength !== count * elementBytes) {
    throw parserFault(
      `size is not matched, decode base64 size:${bytes.byteLength}; Given info: type:${type}; type size:${elementBytes}; element nums:${count}`,
    );
  }
}

function decodeB64(reader: JsonReader): Uint8Array {
  if (reader.peek() !== 0x22) throw parserFault('get scalar data failed, type is string, but json is not string type');
  const text = reader.string();
  const bytes = strictBase64(text);
  if (bytes !== undefined) return bytes;
  // The original decodes until a group of four ends early, and then misses the rest; a bad first half of a group it never answers.
  if (text.length % 4 === 0 && firstNonBase64(text) % 4 >= 2) throw parserFault('decode base64 failed, size is not matched.');
  throw parserFault(`'${clip(utf8Text(text.subarray(0, 400)))}' is illegal b64 encode string`);
}

function explainArray(reader: JsonReader, signature: TensorSignature | undefined, context: ValueContext): void {
  const begin = reader.at;
  let rank = 0;
  while (reader.peek() === 0x5b) {
    reader.at++;
    rank++;
  }
  const byte = reader.peek();
  if (byte === 0x5d) throw parserFault(rank === 1 ? 'json array, shape is empty' : 'json array, data type is unknown');
  if (rank > maxRank) throw parserFault(`json array, at most ${maxRank} dims are allowed`);
  const object = byte === 0x7b;
  const float = isNumber(byte) ? declaredFloat(signature, context) : undefined;
  const dtype = object ? typeOfObject(reader) : byte === 0x6e ? undefined : (float ?? literalDType(reader, signature));
  if (dtype === undefined) throw parserFault('json array, data type is unknown');
  const variable = isVariableSize(dtype);
  if (object && !variable) throw parserFault('json array, item is object type, object only support string or bytes type');
  reader.at = begin;
  const fault = new Rows(reader, rank, dtype, object, float !== undefined).read();
  if (fault !== undefined) throw fault;
}

/** The dtype that a b64 object in an array names; undefined when it names none. The cursor stays. */
function typeOfObject(reader: JsonReader): DType | undefined {
  const { at } = reader;
  const type = members(reader).get('type');
  let dtype: DType | undefined = 'bytes';
  if (type !== undefined) {
    reader.at = type;
    dtype = reader.bytes[type] === 0x22 ? dtypeOfB64Type(reader.text()) : undefined;
  }
  reader.at = at;
  return dtype;
}

/**
 * One pass over the rows of an array whose rank and dtype its first leaf told. The original looks at a row's length before it looks into it,
 * so of all faults the one that begins first is the one to tell; a row's length is known at its end only.
 */
class Rows {
  /** Lengths of the first row of each depth: the shape that all others must have. */
  readonly #shape: number[] = [];
  readonly #variable: boolean;
  #faultAt = Infinity;
  #fault: Error | undefined;

  constructor(
    readonly reader: JsonReader,
    readonly rank: number,
    readonly dtype: DType,
    readonly objects: boolean,
    /** Every number literal is an element: NumberRule 'declared' for a float. */
    readonly takesAnyNumber: boolean,
  ) {
    this.#variable = isVariableSize(dtype);
  }

  /** The fault, or undefined. The cursor is anywhere then. */
  read(): Error | undefined {
    this.#row(0);
    return this.#fault;
  }

  /** Recursion is as deep as the rank, which is bounded. */
  #row(depth: number): void {
    const { reader } = this;
    const begin = reader.at;
    const expected = this.#shape[depth];
    let length = 0;
    if (reader.enter(0x5b)) {
      do {
        if (++length === 2 && this.#variable && expected === undefined)
          throw parserFault('json array, string or bytes type only support one item');
        const byte = reader.peek();
        if (depth + 1 === this.rank) this.#leaf();
        else if (byte === 0x5b) this.#row(depth + 1);
        else {
          this.#note(reader.at, 'invalid json array: json type is not array');
          reader.skip();
        }
        // The lengths of first rows are never wrong: with only such around it, this fault stays the first. (A second string goes before all faults.)
        if (this.#fault !== undefined && expected === undefined && !this.#variable) return;
      } while (reader.more(0x5d));
    }
    if (expected === undefined) this.#shape[depth] = length;
    else if (expected !== length)
      this.#note(begin, `invalid json array: json size is ${length}, the dim ${depth} expected to be ${expected}`);
  }

  #leaf(): void {
    const { reader } = this;
    const { at } = reader;
    if (this.#fault === undefined) {
      try {
        if (this.objects) explainElementObject(reader, this.dtype);
        else if (explainNumber(reader, this.dtype, this.takesAnyNumber)) return;
        else if (this.takesAnyNumber) explainFloat(reader, this.dtype);
        else explainElement(reader, this.dtype);
      } catch (thrown) {
        this.#faultAt = at;
        this.#fault = thrown as Error;
      }
    }
    reader.at = at;
    reader.skip();
  }

  #note(at: number, text: string): void {
    if (at > this.#faultAt) return;
    this.#faultAt = at;
    this.#fault = parserFault(text);
  }
}

function explainElementObject(reader: JsonReader, dtype: DType): void {
  const b64 = reader.bytes[reader.at] === 0x7b ? members(reader).get('b64') : undefined;
  if (b64 === undefined || reader.bytes[b64] !== 0x22)
    throw parserFault('get scalar data failed, type is string, but json is not string type');
  reader.at = b64;
  if (dtype === 'bytes') decodeB64(reader);
}

/** The usual element: a number that goes with the dtype. Consumed then; false for anything else. */
function explainNumber(reader: JsonReader, dtype: DType, takesAny: boolean): boolean {
  const { numbers } = reader;
  if (!numbers.scan(reader.at) || !(takesAny || dtype.includes(numbers.integral ? 'int' : 'float'))) return false;
  reader.at = numbers.end;
  return true;
}

function isNumber(byte: number): boolean {
  return byte === 0x2d || (byte >= 0x30 && byte <= 0x39);
}

/** An element of a declared float that is no plain number: NaN or an infinity passes. */
function explainFloat(reader: JsonReader, dtype: DType): void {
  try {
    reader.notFinite();
  } catch {
    throw parserFault(`json array, elements type is not equal: the input is ${dtype}, write numbers, or "NaN", "Infinity", "-Infinity"`);
  }
}

function explainElement(reader: JsonReader, dtype: DType): void {
  const byte = reader.bytes[reader.at];
  if (byte === 0x5b || byte === 0x7b || byte === 0x6e) throw parserFault('json array, data should be number, bool, string or bytes');
  // Any integer literal goes with any integer dtype, any fractional one with any float dtype.
  const literal = literalDType(reader, undefined);
  const same = literal === 'int32' ? dtype.includes('int') : literal === 'float32' ? dtype.startsWith('float') : literal === dtype;
  if (!same) throw parserFault('json array, elements type is not equal');
}
