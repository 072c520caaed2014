import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** The servables in a directory, in the order of their names: folders that hold a servable_config. Rejects when it cannot be read. */
export async function listServables(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  const names: string[] = [];
  for (const entry of entries) {
    if (!entry.isDirectory()) continue;
    const files = await readdir(join(directory, entry.name)).catch(() => []);
    if (files.some((file) => /^servable_config\.[cm]?[jt]s$/.test(file))) names.push(entry.name);
  }
  return names.sort();
}
