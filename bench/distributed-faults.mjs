/**
 * Agents of distributed cases that are killed (SIGKILL) and stopped (SIGSTOP) while clients ask, every rank before, in the middle of and after every collective, send and receive. Moments are events:
 * ranks are held between their segments by the runtime of libs/native/test/held-onnxruntime, which is built with $CXX. Build first; Linux.
 *
 *   node bench/distributed-faults.mjs [--cases FOLDER] [--signals SIGKILL,SIGSTOP] CASE...
 *
 * Says on stderr which fault is placed now; a net has some hundred of them, of a few seconds each. Prints a line for each moment and signal, over all ranks: how many requests were sent, from the one before each fault to the first right answer after it, and how many of them were answered right, had 503 (which
 * clients may repeat), or were wrong; the time until the ranks left their mesh (median, worst), and until the next right answer (median, worst). Exit code 1 for a wrong answer, for a request that neither
 * succeeded nor failed with 503 within its deadline of 60 s, and for a service that did not come back within two minutes; each is told on a line of its own.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createJiti } from 'jiti';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    cases: { type: 'string', default: 'test/parity/distributed/cases' },
    signals: { type: 'string', default: 'SIGKILL,SIGSTOP' },
    help: { type: 'boolean', default: false },
  },
});
if (flags.help || positionals.length === 0) {
  console.log(readFileSync(fileURLToPath(import.meta.url), 'utf8').split('*/')[0]);
  process.exit(flags.help ? 0 : 2);
}
const jiti = createJiti(import.meta.url);
const { distributedCases } = await jiti.import('../test/support/distributed-cases.ts');
const { momentsOf } = await jiti.import('../test/support/rank-moments.ts');
const { FaultyServer } = await jiti.import('../test/support/faulty-server.ts');

const quantile = (values, share) => values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))];
const cases = distributedCases(flags.cases);
const ms = (value) => value.toFixed(0);
const total = { faults: 0, requests: 0, wrong: 0, hung: 0 };

/** A line of the table, for all faults of one kind. */
function row(name, reports) {
  const outcomes = reports.flatMap((report) => report.outcomes);
  const count = (wanted) => outcomes.filter((outcome) => outcome === wanted).length;
  const [right, unavailable] = [count('ok'), count('503')];
  const errors = reports.map(({ errorMs }) => errorMs);
  const recoveries = reports.map(({ recoveryMs }) => recoveryMs);
  const times = [errors, recoveries].flatMap((list) => [quantile(list, 0.5), Math.max(...list)]).map(ms);
  const cells = [name, reports.length, outcomes.length, right, unavailable, outcomes.length - right - unavailable, ...times];
  return `| ${cells.join(' | ')} |`;
}

/** One fault, all of whose outcomes are judged. undefined, when something hung: then the server is of no use any more. */
async function injure(server, moment, signal) {
  const what = `rank ${moment.rank}, ${signal} ${moment.name}`;
  total.faults++;
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} fault ${total.faults}: ${what}\n`);
  try {
    const report = await server.fault(moment, signal);
    const wrong = report.outcomes.filter((outcome) => outcome !== 'ok' && outcome !== '503');
    total.requests += report.outcomes.length;
    total.wrong += wrong.length;
    if (wrong.length > 0) console.log(`WRONG: ${what}: ${wrong.join('; ')}`);
    return report;
  } catch (thrown) {
    total.hung++;
    console.log(`HUNG: ${what}: ${thrown.message}`);
    return undefined;
  }
}

async function sweep(one, moments, signal) {
  const reports = new Map();
  let server = await FaultyServer.start(one);
  try {
    for (const moment of moments) {
      const report = await injure(server, moment, signal);
      if (report !== undefined) reports.set(moment.name, [...(reports.get(moment.name) ?? []), report]);
      else {
        await server.close();
        server = await FaultyServer.start(one);
      }
    }
  } finally {
    await server.close();
  }
  for (const [name, all] of reports) console.log(row(`${signal} ${name}`, all));
  const all = [...reports.values()].flat();
  if (all.length > 0) console.log(row(`${signal}, all`, all));
}

for (const name of positionals) {
  const one = cases.find((other) => other.name === name);
  if (one === undefined) throw new Error(`there is no case ${name} in ${flags.cases}`);
  const moments = await momentsOf(one);
  // The ranks take turns, so that each has run for a while when it is the next one's turn
  const turn = (moment) => moments.filter(({ rank }) => rank === moment.rank).indexOf(moment);
  moments.sort((a, b) => turn(a) - turn(b) || a.rank - b.rank);
  console.log(`${name}: ${one.rankSize} ranks`);
  const times = ['ms to error, median', 'worst', 'ms to recovery, median', 'worst'];
  const head = ['fault', 'times', 'requests', 'right', '503', 'wrong', ...times];
  console.log(`| ${head.join(' | ')} |\n|${'---|'.repeat(head.length)}`);
  for (const signal of flags.signals.split(',')) await sweep(one, moments, signal);
}
console.log(`${total.faults} faults, ${total.requests} requests: ${total.wrong} wrong, ${total.hung} hung`);
process.exit(total.wrong + total.hung > 0 ? 1 : 0);
