import { dtypeTable, elementCount, dtypeEntry, isVariableSize, ServingError, type DType, type Tensor } from '@mserve/wire';

/** Head of the body of `agent.predict`; the inputs that the rank uses follow, in the order of its program. */
export interface RankBatch {
  readonly worker: string;
  readonly epoch: number;
  readonly subgraph: number;
  /** Counts up from 1 in an epoch, for each subgraph. */
  readonly batch: number;
  readonly wantResults: boolean;
  readonly deadlineMs: number;
}

/** Head of the answer to `agent.predict`; results follow. */
export interface RankAnswer {
  /** Why there are no results: a NativeErrorKind of libs/native, and a text for operators. */
  readonly failure?: { readonly kind: string; readonly message: string; readonly runtimeCode?: string | undefined } | undefined;
}

const headBytes = 4;
const maxHeadBytes = 1 << 20;
const maxTensors = 65_536;
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** Bytes: length of the head (uint32, little-endian), the head with dtype and shape of the tensors as JSON, the tensors' bytes one after the other. */
export function encodeRankFrame(head: RankBatch | RankAnswer, tensors: readonly Tensor[]): Uint8Array {
  const json = encoder.encode(JSON.stringify({ ...head, tensors: tensors.map(({ dtype, shape }) => ({ dtype, shape })) }));
  const frame = new Uint8Array(headBytes + json.byteLength + tensors.reduce((sum, { bytes }) => sum + bytes.byteLength, 0));
  new DataView(frame.buffer).setUint32(0, json.byteLength, true);
  frame.set(json, headBytes);
  let at = headBytes + json.byteLength;
  for (const { bytes } of tensors) {
    frame.set(bytes, at);
    at += bytes.byteLength;
  }
  return frame;
}

/** Tensors are views on the frame. Throws ServingError INVALID_ARGUMENT for what is no such frame. */
export function decodeRankBatch(frame: Uint8Array): { head: RankBatch; tensors: Tensor[] } {
  const { head, tensors } = decode(frame);
  const { worker, epoch, subgraph, batch, wantResults, deadlineMs } = head;
  if (typeof worker !== 'string' || typeof wantResults !== 'boolean') refuse('its head is not that of a batch');
  const whole = { epoch: wholeOf(epoch), subgraph: wholeOf(subgraph), batch: wholeOf(batch), deadlineMs: wholeOf(deadlineMs) };
  return { head: { worker, wantResults, ...whole }, tensors };
}

/** As {@link decodeRankBatch}, for an answer. */
export function decodeRankAnswer(frame: Uint8Array): { head: RankAnswer; tensors: Tensor[] } {
  const { head, tensors } = decode(frame);
  if (head['failure'] === undefined) return { head: {}, tensors };
  const { kind, message, runtimeCode } = objectOf(head['failure']);
  if (typeof kind !== 'string' || typeof message !== 'string') refuse('its failure has no kind');
  return { head: { failure: { kind, message, ...(typeof runtimeCode === 'string' && { runtimeCode }) } }, tensors };
}

function decode(frame: Uint8Array): { head: Record<string, unknown>; tensors: Tensor[] } {
  const length = frame.byteLength < headBytes ? Infinity : new DataView(frame.buffer, frame.byteOffset).getUint32(0, true);
  if (length > maxHeadBytes || headBytes + length > frame.byteLength) refuse('it is cut off');
  const head = objectOf(parsed(frame.subarray(headBytes, headBytes + length)));
  const list = head['tensors'];
  if (!Array.isArray(list) || list.length > maxTensors) refuse('it has no list of tensors');
  let at = headBytes + length;
  const tensors = (list as readonly unknown[]).map((entry) => {
    const { dtype, shape } = typeOf(entry);
    const size = elementCount(shape) * dtypeEntry(dtype).elementBytes;
    if (!(at + size <= frame.byteLength)) refuse('it is cut off');
    const bytes = frame.subarray(at, at + size);
    at += size;
    return { dtype, shape, bytes };
  });
  if (at !== frame.byteLength) refuse('it is longer than its tensors');
  return { head, tensors };
}

function typeOf(entry: unknown): { dtype: DType; shape: number[] } {
  const { dtype, shape } = objectOf(entry);
  const known = dtypeTable.find((one) => one.dtype === dtype)?.dtype;
  if (known === undefined || isVariableSize(known)) refuse('a tensor has no dtype of fixed size');
  if (!Array.isArray(shape) || shape.length > 64) refuse('a tensor has no shape');
  return { dtype: known, shape: (shape as readonly unknown[]).map(wholeOf) };
}

function parsed(json: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(json)) as unknown;
  } catch {
    return refuse('its head is not JSON');
  }
}

function objectOf(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) refuse('an object is expected');
  return value as Record<string, unknown>;
}

function wholeOf(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) refuse('a whole number is expected');
  return value;
}

function refuse(what: string): never {
  throw new ServingError('INVALID_ARGUMENT', `not a message of the ranks of a distributed model: ${what}`);
}
