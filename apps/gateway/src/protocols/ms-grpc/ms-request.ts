import { dtypeOfBusNumber, isVariableSize, maxRank, refusal, type ProtobufReader, type Tensor, type TensorSignature } from '@mserve/wire';
import { utf8Text } from '../json/json-reader.js';
import { clip } from '../../edge/clip.js';
import { absentInput, shapeFault, tensorFault } from '../ms-tensors.js';
import { nameIndex, planOf } from '../plan.js';
import type { ResolvedMethod } from '../protocol.js';
import { tooLarge } from '../../edge/status.js';

/** ServableSpec as it came: names are views, so that the reply can have the very same. */
export interface MsSpec {
  readonly name: Uint8Array;
  readonly method: Uint8Array;
  /** Rounded above 2^53; no such version exists. */
  readonly version: number;
  /** The varint that said it; none for 0. */
  readonly versionBytes: Uint8Array;
}

/** The outline of a PredictRequest: nothing is made of its instances yet. */
export interface MsOutline {
  readonly spec: MsSpec;
  readonly instances: number;
}

const empty: Uint8Array = new Uint8Array(0);

/** What a request without a spec has. */
export const noSpec: MsSpec = { name: empty, method: empty, version: 0, versionBytes: empty };

/**
 * First look at a PredictRequest (proto/mindspore_serving/proto/ms_service.proto): its spec, and how many instances there are, which are counted and bounded before anything is
 * made of them. Throws ProtobufError, or ServingError RESOURCE_EXHAUSTED.
 */
export function outline(reader: ProtobufReader, maxInstances: number): MsOutline {
  let spec = noSpec;
  let instances = 0;
  const begin = reader.at;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === 0x0a) spec = readSpec(reader);
    else {
      if (tag === 0x12 && ++instances > maxInstances) throw tooLarge(`the request has more than ${maxInstances} instances`);
      reader.skip(tag);
    }
  }
  reader.at = begin;
  return { spec, instances };
}

function readSpec(reader: ProtobufReader): MsSpec {
  const outer = reader.open();
  let name = empty;
  let method = empty;
  let version = 0;
  let versionBytes = empty;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === 0x0a) name = reader.textView();
    else if (tag === 0x12) method = reader.textView();
    else if (tag === 0x18) {
      const begin = reader.at;
      version = reader.varint();
      versionBytes = reader.bytes.subarray(begin, reader.at);
    } else reader.skip(tag);
  }
  reader.close(outer);
  return { name, method, version, versionBytes };
}

/** The instances of the request, tensors in the order of the signature, as views of its bytes. Throws ServingError with the original's texts. */
export function readInstances(reader: ProtobufReader, target: ResolvedMethod): Tensor[][] {
  const { inputs } = target.method;
  const instances: Tensor[][] = [];
  const found: (Found | undefined)[] = new Array<undefined>(inputs.length).fill(undefined);
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag !== 0x12) {
      reader.skip(tag);
      continue;
    }
    found.fill(undefined);
    readItems(reader, target, found);
    instances.push(inputs.map((input, i) => checkedTensor(input, found[i], target)));
  }
  return instances;
}

/** A tensor as it was on the wire, not judged yet. */
interface Found {
  dtypeNumber: number;
  shape: number[];
  /** More dims than are allowed; only counted. */
  rank: number;
  numbers: Uint8Array;
  elements: number;
  /** The last of bytes_val. */
  element: Uint8Array;
  shared: boolean;
}

function readItems(reader: ProtobufReader, target: ResolvedMethod, found: (Found | undefined)[]): void {
  const { inputNames } = planOf(target.method);
  const outer = reader.open();
  let hint = 0;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === 0x12) throw refusal('feature-unsupported', { detail: 'output_buffers of clients are not supported, send data' });
    if (tag !== 0x0a) {
      reader.skip(tag);
      continue;
    }
    const { key, tensor } = readEntry(reader);
    const index = nameIndex(inputNames, key, hint++);
    // An input that is not declared is ignored; of two with one name the last counts, as in any protobuf map.
    if (index !== -1) found[index] = tensor;
  }
  reader.close(outer);
}

