import {
  dtypeOfOipName,
  elementCount,
  isRecord,
  isVariableSize,
  dtypeEntry,
  packElements,
  stringTensor,
  type DType,
  type Tensor,
} from '@mserve/wire';
import { CliError } from '../cli-error.js';

/** What the model configuration of a running server says of one input. */
export interface DescribedInput {
  readonly name: string;
  readonly dtype: DType;
  /** Of an instance; -1 = any size. */
  readonly dims: readonly number[];
  readonly isOptional: boolean;
}

/** What is known of the method that is called. */
export interface DescribedMethod {
  /** Over the Open Inference Protocol the first dim of every tensor is the instance count. */
  readonly isBatched: boolean;
  readonly inputs: readonly DescribedInput[];
}

function describedInput(value: unknown): DescribedInput | undefined {
  if (!isRecord(value)) return undefined;
  const { name, data_type: type, dims, optional } = value;
  if (typeof name !== 'string' || typeof type !== 'string' || !Array.isArray(dims)) return undefined;
  const oipName = type === 'TYPE_STRING' ? 'BYTES' : type.slice('TYPE_'.length);
  const dtype = dtypeOfOipName(oipName)?.dtype;
  if (dtype === undefined || !dims.every((dim): dim is number => Number.isSafeInteger(dim))) return undefined;
  return { name, dtype, dims, isOptional: optional === true };
}

/** Reads the body of GET /v2/models/M/config. Undefined when it is none. */
export function describedMethod(body: Readonly<Record<string, unknown>> | undefined): DescribedMethod | undefined {
  if (body === undefined || !Array.isArray(body['input'])) return undefined;
  const inputs = body['input'].map(describedInput);
  const known = inputs.flatMap((input) => (input === undefined ? [] : [input]));
  return known.length === inputs.length ? { isBatched: Number(body['max_batch_size']) > 0, inputs: known } : undefined;
}

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Fills of one element: small values that every model takes, integers below 10 among them, since they may be indices. */
const writers: Partial<Readonly<Record<DType, (view: DataView, at: number, random: () => number) => void>>> = {
  bool: (view, at, random) => view.setUint8(at, random() < 0.5 ? 0 : 1),
  int8: (view, at, random) => view.setInt8(at, Math.floor(random() * 10)),
  uint8: (view, at, random) => view.setUint8(at, Math.floor(random() * 10)),
  int16: (view, at, random) => view.setInt16(at, Math.floor(random() * 10), true),
  uint16: (view, at, random) => view.setUint16(at, Math.floor(random() * 10), true),
  int32: (view, at, random) => view.setInt32(at, Math.floor(random() * 10), true),
  uint32: (view, at, random) => view.setUint32(at, Math.floor(random() * 10), true),
  int64: (view, at, random) => view.setBigInt64(at, BigInt(Math.floor(random() * 10)), true),
  uint64: (view, at, random) => view.setBigUint64(at, BigInt(Math.floor(random() * 10)), true),
  // Exponents 8 to 14 of 15: 0.0078 to below 1
  float16: (view, at, random) => view.setUint16(at, ((8 + Math.floor(random() * 7)) << 10) | Math.floor(random() * 1024), true),
  bfloat16: (view, at, random) => view.setUint16(at, ((120 + Math.floor(random() * 7)) << 7) | Math.floor(random() * 128), true),
  float32: (view, at, random) => view.setFloat32(at, random(), true),
  float64: (view, at, random) => view.setFloat64(at, random(), true),
};

/** A tensor of random values: floats from 0 to below 1, integers from 0 to 9. CliError for text and bytes, which nobody can make up. */
export function randomTensor({ name, dtype, dims }: DescribedInput, shape: readonly number[] | undefined, random: () => number): Tensor {
  const write = writers[dtype];
  if (write === undefined || isVariableSize(dtype))
    throw new CliError(
      `input '${name}' takes text or bytes, which cannot be made up: give it with --input ${name}=@FILE or --input ${name}='"text"'`,
      2,
    );
  const chosen = shape ?? dims.map((dim) => (dim < 0 ? 1 : dim));
  const { elementBytes } = dtypeEntry(dtype);
  const bytes = new Uint8Array(elementCount(chosen) * elementBytes);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length; at += elementBytes) write(view, at, random);
  return { dtype, shape: chosen, bytes };
}

/** The numbers of nested lists in their order, and the shape. CliError when the lists are ragged or hold anything else. */
function flatten(name: string, value: unknown): { numbers: number[]; shape: number[] } {
  const shape: number[] = [];
  for (let inner = value; Array.isArray(inner); inner = inner[0]) shape.push(inner.length);
  const numbers: number[] = [];
  const visit = (item: unknown, depth: number): void => {
    if (Array.isArray(item)) {
      if (item.length !== shape[depth]) throw new CliError(`--input ${name}: its lists differ in length`, 2);
      for (const inner of item) visit(inner, depth + 1);
    } else if (depth === shape.length && (typeof item === 'number' || typeof item === 'boolean')) numbers.push(Number(item));
    else throw new CliError(`--input ${name}: numbers, lists of numbers or one text are expected`, 2);
  };
  visit(value, 0);
  return { numbers, shape };
}

function integerBytes(numbers: readonly number[], dtype: DType): Uint8Array | undefined {
  if (dtype === 'int64') return new Uint8Array(BigInt64Array.from(numbers, BigInt).buffer);
  if (dtype === 'uint64') return new Uint8Array(BigUint64Array.from(numbers, BigInt).buffer);
  const arrays = {
    bool: Uint8Array,
    int8: Int8Array,
    uint8: Uint8Array,
    int16: Int16Array,
    uint16: Uint16Array,
    int32: Int32Array,
    uint32: Uint32Array,
    float32: Float32Array,
    float64: Float64Array,
  };
  const array = Object.entries(arrays).find(([one]) => one === dtype)?.[1];
  return array && new Uint8Array(array.from(numbers).buffer);
}

/** A tensor of a JSON value; `input` says its dtype, else whole numbers are int32 and others float32. CliError when it does not fit. */
export function tensorOfJson(name: string, json: string, input: DescribedInput | undefined): Tensor {
  const value: unknown = JSON.parse(json);
  if (typeof value === 'string') {
    if (input !== undefined && !isVariableSize(input.dtype))
      throw new CliError(`--input ${name}: ${input.dtype} is expected, not a text`, 2);
    return stringTensor(value);
  }
  const { numbers, shape } = flatten(name, value);
  const isWhole = numbers.every(Number.isSafeInteger) && !/[.eE]/.test(json);
  const declared = input === undefined || isVariableSize(input.dtype) ? undefined : input.dtype;
  const dtype = declared ?? (isWhole ? 'int32' : 'float32');
  if (!dtype.includes('float') && !numbers.every(Number.isSafeInteger))
    throw new CliError(`--input ${name}: ${dtype} is expected, not fractions`, 2);
  const bytes = integerBytes(numbers, dtype);
  if (bytes === undefined) throw new CliError(`--input ${name}: ${dtype} cannot be given as JSON; give a .npy file`, 2);
  return { dtype, shape, bytes };
}

/** The bytes of a file as one element. */
export function bytesTensor(file: Uint8Array): Tensor {
  return { dtype: 'bytes', shape: [], bytes: packElements([file]) };
}
