/**
 * What tensors cost between the processes of a fleet: one tensor in and out of Relu over gRPC, by size, embedded beside a fleet of one gateway, one scheduler and one worker, with and without
 * shared memory.
 *
 *   node bench/tensors.mjs [--sizes 614400] [--concurrency 1,4] [--warm-up 3000] [--rounds 7] [--seconds 2] [--kinds embedded,bus,shared] [--from-bytes N] [--json]
 *
 * One server of each kind, started together; they are asked in turn, in an order that changes with each round. Compared is round by round; the median counts. CPU is of all processes of a kind,
 * nats-server included, the client left out. Needs the built apps (tsc -b) and Linux.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:http2';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createJiti } from 'jiti';
import { ensureNatsServer } from '../scripts/nats-server.mjs';

const { freePort } = await createJiti(import.meta.url).import('../test/support/free-port.ts');

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values: flags } = parseArgs({
  options: {
    sizes: { type: 'string', default: '614400' },
    concurrency: { type: 'string', default: '1,4' },
    'warm-up': { type: 'string', default: '3000' },
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '2' },
    kinds: { type: 'string', default: 'embedded,bus,shared' },
    'from-bytes': { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const numbers = (text) => text.split(',').map(Number);

/** Just enough protobuf. */
function varint(value) {
  const bytes = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return Buffer.from([...bytes, value]);
}
const field = (number, content) =>
  typeof content === 'number'
    ? Buffer.concat([varint(number * 8), varint(content)])
    : Buffer.concat([varint(number * 8 + 2), varint(Buffer.byteLength(content)), Buffer.from(content)]);
const message = (...fields) => Buffer.concat(fields);

/** y = relu(x), float32, any number of rows of any length. */
function reluModel() {
  const dim = (name) => field(1, field(2, name));
  const value = (name) => message(field(1, name), field(2, field(1, message(field(1, 1), field(2, message(dim('n'), dim('m')))))));
  const node = message(field(1, 'x'), field(2, 'y'), field(4, 'Relu'));
  const graph = message(field(1, node), field(2, 'relu'), field(11, value('x')), field(12, value('y')));
  return message(field(1, 8), field(7, graph), field(8, message(field(1, ''), field(2, 17))));
}

/** A ModelInferRequest, framed. */
function inferCall(bytes) {
  const elements = new Float32Array(bytes / 4).map((_, i) => (i % 7) - 3);
  const shape = message(varint(1), varint(elements.length));
  const input = message(field(1, 'x'), field(2, 'FP32'), field(3, shape));
  const body = message(field(1, 'relu'), field(5, input), field(7, Buffer.from(elements.buffer)));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  return { frame: Buffer.concat([head, body]), bytes };
}

const folder = mkdtempSync(join(tmpdir(), 'mserve-tensors-'));
mkdirSync(join(folder, 'relu', '1'), { recursive: true });
writeFileSync(join(folder, 'relu', '1', 'relu.onnx'), reluModel());
writeFileSync(
  join(folder, 'relu', 'servable_config.ts'),
  `import { addStage, declareModel, registerMethod } from '@mserve/register';
const model = declareModel({ modelFile: 'relu.onnx', modelFormat: 'ONNX', withBatchDim: true });
registerMethod(['y'], function predict(x) { return addStage(model, x, { outputsCount: 1 }); });
`,
);

const children = [];
function start(command, args) {
  const child = spawn(command, args, { cwd: root, stdio: 'ignore' });
  children.push(child);
  return child.pid;
}
const mserve = (...args) => start(process.execPath, ['apps/server/dist/main.js', ...args, '--log-level', 'error']);

async function startEmbedded() {
  const grpc = `127.0.0.1:${await freePort()}`;
  const rest = `127.0.0.1:${await freePort()}`;
  return { grpc, rest, pids: [mserve('serve', folder, '--grpc', grpc, '--rest', rest, '--ops', '')] };
}

async function startFleet(...ofTensors) {
  const port = await freePort();
  const grpc = `127.0.0.1:${await freePort()}`;
  const rest = `127.0.0.1:${await freePort()}`;
  const nats = ['--nats', `nats://127.0.0.1:${port}`];
  const pids = [
    start(await ensureNatsServer(), ['-a', '127.0.0.1', '-p', String(port)]),
    mserve('app', 'gateway', ...nats, '--grpc', grpc, '--rest', rest, ...ofTensors),
    mserve('app', 'scheduler', ...nats),
    mserve('app', 'device-worker', ...nats, '--directory', folder, ...ofTensors),
  ];
  return { grpc, rest, pids };
}

