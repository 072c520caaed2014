/**
 * Overload: a server with two workers and a function of 10 ms is asked for three times what it can do. Says what it can do (closed loop), and for each
 * deadline how much of that still came in time (open loop), how soon the rest was refused, what a second model got, and how much memory was taken.
 * Servers: a fleet of mserve, MLServer, Triton; the last two are installed below ~/.cache/mserve when they are named.
 *
 *   node bench/overload.mjs [--servers mserve,mlserver,triton] [--seconds 30] [--deadlines 200,2000] [--times 3] [--triton-margin-ms 20]
 *
 * Triton can be told how long a request waits at most, not when it has to be answered: it is told so much less than the deadline. MLServer knows no deadlines.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Client, summary } from './overload/load.mjs';
import { serverNames, startServer } from './overload/servers.mjs';

const { values: flags } = parseArgs({
  options: {
    servers: { type: 'string', default: 'mserve' },
    seconds: { type: 'string', default: '30' },
    deadlines: { type: 'string', default: '200,2000' },
    times: { type: 'string', default: '3' },
    'triton-margin-ms': { type: 'string', default: '20' },
  },
});
const seconds = Number(flags.seconds);
const chosen = flags.servers.split(',');
const unknown = chosen.filter((name) => !serverNames.includes(name));
if (unknown.length > 0) throw new Error(`--servers ${unknown.join(',')}: there are ${serverNames.join(', ')}`);

async function untilReady(client, processes) {
  for (;;) {
    const [flooded, other] = await Promise.all([client.ask('flooded', 5_000), client.ask('other', 5_000)]);
    if (flooded.status === 200 && other.status === 200) return;
    processes.check();
    await pause(100);
  }
}

/** Each deadline has a server of its own, so that what one leaves behind in a queue is not the next one's. */
async function overload(name, deadlineMs) {
  const { processes, port } = await startServer(name, ['flooded', 'other']);
  const client = new Client(port, (ms) => (name === 'triton' ? Math.max(1, ms - Number(flags['triton-margin-ms'])) : ms));
  try {
    await untilReady(client, processes);
    await client.closedLoop('flooded', 16, 2_000);
    const capacity = await client.closedLoop('flooded', 16, 5_000);
    const before = processes.memoryMiB();
    const [flooded, other] = await Promise.all([
      client.openLoop('flooded', Number(flags.times) * capacity, deadlineMs, seconds * 1000),
      client.openLoop('other', capacity / 10, 1_000, seconds * 1000),
    ]);
    process.stdout.write(
      [
        `${name}, ${capacity.toFixed(0)} per second; ${flags.times} times that for ${seconds} s, deadline ${deadlineMs} ms:`,
        `  ${summary(flooded, capacity, seconds)}`,
        'a second model, a tenth of its capacity, deadline 1000 ms:',
        `  ${summary(other, capacity / 10, seconds)}`,
        `memory of all processes: ${before} -> ${processes.memoryMiB()} MiB\n\n`,
      ].join('\n'),
    );
  } finally {
    client.close();
    await processes.stop();
  }
}

for (const deadlineMs of flags.deadlines.split(',').map(Number)) for (const name of chosen) await overload(name, deadlineMs);
