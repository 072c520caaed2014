/**
 * Overload: a fleet with two workers and a function of 10 ms is asked for three times what it can do. Says what it can do (closed loop), and for each
 * deadline how much of that still came in time (open loop), how soon the rest was refused, what a second servable got, and how much memory was taken.
 *
 *   node bench/overload.mjs [--seconds 30] [--deadlines 200,2000] [--times 3]
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ensureNatsServer } from '../scripts/nats-server.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values: flags } = parseArgs({
  options: {
    seconds: { type: 'string', default: '30' },
    deadlines: { type: 'string', default: '200,2000' },
    times: { type: 'string', default: '3' },
    port: { type: 'string', default: '21420' },
  },
});
const seconds = Number(flags.seconds);
const port = Number(flags.port);

const config = `import { addStage, registerMethod } from '@mserve/register';
const nobody = new Int32Array(new SharedArrayBuffer(4));
function wait(x) { Atomics.wait(nobody, 0, 0, 10); return x; }
registerMethod(['y'], function predict(x) { return addStage(wait, x); });
`;
mkdirSync(join(root, 'tmp'), { recursive: true });
const folder = mkdtempSync(join(root, 'tmp/overload-'));
for (const name of ['flooded', 'other']) {
  mkdirSync(join(folder, name, '1'), { recursive: true });
  writeFileSync(join(folder, name, 'servable_config.ts'), config);
}

const children = new Map();
function start(name, command, args) {
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  children.set(name, child);
}
function app(name, kind, ...args) {
  start(name, process.execPath, [`apps/${kind}/dist/main.js`, '--bus', `nats://127.0.0.1:${port}`, '--log-level', 'error', ...args]);
}
const natsConfig = join(mkdtempSync(join(tmpdir(), 'mserve-overload-')), 'nats.conf');
writeFileSync(natsConfig, `listen: "127.0.0.1:${port}"\nlog_file: "/dev/null"\n`);
start('nats-server', await ensureNatsServer(), ['-c', natsConfig]);
app('gateway', 'gateway', '--rest', `127.0.0.1:${port + 1}`, '--grpc=', '--drain-delay-ms', '0');
app('scheduler', 'scheduler');
for (const device of ['0', '1']) app(`worker-${device}`, 'device-worker', '--directory', folder, '--device-ids', device);

const agent = new Agent({ keepAlive: true, maxSockets: 20_000 });
const body = '{"instances":[{"x":[1,2]}]}';

/** Status, and how long the answer took. */
function ask(servable, deadlineMs) {
  const sentAt = performance.now();
  const headers = { 'content-type': 'application/json', 'content-length': body.length, 'x-request-timeout-ms': String(deadlineMs) };
  return new Promise((resolve) => {
    const call = request({ port: port + 1, path: `/model/${servable}:predict`, method: 'POST', agent, headers }, (response) => {
      response.resume();
      response.on('end', () =>
        resolve({
          status: response.statusCode,
          ms: performance.now() - sentAt,
          hasRetryAfter: response.headers['retry-after'] !== undefined,
        }),
      );
    });
    call.on('error', (error) => resolve({ status: error.code, ms: performance.now() - sentAt }));
    call.end(body);
  });
}

/** Answers per second of clients that wait for each answer. */
async function closedLoop(clients, forMs) {
  const endsAt = performance.now() + forMs;
  let answers = 0;
  await Promise.all(
    Array.from({ length: clients }, async () => {
      while (performance.now() < endsAt) if ((await ask('flooded', 60_000)).status === 200) answers += 1;
    }),
  );
  return (answers * 1000) / forMs;
}

/** What came of requests that are sent whatever comes back. */
async function openLoop(servable, perSecond, deadlineMs, forMs) {
  const begunAt = performance.now();
  const asked = [];
  while (performance.now() - begunAt < forMs) {
    const due = Math.min(forMs, performance.now() - begunAt) * (perSecond / 1000);
    while (asked.length < due) asked.push(ask(servable, deadlineMs));
    await pause(2);
  }
  return Promise.all(asked);
}

function residentMiB(name) {
  return Math.round(Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${children.get(name).pid}/status`, 'utf8'))[1]) / 1024);
}

function percentile(sorted, part) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
}

function summary(answers, deadlineMs, capacity) {
  const good = answers.filter(({ status, ms }) => status === 200 && ms <= deadlineMs).length;
  const late = answers.filter(({ status, ms }) => status === 504 || (status === 200 && ms > deadlineMs)).length;
  const refused = answers.filter(({ status }) => status === 429 || status === 503);
  const times = refused.map(({ ms }) => ms).sort((a, b) => a - b);
  const part = (n) => `${((100 * n) / answers.length).toFixed(1)} %`;
  return [
    `sent ${answers.length}, in time ${good} (${((100 * good) / (capacity * seconds)).toFixed(1)} % of capacity), late ${late} (${part(late)})`,
    `refused ${refused.length} (${part(refused.length)}), with Retry-After ${refused.filter(({ hasRetryAfter }) => hasRetryAfter).length}`,
    `refused within p50 ${percentile(times, 0.5)?.toFixed(1)} ms, p99 ${percentile(times, 0.99)?.toFixed(1)} ms`,
    `anything else ${answers.length - good - late - refused.length}`,
  ].join('\n  ');
}

try {
  while (((await ask('other', 1_000)).status ?? 0) !== 200 || (await ask('flooded', 1_000)).status !== 200) await pause(100);
  await closedLoop(16, 2_000);
  const capacity = await closedLoop(16, 5_000);
  process.stdout.write(`capacity: ${capacity.toFixed(0)} per second\n`);
  for (const deadlineMs of flags.deadlines.split(',').map(Number)) {
    const memory = () => ['gateway', 'scheduler', 'worker-0'].map((name) => `${name} ${residentMiB(name)} MiB`).join(', ');
    const before = memory();
    const [flooded, other] = await Promise.all([
      openLoop('flooded', Number(flags.times) * capacity, deadlineMs, seconds * 1000),
      openLoop('other', capacity / 10, 1_000, seconds * 1000),
    ]);
    process.stdout.write(
      `deadline ${deadlineMs} ms, ${flags.times} x capacity for ${seconds} s:\n  ${summary(flooded, deadlineMs, capacity)}\n`,
    );
    process.stdout.write(`a second servable, a tenth of its capacity:\n  ${summary(other, 1_000, capacity / 10)}\n`);
    process.stdout.write(`memory: ${before} -> ${memory()}\n`);
  }
} finally {
  for (const child of children.values()) child.kill('SIGKILL');
  agent.destroy();
  rmSync(folder, { recursive: true, force: true });
}
