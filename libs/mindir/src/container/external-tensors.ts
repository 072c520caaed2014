import { promises as fs } from 'node:fs';
import { isAbsolute, join, sep } from 'node:path';
import { MindirError } from '../mindir-error.js';
import type { MindirExternal } from '../proto/mindir-schema.js';
import { decryptedBlocks, encryptionOf, type Decryption } from './encryption.js';
import { OpenFile } from './source.js';

/** A piece of a decrypted variables file. */
interface Piece {
  readonly start: number;
  readonly bytes: Buffer;
}

interface VariablesFile {
  readonly file: OpenFile;
  /** Decrypted pieces; undefined for a plain file, which is read tensor by tensor. */
  readonly pieces: readonly Piece[] | undefined;
}

/**
 * Weights of a split model: files beside the graph (`<name>_variables/data_0`). Locations must stay inside the model's
 * folder: no absolute path, no `..`, no symbolic link on the way, no hard link (MindirError 'external').
 * Files stay open until {@link close}.
 */
export class ExternalTensors {
  private readonly files = new Map<string, Promise<VariablesFile>>();

  /** `folder` undefined: the model came as bytes without a folder, external weights are refused. */
  constructor(
    private readonly folder: string | undefined,
    private readonly decryption: Decryption | undefined,
    /** Told the bytes of each tensor that is read. */
    private readonly onRead?: (bytes: Uint8Array) => void,
  ) {}

  /** The bytes of one tensor, fresh memory where the file is plain. `expectedBytes` = product of dims x element size. */
  async read(external: MindirExternal, expectedBytes: number, tensorName: string): Promise<Uint8Array> {
    const { location, offset } = external;
    if (external.length !== expectedBytes) {
      throw new MindirError(
        'format',
        `parameter '${tensorName}' needs ${expectedBytes} bytes, its external_data announces ${external.length}`,
      );
    }
    let variables = this.files.get(location);
    if (variables === undefined) {
      variables = this.open(location);
      this.files.set(location, variables);
    }
    const { file, pieces } = await variables;
    const bytes = pieces === undefined ? await file.read(offset, expectedBytes) : slice(pieces, offset, expectedBytes, location);
    this.onRead?.(bytes);
    return bytes;
  }

  async close(): Promise<void> {
    const opened = await Promise.allSettled(this.files.values());
    for (const result of opened) if (result.status === 'fulfilled') await result.value.file.close();
  }

  private async open(location: string): Promise<VariablesFile> {
    const file = await this.openInside(location);
    try {
      const encrypted = file.size >= 4 && encryptionOf(await file.read(0, 4)) !== undefined;
      if (!encrypted) {
        if (this.decryption !== undefined)
          throw new MindirError('key', `a key was given, but the variables file '${location}' is not encrypted`);
        await checkHeader(file);
        return { file, pieces: undefined };
      }
      if (this.decryption === undefined)
        throw new MindirError('encrypted', `the variables file '${location}' is encrypted: a key is needed`);
      const pieces: Piece[] = [];
      let start = 0;
      for await (const bytes of decryptedBlocks(file, this.decryption)) {
        pieces.push({ start, bytes });
        start += bytes.byteLength;
      }
      return { file, pieces };
    } catch (thrown) {
      await file.close();
      throw thrown;
    }
  }

  private async openInside(location: string): Promise<OpenFile> {
    if (this.folder === undefined)
      throw new MindirError('external', `the model keeps weights in '${location}', but was given as bytes without a folder`);
    const parts = location.split(/[\\/]/);
    if (
      location === '' ||
      location.includes('\0') ||
      isAbsolute(location) ||
      /^[A-Za-z]:/.test(location) ||
      parts.some((part) => part === '..')
    ) {
      throw new MindirError('external', `external weights in '${printable(location)}' lie outside the model's folder`);
    }
    let path = this.folder;
    for (const part of parts) {
      if (part === '' || part === '.') continue;
      path = join(path, part);
      const stat = await fs.lstat(path).catch(() => undefined);
      if (stat === undefined) throw new MindirError('external', `the variables file '${printable(location)}' is missing`);
      if (stat.isSymbolicLink())
        throw new MindirError('external', `external weights in '${printable(location)}' go through a symbolic link`);
    }
    const file = await OpenFile.open(path, printable(location), 'external', true);
    try {
      if (file.linkCount > 1)
        throw new MindirError('external', `the variables file '${printable(location)}' is a hard link to another file`);
      // A folder on the way may have been swapped for a link between the check and the open: what was opened must still be inside.
      const [real, root] = await Promise.all([fs.realpath(path), fs.realpath(this.folder)]);
      if (!real.startsWith(root.endsWith(sep) ? root : root + sep))
        throw new MindirError('external', `external weights in '${printable(location)}' lie outside the model's folder`);
      return file;
    } catch (thrown) {
      await file.close();
      throw thrown;
    }
  }
}

/** The 64-byte header of a plain variables file: byte 0 = 1 (little-endian). */
async function checkHeader(file: OpenFile): Promise<void> {
  if (file.size < 64)
    throw new MindirError('format', `the variables file '${file.label}' is truncated: it has ${file.size} bytes, its header alone has 64`);
  const head = await file.read(0, 1);
  if (head[0] !== 1)
    throw new MindirError(
      'format',
      `the variables file '${file.label}' was not written on a little-endian machine, or is encrypted in an unknown way`,
    );
}

function slice(pieces: readonly Piece[], offset: number, length: number, location: string): Uint8Array {
  const end = offset + length;
  const last = pieces[pieces.length - 1];
  if (offset < 0 || last === undefined || end > last.start + last.bytes.byteLength) {
    throw new MindirError('format', `the variables file '${printable(location)}' is truncated: bytes ${offset} to ${end} are needed`);
  }
  const touched = pieces.filter((piece) => piece.start < end && piece.start + piece.bytes.byteLength > offset);
  const parts = touched.map((piece) =>
    piece.bytes.subarray(Math.max(0, offset - piece.start), Math.min(piece.bytes.byteLength, end - piece.start)),
  );
  return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
}

function printable(location: string): string {
  return location.slice(0, 200).replace(/[^\x20-\x7e]/g, '?');
}
