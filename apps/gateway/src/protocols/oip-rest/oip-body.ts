import { isUtf8 } from 'node:buffer';
import { dtypeTable, elementCount, maxRank, refusal, ServingError, type DTypeEntry } from '@mserve/wire';
import { ElementError } from '../json/element-sink.js';
import { type ElementSinks } from '../json/element-sinks.js';
import { checkJsonSyntax } from '../json/json-syntax.js';
import { clip } from '../../edge/clip.js';
import { JsonReader, unreadable, utf8Text } from '../json/json-reader.js';
import type { RequestMemory } from '../../edge/ingress.js';
import type { DecodeLimits } from '../decode-limits.js';
import { readArray } from '../json/nested-array.js';
import { invalidInput, malformed, shapeText, unexpectedInput, type OipInput } from '../oip/oip-inputs.js';
import { WantedOutputs, type WantedOutput } from '../oip/oip-outputs.js';
import { nameIndex, planOf } from '../plan.js';
import type { ResolvedMethod } from '../protocol.js';

/** What a request body says. */
export interface OipBody {
  readonly id: string;
  /** In the order of the signature; undefined = not sent. */
  readonly inputs: readonly (OipInput | undefined)[];
  readonly outputs: readonly WantedOutput[];
  /** Triton's: 1 goes first, 0 = none. */
  readonly priority: number;
  /** Triton's: microseconds, 0 = none. */
  readonly timeoutMicroseconds: number;
  /** Where the request's own parameters stand in the JSON; both 0 = there are none. */
  readonly parametersFrom: number;
  readonly parametersTo: number;
}

/**
 * Reads the JSON of an infer request and the tensors behind it. `binary` = the bytes after the JSON, undefined when the client sent no
 * Inference-Header-Content-Length. `memory`: for large tensors. Throws ServingError INVALID_ARGUMENT; RESOURCE_EXHAUSTED for what is over `limits`.
 */
export function readInferBody(
  json: Uint8Array,
  binary: Uint8Array | undefined,
  target: ResolvedMethod,
  limits: DecodeLimits,
  sinks: ElementSinks,
  memory: RequestMemory,
): OipBody {
  if (!isUtf8(json)) throw malformed('the body is not UTF-8');
  try {
    return new BodyReader(new JsonReader(json, limits, true, memory), binary, target, sinks).read();
  } catch (thrown) {
    // A body that is no JSON at all is reported first. It is looked for only now: one pass is enough for a good request.
    if (thrown === unreadable || thrown instanceof ServingError) checkJsonSyntax(json, 'the body is not JSON: ', limits.maxJsonDepth);
    if (thrown === unreadable) {
      throw malformed(
        'the body is not an infer request: {id?, parameters?, inputs: [{name, shape, datatype, parameters?, data}], outputs?}',
      );
    }
    throw thrown;
  }
}

const names = (...all: string[]): readonly Uint8Array[] => all.map((name) => Buffer.from(name));
// Members are told apart by their index here: making text of each name would cost more than reading the numbers.
const requestMembers = names('inputs', 'outputs', 'id', 'parameters');
const inputMembers = names('name', 'shape', 'datatype', 'data', 'parameters');
const outputMembers = names('name', 'parameters');
const datatypes = dtypeTable.filter(({ dtype }) => dtype !== 'string');
const datatypeNames = datatypes.map(({ oipName }) => Buffer.from(oipName));

/** The parameters that mean something here, of a request, an input or an output. */
interface Parameters {
  binaryDataSize: number | undefined;
  binaryData: boolean | undefined;
  classes: number;
  priority: number;
  timeoutMicroseconds: number;
}

class BodyReader {
  readonly #reader: JsonReader;
  readonly #wanted: WantedOutputs;
  readonly #inputs: (OipInput | undefined)[];
  #binaryAt = 0;
  /** Outputs that did not say whether they want to be binary, to be settled when the request's own parameters are known. */
  readonly #asked: { readonly name: string; readonly binary: boolean | undefined; readonly classes: number }[] = [];

  constructor(
    reader: JsonReader,
    readonly binary: Uint8Array | undefined,
    readonly target: ResolvedMethod,
    readonly sinks: ElementSinks,
  ) {
    this.#reader = reader;
    this.#wanted = new WantedOutputs(target);
    this.#inputs = new Array<undefined>(target.method.inputs.length).fill(undefined);
  }

