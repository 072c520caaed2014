import type { Instance, InstanceResult, SharedPlace } from '@mserve/wire';

/** Memory of one's own that others on this machine can read. */
export interface SharedBytes {
  /** To be written before anybody is told of the place. */
  readonly bytes: Uint8Array;
  readonly place: SharedPlace;
  /** Nobody may begin to read them any more; `bytes` is empty then. Once. */
  free(): void;
}

/** Memory that belongs to somebody who is told when it is read no more. */
export interface LentMemory {
  /** Whether a buffer is lent, and not yet given back. */
  isLent(buffer: ArrayBufferLike): boolean;
  /** Nobody reads a buffer any more, or one of those that have parts of it does not; it may be empty from now on. For other buffers nothing happens. */
  giveBack(buffer: ArrayBufferLike): void;
}

/** Memory that the processes of one machine share. Implemented by `@mserve/native/shared-memory`, which this room does not know. */
export interface SharedMemory extends LentMemory {
  /** What there is of the own memory. */
  readonly sizeBytes: number;
  /** Bytes of it that are in use, or still read by others. */
  readonly usedBytes: number;
  /** Undefined when there is no room for so many. */
  place(length: number): SharedBytes | undefined;
  /**
   * Bytes [offset, offset + length) of what lies at a place, where they are: not to be written to. They stay as they are until their buffer is given back or collected. Undefined: they cannot be
   * had in this way, or are not there any more. The place may come from anybody.
   */
  read(place: SharedPlace, offset: number, length: number): Uint8Array | undefined | Promise<Uint8Array | undefined>;
}

/** Memory of others that tensors are views of. Not giving it back is no fault: it is given back when it is collected. */
export class BorrowedMemory {
  private constructor(
    private readonly memory: LentMemory,
    private readonly buffers: readonly ArrayBufferLike[],
  ) {}

  /** That of what was read; undefined when it has none. Each instance gives back what it has parts of. */
  static of(memory: LentMemory, read: readonly (Instance | InstanceResult)[]): BorrowedMemory | undefined {
    let buffers: ArrayBufferLike[] | undefined;
    for (const entry of read) {
      if ('failure' in entry) continue;
      const before = buffers?.length ?? 0;
      for (const { bytes } of 'outputs' in entry ? entry.outputs : entry) {
        if (!memory.isLent(bytes.buffer) || (buffers?.indexOf(bytes.buffer, before) ?? -1) >= 0) continue;
        buffers ??= [];
        buffers.push(bytes.buffer);
      }
    }
    return buffers && new BorrowedMemory(memory, buffers);
  }

  /** Whether these bytes are a view of it. */
  isUnder({ buffer }: Uint8Array): boolean {
    return this.buffers.includes(buffer);
  }

  /** Only where it is sure that nobody reads a view of it any more: all views are empty from now on. */
  giveBack(): void {
    for (const buffer of this.buffers) this.memory.giveBack(buffer);
  }
}
