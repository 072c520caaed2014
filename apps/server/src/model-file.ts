import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { NativeError, Session, type SessionOptions } from '@mserve/native';
import { CliError } from './cli/cli-error.js';

/** The key of an encrypted MindIR file. */
export interface ModelKey {
  readonly key: Uint8Array;
  readonly mode: string;
}

export type ModelFileFormat = 'ONNX' | 'MindIR' | 'OM';

/** First bytes of an Ascend OM file. */
const omMagic = 'IMOD';

/** Decides by what is in the file, then by its ending: OM has a magic, MindIR is what ends in .mindir, everything else is taken for ONNX. */
export function formatOf(path: string): ModelFileFormat {
  const head = Buffer.alloc(4);
  const file = openSync(path, 'r');
  try {
    readSync(file, head, 0, 4, 0);
  } finally {
    closeSync(file);
  }
  if (head.toString('latin1') === omMagic) return 'OM';
  return path.toLowerCase().endsWith('.mindir') ? 'MindIR' : 'ONNX';
}

/** Opens a model file of any supported format. Throws CliError with one sentence. */
export async function openModel(path: string, options: SessionOptions & { readonly key?: ModelKey | undefined }): Promise<Session> {
  const { key: _key, ...sessionOptions } = options;
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) throw new CliError(`there is no model file ${path}`, 2);
  const format = formatOf(path);
  if (format !== 'ONNX') throw new CliError(`${path} is a ${format} model, which mserve cannot run yet`);
  try {
    return await Session.open(path, sessionOptions);
  } catch (error) {
    if (error instanceof NativeError) throw new CliError(`cannot load ${path}: ${error.message}`);
    throw error;
  }
}
