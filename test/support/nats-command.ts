import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
// Plain JavaScript: it also runs before anything is installed or built.
import { cacheFolder } from '../../scripts/nats-server.mjs';

/** The operators' program of NATS, of PATH or of the folder where `npm test` puts a nats-server. undefined: there is none. */
export function findNatsCommand(): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== ''), cacheFolder()];
  return folders
    .map((folder) => join(folder, 'nats'))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
