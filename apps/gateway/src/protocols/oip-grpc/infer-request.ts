import { dtypeOfOipName, maxRank, refusal, type DTypeEntry, type ProtobufReader } from '@mserve/wire';
import { utf8Text } from '../json/json-reader.js';
import { clip } from '../../edge/clip.js';
import { invalidInput, malformed, unexpectedInput, type OipInput } from '../oip/oip-inputs.js';
import { WantedOutputs, type WantedOutput } from '../oip/oip-outputs.js';
import { nameIndex, planOf } from '../plan.js';
import type { ResolvedMethod } from '../protocol.js';
import { tooLarge } from '../../edge/status.js';
import type { DecodeLimits } from '../decode-limits.js';
import { readContents } from './oip-contents.js';

/** Inputs, outputs and raw contents of one request, each; more are refused while they are counted. */
const maxParts = 1024;

const empty: Uint8Array = new Uint8Array(0);

/** A run of bytes of the message: a message inside it. */
interface Range {
  readonly from: number;
  readonly to: number;
}

/** A ModelInferRequest whose inputs have not been looked into yet: what the model is must be known first. */
export interface InferOutline {
  readonly model: string;
  readonly version: string;
  readonly id: string;
  readonly inputs: readonly Range[];
  readonly outputs: readonly Range[];
  readonly raw: readonly Uint8Array[];
  readonly parameters: InferParameters;
}

/** Parameters with a meaning here; 0 = not given. */
export interface InferParameters {
  priority: number;
  timeoutMicroseconds: number;
  /** Of a requested output: how many classes are wanted. */
  classes: number;
}

/** Reads the outer fields. Throws ProtobufError, or ServingError. */
export function readOutline(reader: ProtobufReader): InferOutline {
  let model = empty;
  let version = empty;
  let id = empty;
  const inputs: Range[] = [];
  const outputs: Range[] = [];
  const raw: Uint8Array[] = [];
  const parameters: InferParameters = { priority: 0, timeoutMicroseconds: 0, classes: 0 };
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    switch (tag) {
      case 0x0a:
        model = reader.textView();
        break;
      case 0x12:
        version = reader.textView();
        break;
      case 0x1a:
        id = reader.textView();
        break;
      case 0x22:
        readParameter(reader, 'the request', parameters);
        break;
      case 0x2a:
        addPart(inputs, readRange(reader), 'inputs');
        break;
      case 0x32:
        addPart(outputs, readRange(reader), 'outputs');
        break;
      case 0x3a:
        addPart(raw, reader.view(), 'raw_input_contents');
        break;
      default:
        reader.skip(tag);
    }
  }
  return { model: utf8Text(model), version: utf8Text(version), id: utf8Text(id), inputs, outputs, raw, parameters };
}

function addPart<Part>(parts: Part[], part: Part, what: string): void {
  if (parts.length === maxParts) throw tooLarge(`the request has more than ${maxParts} ${what}`);
  parts.push(part);
}

function readRange(reader: ProtobufReader): Range {
  const length = reader.length();
  const from = reader.at;
  reader.at = from + length;
  return { from, to: from + length };
}

/** An entry of a parameters map. Handles to a client's shared memory are refused; what is unknown is read over. */
function readParameter(reader: ProtobufReader, owner: string, found: InferParameters | undefined): void {
  const outerEnd = reader.end;
  const length = reader.length();
  reader.end = reader.at + length;
  let key = '';
  let value: Range | undefined;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === 0x0a) key = reader.string();
    else if (tag === 0x12) value = readRange(reader);
    else reader.skip(tag);
  }
  const after = reader.at;
  if (key.startsWith('shared_memory_'))
    throw refusal('feature-unsupported', { detail: `${owner} has parameter '${clip(key)}': shared memory of clients is not supported` });
  if (found !== undefined && value !== undefined) {
    if (key === 'priority') found.priority = integerParameter(reader, value);
    else if (key === 'timeout') found.timeoutMicroseconds = integerParameter(reader, value);
    else if (key === 'classification') found.classes = classesOf(owner, integerParameter(reader, value));
  }
  reader.at = after;
  reader.end = outerEnd;
}

function classesOf(owner: string, count: number): number {
  if (count >= 0) return count;
  throw refusal('parameter-malformed', { detail: `${owner} has parameter 'classification' that is not a non-negative integer` });
}

