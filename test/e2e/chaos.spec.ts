import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Random } from '../support/random.js';
import { CutLink } from '../support/cut-link.js';
import { startFleet, type Fleet } from '../support/fleet.js';
import { startNatsServer, type NatsServer } from '../support/nats-server.js';
import { RequestLedger } from '../support/request-ledger.js';
import { servableDirectory, writeTurnsServable } from '../support/servables.js';

/**
 * Two of each app and one nats-server, whose processes are killed, stopped and restarted and whose links are cut under 64 clients with a deadline of 10 s; a
 * ledger says that every request ended once, in time, with its own answer. `npm test` places faults for half a minute, in an order of its own (`--seed N` repeats
 * it); `npm run chaos -- --seed N --minutes M` goes on for longer, with rolling restarts.
 */
const isLong = process.env['CHAOS_MINUTES'] !== undefined;
const minutes = Number(process.env['CHAOS_MINUTES'] ?? '0.5');
const seed = Number(process.env['CHAOS_SEED'] ?? jest.getSeed());
const clients = Number(process.env['CHAOS_CLIENTS'] ?? '64');
const names = ['gateway-0', 'gateway-1', 'scheduler', 'scheduler-1', 'worker-0', 'worker-1'];
const deadlineMs = 10_000;
/** Answers between two faults. */
const answersBetween = 200;
/** What the last fault may take beyond the time. */
const longestMs = minutes * 60_000 + 120_000;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('a fleet in chaos', () => {
  let nats: NatsServer;
  let link: CutLink;
  let fleet: Fleet;
  let ledger: RequestLedger;
  const directory = servableDirectory();

  beforeAll(async () => {
    nats = await startNatsServer();
    link = await CutLink.start(nats.port);
    writeTurnsServable(directory.path, [1]);
    fleet = await startFleet(`nats://${link.address}`, directory.path, ['turns.predict'], names, {
      // A whole fleet that starts anew on a busy machine takes longer than the default
      gateway: ['--unavailable-grace-ms', String(deadlineMs), '--drain-delay-ms', '1000'],
      // Of every second gateway and worker each tensor goes through shared memory
      flagsOf: (name) => (/^(gateway|worker)-1$/.test(name) ? ['--shared-memory-from-bytes', '1'] : []),
    });
    ledger = new RequestLedger(
      fleet.gateways.map(({ rest }) => rest),
      clients,
      deadlineMs,
      isLong ? 5 : 50,
    );
  }, 120_000);
  afterAll(async () => {
    await ledger?.stop();
    link?.heal();
    await fleet?.stop();
    await link?.close();
    await nats?.stop();
    directory.remove();
  }, 60_000);

  const processOf = (name: string) => {
    const found = fleet.processes.get(name);
    if (found === undefined) throw new Error(`there is no process ${name}`);
    return found;
  };
  const restOf = (name: string): string => fleet.gateways[Number(name.split('-')[1])]?.rest as string;

  /** Ends a process and starts it again; resolves when it does its work. */
  async function again(name: string, signal: NodeJS.Signals): Promise<void> {
    const isGateway = name.startsWith('gateway');
    if (isGateway) ledger.leave(restOf(name), signal === 'SIGKILL');
    await processOf(name).stop(signal);
    await started(name);
  }

  async function started(name: string): Promise<void> {
    const process = fleet.start(name);
    if (name.startsWith('worker')) await process.line((line) => line.includes('replica is ready'));
    else if (name.startsWith('scheduler')) await process.line((line) => line.includes('a replica is ready'));
    else {
      await process.line((line) => line.includes('RESTful server start success'));
      ledger.take(restOf(name));
    }
  }

  /** Stopped for so long, then it goes on. */
  async function stopped(name: string, ms: number): Promise<void> {
    processOf(name).child.kill('SIGSTOP');
    await pause(ms);
    processOf(name).child.kill('SIGCONT');
  }

  const faults: Readonly<Record<string, (random: Random) => Promise<void>>> = {
    'SIGKILL of a worker': (random) => again(`worker-${random.below(2)}`, 'SIGKILL'),
    'SIGTERM of a worker': (random) => again(`worker-${random.below(2)}`, 'SIGTERM'),
    'SIGSTOP of a worker': (random) => stopped(`worker-${random.below(2)}`, 2_000),
    'SIGKILL of a scheduler': (random) => again(random.below(2) === 0 ? 'scheduler' : 'scheduler-1', 'SIGKILL'),
    'SIGTERM of a scheduler': (random) => again(random.below(2) === 0 ? 'scheduler' : 'scheduler-1', 'SIGTERM'),
    'SIGSTOP of a scheduler': (random) => stopped(random.below(2) === 0 ? 'scheduler' : 'scheduler-1', 2_000),
    'SIGKILL of both schedulers': async () => {
      await Promise.all([again('scheduler', 'SIGKILL'), again('scheduler-1', 'SIGKILL')]);
    },
    'SIGKILL of a gateway': (random) => again(`gateway-${random.below(2)}`, 'SIGKILL'),
    'SIGTERM of a gateway': (random) => again(`gateway-${random.below(2)}`, 'SIGTERM'),
    'nats-server away for a second': async () => {
      await nats.kill();
      await pause(1_000);
      await nats.restart();
    },
    'every link cut for two seconds': async () => {
      link.cut();
      await pause(2_000);
      link.heal();
    },
    'a rolling restart': async () => {
      for (const name of names) await again(name, 'SIGTERM');
    },
  };

  it(
    `loses nothing, at ${clients} clients with a deadline of ${deadlineMs} ms (--seed ${seed})`,
    async () => {
      const random = new Random(seed);
      const begunAt = performance.now();
      const placed: Record<string, number> = {};
      const kinds = Object.keys(faults).filter((name) => isLong || name !== 'a rolling restart');
      const isFine = (): boolean => {
        const { lost, wrong, errors } = ledger.figures;
        return lost.length + wrong.length + errors.length === 0;
      };
      await ledger.until(answersBetween);
      let rest: string[] = [];
      while (isFine() && performance.now() - begunAt < minutes * 60_000) {
        if (rest.length === 0) rest = [...kinds];
        const [name] = rest.splice(random.below(rest.length), 1) as [string];
        const at = ((performance.now() - begunAt) / 1000).toFixed(1);
        await faults[name]?.(random);
        await ledger.until(answersBetween);
        placed[name] = (placed[name] ?? 0) + 1;
        process.stdout.write(`${at} s: ${name}${isFine() ? '' : ': something went wrong'}\n`);
      }
      const { sent, answered, killed, slowestMs, ...faulty } = await ledger.stop();
      if (!isFine())
        for (const [name, { output }] of fleet.processes)
          process.stdout.write(`--- ${name}, the last it said:\n${output().split('\n').slice(-40).join('\n')}\n`);
      const counts = Object.entries(placed).map(([name, times]) => `${times} x ${name}`);
      process.stdout.write(
        `${sent} requests, ${answered} answered, ${killed} ended with their gateway, slowest ${Math.round(slowestMs)} ms; ${counts.join(', ')}\n`,
      );
      expect({ lost: faulty.lost.slice(0, 5), wrong: faulty.wrong.slice(0, 5), errors: faulty.errors.slice(0, 5) }).toEqual({
        lost: [],
        wrong: [],
        errors: [],
      });
      expect(sent).toBe(answered + killed);
    },
    longestMs,
  );
});
