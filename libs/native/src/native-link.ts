import { loadBinding, type Binding, type BoundConnection, type BoundRank, type BoundRequest, type BoundSession } from './binding.js';
import { elementTypeOf } from './element-types.js';
import { NativeError, peerFaults, runtimeCodes, type FaultyPeer, type NativeErrorKind } from './native-error.js';
import { outputMemory } from './output-memory.js';
import type { NativeTensor } from './tensor.js';
import { outputHead, outputTail, settled } from './word-layout.js';

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
  settled: (() => void) | undefined;
}

/** By FailureKind of failure.h; word-layout.spec.ts holds them equal. */
export const failureKinds: readonly (NativeErrorKind | undefined)[] = [
  undefined,
  'load',
  'input',
  'run',
  'cancelled',
  'closed',
  'library',
  'device',
  'lost',
  'peer',
  'protocol',
  'deadline',
  'aborted',
  'unformed',
];

/** From this kind on a failure's code says which rank is at fault, and of what. */
const firstKindOfRanks = 9;

const smallBytesCapacity = 64 * 1024;
/** Of a buffer that small outputs share. */
const chunkBytes = 16 * 1024;
/** Outputs begin at multiples of this, so that they can be read as numbers of any type, and be the inputs of another run as they are. */
const outputAlignment = 16;
/** Shape entries per output that the inbox has room for; the addon refuses outputs that do not fit. */
export const maxRank = 64;

/** What a rank is made of; checked by rank.ts. */
export interface RankRequest {
  readonly rank: number;
  readonly address: string;
  readonly port: number;
  /** See rank-program.ts. */
  readonly program: Float64Array;
  /** Of the segments; open, and stay open as long as the rank. */
  readonly sessions: readonly BoundSession[];
  readonly constants: readonly Uint8Array[];
  readonly nccl: { readonly device: number; readonly ncclPath: string; readonly cudaPath: string } | undefined;
}

/** A session that is being loaded. */
export interface Opening {
  /** What the loading thread may be reading. */
  readonly keep: unknown;
  readonly resolve: (bound: BoundSession) => void;
  readonly reject: (error: NativeError) => void;
  bound?: BoundSession;
}

interface Connected {
  readonly binding: Binding;
  readonly connection: BoundConnection;
}

/** Texts can quote names of a model, which can be of any length. */
const maxMessageLength = 2048;

/** ONNX Runtime puts the place in its own sources before many texts (`/x/graph.cc:12 SomeFunction text`, `void a::B::c(const D&) text`): of no use to an operator. */
function tidy(message: string): string {
  return message
    .slice(0, maxMessageLength)
    .replace(/\S*\b\w+\.(?:cc|h|cpp):\d+ (?:\w+ )?/g, '')
    .replace(
      /(?:\b(?:void|bool|\w+[*&])[*&]* )?\b\w+(?:<[\w, :]*>)?::[\w<>:~, ]*\((?:[^()]|\([^()]*\))*\)(?: const)?(?: \[with [^\]]*\])? /g,
      '',
    )
    .trim();
}

/** The code is a number of peerFaults and, from bit 8 on, the rank plus 1. */
function peerOf(code: number): FaultyPeer | undefined {
  const fault = peerFaults[code & 0xff];
  const rank = (code >> 8) - 1;
  return fault === undefined || rank < 0 ? undefined : { rank, fault };
}

function errorOf(failureKind: number, runtimeCode: number, message: string): NativeError {
  if (failureKind >= firstKindOfRanks) return new NativeError(failureKinds[failureKind]!, message, { peer: peerOf(runtimeCode) });
  return new NativeError(failureKinds[failureKind] ?? 'run', tidy(message), { runtimeCode: runtimeCodes[runtimeCode] });
}

/**
 * Memory of small outputs, which share buffers: an array of its own costs memory of the C library as soon as anybody looks at its buffer, and V8 the
 * garbage collection of one buffer for each output.
 */
class SmallOutputs {
  private chunk = new ArrayBuffer(chunkBytes);
  private used = 0;

  copyOf(bytes: Uint8Array, place: number, byteLength: number): Uint8Array {
    if (byteLength > chunkBytes / 4) return bytes.slice(place, place + byteLength);
    if (this.used + byteLength > chunkBytes) {
      this.chunk = new ArrayBuffer(chunkBytes);
      this.used = 0;
    }
    const copy = new Uint8Array(this.chunk, this.used, byteLength);
    this.used = Math.ceil((this.used + byteLength) / outputAlignment) * outputAlignment;
    // Byte by byte while that is cheaper than making a view
    if (byteLength <= 64) for (let i = 0; i < byteLength; i++) copy[i] = bytes[place + i]!;
    else copy.set(bytes.subarray(place, place + byteLength));
    return copy;
  }
}

/** What this JavaScript thread has under way in the addon. */
class NativeLink {
  private readonly table: (Pending | undefined)[] = [];
  private readonly freeSlots: number[] = [];
  private readonly openings = new Map<number, Opening>();
  private readonly closings = new Map<number, () => void>();
  private readonly numbers = new WeakMap<BoundSession, number>();
  private readonly bytes = new Uint8Array(smallBytesCapacity);
  private words = new Float64Array(4096);
  private connected: Connected | undefined;
  private lastSession = 0;
  private readonly outputs = new SmallOutputs();

