import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { ServingError } from '@mserve/wire';

/** Node cannot read more into one buffer. */
const largestFileBytes = 2 ** 31 - 1;

/**
 * The bytes of a model file. Opened once, looked at and read through the same descriptor, so that what was checked is
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
