/**
 * Kills and stops ranks at random moments of batches of many collectives, again and again, and tells how long the others took to fail and all of them to be
 * right again. Every rank is a process.
 *
 *   node libs/native/test/rank-faults.mjs [--ranks 4] [--rounds 40] [--ways shared,tcp] [--seed 1] [--json]
 *
 * Exit code 0: nobody hung, no wrong result, nothing is left in /dev/shm; else 1. Needs the built package (tsc -b).
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const script = join(dirname(fileURLToPath(import.meta.url)), 'rank-process.mjs');
const { values: flags } = parseArgs({
  options: {
    ranks: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '40' },
    ways: { type: 'string', default: 'shared,tcp' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
const size = Number(flags.ranks);
const deadlineMs = 3000;
/** Beyond the deadline a rank hangs. */
const graceMs = 3000;
const count = 200_000 * size;

/** Numbers from 0 to 1, the same for the same seed (a linear congruential generator). */
function generator(seed) {
  let state = BigInt(seed);
  return () => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffff_ffff_ffff_ffffn;
    return Number(state >> 33n) / 2 ** 31;
  };
}

class RankProcess {
  #calls = new Map();
  #last = 0;

  constructor() {
    this.child = spawn(process.execPath, [script], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'advanced' });
    this.child.on('message', ({ id, value, error }) => {
      const { done, fail } = this.#calls.get(id);
      this.#calls.delete(id);
      if (error === undefined) done(value);
      else fail(Object.assign(new Error(error.message), error));
    });
    this.child.on('exit', () => {
      for (const { fail } of this.#calls.values()) fail(Object.assign(new Error('the process ended'), { kind: 'lost' }));
      this.#calls.clear();
    });
  }

  call(name, argument) {
    const id = ++this.#last;
    return new Promise((done, fail) => {
      this.#calls.set(id, { done, fail });
      this.child.send({ id, call: name, argument }, () => undefined);
    });
  }

  async end() {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exited;
  }
}

/** Every collective, small and large, and a ring of sends; gives the sum of x over all ranks, as often as there are elements. */
function programOf(rank) {
  const group = Array.from({ length: size }, (_, each) => each);
  const value = (name, shape = [-1]) => ({ name, dtype: 'float32', shape });
  const to = (rank + 1) % size;
  const from = (rank + size - 1) % size;
  return {
    inputs: [value('x')],
    constants: [],
    steps: [
      { kind: 'allReduce', group, reduction: 'sum', input: 'x', output: value('a') },
      { kind: 'send', group, to, tag: 1, input: 'a' },
      { kind: 'receive', group, from, tag: 1, output: value('b') },
      { kind: 'reduceScatter', group, reduction: 'max', input: 'b', output: value('c') },
      { kind: 'allGather', group, input: 'c', output: value('d') },
      { kind: 'allToAll', group, splitAxis: 0, concatAxis: 0, input: 'd', output: value('e') },
      { kind: 'neighborExchange', group, sendTo: [to], receiveFrom: [from], inputs: ['e'], outputs: [value('f', [count])] },
      { kind: 'broadcast', group, root: 0, inputs: ['f'], outputs: [value('y')] },
    ],
    results: ['y'],
  };
}

const inputOf = (rank) => ({ dtype: 'float32', shape: [count], bytes: new Uint8Array(new Float32Array(count).fill(rank + 1).buffer) });
const wanted = (size * (size + 1)) / 2;
const isRight = ([y]) => new Float32Array(y.bytes.slice().buffer).every((element) => element === wanted);
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const settled = (promises) => Promise.allSettled(promises);