  read(): OipBody {
    const reader = this.#reader;
    let id = '';
    let parameters: Parameters | undefined;
    let parametersFrom = 0;
    let parametersTo = 0;
    let seen = 0;
    if (!reader.enter(0x7b)) throw unreadable;
    do {
      const member = reader.member(requestMembers);
      seen = once(seen, member, requestMembers, 'the request');
      // An optional member that is null is one that was left out
      if (member !== 0 && reader.isNull()) continue;
      switch (member) {
        case 2:
          id = this.#text('id');
          break;
        case 3:
          reader.peek();
          parametersFrom = reader.at;
          parameters = readParameters(reader, 'the request', 2);
          parametersTo = reader.at;
          break;
        case 0:
          this.#readInputs();
          break;
        case 1:
          this.#readOutputs();
          break;
        default:
          reader.skip(1);
      }
    } while (reader.more(0x7d));
    reader.finish();
    if ((seen & 1) === 0) throw malformed(`the request has no 'inputs'`);
    if (this.binary !== undefined && this.#binaryAt !== this.binary.byteLength) {
      throw malformed(`${this.binary.byteLength} bytes follow the JSON, the inputs' binary_data_size add up to ${this.#binaryAt}`);
    }
    const binaryByDefault = parameters?.binaryData ?? false;
    for (const { name, binary, classes } of this.#asked) this.#wanted.add(name, binary ?? binaryByDefault, classes);
    return {
      id,
      inputs: this.#inputs,
      outputs: this.#wanted.list(binaryByDefault),
      priority: parameters?.priority ?? 0,
      timeoutMicroseconds: parameters?.timeoutMicroseconds ?? 0,
      parametersFrom,
      parametersTo,
    };
  }

  #string(what: string): Uint8Array {
    if (this.#reader.peek() !== 0x22) throw malformed(`${what} must be a string`);
    return this.#reader.string();
  }

  #text(what: string): string {
    if (this.#reader.peek() !== 0x22) throw malformed(`${what} must be a string`);
    return this.#reader.text();
  }

  #readInputs(): void {
    const reader = this.#reader;
    if (!reader.enter(0x5b)) return;
    let hint = 0;
    do this.#readInput(hint++);
    while (reader.more(0x5d));
  }

  /** One input. Its members may come in any order, so `data` may have to wait for `datatype`. */
  #readInput(hint: number): void {
    const reader = this.#reader;
    const { inputNames } = planOf(this.target.method);
    let name: Uint8Array | undefined;
    let entry: DTypeEntry | undefined;
    let shape: number[] | undefined;
    let dataAt = -1;
    let content: Content | undefined;
    let binarySize: number | undefined;
    let seen = 0;
    if (!reader.enter(0x7b)) throw malformed('an input is {}, it must have name, shape and datatype');
    do {
      const member = reader.member(inputMembers);
      seen = once(seen, member, inputMembers, name ?? 'an input');
      if (member > 2 && reader.isNull()) continue;
      switch (member) {
        case 0:
          name = inputNames[reader.known(inputNames, hint)] ?? this.#string(`an input's name`);
          break;
        case 2:
          entry = datatypes[reader.known(datatypeNames)] ?? datatypeOf(this.#string(`an input's datatype`), name);
          break;
        case 1:
          shape = readShape(reader, name);
          break;
        case 4:
          binarySize = readParameters(reader, `input '${shown(name)}'`, 4).binaryDataSize;
          break;
        case 3:
          reader.peek();
          dataAt = reader.at;
          if (entry === undefined) reader.skip(3);
          else content = readContent(reader, this.sinks, entry, name);
          break;
        default:
          reader.skip(3);
      }
    } while (reader.more(0x7d));
    if (name === undefined) throw malformed('an input has no name');
    if (entry === undefined) throw invalidInput(shown(name), `input '${shown(name)}' has no datatype`);
    if (shape === undefined) throw invalidInput(shown(name), `input '${shown(name)}' has no shape`);
    if (dataAt !== -1 && content === undefined) {
      const end = reader.at;
      reader.at = dataAt;
      content = readContent(reader, this.sinks, entry, name);
      reader.at = end;
    }
    const index = nameIndex(inputNames, name, hint);
    if (index === -1) throw unexpectedInput(shown(name), this.target);
    if (this.#inputs[index] !== undefined) throw invalidInput(shown(name), `input '${shown(name)}' is given twice`);
    const bytes = content === undefined ? this.#takeBinary(shown(name), binarySize) : checkedContent(name, shape, content, binarySize);
    this.#inputs[index] = { entry, shape, bytes };
  }

  #takeBinary(name: string, size: number | undefined): Uint8Array {
    if (size === undefined) throw invalidInput(name, `input '${name}' has no data`);
    if (this.binary === undefined)
      throw invalidInput(name, `input '${name}' has binary_data_size, the header inference-header-content-length is missing`);
    const begin = this.#binaryAt;
    if (size > this.binary.byteLength - begin) {
      throw invalidInput(
        name,
        `input '${name}' has binary_data_size ${size}, ${this.binary.byteLength - begin} bytes are left of the body`,
      );
    }
    this.#binaryAt += size;
    return this.binary.subarray(begin, begin + size);
  }

