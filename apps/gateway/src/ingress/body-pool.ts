/** Smaller bodies are cheap to make anew. */
const pooledFromBytes = 128 * 1024;
/** A buffer of more than so many times the size is not worth giving. */
const mostSurplus = 2;

/**
 * Buffers of large bodies, used again. V8 counts what a buffer holds as external memory, and marks the whole heap for every 64 MB of it that were made
 * anew: at some hundred bodies of 600 KiB a second that is a quarter of the CPU.
 */
export class BodyPool {
  /** Those that nobody has, the one given back last at the end. */
  private readonly free: Buffer[] = [];
  private freeBytes = 0;

  /** `maxBytes`: what is kept at most. */
  constructor(private readonly maxBytes: number) {}

  /** A buffer of at least this size, with whatever was in it; to be given back by {@link give}, or left to the garbage collector. */
  take(bytes: number): Buffer {
    const index = this.find(bytes);
    if (index === -1) return Buffer.allocUnsafeSlow(bytes);
    const [buffer] = this.free.splice(index, 1) as [Buffer];
    this.freeBytes -= buffer.byteLength;
    return buffer;
  }

  /** Whether {@link take} would give one that was used before. */
  has(bytes: number): boolean {
    return this.find(bytes) !== -1;
  }

  /** Nobody reads or writes this buffer any more. */
  give(buffer: Buffer): void {
    if (buffer.byteLength < pooledFromBytes || buffer.byteLength > this.maxBytes) return;
    this.free.push(buffer);
    this.freeBytes += buffer.byteLength;
    while (this.freeBytes > this.maxBytes) this.freeBytes -= (this.free.shift() as Buffer).byteLength;
  }

  /** The one given back last that fits; -1 where none does. */
  private find(bytes: number): number {
    return this.free.findLastIndex(({ byteLength }) => byteLength >= bytes && byteLength <= bytes * mostSurplus);
  }
}
