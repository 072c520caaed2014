#!/usr/bin/env node
/**
 * Finds a nats-server (>= 2.14), builds one when there is none, and prints its path.
 *
 *   node scripts/nats-server.mjs            # path on stdout, progress on stderr
 *   import { findNatsServer } from '../scripts/nats-server.mjs'
 *
 * Looked at in this order: $NATS_SERVER, PATH, the cache folder (${XDG_CACHE_HOME:-~/.cache}/mserve/bin),
 * and `go install` into that folder (about 5 minutes, once).
 */
import { execFile, spawn } from 'node:child_process';
import { access, constants, mkdir, realpath } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const wanted = { major: 2, minor: 14 };
const installed = 'github.com/nats-io/nats-server/v2@v2.15.2';
const instruction =
  `install nats-server ${wanted.major}.${wanted.minor} or newer on PATH, name one in NATS_SERVER, ` +
  `or install Go and run: go install ${installed}`;
const fileName = process.platform === 'win32' ? 'nats-server.exe' : 'nats-server';

export function cacheFolder() {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'mserve', 'bin');
}

/** The version of this nats-server as [major, minor, patch]; undefined when it is none or cannot run. */
export async function versionOf(path) {
  try {
    const { stdout } = await run(path, ['--version'], { timeout: 10_000 });
    const match = /nats-server: v(\d+)\.(\d+)\.(\d+)/.exec(stdout);
    return match === null ? undefined : match.slice(1).map(Number);
  } catch {
    return undefined;
  }
}

function isNewEnough([major, minor]) {
  return major > wanted.major || (major === wanted.major && minor >= wanted.minor);
}

async function isExecutable(path) {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function usable(path, log) {
  if (!(await isExecutable(path))) return false;
  const version = await versionOf(path);
  if (version === undefined) log(`${path} does not run as a nats-server`);
  else if (!isNewEnough(version)) log(`${path} is version ${version.join('.')}, at least ${wanted.major}.${wanted.minor} is needed`);
  else return true;
  return false;
}

/** Builds the server into `folder`, with the lines of `go install` as progress. */
async function install(folder, log) {
  await mkdir(folder, { recursive: true });
  log(`building ${installed} into ${folder} (about 5 minutes, once)`);
  await new Promise((settle, fail) => {
    const go = spawn('go', ['install', '-v', installed], {
      env: { ...process.env, GOBIN: folder, CGO_ENABLED: '0' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    go.stderr.setEncoding('utf8');
    let tail = '';
    go.stderr.on('data', (text) => {
      tail = (tail + text).slice(-2000);
      for (const line of text.split('\n')) if (line.trim() !== '') log(`  ${line.trim()}`);
    });
    go.on('error', (error) =>
      fail(new Error(`no nats-server was found and Go does not start (${error.code ?? error.message}): ${instruction}`)),
    );
    go.on('exit', (code) =>
      code === 0 ? settle() : fail(new Error(`go install ended with code ${code}: ${tail.trim().split('\n').at(-1)}\n${instruction}`)),
    );
  });
}

/**
 * The path of a usable nats-server. Rejects with one sentence that says what to do.
 * `build: false` never builds; `log` gets progress lines.
 */
export async function findNatsServer({ build = true, log = () => {} } = {}) {
  const named = process.env.NATS_SERVER;
  if (named) {
    if (await usable(resolve(named), log)) return resolve(named);
    throw new Error(`NATS_SERVER names ${named}, which is not a nats-server of version ${wanted.major}.${wanted.minor} or newer`);
  }
  const cached = join(cacheFolder(), fileName);
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  for (const candidate of [...folders.map((folder) => resolve(folder, fileName)), cached])
    if (await usable(candidate, log)) return candidate;
  if (!build) throw new Error(`no nats-server was found: ${instruction}`);
  await install(cacheFolder(), log);
  if (await usable(cached, log)) return cached;
  throw new Error(`the nats-server that was built does not run: ${instruction}`);
}

/** findNatsServer with progress on stderr: what `npm test` and `npm start` call. */
export function ensureNatsServer() {
  return findNatsServer({ log: (line) => console.error(line) });
}

const startedAsScript =
  process.argv[1] !== undefined && (await realpath(process.argv[1]).catch(() => '')) === fileURLToPath(import.meta.url);
if (startedAsScript) {
  try {
    console.log(await findNatsServer({ build: !process.argv.includes('--no-build'), log: (line) => console.error(line) }));
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