const kinds = {
  embedded: startEmbedded,
  bus: () => startFleet('--shared-memory-mb', '0'),
  shared: () => startFleet(...(flags['from-bytes'] === undefined ? [] : ['--shared-memory-from-bytes', flags['from-bytes']])),
};

/** User and system time of processes, in microseconds. */
function cpuOf(pids) {
  let ticks = 0;
  for (const pid of pids) {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks * 10_000;
}

async function untilReady({ rest }) {
  for (;;) {
    const answer = await fetch(`http://${rest}/v2/models/relu.predict/ready`).catch(() => undefined);
    if (answer?.status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function ask(session, call) {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/inference.GRPCInferenceService/ModelInfer',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    let received = 0;
    stream.on('data', (chunk) => (received += chunk.length));
    stream.on('trailers', (trailers) => {
      if (trailers['grpc-status'] !== '0') reject(new Error(`status ${trailers['grpc-status']}: ${trailers['grpc-message']}`));
    });
    stream.on('error', reject);
    stream.on('end', () => (received > call.bytes ? resolve() : reject(new Error(`${received} bytes came`))));
    stream.end(call.frame);
  });
}

/** So many requests until V8 has compiled what they use often: a server that answers more of them in a second would have an advantage in the first rounds. */
async function warmUp(server, call, requests) {
  const session = connect(`http://${server.grpc}`, { settings: { initialWindowSize: 4 << 20 } });
  session.once('connect', () => session.setLocalWindowSize(4 << 20));
  let left = requests;
  const askOn = async () => {
    while (left-- > 0) await ask(session, call);
  };
  await Promise.all([1, 2, 3, 4].map(askOn));
  session.close();
}

async function measure(server, call, concurrency, seconds) {
  const times = [];
  const before = cpuOf(server.pids);
  const each = server.pids.map((pid) => cpuOf([pid]));
  const began = performance.now();
  const askOn = async () => {
    const session = connect(`http://${server.grpc}`, { settings: { initialWindowSize: 4 << 20 } });
    session.once('connect', () => session.setLocalWindowSize(4 << 20));
    while (performance.now() - began < seconds * 1000) {
      const since = performance.now();
      await ask(session, call);
      times.push(performance.now() - since);
    }
    session.close();
  };
  await Promise.all(Array.from({ length: concurrency }, askOn));
  const took = (performance.now() - began) / 1000;
  const byProcess = server.pids.map((pid, i) => Math.round((cpuOf([pid]) - each[i]) / times.length));
  return { p50: median(times), cpuUs: (cpuOf(server.pids) - before) / times.length, rps: times.length / took, byProcess };
}

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const names = flags.kinds.split(',');
const servers = {};
const results = [];
try {
  for (const name of names) servers[name] = await kinds[name]();
  for (const name of names) await untilReady(servers[name]);
  for (const size of numbers(flags.sizes)) {
    const call = inferCall(size);
    for (const name of names) await warmUp(servers[name], call, Number(flags['warm-up']));
    for (const concurrency of numbers(flags.concurrency)) {
      const rows = [];
      for (const name of names) await measure(servers[name], call, concurrency, 1);
      for (let round = 0; round < Number(flags.rounds); round++) {
        const row = {};
        for (let i = 0; i < names.length; i++) {
          const name = names[(round + i) % names.length];
          row[name] = await measure(servers[name], call, concurrency, Number(flags.seconds));
        }
        rows.push(row);
      }
      for (const name of names) {
        const of = (key) => median(rows.map((row) => row[name][key]));
        const ratio = (key) => median(rows.map((row) => row[name][key] / row[names[0]][key]));
        const result = {
          size,
          concurrency,
          kind: name,
          p50Ms: of('p50'),
          cpuUs: of('cpuUs'),
          rps: of('rps'),
          byProcess: servers[name].pids.map((_, i) => median(rows.map((row) => row[name].byProcess[i]))),
          p50Ratio: ratio('p50'),
          cpuRatio: ratio('cpuUs'),
        };
        results.push(result);
        if (!flags.json)
          console.log(
            `${size} bytes, c = ${concurrency}, ${name}: p50 ${result.p50Ms.toFixed(2)} ms (${result.p50Ratio.toFixed(2)} x ${names[0]}), ` +
              `CPU ${result.cpuUs.toFixed(0)} us (${result.cpuRatio.toFixed(2)} x; ${result.byProcess.join(' + ')}), ${result.rps.toFixed(0)} a second`,
          );
      }
    }
  }
  if (flags.json) console.log(JSON.stringify(results));
} finally {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}
