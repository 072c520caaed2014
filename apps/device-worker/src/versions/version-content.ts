import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { servableFolder, versionPaths } from '../servable/servable-directory.js';

/** As {@link versionFiles} looks. */
const deepest = 8;
/** The event loop serves others between two of them. */
const pieceBytes = 1 << 18;

/**
 * SHA-256, in hexadecimal, of what decides the answers of a servable version: names and bytes of the files in its folder, and its servable_config. The same on every
 * machine that has the same. Links are followed; names that begin with a dot and node_modules are passed over. Rejects when a file cannot be read.
 */
export async function versionContent(directory: string, name: string, version: number): Promise<string> {
  const folder = servableFolder(directory, name);
  const configs = (await readdir(folder)).filter((entry) => /^servable_config\.\w+$/.test(entry)).sort();
  const hash = createHash('sha256');
  for (const file of configs) await add(hash, file, join(folder, file), 0);
  const path = versionPaths(directory, name).get(version);
  if (path !== undefined) await add(hash, '', path, 0);
  return hash.digest('hex');
}

/** A file, or all that is in a folder. */
async function add(hash: ReturnType<typeof createHash>, name: string, path: string, depth: number): Promise<void> {
  const stats = await stat(path);
  if (!stats.isDirectory()) {
    hash.update(`${JSON.stringify(name)} ${stats.size}\n`);
    await pipeline(createReadStream(path, { highWaterMark: pieceBytes }), async (pieces: AsyncIterable<Buffer>) => {
      for await (const piece of pieces) hash.update(piece);
    });
    return;
  }
  if (depth > deepest) return;
  for (const entry of (await readdir(path)).sort())
    if (!entry.startsWith('.') && entry !== 'node_modules')
      await add(hash, name === '' ? entry : `${name}/${entry}`, join(path, entry), depth + 1);
}

/** Contents of versions, each read once while its files stay as they are: replicas on several devices have the same. */
export class VersionContents {
  private readonly known = new Map<string, { readonly files: string; readonly content: Promise<string | undefined> }>();

  /** `files`: that of versionFiles. Undefined when they cannot be read; then loading them says why. */
  of(directory: string, name: string, version: number, files: string): Promise<string | undefined> {
    const key = JSON.stringify([directory, name, version]);
    const known = this.known.get(key);
    if (known?.files === files) return known.content;
    const content = versionContent(directory, name, version).catch(() => undefined);
    this.known.set(key, { files, content });
    return content;
  }
}
