import { loadBinding, type Binding } from './binding.js';
import { elementTypeOf } from './element-types.js';
import { NativeError, type NativeErrorKind } from './native-error.js';
import type { NativeTensor } from './tensor.js';

/**
 * The table of what this JavaScript thread awaits from the addon. An entry keeps everything alive that native threads
 * read meanwhile (inputs, model bytes), so that the addon needs no references of its own.
 */
export interface Pending {
  /** What native threads may be reading. */
  readonly keep: unknown;
  readonly resolve: (outputs: NativeTensor[]) => void;
  readonly reject: (error: NativeError) => void;
  /** Called before resolve or reject. */
  readonly settled: (() => void) | undefined;
}

/** Same order as FailureKind in failure.h. */
const failureKinds: readonly (NativeErrorKind | undefined)[] = [undefined, 'load', 'input', 'run', 'cancelled', 'closed', 'library'];

const smallBytesCapacity = 64 * 1024;
/** Shape entries per output that the inbox has room for; the addon refuses outputs that do not fit. */
export const maxRank = 64;

const table: (Pending | undefined)[] = [];
const freeSlots: number[] = [];
let words = new Float64Array(4096);
const bytes = new Uint8Array(smallBytesCapacity);
let binding: Binding | undefined;

/** The addon, connected to this table. Loaded at first use. */
export function connectedBinding(): Binding {
  if (binding === undefined) {
    const loaded = loadBinding();
    loaded.start(settleRuns, settleOpening, settleClosing, words, bytes);
    binding = loaded;
  }
  return binding;
}

/** Makes sure that a settlement with this many outputs fits the inbox. */
export function reserveOutputs(count: number): void {
  const needed = 3 + count * (4 + maxRank);
  if (needed <= words.length) return;
  words = new Float64Array(needed);
  connectedBinding().inbox(words, bytes);
}

export function addPending(pending: Pending): number {
  const slot = freeSlots.pop() ?? table.length;
  table[slot] = pending;
  return slot;
}

/** Takes the entry out; undefined when nobody waits (a session that was collected without close()). */
export function takePending(slot: number): Pending | undefined {
  const pending = table[slot];
  if (pending === undefined) return undefined;
  table[slot] = undefined;
  freeSlots.push(slot);
  pending.settled?.();
  return pending;
}

/** ONNX Runtime puts the place in its own sources before many texts: of no use to an operator. */
function tidy(message: string): string {
  return message.replace(/\S*\/\S+\.(?:cc|h|cpp):\d+ ?/g, '').trim();
}

function errorOf(failureKind: number, message: string): NativeError {
  return new NativeError(failureKinds[failureKind] ?? 'run', tidy(message));
}

/** What a session being opened or closed awaits, by the session's number. */
interface Opening {
  /** What the loading thread may be reading. */
  readonly keep: unknown;
  readonly resolve: () => void;
  readonly reject: (error: NativeError) => void;
}

const openings = new Map<number, Opening>();
const closings = new Map<number, () => void>();

export function addOpening(session: number, opening: Opening): void {
  openings.set(session, opening);
}

export function addClosing(session: number, closed: () => void): void {
  closings.set(session, closed);
}

function settleOpening(session: number, failureKind: number, message: string): void {
  const opening = openings.get(session);
  openings.delete(session);
  if (failureKind === 0) opening?.resolve();
  else opening?.reject(errorOf(failureKind, message));
}

/** Also called for sessions that failed to open or were collected without close(): nobody waits for those. */
function settleClosing(session: number): void {
  const closed = closings.get(session);
  closings.delete(session);
  closed?.();
}

/** Reads `count` settled runs from the inbox; the layout is described in settlement.h. */
function settleRuns(count: number, extras: unknown[] | undefined): void {
  let at = 0;
  let extra = 0;
  for (let i = 0; i < count; i++) {
    const pending = takePending(words[at]!);
    const failureKind = words[at + 1]!;
    const outputCount = words[at + 2]!;
    at += 3;
    if (failureKind !== 0) {
      pending?.reject(errorOf(failureKind, extras![extra++] as string));
      continue;
    }
    const outputs: NativeTensor[] = [];
    for (let j = 0; j < outputCount; j++) {
      const dtype = elementTypeOf(words[at]!);
      const rank = words[at + 1]!;
      const shape: number[] = [];
      at += 2;
      for (let axis = 0; axis < rank; axis++) shape.push(words[at++]!);
      const byteLength = words[at]!;
      const place = words[at + 1]!;
      at += 2;
      outputs.push({ dtype, shape, bytes: place < 0 ? new Uint8Array(extras![extra++] as ArrayBuffer) : bytes.slice(place, place + byteLength) });
    }
    pending?.resolve(outputs);
  }
}