function readEntry(reader: ProtobufReader): { key: Uint8Array; tensor: Found } {
  const outer = reader.open();
  let key = empty;
  let tensor: Found | undefined;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === 0x0a) key = reader.textView();
    else if (tag === 0x12) tensor = readTensor(reader);
    else reader.skip(tag);
  }
  reader.close(outer);
  return { key, tensor: tensor ?? blank() };
}

function blank(): Found {
  return { dtypeNumber: 0, shape: [], rank: 0, numbers: empty, elements: 0, element: empty, shared: false };
}

function readTensor(reader: ProtobufReader): Found {
  const tensor = blank();
  const outer = reader.open();
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    switch (tag) {
      case 0x0a:
        readShape(reader, tensor);
        break;
      case 0x10:
        tensor.dtypeNumber = reader.varint();
        break;
      case 0x1a:
        tensor.numbers = reader.view();
        tensor.shared = false;
        break;
      case 0x22:
        tensor.element = reader.view();
        tensor.elements++;
        break;
      case 0x2a:
        reader.skip(tag);
        tensor.shared = true;
        break;
      default:
        reader.skip(tag);
    }
  }
  reader.close(outer);
  return tensor;
}

/** TensorShape: dims packed or not. Those past the allowed rank are counted only. */
function readShape(reader: ProtobufReader, tensor: Found): void {
  const outer = reader.open();
  tensor.shape = [];
  tensor.rank = 0;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === 0x08) addDim(tensor, reader.signed());
    else if (tag === 0x0a) {
      const dims = reader.open();
      while (reader.more) addDim(tensor, reader.signed());
      reader.close(dims);
    } else reader.skip(tag);
  }
  reader.close(outer);
}

function addDim(tensor: Found, dim: number): void {
  if (++tensor.rank <= maxRank) tensor.shape.push(dim);
}

function checkedTensor(signature: TensorSignature, found: Found | undefined, target: ResolvedMethod): Tensor {
  const { name } = signature;
  if (found === undefined) return absentInput(signature, target);
  const tensor = tensorOf(found);
  const fault = typeof tensor === 'string' ? tensor : tensorFault(tensor);
  if (fault !== undefined) throw refusal('input-malformed', { input: name, detail: fault });
  return tensor as Tensor;
}

/** The tensor, or what is wrong with it. A shape is judged before an unknown dtype, as the original does. */
function tensorOf(found: Found): Tensor | string {
  const { shape } = found;
  const entry = found.dtypeNumber <= 14 ? dtypeOfBusNumber(found.dtypeNumber) : undefined;
  if (found.shared) return 'shared memory of clients (shm_data) is not supported, send data';
  if (found.rank > maxRank) return `Tensor check failed: input  shape has ${found.rank} dims, at most ${maxRank} are allowed`;
  if (entry === undefined) {
    return shapeFault(shape) ?? 'Tensor check failed: input data type proto::MS_UNKNOWN invalid';
  }
  if (!isVariableSize(entry.dtype)) return { dtype: entry.dtype, shape, bytes: found.numbers };
  if (found.elements !== 1) return 'Instance tensor check failed: bytes or string type shape batch size can only be 1';
  const bytes = Buffer.allocUnsafe(4 + found.element.byteLength);
  bytes.writeUInt32LE(found.element.byteLength, 0);
  bytes.set(found.element, 4);
  return { dtype: entry.dtype, shape, bytes };
}

/** The spec's names as text, for the lookup. */
export function specText(spec: MsSpec): { servable: string; method: string } {
  return { servable: clip(utf8Text(spec.name)), method: clip(utf8Text(spec.method)) };
}
