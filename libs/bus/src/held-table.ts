import { SecretNumbers, ServingError, type HeldBytes } from '@mserve/wire';

/** Bytes held for one reader that nobody read from for this long have no reader any more. */
export const readPatienceMs = 60_000;
const sweepEveryMs = 5_000;

/** Bytes that one reader is to take, whole or in parts. */
interface Awaited {
  /** When they were held, or read from last. */
  touchedAt: number;
  readonly onLost: () => void;
  /** Offsets of the parts that were released; made when the first part is. */
  released: Set<number> | undefined;
  releasedBytes: number;
}

/**
 * The bytes that one participant keeps for others, by id. Ids are random, so that nobody reads or releases what nobody told them of. Bytes are kept until they are released; those
 * that are held for one reader also no longer than somebody reads from them once a minute.
 */
export class HeldTable {
  private readonly table = new Map<number, Uint8Array>();
  /** Of bytes whose memory is used again when they are forgotten. */
  private readonly onForgotten = new Map<number, () => void>();
  private readonly awaited = new Map<number, Awaited>();
  private readonly onAllTaken: (() => void)[] = [];
  private total = 0;
  private sweeper: NodeJS.Timeout | undefined;
  private readonly secrets = new SecretNumbers();

  constructor(private readonly owner: string) {}

  /** `onForgotten`: called once, when they are forgotten; their memory may be used again then. */
  hold(bytes: Uint8Array, onForgotten?: () => void): HeldBytes {
    const id = this.secrets.next();
    this.table.set(id, bytes);
    if (onForgotten !== undefined) this.onForgotten.set(id, onForgotten);
    this.total += bytes.byteLength;
    return { owner: this.owner, id, offset: 0, length: bytes.byteLength };
  }

  /** All bytes that are held. */
  get bytes(): number {
    return this.total;
  }

  /** Keeps bytes until their one reader has released them all. `onLost` is called at most once, when nobody will read them any more: see {@link lose}. */
  holdForOne(bytes: Uint8Array, onLost: () => void = () => undefined, onForgotten?: () => void): HeldBytes {
    const held = this.hold(bytes, onForgotten);
    this.awaited.set(held.id, { touchedAt: performance.now(), onLost, released: undefined, releasedBytes: 0 });
    this.sweeper ??= setInterval(() => this.sweep(), sweepEveryMs).unref();
    return held;
  }

  /** Forgets bytes. A part of bytes that are held for one reader counts as read: they are forgotten when all their parts were released. */
  release({ id, offset, length }: HeldBytes): void {
    const awaited = this.awaited.get(id);
    const size = this.table.get(id)?.byteLength;
    if (awaited !== undefined && size !== undefined && length < size) {
      awaited.released ??= new Set();
      if (!awaited.released.has(offset)) awaited.releasedBytes += length;
      awaited.released.add(offset);
      if (awaited.releasedBytes < size) return;
    }
    this.forget(id);
  }

  /** Forgets bytes that are held for one reader, who will not take them: `onLost` is called. */
  lose(id: number): void {
    const awaited = this.awaited.get(id);
    this.forget(id);
    awaited?.onLost();
  }

  /** A view; a copy where the memory is used again. NOT_FOUND when they were released or never held, INVALID_ARGUMENT for a range outside them. */
  read(id: number, offset: number, length: number): Uint8Array {
    const bytes = this.table.get(id);
    if (bytes === undefined) throw new ServingError('NOT_FOUND', 'the tensors are no longer held by their owner');
    if (offset + length > bytes.byteLength) {
      throw new ServingError('INVALID_ARGUMENT', `bytes ${offset} to ${offset + length} are outside the ${bytes.byteLength} bytes held`);
    }
    const awaited = this.awaited.get(id);
    if (awaited !== undefined) awaited.touchedAt = performance.now();
    return this.onForgotten.has(id) ? bytes.slice(offset, offset + length) : bytes.subarray(offset, offset + length);
  }

  /** Resolves when nothing is held for one reader any more: each was taken, or will not be. */
  allTaken(): Promise<void> {
    if (this.awaited.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.onAllTaken.push(resolve));
  }

  /** Forgets everything; nobody is told. */
  clear(): void {
    this.table.clear();
    this.total = 0;
    this.awaited.clear();
    for (const forgotten of [...this.onForgotten.values()]) forgotten();
    this.onForgotten.clear();
    this.stopSweeping();
  }

  private forget(id: number): void {
    this.total -= this.table.get(id)?.byteLength ?? 0;
    this.table.delete(id);
    const forgotten = this.onForgotten.get(id);
    this.onForgotten.delete(id);
    forgotten?.();
    if (this.awaited.delete(id) && this.awaited.size === 0) this.stopSweeping();
  }

  private stopSweeping(): void {
    clearInterval(this.sweeper);
    this.sweeper = undefined;
    for (const resolve of this.onAllTaken.splice(0)) resolve();
  }

  private sweep(): void {
    const oldest = performance.now() - readPatienceMs;
    for (const [id, { touchedAt }] of [...this.awaited]) if (touchedAt < oldest) this.lose(id);
  }
}

/** INVALID_ARGUMENT unless offset and length are non-negative integers whose sum is exact. */
export function checkRange(held: HeldBytes): void {
  const { id, offset, length } = held;
  if (!Number.isSafeInteger(id) || !Number.isSafeInteger(offset + length) || !Number.isSafeInteger(offset) || offset < 0 || length < 0) {
    throw new ServingError('INVALID_ARGUMENT', 'a reference to held bytes has an impossible id, offset or length');
  }
}
