import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { servableFolder, versionPaths } from '../servable/servable-directory.js';

/** Links may lead in circles, and folders of models are flat. */
const deepest = 8;

/**
 * What each version of a servable is made of on disk, as a text that changes when anything about it does: names, sizes, times and identities of its
 * files and of those beside its config. Links are followed, so a ConfigMap whose `..data` was exchanged reads as changed. Names that begin with a dot
 * and node_modules are passed over. A servable without version folders is its version 1. Empty when there is no such servable.
 */
export async function versionFiles(directory: string, name: string): Promise<ReadonlyMap<number, string>> {
  const versions = versionPaths(directory, name);
  const folder = servableFolder(directory, name);
  const folders = new Set(versions.values());
  const shared = await lookInto(folder, folders, 0);
  if (shared === '') return new Map();
  if (versions.size === 0) return new Map([[1, shared]]);
  const found = new Map<number, string>();
  for (const [version, path] of [...versions].sort(([a], [b]) => a - b))
    found.set(version, `${shared}\n${await lookInto(path, folders, 0)}`);
  return found;
}

async function lookInto(folder: string, except: ReadonlySet<string>, depth: number): Promise<string> {
  const entries = await readdir(folder).catch((): string[] => []);
  const texts: string[] = [];
  for (const entry of entries.sort()) {
    const path = join(folder, entry);
    if (entry.startsWith('.') || entry === 'node_modules' || except.has(path)) continue;
    const stats = await stat(path, { bigint: true }).catch(() => undefined);
    if (stats === undefined) texts.push(`${entry} leads nowhere`);
    else if (stats.isDirectory()) {
      if (depth < deepest) texts.push(`${entry}/ ${await lookInto(path, except, depth + 1)}`);
    } else texts.push(`${entry} ${[stats.dev, stats.ino, stats.size, stats.mtimeNs].join(' ')}`);
  }
  return texts.join('\n');
}