  /** Begins to load a model, or to use that of `source`, an open session; the opening settles later. Loads the addon at first use. */
  openSession(request: BoundRequest, source: BoundSession | undefined, opening: Opening): void {
    const { binding, connection } = this.connect();
    const number = ++this.lastSession;
    this.openings.set(number, opening);
    try {
      opening.bound = new binding.NativeSession(connection, number, request, source);
      this.numbers.set(opening.bound, number);
    } catch (error) {
      this.openings.delete(number);
      throw new NativeError('library', (error as Error).message, { cause: error });
    }
  }

  /** Makes a rank, which listens from now on. Throws a NativeError when it cannot: 'load', or with NCCL 'library' or 'device'. */
  openRank(request: RankRequest): BoundRank {
    const { binding, connection } = this.connect();
    const { rank, address, port, program, sessions, constants, nccl } = request;
    const { device, ncclPath = '', cudaPath = '' } = nccl ?? {};
    try {
      return new binding.NativeRank(connection, rank, address, port, program, sessions, constants, device, ncclPath, cudaPath);
    } catch (error) {
      const { message, failureKind = 1 } = error as Error & { readonly failureKind?: number };
      throw new NativeError(failureKinds[failureKind] ?? 'load', message, { cause: error });
    }
  }

  /** Makes sure that a settlement with this many outputs fits the inbox. */
  reserveOutputs(count: number): void {
    const needed = settled.outputs + count * (outputHead.dims + maxRank + outputTail.end);
    if (needed <= this.words.length) return;
    const { binding, connection } = this.connect();
    this.words = new Float64Array(needed);
    binding.inbox(connection, this.words, this.bytes);
  }

  /** Keeps an entry and gives its slot. */
  addPending(pending: Pending): number {
    const slot = this.freeSlots.pop() ?? this.table.length;
    this.table[slot] = pending;
    return slot;
  }

  /** Takes the entry out; undefined when nobody waits (a session that was collected without close()). */
  takePending(slot: number): Pending | undefined {
    const pending = this.table[slot];
    if (pending === undefined) return undefined;
    this.table[slot] = undefined;
    this.freeSlots.push(slot);
    pending.settled?.();
    return pending;
  }

  /** Releases the session after its runs in hand; `closed` is called when that is done. */
  closeSession(bound: BoundSession, closed: () => void): void {
    this.closings.set(this.numbers.get(bound)!, closed);
    bound.close();
  }

  private connect(): Connected {
    if (this.connected === undefined) {
      const binding = loadBinding();
      const connection = binding.connect(
        (count, extras) => this.settleRuns(count, extras),
        (session, failureKind, runtimeCode, message) => this.settleOpening(session, failureKind, runtimeCode, message),
        (session) => this.settleClosing(session),
        this.words,
        this.bytes,
      );
      this.connected = { binding, connection };
      // Run threads must be gone before process.exit() takes ONNX Runtime apart
      process.once('exit', () => binding.end(connection));
    }
    return this.connected;
  }

  private settleOpening(session: number, failureKind: number, runtimeCode: number, message: string): void {
    const opening = this.openings.get(session);
    this.openings.delete(session);
    if (failureKind === 0) opening?.resolve(opening.bound!);
    else opening?.reject(errorOf(failureKind, runtimeCode, message));
  }

  /** Also called for sessions that failed to open or were collected without close(): nobody waits for those. */
  private settleClosing(session: number): void {
    const closed = this.closings.get(session);
    this.closings.delete(session);
    closed?.();
  }

  /** Reads `count` settled runs from the inbox; the layout is in word-layout.ts. */
  private settleRuns(count: number, extras: unknown[] | undefined): void {
    const { words, bytes } = this;
    let at = 0;
    let extra = 0;
    for (let i = 0; i < count; i++) {
      const pending = this.takePending(words[at + settled.slot]!);
      const failureKind = words[at + settled.failureKind]!;
      const runtimeCode = words[at + settled.runtimeCode]!;
      const outputCount = words[at + settled.outputCount]!;
      at += settled.outputs;
      if (failureKind !== 0) {
        pending?.reject(errorOf(failureKind, runtimeCode, extras![extra++] as string));
        continue;
      }
      const outputs: NativeTensor[] = [];
      for (let j = 0; j < outputCount; j++) {
        const dtype = elementTypeOf(words[at + outputHead.type]!);
        const rank = words[at + outputHead.rank]!;
        const shape: number[] = [];
        at += outputHead.dims;
        for (let axis = 0; axis < rank; axis++) shape.push(words[at++]!);
        const byteLength = words[at + outputTail.byteLength]!;
        const place = words[at + outputTail.place]!;
        at += outputTail.end;
        outputs.push({
          dtype,
          shape,
          bytes: place < 0 ? large(extras![extra++] as ArrayBuffer) : this.outputs.copyOf(bytes, place, byteLength),
        });
      }
      pending?.resolve(outputs);
    }
  }
}

function large(buffer: ArrayBuffer): Uint8Array {
  outputMemory.add(buffer);
  return new Uint8Array(buffer);
}

/** One per JavaScript thread, as the addon has one connection per environment. */
export const nativeLink = new NativeLink();
