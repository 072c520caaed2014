import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The directory `proto/`: at the top of the repository, found upwards from here, so that it works from src and dist alike. Throws Error when it is missing. */
export function protoDirectory(): string {
  for (let directory = dirname(fileURLToPath(import.meta.url)); ; directory = dirname(directory)) {
    const candidate = join(directory, 'proto');
    if (existsSync(join(candidate, 'mindspore_serving', 'proto', 'ms_service.proto'))) return candidate;
    if (dirname(directory) === directory) throw new Error('the proto directory is missing from this installation');
  }
}
