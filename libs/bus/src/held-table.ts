import { ServingError, type HeldBytes } from '@mserve/wire';

/** The bytes that one participant keeps for others, by id. Ids count up from 1 and are never used again. */
export class HeldTable {
  private readonly table = new Map<number, Uint8Array>();
  private readonly listeners = new Map<number, () => void>();
  private nextId = 1;

  constructor(private readonly owner: string) {}

  hold(bytes: Uint8Array): HeldBytes {
    const id = this.nextId++;
    this.table.set(id, bytes);
    return { owner: this.owner, id, offset: 0, length: bytes.byteLength };
  }

  /** `listener` is called once, when the bytes with this id are forgotten. */
  onRelease(id: number, listener: () => void): void {
    this.listeners.set(id, listener);
  }

  release(id: number): void {
    this.table.delete(id);
    const listener = this.listeners.get(id);
    if (listener === undefined) return;
    this.listeners.delete(id);
    listener();
  }

  /** A view. NOT_FOUND when they were released or never held, INVALID_ARGUMENT for a range outside them. */
  read(id: number, offset: number, length: number): Uint8Array {
    const bytes = this.table.get(id);
    if (bytes === undefined) throw new ServingError('NOT_FOUND', 'the tensors are no longer held by their owner');
    if (offset + length > bytes.byteLength) {
      throw new ServingError('INVALID_ARGUMENT', `bytes ${offset} to ${offset + length} are outside the ${bytes.byteLength} bytes held`);
    }
    return bytes.subarray(offset, offset + length);
  }

  clear(): void {
    this.table.clear();
    for (const listener of this.listeners.values()) listener();
    this.listeners.clear();
  }
}

/** INVALID_ARGUMENT unless offset and length are non-negative integers whose sum is exact. */
export function checkRange(held: HeldBytes): void {
  const { id, offset, length } = held;
  if (!Number.isSafeInteger(id) || !Number.isSafeInteger(offset + length) || !Number.isSafeInteger(offset) || offset < 0 || length < 0) {
    throw new ServingError('INVALID_ARGUMENT', 'a reference to held bytes has an impossible id, offset or length');
  }
}
