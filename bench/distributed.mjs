/**
 * What a distributed model gains and costs, by whole requests (REST, one client unless said otherwise) to `mserve distributed serve`. Build first; Linux.
 *
 *   node bench/distributed.mjs latency [--ranks 2,4] [--width 1024] [--hidden 4096] [--requests 200]
 *   node bench/distributed.mjs pipeline [--ms 20] [--requests 100]
 *   node bench/distributed.mjs                  both
 *
 * latency: an MLP (x W1, ReLU, W2) as one MindIR file, and with W1 sharded by columns and W2 by rows over N ranks. Both servers run side by side and are asked in turns; one thread per rank, and one for the whole
 * net. Answers are compared. Prints medians in ms and their ratio.
 * pipeline: two stages (test/parity/distributed/cases/ms20_pipe_2, whose runtime sleeps --ms in every run: libs/native/test/held-onnxruntime, built with $CXX): requests per second one at a time and with four clients, and the ratio.
 * Exit code 1 when an answer is wrong.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createJiti } from 'jiti';
import { readNpy } from '../apps/server/dist/index.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    ranks: { type: 'string', default: '2,4' },
    width: { type: 'string', default: '1024' },
    hidden: { type: 'string', default: '4096' },
    requests: { type: 'string', default: '' },
    ms: { type: 'string', default: '20' },
    help: { type: 'boolean', default: false },
  },
});
const folder = mkdtempSync(join(tmpdir(), 'mserve-bench-distributed-'));
const running = new Set();

const quantile = (values, share) => values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))];

/** A directory with the servable `net`, whose method predict takes x and gives output_0. */
function servable(name, declaration) {
  const directory = join(folder, name);
  mkdirSync(join(directory, 'net', '1'), { recursive: true });
  writeFileSync(
    join(directory, 'net', 'servable_config.ts'),
    `import { addStage, declareModel, distributed, registerMethod } from '@mserve/register';
     const model = ${declaration};
     registerMethod(['output_0'], function predict(x) { return addStage(model, x, { outputsCount: 1 }); });`,
  );
  return directory;
}

async function serve(args, env = {}) {
  const ports = ['--rest', '127.0.0.1:0', '--grpc', '', '--json', '--log-level', 'error'];
  const child = spawn(process.execPath, [join(root, 'apps/server/bin/mserve.mjs'), ...args, ...ports], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  running.add(child);
  let said = '';
  child.stderr.on('data', (text) => (said = `${said}${text}`.slice(-4000)));
  const line = await new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the server ended with exit code ${code} before it was ready: ${said}`)));
    createInterface({ input: child.stdout }).once('line', resolve);
  });
  return { child, url: `http://${JSON.parse(line).rest}/model/net:predict` };
}

async function end(child) {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGTERM');
    await ended;
  }
  running.delete(child);
}

function serveRanks(directory, files, extra = [], env = {}) {
  const configs = existsSync(join(files, 'group_config_0.pb')) ? ['--group-config-files', join(files, 'group_config_{rank}.pb')] : [];
  const model = ['--rank-table', join(files, 'rank_table.json'), '--model-files', join(files, 'rank_{rank}.mindir'), ...configs];
  return serve(['distributed', 'serve', directory, '--servable', 'net', ...model, ...extra], env);
}

async function ask({ url }, body) {
  const response = await fetch(url, { method: 'POST', body });
  const answer = await response.json();
  if (response.status !== 200) throw new Error(`status ${response.status}: ${JSON.stringify(answer)}`);
  return answer.instances[0].output_0.flat(Infinity);
}

function check(given, wanted, tolerance) {
  const scale = Math.max(...wanted.map(Math.abs), 1e-6);
  const worst = Math.max(...wanted.map((value, at) => Math.abs(value - given[at])));
  if (given.length === wanted.length && worst <= tolerance * scale) return;
  throw new Error(`a wrong answer: off by ${worst}, where values go to ${scale}`);
}

const bytesOf = (values) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** Numbers from -0.5 to 0.5 that are the same in every run. */
function numbers(count, seed) {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32 - 0.5;
  });
}

/** Columns `from` to `to` of a matrix with so many. */
function columns(matrix, count, from, to) {
  const rows = matrix.length / count;
  const part = new Float32Array(rows * (to - from));
  for (let row = 0; row < rows; row++) part.set(matrix.subarray(row * count + from, row * count + to), row * (to - from));
  return part;
}

/** The file of one rank of an MLP, or of the whole net: then without AllReduce. */
async function mlpFile(path, width, w1, w2, isSharded) {
  const { mindirFile } = await createJiti(import.meta.url).import('../libs/mindir/src/testing/mindir-file.ts');
  const hidden = w1.length / width;
  const nodes = [
    ['main:h', 'REF::MatMul:0', 'main:x', 'w1'],
    ['main:a', 'ReLU', 'main:h'],
    ['main:p', 'REF::MatMul:0', 'main:a', 'w2'],
    ...(isSharded ? [['main:y', 'REF::AllReduce:0', 'main:p']] : []),
  ];
  const parameters = [
    { name: 'w1', dims: [width, hidden], raw: bytesOf(w1) },
    { name: 'w2', dims: [hidden, width], raw: bytesOf(w2) },
  ];
  const graph = { name: 'main', inputs: [['main:x', [1, width]]], nodes, output: isSharded ? 'main:y' : 'main:p', parameters };
  const product = { name: 'MatMul', opType: 'MatMul', attributes: { transpose_a: 0, transpose_b: 0 } };
  const reduce = { name: 'AllReduce', opType: 'AllReduce', attributes: { group: 'hccl_world_group', op: 'sum' } };
  writeFileSync(path, mindirFile([graph], [product, reduce]));
}

