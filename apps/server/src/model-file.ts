import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { loadMindir, MindirError, type DecryptionMode } from '@mserve/mindir';
import { NativeError, Session, type SessionOptions } from '@mserve/native';
import { CliError } from './cli-error.js';

/** The key of an encrypted MindIR file. */
export interface ModelKey {
  /** 16, 24 or 32 bytes. */
  readonly key: Uint8Array;
  /** Only checked: the file's magic selects the mode. */
  readonly mode?: DecryptionMode | undefined;
}

/** Formats of model files, told by their contents. */
export type ModelFileFormat = 'ONNX' | 'MindIR' | 'OM';

/** First bytes of an Ascend OM file, and of the three kinds of encrypted MindIR (little-endian 0x7F3A5ED8 to DA). */
const omMagic = Buffer.from('IMOD');
const mindirMagics = [0xd8, 0xd9, 0xda].map((first) => Buffer.from([first, 0x5e, 0x3a, 0x7f]));
/** Field 1 of a plain MindIR is its version, text of 3 or 5 characters; field 1 of an ONNX model is a number. */
const mindirStart = Buffer.from([0x0a]);

/** Decides by what is in the file, and by its ending only when that does not tell. Throws CliError when it is not a file that can be read. */
export function formatOf(path: string): ModelFileFormat {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) throw new CliError(`there is no model file ${path}`, 2);
  if (!stats.isFile()) throw new CliError(`${path} is not a file`, 2);
  const head = Buffer.alloc(4);
  const file = openSync(path, 'r');
  try {
    readSync(file, head, 0, 4, 0);
  } finally {
    closeSync(file);
  }
  if (head.equals(omMagic)) return 'OM';
  if (path.toLowerCase().endsWith('.onnx')) return 'ONNX';
  const looksLikeMindir = head.subarray(0, 1).equals(mindirStart) || mindirMagics.some((magic) => magic.equals(head));
  return looksLikeMindir || path.toLowerCase().endsWith('.mindir') ? 'MindIR' : 'ONNX';
}

/** What work() gives; NativeError and MindirError become CliErrors with their text. */
export async function asCliError<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof NativeError || error instanceof MindirError)) throw error;
    // Loaded when it is needed: the worker is large
    const { foreignFile } = await import('@mserve/device-worker');
    const foreign = foreignFile(path);
    if (foreign !== undefined) throw new CliError(`${path} ${foreign}`);
    if (error instanceof NativeError) throw new CliError(`cannot load ${path}: ${error.message}`);
    throw new CliError(error.message);
  }
}

/** Opens a model file of any supported format. Throws CliError with the reason. */
export function openModel(path: string, options: SessionOptions & { readonly key?: ModelKey | undefined }): Promise<Session> {
  const { key, ...sessionOptions } = options;
  return asCliError(path, async () => {
    switch (formatOf(path)) {
      case 'OM':
        if (key !== undefined)
          throw new CliError(`a decryption key was given, but ${path} is an OM model, and only MindIR models can be encrypted`, 2);
        return Session.open(path, { ...sessionOptions, device: { backend: 'acl', provider: 'ascend' } });
      case 'ONNX':
        if (key !== undefined)
          throw new CliError(`a decryption key was given, but ${path} is an ONNX model, and only MindIR models can be encrypted`, 2);
        return Session.open(path, sessionOptions);
      case 'MindIR': {
        const { model, initializers } = await loadMindir(path, { decKey: key?.key, decMode: key?.mode });
        return Session.open(model, { ...sessionOptions, initializers: initializers as SessionOptions['initializers'] });
      }
    }
  });
}