/** int64_param or uint64_param; 0 for another kind of value. */
function integerParameter(reader: ProtobufReader, value: Range): number {
  reader.at = value.from;
  reader.end = value.to;
  let number = 0;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === 0x10) number = reader.signed();
    else if (tag === 0x28) number = reader.varint();
    else reader.skip(tag);
  }
  return number;
}

/** The inputs in the order of the signature, raw ones as views. Throws ServingError INVALID_ARGUMENT. */
export function readInputs(
  reader: ProtobufReader,
  outline: InferOutline,
  target: ResolvedMethod,
  limits: DecodeLimits,
): (OipInput | undefined)[] {
  const { inputNames } = planOf(target.method);
  const found = new Array<OipInput | undefined>(inputNames.length).fill(undefined);
  const raw = outline.raw.length > 0;
  if (raw && outline.raw.length !== outline.inputs.length) {
    throw malformed(`the request has ${outline.inputs.length} inputs and ${outline.raw.length} raw_input_contents`);
  }
  for (let i = 0; i < outline.inputs.length; i++) {
    const head = readInput(reader, outline.inputs[i] as Range);
    const index = nameIndex(inputNames, head.name, i);
    const name = clip(utf8Text(head.name));
    if (index === -1) throw unexpectedInput(name, target);
    if (found[index] !== undefined) throw invalidInput(name, `input '${name}' is given twice`);
    const entry = entryOf(head.datatype, name);
    if (head.rank > maxRank) throw invalidInput(name, `input '${name}': shape has ${head.rank} dims, at most ${maxRank} are allowed`);
    const bytes = raw ? rawBytes(head, outline.raw[i] as Uint8Array, name) : typedBytes(reader, head, entry, name, limits);
    found[index] = { entry, shape: head.shape, bytes };
  }
  return found;
}

interface InputHead {
  name: Uint8Array;
  datatype: Uint8Array;
  shape: number[];
  rank: number;
  contents: Range | undefined;
}

function readInput(reader: ProtobufReader, range: Range): InputHead {
  const head: InputHead = { name: empty, datatype: empty, shape: [], rank: 0, contents: undefined };
  reader.at = range.from;
  reader.end = range.to;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    switch (tag) {
      case 0x0a:
        head.name = reader.textView();
        break;
      case 0x12:
        head.datatype = reader.textView();
        break;
      case 0x18:
        addDim(head, reader.signed());
        break;
      case 0x1a: {
        const end = reader.length() + reader.at;
        while (reader.at < end) addDim(head, reader.signed());
        break;
      }
      case 0x22:
        readParameter(reader, `input '${clip(utf8Text(head.name))}'`, undefined);
        break;
      case 0x2a:
        head.contents = readRange(reader);
        break;
      default:
        reader.skip(tag);
    }
  }
  return head;
}

function addDim(head: InputHead, dim: number): void {
  if (++head.rank <= maxRank) head.shape.push(dim);
}

function entryOf(datatype: Uint8Array, name: string): DTypeEntry {
  const text = utf8Text(datatype);
  const entry = dtypeOfOipName(text);
  if (entry === undefined) throw invalidInput(name, `input '${name}' has datatype '${clip(text)}', which is none of the protocol's`);
  return entry;
}

function rawBytes(head: InputHead, bytes: Uint8Array, name: string): Uint8Array {
  if (head.contents !== undefined && head.contents.to > head.contents.from) {
    throw invalidInput(name, `input '${name}' has contents although the request has raw_input_contents`);
  }
  return bytes;
}

function typedBytes(reader: ProtobufReader, head: InputHead, entry: DTypeEntry, name: string, limits: DecodeLimits): Uint8Array {
  const { from, to } = head.contents ?? { from: 0, to: 0 };
  reader.at = from;
  reader.end = to;
  return readContents(reader, entry, head.shape, name, limits);
}

/** The outputs that are asked for. Throws ServingError INVALID_ARGUMENT. */
export function readOutputs(reader: ProtobufReader, outline: InferOutline, target: ResolvedMethod): readonly WantedOutput[] {
  const wanted = new WantedOutputs(target);
  for (const { from, to } of outline.outputs) {
    reader.at = from;
    reader.end = to;
    let name = '';
    const parameters: InferParameters = { priority: 0, timeoutMicroseconds: 0, classes: 0 };
    for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
      if (tag === 0x0a) name = reader.string();
      else if (tag === 0x12) readParameter(reader, `output '${clip(name)}'`, parameters);
      else reader.skip(tag);
    }
    wanted.add(name, true, parameters.classes);
  }
  return wanted.list(true);
}
