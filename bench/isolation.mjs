/**
 * What one method's spinning function and another's hanging one cost the other methods of the servable: p99 over REST, idle against troubled.
 *
 *   node bench/isolation.mjs [--seconds 10] [--concurrency 4] [--rounds 3] [--workers 1] [--json]
 *
 * One embedded server, one client process, real sockets. Idle and troubled rounds take turns, so that a slow machine slows both.
 */
import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values: flags } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    concurrency: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '3' },
    workers: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});

const config = `import { addStage, declareModel, registerMethod } from '@mserve/register';
const double = declareModel('double.onnx', 'ONNX');
function endless(x) { for (;;) if (Math.random() > 2) return x; }
function never(_x) { return new Promise(() => undefined); }
function half(x) { return x.div(2); }
registerMethod(['y'], function spin(x) { return addStage(endless, x); });
registerMethod(['y'], function hang(x) { return addStage(never, x); });
registerMethod(['y'], function by_function(x) { return addStage(half, x); });
registerMethod(['y'], function by_model(x) { return addStage(double, x); });
`;
const body = '{"instances":[{"x":[0.5,1.5,2.5]}]}';

async function serve(directory) {
  const args = [
    'apps/server/dist/main.js',
    'serve',
    directory,
    '--rest',
    '127.0.0.1:0',
    '--grpc',
    '127.0.0.1:0',
    '--num-parallel-workers',
    flags.workers,
    '--json',
  ];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  const rest = await new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the server ended with exit code ${code} before it was ready`)));
    createInterface({ input: child.stdout }).on('line', (line) => resolve(JSON.parse(line).rest));
  });
  return { child, rest };
}

/** One call; resolves with its milliseconds. Rejects when it is not answered with 200, or when `signal` ends it. */
function call(rest, agent, method, signal) {
  const [hostname, port] = rest.split(':');
  return new Promise((resolve, reject) => {
    const begin = performance.now();
    const sent = request({ hostname, port, agent, method: 'POST', path: `/model/isolation:${method}`, signal }, (response) => {
      response.resume();
      response.on('error', reject);
      response.on('end', () =>
        response.statusCode === 200 ? resolve(performance.now() - begin) : reject(new Error(`${method}: ${response.statusCode}`)),
      );
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];

/** Calls the good methods for a while; milliseconds by method, sorted. */
async function measure(rest, agent, seconds) {
  const times = { by_function: [], by_model: [] };
  const until = performance.now() + seconds * 1000;
  const loop = async (first) => {
    for (let n = first; performance.now() < until; n++) {
      const method = n % 2 === 0 ? 'by_function' : 'by_model';
      times[method].push(await call(rest, agent, method));
    }
  };
  await Promise.all(Array.from({ length: Number(flags.concurrency) }, (_, i) => loop(i)));
  for (const list of Object.values(times)) list.sort((a, b) => a - b);
  return times;
}

async function troubled(rest, agent, seconds) {
  const gone = new AbortController();
  const own = new Agent();
  const calls = ['spin', 'hang'].map((method) =>
    call(rest, own, method, gone.signal).then(
      () => 'answered',
      () => 'cancelled',
    ),
  );
  const times = await measure(rest, agent, seconds);
  gone.abort();
  const ends = await Promise.all(calls);
  own.destroy();
  if (ends.includes('answered')) throw new Error('a function that should spin or hang was answered');
  // The thread that spun is replaced when its caller is gone; the next round begins when functions are answered as before.
  await measure(rest, agent, 1);
  return times;
}

const directory = mkdtempSync(join(tmpdir(), 'mserve-isolation-'));
mkdirSync(join(directory, 'isolation/1'), { recursive: true });
writeFileSync(join(directory, 'isolation/servable_config.ts'), config);
copyFileSync(join(root, 'apps/server/templates/servable/1/double.onnx'), join(directory, 'isolation/1/double.onnx'));
const { child, rest } = await serve(directory);
const agent = new Agent({ keepAlive: true, maxSockets: Number(flags.concurrency) });
try {
  await measure(rest, agent, 2); // warm-up
  const rows = [];
  for (let round = 1; round <= Number(flags.rounds); round++) {
    const idle = await measure(rest, agent, Number(flags.seconds));
    const trouble = await troubled(rest, agent, Number(flags.seconds));
    for (const method of Object.keys(idle)) {
      const of = (times, q) => Number(quantile(times[method], q).toFixed(3));
      const row = {
        round,
        method,
        calls: [idle[method].length, trouble[method].length],
        idleMs: { p50: of(idle, 0.5), p99: of(idle, 0.99) },
        troubledMs: { p50: of(trouble, 0.5), p99: of(trouble, 0.99), max: of(trouble, 1) },
      };
      rows.push({ ...row, ratioP99: Number((row.troubledMs.p99 / row.idleMs.p99).toFixed(2)) });
    }
  }
  const ratios = rows.map((row) => row.ratioP99).sort((a, b) => a - b);
  const summary = {
    cores: availableParallelism(),
    concurrency: Number(flags.concurrency),
    workers: Number(flags.workers),
    rows,
    medianRatioP99: quantile(ratios, 0.5),
  };
  if (flags.json) console.log(JSON.stringify(summary));
  else {
    for (const { round, method, idleMs, troubledMs, ratioP99 } of rows) {
      console.log(
        `round ${round}  ${method.padEnd(12)} p99 idle ${idleMs.p99} ms, troubled ${troubledMs.p99} ms (longest ${troubledMs.max}), ratio ${ratioP99}`,
      );
    }
    console.log(`${summary.cores} cores; median ratio of p99, troubled to idle: ${summary.medianRatioP99}`);
  }
} finally {
  agent.destroy();
  child.kill('SIGTERM');
  await new Promise((resolve) => (child.exitCode === null ? child.once('exit', resolve) : resolve()));
  rmSync(directory, { recursive: true, force: true });
}
