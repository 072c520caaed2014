/**
 * What a fresh clone needs before anything runs: checks Node and the C++ compiler, installs packages, builds the addon and the TypeScript, bundles the server.
 * Plain Node, built-ins only: it runs before there is a node_modules. Every step is skipped when it is up to date.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Ends the script with one sentence that says what is missing. */
export function fail(sentence) {
  process.stderr.write(`\n${sentence}\n`);
  process.exit(1);
}

/** Throws a one-sentence Error for the first thing that is missing. */
function checkTools() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new Error(`mserve needs Node 20.19 or newer (22 and 24 are fine); this is Node ${process.versions.node}.`);
  }
  if (existsSync(join(root, 'libs/native/build/Release'))) return;
  const missing = [
    ['a C++ compiler', [process.env.CXX, 'g++', 'clang++', 'c++']],
    ['make', [process.env.MAKE, 'make', 'gmake']],
    ['Python 3 (for node-gyp)', [process.env.PYTHON, 'python3', 'python']],
  ].filter(([, names]) => !names.some(runs));
  if (missing.length > 0) {
    const names = missing
      .map(([name]) => name)
      .join(', ')
      .replace(/, ([^,]*)$/, ' and $1');
    throw new Error(
      `To build the native addon ${names} ${missing.length > 1 ? 'are' : 'is'} missing: install (Debian and Ubuntu: apt-get install g++ make python3; macOS: xcode-select --install) and run this again.`,
    );
  }
}

function runs(name) {
  return Boolean(name) && spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0;
}

/** Runs a command with its output shown, and says every 15 s that it still runs. Rejects with the last lines of its output when it fails. */
export function step(label, command, args, options = {}) {
  const started = Date.now();
  process.stdout.write(`▸ ${label}\n`);
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...options,
      env: { ...process.env, ...options.env },
    });
    const tail = [];
    const alive = setInterval(() => process.stdout.write(`  … ${label}: ${Math.round((Date.now() - started) / 1000)} s\n`), 15_000);
    const onText = (text) => {
      for (const line of String(text).split('\n')) {
        if (line.trim() === '') continue;
        tail.push(line);
        if (tail.length > 40) tail.shift();
        if (options.show?.(line)) process.stdout.write(`  ${line}\n`);
      }
    };
    child.stdout.on('data', onText);
    child.stderr.on('data', onText);
    child.on('error', (error) => {
      clearInterval(alive);
      reject(error);
    });
    child.on('close', (code) => {
      clearInterval(alive);
      if (code !== 0) return reject(new Error(`${label} failed (exit ${code}):\n${tail.join('\n')}`));
      process.stdout.write(`  done in ${((Date.now() - started) / 1000).toFixed(1)} s\n`);
      resolve();
    });
  });
}

const lockStamp = join(root, 'node_modules/.mserve-lock');

function lockHash() {
  return createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .update(process.versions.modules)
    .digest('hex');
}

async function install() {
  if (existsSync(lockStamp) && readFileSync(lockStamp, 'utf8') === lockHash()) return;
  await step('Installing packages (npm ci, about a minute)', 'npm', ['ci', '--no-audit', '--no-fund']);
  writeFileSync(lockStamp, lockHash());
}

async function build() {
  await step('Building the native addon (libs/native)', process.execPath, ['libs/native/build.mjs'], {
    show: (line) => line.startsWith('native:'),
  });
  const addonBuilt = existsSync(join(root, 'libs/native/build')) && statSync(join(root, 'libs/native/build')).isDirectory();
  if (!addonBuilt) throw new Error('The native addon was not built; run `node libs/native/build.mjs` to see why.');
  await step('Compiling TypeScript (tsc -b)', process.execPath, ['node_modules/typescript/bin/tsc', '-b']);
  await step('Bundling the dashboard', process.execPath, ['scripts/dashboard.mjs']);
  await step('Bundling the server', process.execPath, ['scripts/bundle.mjs']);
}

/**
 * Brings the clone to a state in which every app runs. Throws an Error whose message is meant for the user. `beside` is called when the packages
 * are installed, and runs while the addon and the TypeScript are built; resolves with what it gives.
 */
export async function setUp(beside = async () => undefined) {
  checkTools();
  await install();
  const [, result] = await Promise.all([build(), beside()]);
  return result;
}
