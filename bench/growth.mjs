/**
 * Growth: what the scheduler spends on a ticket with 10, 100 and 1 000 replicas and with 1, 20 and 200 servables (the real dispatcher, simulated workers), and
 * what 1, 2, 4 and 8 replicas of a model that sleeps 20 ms do in a real fleet.
 *
 *   node bench/growth.mjs [scheduler] [replicas] [--rounds 9] [--tickets 20000] [--counts 1,2,4,8] [--seconds 5]
 *
 * Needs the built apps (tsc -b); `replicas` needs Linux and a C++ compiler.
 */
import { parseArgs } from 'node:util';
import { measureReplicas } from './growth-replicas.mjs';
import { measureScheduler } from './growth-scheduler.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '9' },
    tickets: { type: 'string', default: '20000' },
    counts: { type: 'string', default: '1,2,4,8' },
    seconds: { type: 'string', default: '5' },
  },
});
const parts = positionals.length === 0 ? ['scheduler', 'replicas'] : positionals;
if (parts.includes('scheduler')) measureScheduler({ rounds: Number(values.rounds), tickets: Number(values.tickets) });
if (parts.includes('replicas')) await measureReplicas({ counts: values.counts.split(',').map(Number), seconds: Number(values.seconds) });
