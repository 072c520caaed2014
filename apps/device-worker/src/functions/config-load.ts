import { pathToFileURL } from 'node:url';
import * as register from '@mserve/register';
import { nearest } from '@mserve/wire';
import { transformOnce } from './transform-once.js';
import { createJiti } from 'jiti';
import { textOf } from './function-call.js';
import type { LoadFailure, ProgramStart } from './thread-message.js';

/** What a servable_config declares, or all that is wrong with it. */
export type LoadedConfig =
  | { readonly declaration: register.ServableDeclaration }
  | { readonly failures: readonly LoadFailure[]; readonly declared: register.ServableDeclaration };

/**
 * Loads a servable_config in this thread, without a build step: TypeScript is transformed as it is imported, and `@mserve/register` is this
 * very copy, whatever the servable has in its node_modules. Never rejects: all that the config declares wrong, and what it throws, comes
 * back as failures with their lines.
 * Line numbers are those of the author's file, because the transform keeps lines where they are.
 */
export async function loadConfig(start: ProgramStart, warn: (text: string) => void): Promise<LoadedConfig> {
  const registry = register.startRegistry(start.servable);
  registry.warn = warn;
  const failures: LoadFailure[] = [];
  registry.collect = (error) => failures.push(loadFailure(start, error));
  try {
    const jiti = createJiti(start.configFile, {
      fsCache: false,
      transform: transformOnce(start.cacheDirectory),
      virtualModules: { '@mserve/register': register },
    });
    const exported = await unlessUncaught(jiti.import(start.configFile));
    checkIsolation(start, exported);
    registry.sealed = true;
    if (registry.methods.length === 0 && failures.length === 0) checkExports(exported);
    if (failures.length === 0) return { declaration: register.sealRegistry(registry) };
  } catch (thrown) {
    registry.sealed = true;
    failures.push(loadFailure(start, thrown));
  }
  return { failures, declared: register.declarationOf(registry) };
}

/** What a config says that its functions run in must be what they run in: it is read from its text before anything of it runs. Throws RegisterError. */
function checkIsolation({ isolation }: ProgramStart, exported: unknown): void {
  const said = (exported as { functionIsolation?: unknown } | undefined)?.functionIsolation;
  if (said === undefined || said === isolation) return;
  if (said !== 'thread' && said !== 'process')
    throw new register.RegisterError(`functionIsolation should be 'thread' or 'process', but actually ${register.typeName(said)}`);
  throw new register.RegisterError(
    `functionIsolation is read before anything of this file runs: write it on a line of its own, export const functionIsolation = '${said}';`,
  );
}

/** For a config without a method: its author may expect that exports are called. Throws RegisterError. */
function checkExports(exported: unknown): void {
  const names = typeof exported === 'object' && exported !== null ? Object.keys(exported) : [];
  const [name] = names.filter((one) => one !== 'functionIsolation' && one !== '__esModule');
  if (typeof exported !== 'function' && name === undefined) return;
  throw new register.RegisterError(
    `no method is registered: nobody calls what a servable_config exports (${name ?? 'module.exports'}), call registerMethod in it`,
  );
}

const uncaughtEvents = ['unhandledRejection', 'uncaughtException'] as const;

/**
 * Resolves when `loading` does. Rejects with its error, or with the first error that the config throws or rejects meanwhile and that nobody
 * catches: such an error would end the thread, and where in the config it came from would be lost.
 */
async function unlessUncaught(loading: Promise<unknown>): Promise<unknown> {
  let refuse: (reason: unknown) => void = () => undefined;
  const uncaught = new Promise<never>((_resolve, reject) => (refuse = reject));
  for (const event of uncaughtEvents) process.on(event, refuse);
  try {
    const loaded = await Promise.race([loading, uncaught]);
    // Node reports unhandled rejections at the end of a turn.
    await Promise.race([new Promise((resolve) => setImmediate(resolve)), uncaught]);
    return loaded;
  } finally {
    for (const event of uncaughtEvents) process.off(event, refuse);
  }
}

/** How a transformed import that is not there is called, and a name without its import. */
const noExport = /^\(0 ?, ?_register\.(\w+)\) is not a function/;
const noImport = /^(\w+) is not defined/;

/** What was misspelt, or not imported, of this package. */
function withHint(text: string): string {
  const names = Object.keys(register);
  const called = noExport.exec(text)?.[1];
  if (called !== undefined) {
    const close = nearest(called, names);
    return `@mserve/register has no ${called}${close === undefined ? '' : `, did you mean '${close}'?`}`;
  }
  const missing = noImport.exec(text)?.[1];
  return missing !== undefined && names.includes(missing) ? `${text}: import { ${missing} } from '@mserve/register'` : text;
}

/** Syntax errors end with a line that holds nothing but the place, which is told apart. */
const placeLine = /\s*\n\s*(?:file:\/\/)?\/[^\n]*:\d+:\d+\s*$/;

function loadFailure(start: ProgramStart, thrown: unknown): LoadFailure {
  const stack = typeof thrown === 'object' && thrown !== null && 'stack' in thrown ? String(thrown.stack) : '';
  const place = placeIn(stack, start.configFile.slice(0, start.configFile.lastIndexOf('/') + 1));
  const text = withHint(textOf(thrown));
  return { message: place === undefined ? text : text.replace(placeLine, ''), file: place?.file, line: place?.line };
}

/**
 * The first line of a stack that is in the author's own files. `folder` (with its slash) is looked for as it is and as a file: URL, so that any
 * character may be in its name.
 */
function placeIn(stack: string, folder: string): { file: string; line: number } | undefined {
  const url = pathToFileURL(folder).href;
  for (const text of stack.split('\n')) {
    const root = text.includes(url) ? url : folder;
    const at = text.indexOf(root);
    const [, path, line] = at === -1 ? [] : (/^(.+?):(\d+)/.exec(text.slice(at + root.length)) ?? []);
    if (path === undefined || path.includes('node_modules/')) continue;
    return { file: root === url ? decodeURIComponent(path) : path, line: Number(line) };
  }
  return undefined;
}
