import { constants } from 'node:fs';
import { open, realpath } from 'node:fs/promises';
import { isAbsolute, join, relative } from 'node:path';
import { ServingError } from '@mserve/wire';

/** Node cannot read more into one buffer. */
const largestFileBytes = 2 ** 31 - 1;

/**
 * Where a model file really is, links followed. Rejects with ServingError NOT_FOUND when it is not there, INVALID_ARGUMENT when its name
 * or a link leads out of `root`, the directory of servables.
 */
export async function locateModelFile(root: string, directory: string, file: string): Promise<string> {
  if (file.includes('\0') || isAbsolute(file)) throw outside(file);
  const [realRoot, path] = await Promise.all([realpath(root), realpath(join(directory, file))]).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR') throw new ServingError('NOT_FOUND', `model file '${file}' does not exist`, { cause });
    throw new ServingError('INVALID_ARGUMENT', `model file '${file}' cannot be reached (${cause.code ?? 'unknown reason'})`, { cause });
  });
  const inside = relative(realRoot, path);
  if (inside === '..' || inside.startsWith('../') || isAbsolute(inside)) throw outside(file);
  return path;
}

function outside(file: string): ServingError {
  return new ServingError('INVALID_ARGUMENT', `model file '${file}' leads out of the directory of servables`);
}

/**
 * The bytes of a model file at its real path. Opened once, looked at and read through the same descriptor, so that what was checked is
 * what is loaded. Rejects with ServingError INVALID_ARGUMENT for what is not a plain file, is empty or over 2 GiB.
 */
export async function readModelFile(path: string, file: string): Promise<Uint8Array> {
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const handle = await open(path, flags).catch((cause: NodeJS.ErrnoException) => {
    throw new ServingError('INVALID_ARGUMENT', `model file '${file}' cannot be opened (${cause.code ?? 'unknown reason'})`, { cause });
  });
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw new ServingError('INVALID_ARGUMENT', `model file '${file}' is not a plain file`);
    if (stats.size === 0) throw new ServingError('INVALID_ARGUMENT', `model file '${file}' is empty`);
    if (stats.size > largestFileBytes) throw new ServingError('INVALID_ARGUMENT', `model file '${file}' has ${stats.size} bytes, at most ${largestFileBytes} are allowed`);
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}
