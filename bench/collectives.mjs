/**
 * Time of one allReduce (float32, sum) between N processes of this machine, over shared memory and over TCP: medians of several batches, each of several allReduce in a row.
 *
 *   node bench/collectives.mjs [--ranks 2,4,8] [--bytes 4096,1048576,67108864] [--ways shared,tcp] [--rounds 5] [--op allReduce] [--json]
 *
 * Beside each figure: how many times a plain copy of as many bytes takes, measured in the same round (64 MiB of it in one process), and, for allReduce, the ratio to
 * a C++ program of a few hundred lines that did nothing else (measured once, on two shared cores; see docs/performance.md).
 */
import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadRank } from '../libs/native/dist/index.js';

const { values: flags } = parseArgs({
  options: {
    ranks: { type: 'string', default: '2,4,8' },
    bytes: { type: 'string', default: '4096,1048576,67108864' },
    ways: { type: 'string', default: 'shared,tcp' },
    rounds: { type: 'string', default: '5' },
    op: { type: 'string', default: 'allReduce' },
    json: { type: 'boolean', default: false },
  },
});

/** Microseconds of the C++ program: by way, bytes, ranks. Over TCP the best of star, ring and direct exchange. */
const reference = {
  shared: { 4096: { 2: 3, 4: 31, 8: 54 }, 1048576: { 2: 180, 4: 870, 8: 2700 }, 67108864: { 2: 32_000, 4: 66_000, 8: 134_000 } },
  tcp: { 4096: { 2: 34, 4: 124, 8: 218 }, 1048576: { 2: 1100, 4: 4400, 8: 10_200 }, 67108864: { 2: 88_000, 4: 166_000, 8: 397_000 } },
};

const numbers = (text) => text.split(',').map(Number);
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

/** The same collective several times over x, whose results nobody uses. */
function programOf(op, size, steps) {
  const group = Array.from({ length: size }, (_, rank) => rank);
  const step = (index) => ({
    kind: op,
    group,
    reduction: 'sum',
    splitAxis: 0,
    concatAxis: 0,
    input: 'x',
    output: { name: `y${index}`, dtype: 'float32', shape: [-1] },
  });
  return {
    inputs: [{ name: 'x', dtype: 'float32', shape: [-1] }],
    constants: [],
    steps: Array.from({ length: steps }, (_, index) => step(index)),
    results: [],
  };
}

/** A process of one rank: load, form and run as the parent says, and how long the run took. */
function serveRank() {
  let rank;
  const inputs = [];
  process.on('message', async ({ call, argument }) => {
    if (call === 'load') {
      const { op, size, steps, bytes, options } = argument;
      rank = await loadRank(programOf(op, size, steps), options);
      inputs.push({ dtype: 'float32', shape: [bytes / 4], bytes: new Uint8Array(new Float32Array(bytes / 4).fill(1).buffer) });
      process.send(rank.endpoint);
    } else if (call === 'form') {
      await rank.form(argument);
      process.send('formed');
    } else {
      const since = performance.now();
      await rank.run({ batch: argument, inputs, wantResults: false, deadlineMs: 120_000 });
      process.send((performance.now() - since) * 1000);
    }
  });
}

function ask(child, call, argument) {
  return new Promise((done, fail) => {
    const ended = (code) => fail(new Error(`a rank ended with exit code ${code}`));
    child.once('exit', ended);
    child.once('message', (answer) => {
      child.off('exit', ended);
      done(answer);
    });
    child.send({ call, argument });
  });
}

/** Microseconds of a copy of so many bytes. */
function copyUs(bytes) {
  const from = Buffer.alloc(bytes, 1);
  const to = Buffer.alloc(bytes);
  const copies = Math.max(1, Math.floor((64 << 20) / bytes));
  const since = performance.now();
  for (let index = 0; index < copies; index++) from.copy(to);
  return ((performance.now() - since) * 1000) / copies;
}

async function measure(way, size, bytes, rounds) {
  const steps = bytes >= 16 << 20 ? 2 : bytes >= 256 << 10 ? 20 : 200;
  const children = Array.from({ length: size }, () =>
    fork(fileURLToPath(import.meta.url), [], { env: { ...process.env, MSERVE_BENCH_RANK: '1' } }),
  );
  const all = (call, argument) => Promise.all(children.map((child, rank) => ask(child, call, argument(rank))));
  try {
    const sharesMemory = way === 'shared';
    const endpoints = await all('load', (rank) => ({ op: flags.op, size, steps, bytes, options: { rank, rankSize: size, sharesMemory } }));
    const formation = { epoch: 1, token: randomBytes(32).toString('hex'), endpoints, deadlineMs: 20_000 };
    await all('form', () => formation);
    const times = [];
    const copies = [];
    for (let round = 0; round <= rounds; round++) {
      const took = Math.max(...(await all('run', () => round)));
      if (round > 0) times.push(took / steps);
      copies.push(copyUs(bytes));
    }
    return { us: median(times), bestUs: Math.min(...times), copyUs: median(copies) };
  } finally {
    for (const child of children) child.kill('SIGKILL');
  }
}

async function main() {
  const results = [];
  for (const bytes of numbers(flags.bytes)) {
    for (const size of numbers(flags.ranks)) {
      for (const way of flags.ways.split(',')) {
        const { us, bestUs, copyUs: copy } = await measure(way, size, bytes, Number(flags.rounds));
        const known = flags.op === 'allReduce' ? reference[way]?.[bytes]?.[size] : undefined;
        const result = {
          op: flags.op,
          bytes,
          ranks: size,
          way,
          us: Math.round(us),
          bestUs: Math.round(bestUs),
          copies: Number((us / copy).toFixed(1)),
          ...(known && { ofReference: Number((us / known).toFixed(2)) }),
        };
        results.push(result);
        if (!flags.json)
          console.log(
            `${flags.op} ${bytes} bytes, ${size} ranks, ${way}: ${result.us} us (best round ${result.bestUs}) = ${result.copies} copies${known ? `, ${result.ofReference} of the reference` : ''}`,
          );
      }
    }
  }
  if (flags.json) console.log(JSON.stringify(results));
}

if (process.env.MSERVE_BENCH_RANK === '1') serveRank();
else await main();
