import { relative } from 'node:path';
import { env } from 'node:process';
import { fileURLToPath } from 'node:url';
import * as register from '@mserve/register';
import { createJiti } from 'jiti';
import { textOf } from '../functions/function-call.js';
import type { LoadFailure, ThreadStart } from '../functions/thread-message.js';

export type LoadedConfig = { readonly declaration: register.ServableDeclaration } | { readonly failures: readonly LoadFailure[] };

/**
 * Loads a servable_config in this thread, without a build step: TypeScript is transformed as it is imported, and `@mserve/register` is this
 * very copy, whatever the servable has in its node_modules. Never rejects: all that the config declares wrong, and what it throws, comes
 * back as failures with their lines.
 * Line numbers are those of the author's file, because the transform keeps lines where they are.
 */
export async function loadConfig(start: ThreadStart, warn: (text: string) => void): Promise<LoadedConfig> {
  Object.assign(env, start.environment);
  const registry = register.startRegistry(start.servable);
  registry.warn = warn;
  const failures: LoadFailure[] = [];
  registry.collect = (error) => failures.push(loadFailure(start, error));
  try {
    const jiti = createJiti(start.configFile, { fsCache: start.cacheDirectory ?? false, virtualModules: { '@mserve/register': register } });
    await jiti.import(start.configFile);
    registry.sealed = true;
    if (failures.length === 0) return { declaration: register.sealRegistry(registry) };
  } catch (thrown) {
    registry.sealed = true;
    failures.push(loadFailure(start, thrown));
  }
  return { failures };
}

/** A place in a stack or message: an absolute path, or file: URL, with line and column. */
const place = /((?:file:\/\/)?\/[^\s():]+):(\d+):\d+/g;

function loadFailure(start: ThreadStart, thrown: unknown): LoadFailure {
  const stack = thrown instanceof Error || (typeof thrown === 'object' && thrown !== null && 'stack' in thrown) ? String(thrown.stack) : '';
  const root = start.configFile.slice(0, start.configFile.lastIndexOf('/') + 1);
  for (const [, path = '', line] of `${stack}`.matchAll(place)) {
    const file = path.startsWith('file:') ? fileURLToPath(path) : path;
    if (file.startsWith(root) && !file.includes('/node_modules/')) return { message: textOf(thrown), file: relative(root, file), line: Number(line) };
  }
  return { message: textOf(thrown), file: undefined, line: undefined };
}
