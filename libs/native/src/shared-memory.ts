import { loadBinding, type Binding, type BoundSlab, type BoundSlabReader } from './binding.js';
import { NativeError } from './native-error.js';
import { randomNumber } from './random-number.js';

export { openSharedRings, SharedRings, type RingListener, type RingPlace, type SharedOutlet } from './shared-rings.js';

/** Where bytes lie in the memory of a process, for others on the same machine. All whole numbers up to 2^53. */
export interface SharedPlace {
  /** Names the slab; everybody on the machine may see it. */
  readonly slab: number;
  /** Of the slab's owner; who does not know it gets no memory. */
  readonly token: number;
  readonly slot: number;
  /** Random, and new whenever other bytes come to lie in the slot: who was not told it cannot read them. */
  readonly generation: number;
}

/** Memory of one's own that others can read. */
export interface SharedBytes {
  /** To be written before anybody is told of the place. */
  readonly bytes: Uint8Array;
  readonly place: SharedPlace;
  /** Nobody may begin to read them any more; `bytes` is empty then. Once. */
  free(): void;
}

/** Tensors begin at multiples of this. */
const alignment = 64;
const pageBytes = 4096;
const slots = 1024;
/** How long the owner of a slab may take to hand it over. */
const openTimeoutMs = 5000;
const mostOpening = 16;
/** A slab that could not be opened is asked for again after so long. */
const retryMs = 30_000;
/** Slabs that are known at a time, those of other machines included. */
const mostSlabs = 1024;
const lookEveryMs = 5_000;

interface KnownSlab {
  readonly reader: BoundSlabReader;
  state: 'opening' | 'open' | 'elsewhere';
  since: number;
  opened: Promise<void>;
}

/**
 * A slab of this process (docs/adr/0024-shared-memory.md), and those of others on this machine that it reads. Linux only. Memory is taken when it is first used, up to the size given, and kept.
 * Belongs to the thread that made it.
 */
export class SharedMemory {
  readonly #binding: Binding;
  readonly #slab = randomNumber();
  readonly #token = randomNumber();
  readonly #own: BoundSlab;
  readonly #words = new Float64Array(2);
  readonly #known = new Map<number, KnownSlab>();
  readonly #lent = new WeakSet<ArrayBufferLike>();
  #opening = 0;
  #look: NodeJS.Timeout | undefined;

  /** Throws a NativeError ('library') that says why there can be none. `sizeBytes` is rounded to pages. */
  constructor(readonly sizeBytes: number) {
    this.#binding = loadBinding();
    try {
      this.#own = new this.#binding.NativeSlab(this.#slab, this.#token, Math.floor(sizeBytes / pageBytes) * pageBytes);
    } catch (error) {
      throw new NativeError('library', error instanceof Error ? error.message : String(error), { cause: error });
    }
  }

  /** Bytes of the own slab that are in use, or still read by others. */
  get usedBytes(): number {
    return this.#own.used();
  }

  /** Undefined when there is no room for so many. */
  place(length: number): SharedBytes | undefined {
    const buffer = this.#own.place(length, this.#words);
    if (buffer === undefined) return undefined;
    const slot = this.#words[0] as number;
    const generation = this.#words[1] as number;
    return {
      bytes: new Uint8Array(buffer),
      place: { slab: this.#slab, token: this.#token, slot, generation },
      free: () => this.#own.free(slot, generation, buffer),
    };
  }

  /**
   * Bytes [offset, offset + length) of what lies at a place, where they are. They stay as they are until their buffer is given back or collected; writing to
   * them ends the process. Undefined: they cannot be had in this way, because they are on another machine or of another user, or not there any more. A promise only the first time that a slab is asked for.
   */
  read(place: SharedPlace, offset: number, length: number): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    const { slab, token, slot, generation } = place;
    if (![slab, token, slot, generation, offset, length].every((number) => Number.isSafeInteger(number) && number >= 0)) return undefined;
    if (slot >= slots || length === 0) return undefined;
    const known = this.#known.get(slab);
    if (known?.state === 'open') return this.#readFrom(known.reader, place, offset, length);
    if (known?.state === 'elsewhere' && performance.now() - known.since < retryMs) return undefined;
    if (known?.state !== 'opening' && this.#opening >= mostOpening) return undefined;
    const opening = known?.state === 'opening' ? known : this.#open(slab, token);
    return opening.opened.then(() => (opening.state === 'open' ? this.#readFrom(opening.reader, place, offset, length) : undefined));
  }

  /** Whether a buffer is one that {@link read} gave, and not yet given back. */
  isLent(buffer: ArrayBufferLike): boolean {
    return this.#lent.has(buffer);
  }

  /** Nobody reads a buffer of {@link read} any more, which is empty from now on; for other buffers nothing happens. Those that are not given back are when they are collected. */
  giveBack(buffer: ArrayBufferLike): void {
    if (!this.#lent.delete(buffer) || buffer instanceof SharedArrayBuffer) return;
    this.#binding.giveBack(buffer);
  }

  /** Takes no more readers; what others read stays until they are done. */
  close(): void {
    clearInterval(this.#look);
    this.#known.clear();
    this.#own.close();
  }

  #readFrom(reader: BoundSlabReader, { slot, generation }: SharedPlace, offset: number, length: number): Uint8Array | undefined {
    const before = offset % alignment;
    const buffer = reader.read(slot, generation, offset - before, length + before);
    if (buffer === undefined) return undefined;
    this.#lent.add(buffer);
    return new Uint8Array(buffer, before, length);
  }

  #open(slab: number, token: number): KnownSlab {
    this.#makeRoom();
    const reader = new this.#binding.NativeSlabReader();
    const opening: KnownSlab = { reader, state: 'opening', since: performance.now(), opened: Promise.resolve() };
    opening.opened = new Promise((resolve) => {
      reader.open(slab, token, openTimeoutMs, (isOpen) => {
        this.#opening--;
        opening.state = isOpen ? 'open' : 'elsewhere';
        opening.since = performance.now();
        if (isOpen) this.#look ??= setInterval(() => this.#forgetGone(), lookEveryMs).unref();
        resolve();
      });
    });
    this.#opening++;
    this.#known.set(slab, opening);
    return opening;
  }

  /** The oldest that is not open goes; if all are, the oldest. */
  #makeRoom(): void {
    if (this.#known.size < mostSlabs) return;
    for (const [slab, { state }] of this.#known) if (state === 'elsewhere') return void this.#known.delete(slab);
    for (const [slab, { state }] of this.#known) if (state === 'open') return void this.#known.delete(slab);
  }

  /** The memory of a process that has ended is kept by who has it mapped. */
  #forgetGone(): void {
    for (const [slab, { state, reader }] of this.#known) if (state === 'open' && reader.isGone()) this.#known.delete(slab);
    if (![...this.#known.values()].some(({ state }) => state === 'open')) {
      clearInterval(this.#look);
      this.#look = undefined;
    }
  }
}

/** Undefined, and a word to `warn`, where there can be none; undefined for a size of 0. */
export function openSharedMemory(sizeMb: number, warn: (text: string) => void): SharedMemory | undefined {
  if (sizeMb === 0) return undefined;
  try {
    return new SharedMemory(sizeMb * 2 ** 20);
  } catch (error) {
    if (!(error instanceof NativeError)) throw error;
    warn(`tensors go over the bus, not through shared memory: ${error.message}`);
    return undefined;
  }
}
