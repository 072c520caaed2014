/**
 * A MindIR model beside the same net as .onnx: time until it is ready, peak memory of loading, inference throughput.
 *   node bench/mindir.mjs FILE.mindir [--reps 5]
 * Each load is a process of its own (peak memory = VmHWM); throughput is measured in this process, the two sessions in turn.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadMindir, writeOnnx } from '../libs/mindir/dist/index.js';
import { Session } from '../libs/native/dist/index.js';

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

function peakMb() {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
}

async function open(path) {
  if (!path.endsWith('.mindir')) return Session.open(path);
  const { model, initializers } = await loadMindir(path);
  return Session.open(model, { initializers });
}

if (process.argv[2] === '--load') {
  const before = peakMb();
  const started = performance.now();
  await open(process.argv[3]);
  process.stdout.write(JSON.stringify({ ms: performance.now() - started, mb: peakMb() - before }));
  process.exit(0);
}

const file = process.argv[2];
const reps = Number(process.argv[4] ?? 5);
const onnx = join(mkdtempSync(join(tmpdir(), 'mserve-bench-')), 'same.onnx');
writeFileSync(onnx, writeOnnx(await loadMindir(file)));
const self = fileURLToPath(import.meta.url);
const loads = { mindir: [], onnx: [] };
for (let i = 0; i < reps; i++) {
  for (const [name, path] of [
    ['mindir', file],
    ['onnx', onnx],
  ])
    loads[name].push(JSON.parse(execFileSync(process.execPath, [self, '--load', path], { encoding: 'utf8' })));
}
const megabytes = statSync(file).size / 2 ** 20;
const ms = (name) => median(loads[name].map((load) => load.ms));
const mb = (name) => median(loads[name].map((load) => load.mb));
console.log(
  `file ${megabytes.toFixed(1)} MiB; ready in ${ms('mindir').toFixed(0)} ms, as .onnx ${ms('onnx').toFixed(0)} ms: ${(ms('mindir') / ms('onnx')).toFixed(2)} x`,
);
console.log(
  `peak memory of loading, session included: ${mb('mindir').toFixed(0)} MiB (${(mb('mindir') / megabytes).toFixed(2)} x file), as .onnx ${mb('onnx').toFixed(0)} MiB`,
);

const sessions = { mindir: await open(file), onnx: await open(onnx) };
const inputs = sessions.onnx.describe().inputs.map(({ dtype, shape }) => {
  const dims = shape.map((dim) => Math.max(dim, 1));
  const bytes = { float32: 4, int32: 4, int64: 8, float16: 2, bool: 1, float64: 8 }[dtype] ?? 4;
  return { dtype, shape: dims, bytes: new Uint8Array(dims.reduce((a, b) => a * b, 1) * bytes) };
});
const turn = async (session, runs) => {
  const started = performance.now();
  for (let i = 0; i < runs; i++) await session.run(inputs);
  return (performance.now() - started) / runs;
};
const runs = Math.max(3, Math.min(2000, Math.round(300 / (await turn(sessions.onnx, 3)))));
const ratios = [];
for (let i = 0; i < reps * 3; i++) ratios.push((await turn(sessions.onnx, runs)) / (await turn(sessions.mindir, runs)));
console.log(
  `throughput of the MindIR model over that of the .onnx: ${median(ratios).toFixed(3)} (median of ${ratios.length}, ${runs} runs each)`,
);
process.exit(0);
