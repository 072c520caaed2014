import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { ProtobufReader } from '@mserve/wire';

/** Where a model's bytes come from. Only what is asked for is read, so that a model may be larger than the memory. */
export interface ModelSource {
  readonly size: number;
  /** A reader over the bytes `from` up to `to`. Valid until the next call. */
  reader(from: number, to: number): ProtobufReader;
}

export class MemorySource implements ModelSource {
  constructor(private readonly bytes: Uint8Array) {}

  get size(): number {
    return this.bytes.byteLength;
  }

  reader(from: number, to: number): ProtobufReader {
    return new ProtobufReader(this.bytes, from, to);
  }
}

/** Bytes read at once. */
const windowBytes = 16 * 1024;

/** A file, read through a window that moves. Call {@link close} when done. */
export class FileSource implements ModelSource {
  readonly size: number;
  private readonly file: number;
  private window = Buffer.alloc(0);
  private begin = 0;

  /** Throws what node:fs throws. */
  constructor(path: string) {
    this.file = openSync(path, 'r');
    this.size = fstatSync(this.file).size;
  }

  reader(from: number, to: number): ProtobufReader {
    if (from < this.begin || to > this.begin + this.window.byteLength) this.load(from, to);
    return new ProtobufReader(this.window, from - this.begin, to - this.begin);
  }

  close(): void {
    closeSync(this.file);
  }

  private load(from: number, to: number): void {
    const wanted = Math.max(to - from, Math.min(windowBytes, this.size - from));
    // A new buffer each time: what was read from the last one may be kept as a view.
    const window = Buffer.allocUnsafeSlow(wanted);
    let filled = 0;
    while (filled < wanted) {
      const got = readSync(this.file, window, filled, wanted - filled, from + filled);
      if (got === 0) break;
      filled += got;
    }
    this.window = window.subarray(0, filled);
    this.begin = from;
    if (to > from + filled) throw new RangeError(`the file ends at byte ${from + filled}`);
  }
}
