import { loadBinding, type BoundRings } from './binding.js';
import { NativeError } from './native-error.js';
import { randomNumber } from './random-number.js';

/** Where a ring is offered. Both whole numbers up to 2^53. */
export interface RingPlace {
  /** Names the process that reads it; everybody on the machine may see it. */
  readonly hub: number;
  /** Names the ring; who does not know it gets none. */
  readonly ring: number;
}

/** Is told what comes through the rings that are read here, and what becomes of them. */
export interface RingListener {
  /** There is something to be read, once in a turn, before the turn's setImmediate calls. */
  onNews(): void;
  /** A record. The bytes are the listener's. */
  onBytes(ring: number, bytes: Uint8Array): void;
  /** Its writer has ended, and all that it wrote has been told. */
  onEnded(ring: number): void;
  /** Its writer has ended, and there are records that are not to be read before the ring is begun. */
  onOrphaned(ring: number): void;
  /** Its writer does not keep to the rules: nothing more is read. */
  onBroken(ring: number): void;
}

/** The largest record. */
const maxBytes = 1 << 17;
const chunkBytes = 1 << 16;
/** A chunk that has less is not read into any more. */
const leastRoom = 1 << 10;
const mostEvents = 256;
const headWords = 2;
const eventWords = 4;
/** How long the reader of a ring may take to hand it over. */
const openTimeoutMs = 5000;
const bytesKind = 1;
const pauseKind = 2;
const nothing = new Uint8Array(0);

/** In the order of ring_hub.h. */
const events = { bytes: 0, ended: 1, orphaned: 2, broken: 3, left: 4 } as const;

/** What became of a record. full: there is no room now · closed: nobody reads any more */
export const ringWrites = ['written', 'full', 'closed'] as const;
export type RingWrite = (typeof ringWrites)[number];

/** The writing end of a ring of another process. */
export class SharedOutlet {
  /** Called once, when the reader has ended or has shut the ring: `taken` is final. */
  onLeft: () => void = () => undefined;
  readonly #native: BoundRings;
  readonly #number: number;
  readonly #words: Float64Array;
  readonly #onLeave: () => void;
  /** Position behind all that was written. */
  written = 0;
  /** Position up to which the reader had taken the records at the last write. */
  takenThen = 0;

  constructor(native: BoundRings, number: number, words: Float64Array, onLeave: () => void) {
    this.#native = native;
    this.#number = number;
    this.#words = words;
    this.#onLeave = onLeave;
  }

  /** Position up to which the reader has taken the records. */
  get taken(): number {
    return this.#native.taken(this.#number);
  }

  /** At most `maxBytes` of its rings. */
  write(bytes: Uint8Array): RingWrite {
    return this.#write(bytesKind, bytes);
  }

  /** What is written from here on is read only when the ring was begun again. There is room for one at any time. */
  pause(): RingWrite {
    return this.#write(pauseKind, nothing);
  }

  /** Nothing more is written; the reader reads what was. */
  leave(): void {
    this.#native.leave(this.#number);
    this.#onLeave();
  }

  #write(kind: number, bytes: Uint8Array): RingWrite {
    const result = ringWrites[this.#native.write(this.#number, kind, bytes, this.#words)] as RingWrite;
    if (result === 'written') {
      this.written = this.#words[0] as number;
      this.takenThen = this.#words[1] as number;
    }
    return result;
  }
}

/**
 * Rings of bytes between processes of one machine and one user (docs/adr/0027-rings.md): each has one writer and one reader, who made it.
 * Linux only. Belongs to the thread that made it, and keeps no process alive.
 */
export class SharedRings {
  readonly maxBytes = maxBytes;
  /** Of a ring. */
  readonly sizeBytes = 1 << 19;
  readonly #hub = randomNumber();
  readonly #native: BoundRings;
  readonly #words = new Float64Array(headWords + mostEvents * eventWords);
  readonly #outlets = new Map<number, SharedOutlet>();
  readonly #written = new Float64Array(2);
  #nextOutlet = 1;
  #isReading = false;
  #chunk = newChunk(chunkBytes);
  #listener: RingListener | undefined;

