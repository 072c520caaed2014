/**
 * `node bench/distributed-faults.mjs [--cases FOLDER] [--rounds N] CASE...` (build first): serves distributed cases with `mserve distributed serve`, and while clients ask without a break
 * kills (SIGKILL) and stops (SIGSTOP) the agent of every rank, at moments spread over a batch. Prints one line per case and signal: what the requests in hand came to, how long they took, and when the
 * next answer was right again. Exit code 1 for a wrong answer, or for a request that neither succeeded nor failed with 503 within its deadline.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { readNpy } from '@mserve/server';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { cases: { type: 'string', default: 'test/parity/distributed/cases' }, rounds: { type: 'string', default: '3' } },
});
const deadlineMs = 60_000;
const clients = 3;

function servable({ rank_size, stage_size, outputs }) {
  const directory = mkdtempSync(join(tmpdir(), 'mserve-faults-'));
  mkdirSync(join(directory, 'net'));
  const names = outputs.map((_, index) => `output_${index}`);
  writeFileSync(
    join(directory, 'net', 'servable_config.ts'),
    `import { addStage, distributed, registerMethod } from '@mserve/register';
     const model = distributed.declareServable({ rankSize: ${rank_size}, stageSize: ${stage_size}, withBatchDim: false });
     registerMethod(${JSON.stringify(names)}, function predict(x) { return addStage(model, x, { outputsCount: ${names.length} }); });`,
  );
  return directory;
}

async function serve(folder, directory) {
  const configs = existsSync(join(folder, 'group_config_0.pb')) ? ['--group-config-files', join(folder, 'group_config_{rank}.pb')] : [];
  const flags = ['--servable', 'net', '--rank-table', join(folder, 'rank_table.json'), '--model-files', join(folder, 'rank_{rank}.mindir')];
  const ports = ['--rest', '127.0.0.1:0', '--grpc', '', '--json', '--log-level', 'silent', '--default-deadline-ms', String(deadlineMs)];
  const args = ['apps/server/bin/mserve.mjs', 'distributed', 'serve', directory, ...flags, ...configs, ...ports];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const line = await new Promise((resolve) => createInterface({ input: child.stdout }).once('line', resolve));
  return { child, rest: JSON.parse(line).rest };
}

function agents(child) {
  const pids = [];
  for (const line of execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(child.pid)], { encoding: 'utf8' }).split('\n')) {
    const found = /^\s*(\d+) .*--rank (\d+) /.exec(line);
    if (found) pids[Number(found[2])] = Number(found[1]);
  }
  return pids;
}

const numbersOf = ({ bytes }) => new Float32Array(new Uint8Array(bytes).buffer);

function nested({ shape, bytes }) {
  let values = Array.from(numbersOf({ bytes }));
  for (const dim of shape.slice(1).reverse())
    values = Array.from({ length: values.length / dim }, (_, row) => values.slice(row * dim, (row + 1) * dim));
  return values;
}

/** ok, 503, or what is wrong. */
async function ask(rest, body, expected, { rtol, atol }) {
  const startedAt = performance.now();
  try {
    const response = await fetch(`http://${rest}/model/net:predict`, {
      method: 'POST',
      body,
      signal: AbortSignal.timeout(deadlineMs + 5_000),
    });
    const answer = await response.json();
    const ms = performance.now() - startedAt;
    if (response.status === 503) return { outcome: '503', ms };
    if (response.status !== 200) return { outcome: `status ${response.status}`, ms };
    const right = expected.every((wanted, index) => {
      const given = answer.instances[0][`output_${index}`].flat(Infinity);
      return wanted.length === given.length && wanted.every((value, at) => Math.abs(given[at] - value) <= atol + rtol * Math.abs(value));
    });
    return { outcome: right ? 'ok' : 'wrong', ms };
  } catch (error) {
    return { outcome: `no answer: ${error.name}`, ms: performance.now() - startedAt };
  }
}

const quantile = (list, share) => list.toSorted((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * share))] ?? 0;

let isBad = false;
console.log('case signal faults | requests ok 503 other | slowest request, ms | right again after a fault, ms: p50 worst');
for (const name of positionals) {
  const folder = join(values.cases, name);
  const meta = JSON.parse(readFileSync(join(folder, 'meta.json'), 'utf8'));
  const directory = servable(meta);
  const { child, rest } = await serve(folder, directory);
  const body = JSON.stringify({ instances: [{ x: nested(readNpy(readFileSync(join(folder, 'input_0_0.npy')))) }] });
  const expected = meta.outputs.map((_, index) => numbersOf(readNpy(readFileSync(join(folder, `output_0_${index}.npy`)))));
  const once = () => ask(rest, body, expected, meta.tolerance);
  const batchMs = quantile(
    (await Promise.all(Array.from({ length: 20 }, once))).map(({ ms }) => ms),
    0.5,
  );
  for (const signal of ['SIGKILL', 'SIGSTOP']) {
    const outcomes = [];
    const recoveries = [];
    for (let rank = 0; rank < meta.rank_size; rank++) {
      for (let round = 0; round < (signal === 'SIGKILL' ? Number(values.rounds) : 1); round++) {
        let asking = true;
        const loops = Array.from({ length: clients }, async () => {
          while (asking) outcomes.push(await once());
        });
        await delay(20 + (batchMs * round) / Number(values.rounds));
        process.kill(agents(child)[rank], signal);
        const faultAt = performance.now();
        await delay(5);
        for (let right = 'not yet'; right !== 'ok';) right = (await once()).outcome;
        recoveries.push(performance.now() - faultAt);
        asking = false;
        await Promise.all(loops);
      }
    }
    const count = (wanted) => outcomes.filter(({ outcome }) => outcome === wanted).length;
    const other = outcomes.filter(({ outcome }) => outcome !== 'ok' && outcome !== '503');
    isBad ||= other.length > 0;
    const slowest = Math.max(...outcomes.map(({ ms }) => ms)).toFixed(0);
    console.log(
      `${name} ${signal} ${recoveries.length} | ${outcomes.length} ${count('ok')} ${count('503')} ${other.length} | ${slowest} | ${quantile(recoveries, 0.5).toFixed(0)} ${Math.max(...recoveries).toFixed(0)}`,
    );
    for (const { outcome, ms } of other.slice(0, 5)) console.log(`  ${outcome} after ${ms.toFixed(0)} ms`);
  }
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
  rmSync(directory, { recursive: true });
}
process.exit(isBad ? 1 : 0);
