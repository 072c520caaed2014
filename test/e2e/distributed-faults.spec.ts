import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { distributedCases } from '../support/distributed-cases.js';
import { FaultyServer } from '../support/faulty-server.js';
import { momentsOf, type RankMoment } from '../support/rank-moments.js';
import { root } from '../support/running-process.js';

/** Real agents that are killed and stopped at chosen steps while clients ask: right answers or an error that may be retried, and nothing hangs. bench/distributed-faults.mjs takes every rank at every step. */

const one = distributedCases(join(root, 'test/parity/distributed/cases')).find(({ name }) => name === 'pipe2_tp2_4')!;
const moments = await momentsOf(one);

let faulty: FaultyServer;

beforeAll(async () => {
  faulty = await FaultyServer.start(one);
}, 60_000);

afterAll(() => faulty.close());

function momentOf(rank: number, name: string): RankMoment {
  return moments.find((moment) => moment.rank === rank && moment.name === name)!;
}

it('every collective, send and receive has its moments', () => {
  expect(moments.filter(({ rank }) => rank === 0).map(({ name }) => name)).toEqual([
    'before allReduce 1',
    'in the middle of allReduce 1',
    'after allReduce 1',
    'before send 3',
    'after send 3',
  ]);
  expect(moments.filter(({ rank }) => rank === 3).map(({ name }) => name)).toEqual([
    'before receive 0',
    'in the middle of receive 0',
    'after receive 0',
    'before allReduce 2',
    'in the middle of allReduce 2',
    'after allReduce 2',
  ]);
});

describe('an agent that is lost', () => {
  it.each<[NodeJS.Signals, number, string]>([
    ['SIGKILL', 1, 'in the middle of allReduce 1'],
    ['SIGKILL', 3, 'in the middle of receive 0'],
    ['SIGSTOP', 2, 'after receive 0'],
  ])(
    '%s of rank %i %s: requests wait for it to come back, and are right',
    async (signal, rank, name) => {
      const before = faulty.agents();
      const { outcomes } = await faulty.fault(momentOf(rank, name), signal);
      expect(outcomes.length).toBeGreaterThan(0);
      // A batch that is lost twice fails with a code that clients may retry
      expect(outcomes.filter((outcome) => outcome !== 'ok' && outcome !== '503')).toEqual([]);
      expect(faulty.agents().map((pid, index) => pid === before[index])).toEqual([0, 1, 2, 3].map((index) => index !== rank));
    },
    60_000,
  );
});

it('an agent that is killed while it loads its rank is started again', async () => {
  const before = faulty.agents();
  const loading = faulty.steps.next(({ what, pid }) => what === 'open' && !before.includes(pid));
  process.kill(before[1]!, 'SIGKILL');
  const { pid } = await loading;
  process.kill(pid, 'SIGKILL');
  expect(['ok', '503']).toContain(await faulty.ask());
  expect(await faulty.ask()).toBe('ok');
  expect(faulty.agents().map((one, rank) => one === before[rank])).toEqual([true, false, true, true]);
}, 60_000);

describe('a rank that is slow', () => {
  it('for longer than a batch may take: that batch with an error that may be retried, and the next is right', async () => {
    const before = faulty.agents();
    const step = faulty.steps.next((held) => held.pid === before[1] && held.what === 'end');
    const answer = faulty.ask();
    const held = await step;
    expect(await answer).toBe('503');
    held.go();
    expect(await faulty.ask()).toBe('ok');
    expect(faulty.agents()).toEqual(before);
  }, 60_000);
});

it('agents end when the server that started them is killed', async () => {
  const started = faulty.agents();
  expect(started).toHaveLength(4);
  await faulty.server.stop('SIGKILL');
  const isThere = (pid: number): boolean => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  while (started.some(isThere)) await new Promise((resolve) => setTimeout(resolve, 50));
}, 60_000);
