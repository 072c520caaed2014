/**
 * Builds and runs the tests of the acl backend on the fake AscendCL library, which need no Ascend device and no Node.
 *
 *   node libs/native/test/acl-tests.mjs            plain, then with each sanitizer
 *   node libs/native/test/acl-tests.mjs address    one of: plain, old, address, thread
 *   node libs/native/test/acl-tests.mjs --fake     only builds the fake library and prints its path
 *
 * Exit code 0; 1 when a test fails; 3 when the compiler has no such sanitizer. Builds go to libs/native/build/test and are used again.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const native = join(here, '..', 'src', 'native');
const out = join(here, '..', 'build', 'test');
const compiler = process.env.CXX ?? 'c++';
// Compiling takes most of the time: -O0 and short debug information halve it
const common = ['-std=c++20', '-O0', '-g1', '-Wall', '-Wextra', '-pthread'];
/** old: as a version that lacks the later functions, in two libraries as newer toolkits have it. */
const sanitizers = {
  plain: [],
  old: [],
  address: ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'],
  thread: ['-fsanitize=thread'],
};

const sourcesIn = (folder) =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.cc'))
    .map((name) => join(folder, name));
const newestIn = (folder) => Math.max(...readdirSync(folder, { recursive: true }).map((name) => statSync(join(folder, name)).mtimeMs));

/** Compiles unless the file is newer than every source. Built under another name first: two runs may build at once. */
function build(name, args) {
  const path = join(out, name);
  const newest = Math.max(newestIn(here), newestIn(native));
  if ((statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) >= newest) return path;
  mkdirSync(out, { recursive: true });
  const made = `${path}.${process.pid}`;
  const { status, stderr } = spawnSync(compiler, [...common, ...args, '-o', made, '-ldl'], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${name} does not compile:\n${stderr}`);
  renameSync(made, path);
  return path;
}

function buildFake(kind) {
  return build(`libascendcl-fake-${kind}.so`, [
    ...(kind === 'old' ? ['-DFAKE_ACL_OLD'] : []),
    '-fPIC',
    '-shared',
    '-fvisibility=hidden',
    ...sanitizers[kind],
    ...sourcesIn(join(here, 'fake-acl')),
  ]);
}

function buildTest(kind) {
  const sources = [
    join(here, 'acl_backend_test.cc'),
    ...sourcesIn(join(native, 'acl')),
    join(native, 'ascend_claim.cc'),
    join(native, 'onnx', 'model_file.cc'),
  ];
  return build(`acl-backend-test-${kind}`, [`-I${native}`, ...sanitizers[kind], ...sources]);
}

/** A folder like that of a toolkit, in which the fake stands for both libraries. */
function splitInto(folder, library) {
  mkdirSync(join(folder, 'lib64'));
  for (const name of ['libacl_rt.so', 'libacl_mdl.so']) symlinkSync(library, join(folder, 'lib64', name));
  return folder;
}

function canSanitize(kind) {
  const folder = mkdtempSync(join(tmpdir(), 'mserve-sanitizer-'));
  writeFileSync(join(folder, 'main.cc'), 'int main() { return 0; }\n');
  const program = join(folder, 'main');
  const works = spawnSync(compiler, [...sanitizers[kind], '-o', program, `${program}.cc`]).status === 0 && spawnSync(program).status === 0;
  rmSync(folder, { recursive: true, force: true });
  return works;
}

function run(kind) {
  if (!canSanitize(kind)) {
    console.log(`${kind}: left out, ${compiler} cannot build with this sanitizer`);
    return 3;
  }
  const models = mkdtempSync(join(tmpdir(), 'mserve-om-'));
  // What the fake keeps is kept on purpose: it recognizes pointers to what was destroyed
  const env = { ...process.env, ASAN_OPTIONS: 'detect_leaks=0', TSAN_OPTIONS: 'halt_on_error=1' };
  const library = kind === 'old' ? splitInto(models, buildFake(kind)) : buildFake(kind);
  const { status, signal } = spawnSync(buildTest(kind), [library, models], { env, stdio: 'inherit' });
  rmSync(models, { recursive: true, force: true });
  console.log(`${kind}: ${status === 0 ? 'passed' : `failed (${signal ?? `exit code ${status}`})`}`);
  return status === 0 ? 0 : 1;
}

const [wanted] = process.argv.slice(2);
if (wanted === '--fake') {
  console.log(buildFake('plain'));
} else if (wanted === undefined) {
  const codes = Object.keys(sanitizers).map(run);
  process.exitCode = codes.includes(1) ? 1 : 0;
} else if (wanted in sanitizers) {
  process.exitCode = run(wanted);
} else {
  console.error(`unknown argument ${wanted}: one of ${Object.keys(sanitizers).join(', ')}, --fake`);
  process.exitCode = 2;
}
