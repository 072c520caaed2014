import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

let directory: string | undefined;

/**
 * The directory for transformed sources of servables, so that only the first of many threads pays for the transform. One per process and
 * readable by its user alone: what lies there is run. Removed when the process exits.
 */
export function sourceCache(): string {
  if (directory === undefined) {
    const made = mkdtempSync(join(tmpdir(), 'mserve-sources-'));
    process.once('exit', () => rmSync(made, { recursive: true, force: true }));
    directory = made;
  }
  return directory;
}
