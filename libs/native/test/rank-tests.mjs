/**
 * Builds and runs the tests of the communicator between ranks, whose ranks are threads of one process here. Needs no Node addon.
 *
 *   node libs/native/test/rank-tests.mjs                  plain, then with each sanitizer: rounds enough to find races (a minute or more)
 *   node libs/native/test/rank-tests.mjs address [ROUNDS] one of: plain, address, thread
 *
 * Exit code 0; 1 when a test fails; 3 when the compiler has no such sanitizer. Builds go to libs/native/build/test and are used again.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const native = join(here, '..', 'src', 'native');
const out = join(here, '..', 'build', 'test');
const compiler = process.env.CXX ?? 'c++';
const common = ['-std=c++20', '-O1', '-g', '-Wall', '-Wextra', '-pthread', `-I${native}`];
const sanitizers = {
  plain: [],
  address: ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'],
  thread: ['-fsanitize=thread'],
};
const sources = [
  ...readdirSync(join(native, 'rank'))
    .filter((name) => name.endsWith('.cc'))
    .map((name) => join(native, 'rank', name)),
  join(here, 'rank_test.cc'),
];
const headers = [native, join(native, 'rank')].flatMap((folder) =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.h'))
    .map((name) => join(folder, name)),
);
const modified = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

function run(command, args) {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${args.at(-1)} does not compile:\n${stderr}`);
}

/** Compiles what is older than its source or any header; under another name first: two runs may build at once. */
function build(kind) {
  const folder = join(out, `rank-${kind}`);
  mkdirSync(folder, { recursive: true });
  const newestHeader = Math.max(...headers.map(modified));
  const objects = sources.map((source) => {
    const object = join(folder, `${source.split('/').at(-1)}.o`);
    if (modified(object) > Math.max(newestHeader, modified(source))) return object;
    run(compiler, [...common, ...sanitizers[kind], '-c', source, '-o', `${object}.${process.pid}`]);
    renameSync(`${object}.${process.pid}`, object);
    return object;
  });
  const program = join(folder, 'rank-test');
  if (modified(program) > Math.max(...objects.map(modified))) return program;
  run(compiler, [...sanitizers[kind], '-pthread', ...objects, '-ldl', '-o', `${program}.${process.pid}`]);
  renameSync(`${program}.${process.pid}`, program);
  return program;
}

function canSanitize(kind) {
  const folder = mkdtempSync(join(tmpdir(), 'mserve-sanitizer-'));
  writeFileSync(join(folder, 'main.cc'), 'int main() { return 0; }\n');
  const program = join(folder, 'main');
  const works = spawnSync(compiler, [...sanitizers[kind], '-o', program, `${program}.cc`]).status === 0 && spawnSync(program).status === 0;
  rmSync(folder, { recursive: true, force: true });
  return works;
}

function test(kind, rounds) {
  if (!canSanitize(kind)) {
    console.log(`${kind}: left out, ${compiler} cannot build with this sanitizer`);
    return 3;
  }
  const env = { ...process.env, TSAN_OPTIONS: 'halt_on_error=1' };
  const { status, signal } = spawnSync(build(kind), [String(rounds)], { env, stdio: 'inherit' });
  console.log(`${kind}: ${status === 0 ? 'passed' : `failed (${signal ?? `exit code ${status}`})`}`);
  return status === 0 ? 0 : 1;
}

const [wanted, rounds] = process.argv.slice(2);
if (wanted === undefined) {
  const codes = Object.keys(sanitizers).map((kind) => test(kind, 20));
  process.exitCode = codes.includes(1) ? 1 : 0;
} else if (wanted in sanitizers) {
  process.exitCode = test(wanted, Number(rounds ?? 1));
} else {
  console.error(`unknown argument ${wanted}: one of ${Object.keys(sanitizers).join(', ')}`);
  process.exitCode = 2;
}
