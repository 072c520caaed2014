/**
 * Builds and runs the tests of the memory that processes share: slabs and rings. Needs no Node addon. Linux.
 *
 *   node libs/native/test/slab-tests.mjs                          plain, then with each sanitizer, killed at every few instructions (minutes)
 *   node libs/native/test/slab-tests.mjs address [ROUNDS [NAME]]  one of: plain, address, thread; of slab and ring, the one of that name
 *
 * Exit code 0; 1 when a test fails; 3 when the compiler has no such sanitizer. Builds go to libs/native/build/test and are used again.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { canSanitize } from './sanitizers.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const native = join(here, '..', 'src', 'native');
const compiler = process.env.CXX ?? 'c++';
const sanitizers = {
  plain: [],
  address: ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'],
  thread: ['-fsanitize=thread'],
};
/** Each program tests one of these; all of them share the sources. */
const programs = ['slab', 'ring'];
const files = programs.flatMap((name) => readdirSync(join(native, name)).map((file) => join(native, name, file)));
const sourcesOf = (name) => files.filter((file) => file.endsWith('.cc')).concat(join(here, `${name}_test.cc`));
const headers = [...files, join(native, 'rank', 'descriptor.h'), join(here, 'traced_process.h')];
const modified = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** Under another name first: two runs may build at once. */
function build(kind, name) {
  const out = join(here, '..', 'build', 'test', `slab-${kind}`);
  const program = join(out, `${name}-test`);
  const sources = sourcesOf(name);
  if (modified(program) > Math.max(...[...sources, ...headers].map(modified))) return program;
  mkdirSync(out, { recursive: true });
  const made = `${program}.${process.pid}`;
  const flags = ['-std=c++20', '-O1', '-g1', '-Wall', '-Wextra', '-pthread', `-I${native}`, ...sanitizers[kind]];
  const { status, stderr } = spawnSync(compiler, [...flags, ...sources, '-o', made], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the tests do not compile:\n${stderr}`);
  renameSync(made, program);
  return program;
}

function test(kind, rounds, names = programs) {
  if (!canSanitize(compiler, sanitizers[kind])) {
    console.log(`${kind}: left out, ${compiler} cannot build with this sanitizer`);
    return 3;
  }
  const env = { ...process.env, TSAN_OPTIONS: 'halt_on_error=1' };
  for (const name of names) {
    const { status, signal } = spawnSync(build(kind, name), [String(rounds)], { env, stdio: 'inherit' });
    console.log(`${kind} ${name}: ${status === 0 ? 'passed' : `failed (${signal ?? `exit code ${status}`})`}`);
    if (status !== 0) return 1;
  }
  return 0;
}

const [wanted, rounds, name] = process.argv.slice(2);
if (wanted === undefined) {
  const codes = Object.keys(sanitizers).map((kind) => test(kind, 10));
  process.exitCode = codes.includes(1) ? 1 : 0;
} else if (wanted in sanitizers && (name === undefined || programs.includes(name))) {
  process.exitCode = test(wanted, Number(rounds ?? 1), name === undefined ? programs : [name]);
} else {
  console.error(`unknown arguments: one of ${Object.keys(sanitizers).join(', ')}, ROUNDS, and one of ${programs.join(', ')}`);
  process.exitCode = 2;
}
