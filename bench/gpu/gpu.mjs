/**
 * Models on an NVIDIA GPU: do they give what the CPU gives, and how fast is a net of the size of ResNet-50 beside ONNX Runtime's own Python loop?
 *   node bench/gpu/gpu.mjs [--provider cuda|tensorrt|cpu] [--cases DIR] [--seconds 3] [--reps 5] [--max-batch 32]
 * Needs the workspace built (npm start or npm test does it) and python3; installs onnxruntime-gpu with CUDA and cuDNN into a virtual environment of
 * its own below ~/.cache/mserve. `cpu` tries the script itself where there is no GPU. DIR: more cases in the form of test/parity/mindir/cases.
 * Exit code 1 when a case differs, or a ratio of throughput is below 0.95.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cache, pythonVenv } from '../python-venv.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..', '..');
const { values } = parseArgs({
  options: {
    provider: { type: 'string', default: 'cuda' },
    cases: { type: 'string', multiple: true, default: [] },
    seconds: { type: 'string', default: '3' },
    reps: { type: 'string', default: '5' },
    'max-batch': { type: 'string', default: '32' },
  },
});
const { provider } = values;
const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];

const runtime =
  provider === 'cpu' ? ['onnxruntime'] : ['onnxruntime-gpu[cuda,cudnn]', ...(provider === 'tensorrt' ? ['tensorrt-cu12'] : [])];
const venv = pythonVenv(provider === 'cpu' ? 'gpu/venv-cpu' : 'gpu/venv', [...runtime, 'onnx', 'numpy']);
const python = join(venv, 'bin', 'python');
const resnet = join(cache, 'gpu', 'resnet50.onnx');
if (!existsSync(resnet)) execFileSync(python, [join(here, 'make_resnet50.py'), dirname(resnet)], { stdio: 'inherit' });
// Where the libraries of the GPU are looked for
process.env.VIRTUAL_ENV = venv;
const { Session, examineProvider } = await import('../../libs/native/dist/index.js');
const { loadMindir } = await import('../../libs/mindir/dist/index.js');
const { halfToFloat } = await import('../../libs/wire/dist/index.js');
const { readNpy } = await import('../../apps/server/dist/npy.js');

const machine = examineProvider(provider);
console.log(
  `${provider}: ${machine.runtime}, ${machine.driver ?? 'no driver'}; ${machine.devices.map(({ name }) => name).join(', ') || 'no device'}`,
);
if (machine.problems.length > 0) {
  console.error(machine.problems.join('\n'));
  process.exit(1);
}

const device = {
  provider,
  options: provider === 'cpu' ? {} : { cpuFallback: 'allow', ...(provider === 'cuda' && { precisionMode: 'origin' }) },
};

async function open(path, options = {}) {
  if (!path.endsWith('.mindir')) return Session.open(path, options);
  const { model, initializers } = await loadMindir(path);
  return Session.open(model, { ...options, initializers });
}

/** The largest |got - want| / (tolerance + 10 tolerance |want|) of floats, tolerance 1e-4, of float16 2e-3; other outputs have to be equal. */
function distance(got, want) {
  if (got.dtype !== want.dtype || got.shape.join() !== want.shape.join()) return Infinity;
  const [a, b] = [got, want].map(({ dtype, bytes }) => {
    const { buffer } = new Uint8Array(bytes);
    return dtype === 'float16'
      ? Float32Array.from(new Uint16Array(buffer), halfToFloat)
      : dtype === 'float32'
        ? new Float32Array(buffer)
        : new Uint8Array(buffer);
  });
  const tolerance = got.dtype === 'float16' ? 2e-3 : got.dtype === 'float32' ? 1e-4 : 0;
  return a.reduce(
    (most, x, i) =>
      Object.is(x, b[i]) || x === b[i] ? most : Math.max(most, Math.abs(x - b[i]) / (tolerance + 10 * tolerance * Math.abs(b[i]))),
    0,
  );
}

/** A case: a model, and the inputs to run it with. */
function cases() {
  const folders = [join(root, 'test', 'parity', 'mindir', 'cases'), ...values.cases];
  const found = folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('meta.json'))
      .map((path) => {
        const where = dirname(join(folder, path));
        return { name: relative(folder, where), where, meta: JSON.parse(readFileSync(join(where, 'meta.json'), 'utf8')) };
      })
      .filter(({ meta }) => meta.expect === 'match' && meta.encryption === undefined),
  );
  return [
    ...found.map(({ name, where, meta }) => ({
      name,
      model: join(where, meta.model_file),
      inputs: meta.cases.map(({ inputs }) => inputs.map((file) => readNpy(readFileSync(join(where, file))))),
    })),
    { name: 'digits', model: join(root, 'examples', 'digits', '1', 'digits.onnx'), inputs: undefined },
  ];
}

/** Made-up rows, for a model without inputs of its own. */
function madeUp({ dtype, shape }) {
  const dims = shape.map((dim) => (dim < 0 ? 16 : dim));
  const numbers = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => ((i * 2654435761) % 1000) / 1000);
  if (dtype !== 'float32') throw new Error(`no rows of ${dtype} can be made up`);
  return { dtype, shape: dims, bytes: new Uint8Array(numbers.buffer) };
}

async function compare() {
  let different = 0;
  const all = cases();
  for (const { name, model, inputs } of all) {
    const sessions = [await open(model), await open(model, { device })];
    for (const rows of inputs ?? [sessions[0].describe().inputs.map(madeUp)]) {
      const [want, got] = [await sessions[0].run(rows), await sessions[1].run(rows)];
      const worst = Math.max(...want.map((tensor, i) => distance(got[i], tensor)));
      if (worst <= 1) continue; // not so for NaN
      different++;
      console.log(`  ${name}: ${worst.toFixed(2)} x the tolerance`);
    }
    await Promise.all(sessions.map((session) => session.close()));
  }
  console.log(`${all.length} models on ${provider} against the CPU: ${different} runs differ`);
  return different === 0;
}

async function ourLoop(session, batch, seconds) {
  const x = madeUp({ dtype: 'float32', shape: [batch, 3, 224, 224] });
  await session.run([x]);
  const begun = performance.now();
  let runs = 0;
  for (; performance.now() - begun < seconds * 1000; runs++) await session.run([x]);
  return (runs * 1000) / (performance.now() - begun);
}

async function throughput() {
  const seconds = Number(values.seconds);
  const session = await Session.open(resnet, { device });
  const loop = spawn(python, [join(here, 'loop.py'), resnet, provider], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: loop.stdout })[Symbol.asyncIterator]();
  let isFast = true;
  for (const batch of [1, 8, 32].filter((size) => size <= Number(values['max-batch']))) {
    const pairs = [];
    for (let rep = 0; rep < Number(values.reps); rep++) {
      loop.stdin.write(`${batch} ${seconds}\n`);
      const theirs = Number((await lines.next()).value);
      pairs.push({ theirs, ours: await ourLoop(session, batch, seconds) });
    }
    const ratio = median(pairs.map(({ ours, theirs }) => ours / theirs));
    const images = (name) => (median(pairs.map((pair) => pair[name])) * batch).toFixed(1);
    console.log(
      `resnet50, batch ${batch}: ${images('ours')} images/s, Python ${images('theirs')}; ratio ${ratio.toFixed(3)} (median of ${pairs.length})`,
    );
    isFast &&= ratio >= 0.95;
  }
  loop.stdin.end();
  await session.close();
  return isFast;
}

const isRight = await compare();
const isFast = await throughput();
process.exit(isRight && isFast ? 0 : 1);