  #readOutputs(): void {
    const reader = this.#reader;
    if (!reader.enter(0x5b)) return;
    do {
      if (this.#asked.length === this.target.method.outputs.length) {
        throw malformed(
          `more outputs are requested than the ${this.target.method.outputs.length} of ${this.target.servable}.${this.target.method.name}, or one is requested twice`,
        );
      }
      let name: string | undefined;
      let parameters: Parameters | undefined;
      let seen = 0;
      if (!reader.enter(0x7b)) throw malformed('an output has no name');
      do {
        const member = reader.member(outputMembers);
        seen = once(seen, member, outputMembers, 'an output');
        if (member === 1 && reader.isNull()) continue;
        if (member === 0) name = this.#text(`an output's name`);
        else if (member === 1) parameters = readParameters(reader, `output '${clip(name ?? '')}'`, 4);
        else reader.skip(3);
      } while (reader.more(0x7d));
      if (name === undefined) throw malformed('an output has no name');
      this.#asked.push({ name, binary: parameters?.binaryData, classes: parameters?.classes ?? 0 });
    } while (reader.more(0x5d));
  }
}

/** Notes that a member was seen (bit `member` of `seen`); -1 is none of `names`. Doubled members mean another thing to every reader: refused. */
function once(seen: number, member: number, names: readonly Uint8Array[], owner: Uint8Array | string): number {
  if (member === -1) return seen;
  const bit = 1 << member;
  if ((seen & bit) === 0) return seen | bit;
  throw malformed(`${typeof owner === 'string' ? owner : `input '${shown(owner)}'`} has '${shown(names[member])}' twice`);
}

/** A name for an error text. */
function shown(name: Uint8Array | undefined): string {
  return name === undefined ? '' : clip(utf8Text(name.subarray(0, 1024)));
}

interface Content {
  readonly bytes: Uint8Array;
  readonly shape: readonly number[];
}

function readContent(reader: JsonReader, sinks: ElementSinks, entry: DTypeEntry, name: Uint8Array | undefined): Content {
  const sink = sinks.of(entry.dtype, 'any');
  if (sink === undefined) throw new TypeError(`${entry.dtype} has no JSON form`);
  if (reader.peek() !== 0x5b) throw invalidInput(shown(name), `input '${shown(name)}': data must be an array`);
  try {
    const shape = readArray(reader, sink);
    return { shape, bytes: sink.finish() };
  } catch (thrown) {
    if (thrown instanceof ElementError)
      throw invalidInput(shown(name), `input '${shown(name)}': ${clip(thrown.literal)} is not a value of ${entry.oipName}`);
    if (thrown === unreadable) {
      throw invalidInput(
        shown(name),
        `input '${shown(name)}': data must be a flat or nested array of ${entry.oipName} values${notFiniteHint(entry)}, all rows of one depth equally long`,
      );
    }
    throw thrown;
  }
}

function notFiniteHint({ dtype }: DTypeEntry): string {
  return dtype.includes('float') ? ' (numbers, "NaN", "Infinity", "-Infinity")' : '';
}