async function sweep(way) {
  const random = generator(flags.seed);
  const ranks = [];
  const endpoints = [];
  const problems = [];
  const errorsMs = [];
  const recoveriesMs = [];
  let epoch = 0;
  const start = async (rank) => {
    ranks[rank] = new RankProcess();
    endpoints[rank] = await ranks[rank].call('load', {
      program: programOf(rank),
      options: { rank, rankSize: size, sharesMemory: way === 'shared' },
    });
  };
  const form = async () => {
    const formation = { epoch: ++epoch, token: randomBytes(32).toString('hex'), endpoints, deadlineMs: 20_000 };
    await Promise.all(ranks.map((each) => each.call('form', formation)));
  };
  const run = (batch) => ranks.map((each, rank) => each.call('run', { batch, inputs: [inputOf(rank)], wantResults: true, deadlineMs }));
  await Promise.all(ranks.concat(Array.from({ length: size })).map((_, rank) => start(rank)));
  await form();
  const usual = [];
  for (let batch = 1; batch <= 5; batch++) {
    const since = performance.now();
    await Promise.all(run(batch));
    usual.push(performance.now() - since);
  }
  const usualMs = Math.min(...usual);
  for (let round = 0; round < Number(flags.rounds); round++) {
    const victim = Math.floor(random() * size);
    const isKill = random() < 0.6;
    const afterMs = random() * usualMs;
    const since = performance.now();
    const runs = run(2 * round + 6);
    const all = settled(runs); // also the victim's end is looked at
    await new Promise((done) => setTimeout(done, afterMs));
    const hitAt = performance.now();
    ranks[victim].child.kill(isKill ? 'SIGKILL' : 'SIGSTOP');
    const others = settled(runs.filter((_, rank) => rank !== victim));
    const outcomes = await Promise.race([others, new Promise((done) => setTimeout(done, deadlineMs + graceMs))]);
    if (outcomes === undefined)
      problems.push(`round ${round}: a rank hangs (${isKill ? 'killed' : 'stopped'} ${victim} after ${afterMs.toFixed(1)} ms)`);
    for (const { status, value, reason } of outcomes ?? []) {
      if (status === 'fulfilled' && !isRight(value)) problems.push(`round ${round}: a wrong result`);
      if (status === 'rejected' && !['peer', 'deadline', 'unformed'].includes(reason.kind))
        problems.push(`round ${round}: ${reason.kind}: ${reason.message}`);
    }
    if (isKill && outcomes?.some(({ status }) => status === 'rejected')) errorsMs.push(performance.now() - hitAt);
    if (performance.now() - since > deadlineMs + graceMs) problems.push(`round ${round}: the end came late`);
    const failedAt = performance.now();
    await ranks[victim].end();
    await all;
    await start(victim);
    try {
      await form();
      const results = await Promise.all(run(2 * round + 7));
      if (!results.every(isRight)) problems.push(`round ${round}: wrong after recovery`);
    } catch (error) {
      problems.push(`round ${round}: no recovery: ${error.kind}: ${error.message}`);
    }
    recoveriesMs.push(performance.now() - failedAt);
  }
  await Promise.all(ranks.map((each) => each.end()));
  const pids = ranks.map(({ child }) => `mserve-rank-${child.pid}-`);
  if (existsSync('/dev/shm') && readdirSync('/dev/shm').some((name) => pids.some((pid) => name.startsWith(pid))))
    problems.push('something is left in /dev/shm');
  const numbers = {
    killed: errorsMs.length,
    errorMs: Math.round(median(errorsMs) ?? 0),
    worstErrorMs: Math.round(Math.max(0, ...errorsMs)),
  };
  return { way, ranks: size, rounds: Number(flags.rounds), ...numbers, recoveryMs: Math.round(median(recoveriesMs) ?? 0), problems };
}

const results = [];
for (const way of flags.ways.split(',')) results.push(await sweep(way));
if (flags.json) console.log(JSON.stringify(results));
else {
  for (const { way, ranks, rounds, killed, errorMs, worstErrorMs, recoveryMs, problems } of results) {
    console.log(
      `${way}, ${ranks} ranks, ${rounds} rounds: the others of ${killed} killed ranks failed after ${errorMs} ms (worst ${worstErrorMs}), right again after ${recoveryMs} ms`,
    );
    for (const problem of problems) console.log(`  ${problem}`);
  }
}
process.exitCode = results.every(({ problems }) => problems.length === 0) ? 0 : 1;
