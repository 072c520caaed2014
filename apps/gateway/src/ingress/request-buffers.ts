import type { BodyPool } from './body-pool.js';

/** Buffers of one request, from the pool of its port. */
export class RequestBuffers {
  private readonly taken: Buffer[] = [];

  constructor(private readonly pool: BodyPool | undefined) {}

  /** See RequestMemory. */
  take(bytes: number): Buffer {
    const buffer = this.pool?.take(bytes) ?? Buffer.allocUnsafeSlow(bytes);
    this.taken.push(buffer);
    return buffer;
  }

  /** See RequestMemory. */
  give(buffer: Buffer): void {
    const index = this.taken.indexOf(buffer);
    if (index === -1) return;
    this.taken.splice(index, 1);
    this.pool?.give(buffer);
  }

  /** Gives back all but those in use. */
  release(inUse: (buffer: ArrayBufferLike) => boolean): void {
    for (const buffer of this.taken.splice(0)) if (!inUse(buffer.buffer)) this.pool?.give(buffer);
  }

  /** Leaves all to the garbage collector. */
  forget(): void {
    this.taken.length = 0;
  }
}