  /** Throws a NativeError ('library') that says why there can be none. */
  constructor() {
    const { NativeRings } = loadBinding();
    if (NativeRings === undefined) throw new NativeError('library', 'the native addon is older than this: build it again');
    try {
      this.#native = new NativeRings(this.#hub, () => this.#listener?.onNews());
    } catch (error) {
      throw new NativeError('library', error instanceof Error ? error.message : String(error), { cause: error });
    }
  }

  listen(listener: RingListener): void {
    this.#listener = listener;
  }

  /** A ring for one writer, who has to be told of it. Undefined: there are too many, or there is no memory. */
  offer(): RingPlace | undefined {
    const ring = randomNumber();
    return this.#native.offer(ring) ? { hub: this.#hub, ring } : undefined;
  }

  /** What was written, up to the next pause, is to be read. False: there is no such ring, or it is being read. */
  begin(ring: number): boolean {
    return this.#native.begin(ring);
  }

  /** A ring is not read any more; its writer learns it. */
  shut(ring: number): void {
    this.#native.shut(ring);
  }

  /** Tells the listener all that was written before this call. Nothing when it is called by the listener. */
  read(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      while (!this.#readSome()) continue;
    } finally {
      this.#isReading = false;
    }
  }

  /** The ring that is offered at a place; undefined: it is on another machine or of another user, or not offered any more. */
  open({ hub, ring }: RingPlace): Promise<SharedOutlet | undefined> {
    if (![hub, ring].every((number) => Number.isSafeInteger(number) && number > 0)) return Promise.resolve(undefined);
    const number = this.#nextOutlet++;
    return new Promise((resolve) => {
      this.#native.open(number, hub, ring, openTimeoutMs, (isOpen) => {
        if (!isOpen) return resolve(undefined);
        const outlet = new SharedOutlet(this.#native, number, this.#written, () => this.#outlets.delete(number));
        this.#outlets.set(number, outlet);
        resolve(outlet);
      });
    });
  }

  /** Nothing more is read or written; others learn it. */
  close(): void {
    this.#native.close();
    this.#outlets.clear();
    this.#listener = undefined;
  }

  /** One call of the addon; whether all is read. */
  #readSome(): boolean {
    const words = this.#words;
    const chunk = this.#chunk;
    const count = this.#native.read(chunk, words);
    const isOver = words[0] === 1;
    const missing = words[1] as number;
    let used = 0;
    for (let at = headWords; at < headWords + count * eventWords; at += eventWords) {
      const number = words[at + 1] as number;
      if (words[at] !== events.bytes) {
        this.#tellEnd(words[at] as number, number);
        continue;
      }
      const begin = words[at + 2] as number;
      const end = begin + (words[at + 3] as number);
      used = Math.ceil(end / 8) * 8;
      this.#listener?.onBytes(number, chunk.subarray(begin, end));
    }
    const left = chunk.byteLength - used;
    if (left < missing || left < leastRoom) this.#chunk = newChunk(Math.max(chunkBytes, missing));
    else if (used > 0) this.#chunk = chunk.subarray(used);
    return isOver;
  }

  #tellEnd(kind: number, number: number): void {
    if (kind === events.ended) this.#listener?.onEnded(number);
    else if (kind === events.orphaned) this.#listener?.onOrphaned(number);
    else if (kind === events.broken) this.#listener?.onBroken(number);
    else this.#outlets.get(number)?.onLeft();
  }
}

/** Undefined where there can be none, and a word to `warn`; undefined when they are not wanted. */
export function openSharedRings(areWanted: boolean, warn: (text: string) => void): SharedRings | undefined {
  if (!areWanted || process.platform !== 'linux') return undefined;
  try {
    return new SharedRings();
  } catch (error) {
    if (!(error instanceof NativeError)) throw error;
    warn(`small messages go over the bus, not through shared memory: ${error.message}`);
    return undefined;
  }
}

/** Not zeroed: every byte is written before it is seen. */
function newChunk(size: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(size).buffer);
}
