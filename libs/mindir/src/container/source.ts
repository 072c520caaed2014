import { constants, promises as fs } from 'node:fs';
import { MindirError } from '../mindir-error.js';

/** Larger files are not single protobufs: MindSpore itself splits models above 1 GiB into a graph and variables files. */
export const maxGraphBytes = 2 ** 31 - 1;

/**
 * A file that was opened once and checked: regular, with a size that is read from the open descriptor. Reads are by position.
 * The owner closes it.
 */
export class OpenFile {
  private constructor(
    private readonly handle: fs.FileHandle,
    readonly size: number,
    readonly linkCount: number,
    readonly label: string,
  ) {}

  /** Throws MindirError 'format' (or `kind`) when there is no such regular file. `label` stands for the path in messages. */
  static async open(path: string, label: string, kind: 'format' | 'external' = 'format', noFollow = false): Promise<OpenFile> {
    let handle: fs.FileHandle | undefined;
    try {
      // O_NONBLOCK: opening a FIFO that nobody writes to must not hang.
      handle = await fs.open(path, constants.O_RDONLY | constants.O_NONBLOCK | (noFollow ? constants.O_NOFOLLOW : 0));
      const stat = await handle.stat();
      if (!stat.isFile()) throw new MindirError(kind, `'${label}' is not a regular file`);
      return new OpenFile(handle, stat.size, stat.nlink, label);
    } catch (thrown) {
      await handle?.close();
      if (thrown instanceof MindirError) throw thrown;
      const code = (thrown as NodeJS.ErrnoException).code ?? 'error';
      if (noFollow && code === 'ELOOP') throw new MindirError(kind, `'${label}' is a symbolic link`, { cause: thrown });
      throw new MindirError(kind, code === 'ENOENT' ? `'${label}' does not exist` : `'${label}' cannot be opened (${code})`, {
        cause: thrown,
      });
    }
  }

  /** Fresh bytes [offset, offset + length), at an offset of 0 in their own ArrayBuffer. Throws 'format' when the file ends before. */
  async read(offset: number, length: number): Promise<Buffer> {
    if (offset < 0 || length < 0 || length > this.size - offset) {
      throw new MindirError(
        'format',
        `'${this.label}' is truncated: bytes ${offset} to ${offset + length} are needed, it has ${this.size}`,
      );
    }
    const buffer = Buffer.allocUnsafeSlow(length);
    for (let done = 0; done < length;) {
      const { bytesRead } = await this.handle.read(buffer, done, Math.min(length - done, 2 ** 30), offset + done);
      if (bytesRead === 0) throw new MindirError('format', `'${this.label}' became shorter while it was read`);
      done += bytesRead;
    }
    return buffer;
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}

/** Where encrypted or plain bytes come from: an open file or bytes in memory. */
export interface ByteSource {
  readonly size: number;
  read(offset: number, length: number): Promise<Buffer>;
}

/** Bytes that are in memory already. */
export class MemorySource implements ByteSource {
  constructor(
    private readonly bytes: Uint8Array,
    private readonly label: string,
  ) {}

  get size(): number {
    return this.bytes.byteLength;
  }

  /** A view, not a copy. */
  async read(offset: number, length: number): Promise<Buffer> {
    if (offset < 0 || length < 0 || length > this.size - offset) {
      throw new MindirError(
        'format',
        `'${this.label}' is truncated: bytes ${offset} to ${offset + length} are needed, it has ${this.size}`,
      );
    }
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + offset, length);
  }
}