/** The bytes of JSON data that agrees with the declared shape: flat with as many elements, or nested alike. */
function checkedContent(name: Uint8Array, shape: readonly number[], content: Content, binarySize: number | undefined): Uint8Array {
  if (binarySize !== undefined) throw invalidInput(shown(name), `input '${shown(name)}' has both data and binary_data_size`);
  const expected = elementCount(shape);
  const given = content.shape;
  if (given.length === 1) {
    if (given[0] !== expected)
      throw invalidInput(
        shown(name),
        `input '${shown(name)}' of shape ${shapeText(shape)} needs ${expected} elements, data has ${given[0]}`,
      );
  } else if (given.length !== shape.length || given.some((dim, i) => dim !== shape[i])) {
    throw invalidInput(shown(name), `input '${shown(name)}' has shape ${shapeText(shape)}, data is nested as ${shapeText(given)}`);
  }
  return content.bytes;
}

function datatypeOf(datatype: Uint8Array, name: Uint8Array | undefined): DTypeEntry {
  const entry = datatypes[nameIndex(datatypeNames, datatype, -1)];
  if (entry === undefined)
    throw invalidInput(shown(name), `input '${shown(name)}' has datatype '${shown(datatype)}', which is none of the protocol's`);
  return entry;
}

function readShape(reader: JsonReader, name: Uint8Array | undefined): number[] {
  const shape: number[] = [];
  if (reader.peek() !== 0x5b) throw invalidInput(shown(name), `input '${shown(name)}': shape must be an array of non-negative integers`);
  if (!reader.enter(0x5b)) return shape;
  do {
    reader.peek();
    const { numbers } = reader;
    if (!numbers.scan(reader.at) || !numbers.integral || !numbers.exact || numbers.value < 0) {
      throw invalidInput(shown(name), `input '${shown(name)}': shape must be an array of non-negative integers`);
    }
    if (shape.length === maxRank) throw invalidInput(shown(name), `input '${shown(name)}': shape has more than ${maxRank} dims`);
    reader.at = numbers.end;
    shape.push(numbers.value);
  } while (reader.more(0x5d));
  return shape;
}

/** Reads a `parameters` object. Handles to a client's shared memory are refused; what is unknown is skipped. */
function readParameters(reader: JsonReader, owner: string, around: number): Parameters {
  const found: Parameters = { binaryDataSize: undefined, binaryData: undefined, classes: 0, priority: 0, timeoutMicroseconds: 0 };
  if (!reader.enter(0x7b)) return found;
  do {
    const name = utf8Text(reader.key());
    if (reader.isNull()) continue;
    switch (name) {
      case 'binary_data_size':
        found.binaryDataSize = integerParameter(reader, owner, name);
        break;
      case 'binary_data':
      case 'binary_data_output':
        found.binaryData = booleanParameter(reader, owner, name);
        break;
      case 'priority':
        found.priority = integerParameter(reader, owner, name);
        break;
      case 'timeout':
        found.timeoutMicroseconds = integerParameter(reader, owner, name);
        break;
      case 'shared_memory_region':
      case 'shared_memory_byte_size':
      case 'shared_memory_offset':
        throw refusal('feature-unsupported', { detail: `${owner} has parameter '${name}': shared memory of clients is not supported` });
      case 'classification':
        found.classes = integerParameter(reader, owner, name);
        break;
      default:
        reader.skip(around);
    }
  } while (reader.more(0x7d));
  return found;
}

function integerParameter(reader: JsonReader, owner: string, name: string): number {
  reader.peek();
  const { numbers } = reader;
  if (!numbers.scan(reader.at) || !numbers.integral || !numbers.exact || numbers.value < 0) {
    throw refusal('parameter-malformed', { detail: `${owner} has parameter '${name}' that is not a non-negative integer` });
  }
  reader.at = numbers.end;
  return numbers.value;
}

function booleanParameter(reader: JsonReader, owner: string, name: string): boolean {
  if (reader.word('true')) return true;
  if (reader.word('false')) return false;
  throw refusal('parameter-malformed', { detail: `${owner} has parameter '${name}' that is not true or false` });
}
