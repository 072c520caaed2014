import { lstatSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * The directory for transformed sources of servables, so that only the first thread that ever loads a config pays for its transform.
 * What lies there is run, so it has to be a directory of this user that nobody else can write to or read; undefined where there is none
 * (a read-only file system, a directory that somebody else put there): sources are transformed in every thread then.
 */
export function sourceCache(directory = tmpdir(), uid = process.getuid?.()): string | undefined {
  if (uid === undefined) return undefined;
  const path = join(directory, `mserve-sources-${uid}`);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') return undefined;
  }
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats?.isDirectory() === true && stats.uid === uid && (stats.mode & 0o077) === 0 ? path : undefined;
}
