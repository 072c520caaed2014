/**
 * Memory of one embedded server (PSS of its process, in MB): at rest, and after each model answered a number of requests from many clients.
 *
 *   node bench/memory.mjs SERVABLES [--device-ids 0,1] [--requests 640] [--concurrency 16] [--rounds 1] [--server apps/server/dist/main.js] [--json]
 *
 * SERVABLES is a directory of servables whose methods are called `predict` or are their only one (see make-servables.mjs). Linux only: it reads /proc.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { dirname, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'device-ids': { type: 'string', default: '0' },
    requests: { type: 'string', default: '640' },
    concurrency: { type: 'string', default: '16' },
    rounds: { type: 'string', default: '1' },
    server: { type: 'string', default: `${root}/apps/server/dist/main.js` },
    json: { type: 'boolean', default: false },
  },
});
const agent = new Agent({ keepAlive: true, maxSockets: Number(flags.concurrency) });

async function serve(directory) {
  const args = [flags.server, 'serve', directory, '--rest', '127.0.0.1:0', '--grpc', '127.0.0.1:0', '--json'];
  args.push('--device-ids', flags['device-ids'], '--intra-op-threads', '1');
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const rest = await new Promise((done, fail) => {
    child.once('exit', (code) => fail(new Error(`the server ended with exit code ${code} before it was ready`)));
    createInterface({ input: child.stdout }).on('line', (line) => done(JSON.parse(line).rest));
  });
  return { child, base: `http://${String(rest).replace(/^http:\/\//, '')}` };
}

function call(url, body, headers = {}) {
  return new Promise((done, fail) => {
    const outgoing = request(url, { agent, method: body === undefined ? 'GET' : 'POST', headers }, (incoming) => {
      const parts = [];
      incoming.on('data', (part) => parts.push(part));
      incoming.on('end', () => {
        const answer = Buffer.concat(parts);
        if (incoming.statusCode === 200) done(answer);
        else fail(new Error(`${url}: ${incoming.statusCode} ${answer.toString('utf8', 0, 300)}`));
      });
    });
    outgoing.on('error', fail);
    outgoing.end(body);
  });
}

const elementBytes = { FP32: 4, INT64: 8, INT32: 4, FP16: 2, UINT8: 1, BOOL: 1, FP64: 8 };

/** The body of one request with zeros in the model's own shapes (batches of one), tensors in binary. */
function zerosFor({ inputs }) {
  const tensors = inputs.map(({ name, datatype, shape }) => {
    const dims = shape.map((dim) => (dim < 0 ? 1 : dim));
    const size = dims.reduce((product, dim) => product * dim, elementBytes[datatype]);
    return { header: { name, datatype, shape: dims, parameters: { binary_data_size: size } }, size };
  });
  const header = Buffer.from(JSON.stringify({ inputs: tensors.map((tensor) => tensor.header), parameters: { binary_data_output: true } }));
  const body = Buffer.concat([header, Buffer.alloc(tensors.reduce((sum, { size }) => sum + size, 0))]);
  return { body, headers: { 'content-type': 'application/octet-stream', 'inference-header-content-length': String(header.length) } };
}

async function load(url, { body, headers }, count) {
  let left = count;
  const client = async () => {
    while (left-- > 0) await call(url, body, headers);
  };
  await Promise.all(Array.from({ length: Number(flags.concurrency) }, client));
}

function pssMb(pid) {
  return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))[1]) / 1024;
}

const directory = resolve(positionals[0]);
const { child, base } = await serve(directory);
try {
  const index = JSON.parse(await call(`${base}/v2/repository/index`, '{}', { 'content-type': 'application/json' }));
  const names = [...new Set(index.map(({ name }) => name))];
  const requests = new Map();
  for (const name of names) {
    const url = `${base}/v2/models/${name}`;
    const zeros = zerosFor(JSON.parse(await call(url)));
    await call(`${url}/infer`, zeros.body, zeros.headers);
    requests.set(`${url}/infer`, zeros);
  }
  const result = { deviceIds: flags['device-ids'], models: names.length, restMb: pssMb(child.pid), loadedMb: [] };
  for (let round = 0; round < Number(flags.rounds); round++) {
    const startedAt = performance.now();
    for (const [url, zeros] of requests) await load(url, zeros, Number(flags.requests));
    result.seconds = (performance.now() - startedAt) / 1000;
    result.loadedMb.push(pssMb(child.pid));
  }
  if (flags.json) console.log(JSON.stringify(result));
  else
    console.log(
      `replicas on ${result.deviceIds}: ${result.restMb.toFixed(0)} MB at rest, ${result.loadedMb.map((mb) => mb.toFixed(0)).join(', ')} MB after load (${result.seconds.toFixed(1)} s a round)`,
    );
} finally {
  agent.destroy();
  child.kill('SIGTERM');
}