async function mlpRanks(size, width, hidden, w1, w2) {
  const files = join(folder, `mlp-${width}-${size}`);
  mkdirSync(files);
  const part = hidden / size;
  for (let rank = 0; rank < size; rank++) {
    const [from, to] = [rank * part, (rank + 1) * part];
    await mlpFile(join(files, `rank_${rank}.mindir`), width, columns(w1, hidden, from, to), w2.subarray(from * width, to * width), true);
  }
  const device = Array.from({ length: size }, (_, rank) => ({ device_id: String(rank), rank_id: String(rank) }));
  writeFileSync(join(files, 'rank_table.json'), JSON.stringify({ server_list: [{ server_id: '127.0.0.1', device }] }));
  return files;
}

async function latency(size, width, hidden, requests) {
  const [w1, w2] = [numbers(width * hidden, 1), numbers(hidden * width, 2)];
  const alone = servable(`whole-${width}-${size}`, `declareModel({ modelFile: 'net.mindir', modelFormat: 'MindIR', withBatchDim: false })`);
  await mlpFile(join(alone, 'net', '1', 'net.mindir'), width, w1, w2, false);
  const shared = servable(
    `ranks-${width}-${size}`,
    `distributed.declareServable({ rankSize: ${size}, stageSize: 1, withBatchDim: false })`,
  );
  const whole = await serve(['serve', alone, '--intra-op-threads', '1']);
  const ranks = await serveRanks(shared, await mlpRanks(size, width, hidden, w1, w2), ['--intra-op-threads', '1']);
  const body = JSON.stringify({ instances: [{ x: [Array.from(numbers(width, 3))] }] });
  check(await ask(ranks, body), await ask(whole, body), 1e-4);
  const times = [[], []];
  for (let request = -20; request < requests; request++) {
    for (const [index, server] of [whole, ranks].entries()) {
      const since = performance.now();
      await ask(server, body);
      if (request >= 0) times[index].push(performance.now() - since);
    }
  }
  await Promise.all([end(whole.child), end(ranks.child)]);
  const [one, all] = times.map((list) => quantile(list, 0.5));
  const [one99, all99] = times.map((list) => quantile(list, 0.99));
  console.log(
    `latency: width ${width}, hidden ${hidden} (${((8 * width * hidden) / 2 ** 20).toFixed(1)} MiB of weights): whole ${one.toFixed(2)} ms (p99 ${one99.toFixed(2)}), ${size} ranks ${all.toFixed(2)} ms (p99 ${all99.toFixed(2)}) = ${(all / one).toFixed(2)} of it`,
  );
}

async function pipeline(ms, requests) {
  const files = join(root, 'test/parity/distributed/cases/ms20_pipe_2');
  const directory = servable('pipeline', `distributed.declareServable({ rankSize: 2, stageSize: 2, withBatchDim: false })`);
  const { buildHeldRuntime } = await createJiti(import.meta.url).import('../test/support/held-runtime.ts');
  const { library, env } = buildHeldRuntime(folder);
  const server = await serveRanks(directory, files, ['--onnxruntime-library', library], { ...env, HELD_ONNXRUNTIME_MS: String(ms) });
  const input = readNpy(readFileSync(join(files, 'input_0_0.npy')));
  const floats = ({ bytes }) => Array.from(new Float32Array(new Uint8Array(bytes).buffer));
  const values = floats(input);
  const x = Array.from({ length: input.shape[0] }, (_, row) => values.slice(row * input.shape[1], (row + 1) * input.shape[1]));
  const body = JSON.stringify({ instances: [{ x }] });
  const wanted = floats(readNpy(readFileSync(join(files, 'output_0_0.npy'))));
  const perSecond = async (clients) => {
    let left = requests;
    const since = performance.now();
    await Promise.all(
      Array.from({ length: clients }, async () => {
        while (left-- > 0) check(await ask(server, body), wanted, 1e-4);
      }),
    );
    return (requests * 1000) / (performance.now() - since);
  };
  await perSecond(4);
  const alone = await perSecond(1);
  const piped = await perSecond(4);
  await end(server.child);
  console.log(
    `pipeline: two stages that sleep ${ms} ms: one batch at a time ${alone.toFixed(1)}/s, four clients ${piped.toFixed(1)}/s = ${(piped / alone).toFixed(2)} times`,
  );
}

const unknown = positionals.find((name) => name !== 'latency' && name !== 'pipeline');
if (flags.help || unknown !== undefined) {
  console.log(readFileSync(fileURLToPath(import.meta.url), 'utf8').split('*/')[0]);
  process.exit(unknown === undefined ? 0 : 2);
}
const isWanted = (name) => positionals.length === 0 || positionals.includes(name);
try {
  if (isWanted('latency')) {
    for (const size of flags.ranks.split(',').map(Number)) {
      await latency(size, 32, 64, Number(flags.requests || 200));
      await latency(size, Number(flags.width), Number(flags.hidden), Number(flags.requests || 200));
    }
  }
  if (isWanted('pipeline')) await pipeline(Number(flags.ms), Number(flags.requests || 100));
} finally {
  await Promise.all([...running].map(end));
  rmSync(folder, { recursive: true });
}
