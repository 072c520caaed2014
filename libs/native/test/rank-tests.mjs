/**
 * Builds and runs the tests of the communicator between ranks, whose ranks are threads of one process here. Needs no Node addon.
 *
 *   node libs/native/test/rank-tests.mjs                  plain, then with each sanitizer: rounds enough to find races (a minute or more)
 *   node libs/native/test/rank-tests.mjs address [ROUNDS] one of: plain, address, thread
 *   node libs/native/test/rank-tests.mjs --fake-nccl      only builds the fake NCCL library and prints its path
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
const out = join(here, '..', 'build', 'test');
const compiler = process.env.CXX ?? 'c++';
const common = ['-std=c++20', '-O1', '-g1', '-Wall', '-Wextra', '-pthread', `-I${native}`];
const sanitizers = {
  plain: [],
  address: ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'],
  thread: ['-fsanitize=thread'],
};
const filesIn = (folder, ending) =>
  readdirSync(folder)
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name));
const tested = [...filesIn(join(native, 'rank'), '.cc'), ...filesIn(join(native, 'rank', 'nccl'), '.cc')];
const headers = [native, join(native, 'rank'), join(native, 'rank', 'nccl'), here].flatMap((folder) => filesIn(folder, '.h'));
const modified = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

function run(command, args) {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${args.at(-1)} does not compile:\n${stderr}`);
}

/** Compiles what is older than its source or any header; under another name first: two runs may build at once. */
function compile(kind, sources) {
  const folder = join(out, `rank-${kind}`);
  mkdirSync(folder, { recursive: true });
  const newestHeader = Math.max(...headers.map(modified));
  return sources.map((source) => {
    const object = join(folder, `${source.split('/').at(-1)}.o`);
    if (modified(object) > Math.max(newestHeader, modified(source))) return object;
    run(compiler, [...common, ...sanitizers[kind], '-fPIC', '-c', source, '-o', `${object}.${process.pid}`]);
    renameSync(`${object}.${process.pid}`, object);
    return object;
  });
}

function link(kind, name, objects, flags) {
  const program = join(out, `rank-${kind}`, name);
  if (modified(program) > Math.max(...objects.map(modified))) return program;
  run(compiler, [...sanitizers[kind], '-pthread', ...flags, ...objects, '-ldl', '-o', `${program}.${process.pid}`]);
  renameSync(`${program}.${process.pid}`, program);
  return program;
}

function buildFake(kind) {
  const objects = compile(kind, [join(native, 'rank', 'reduction.cc'), join(here, 'fake-nccl', 'fake_nccl.cc')]);
  return link(kind, 'libnccl-fake.so', objects, ['-shared', '-Wl,-Bsymbolic']);
}

/** Paths of the two programs and of the fake library. */
function build(kind) {
  const objects = compile(kind, tested);
  const [rankTest, ncclTest, fake] = compile(kind, [
    join(here, 'rank_test.cc'),
    join(here, 'rank_nccl_test.cc'),
    join(here, 'fake-nccl', 'fake_nccl.cc'),
  ]);
  const reduction = objects.filter((object) => object.endsWith('reduction.cc.o'));
  return {
    rankTest: link(kind, 'rank-test', [...objects, rankTest], []),
    ncclTest: link(kind, 'rank-nccl-test', [...objects, ncclTest], []),
    fake: buildFake(kind),
  };
}

function test(kind, rounds) {
  if (!canSanitize(compiler, sanitizers[kind])) {
    console.log(`${kind}: left out, ${compiler} cannot build with this sanitizer`);
    return 3;
  }
  const env = { ...process.env, TSAN_OPTIONS: 'halt_on_error=1' };
  const { rankTest, ncclTest, fake } = build(kind);
  const ends = [spawnSync(rankTest, [String(rounds)], { env, stdio: 'inherit' }), spawnSync(ncclTest, [fake], { env, stdio: 'inherit' })];
  const failed = ends.find(({ status }) => status !== 0);
  console.log(`${kind}: ${failed === undefined ? 'passed' : `failed (${failed.signal ?? `exit code ${failed.status}`})`}`);
  return failed === undefined ? 0 : 1;
}

const [wanted, rounds] = process.argv.slice(2);
if (wanted === '--fake-nccl') {
  console.log(buildFake('plain'));
} else if (wanted === undefined) {
  const codes = Object.keys(sanitizers).map((kind) => test(kind, 20));
  process.exitCode = codes.includes(1) ? 1 : 0;
} else if (wanted in sanitizers) {
  process.exitCode = test(wanted, Number(rounds ?? 1));
} else {
  console.error(`unknown argument ${wanted}: one of ${Object.keys(sanitizers).join(', ')}, --fake-nccl`);
  process.exitCode = 2;
}
