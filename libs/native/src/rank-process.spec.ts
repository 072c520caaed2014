import { afterEach, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import type { NativeError } from './native-error.js';
import type { RankProgram } from './rank-contract.js';
import { numberTensor, numbersOf } from './testing/numbers.js';
import { RankFleet } from './testing/rank-fleet.js';
import { allOf, programOf, sumProgram, value } from './testing/rank-programs.js';
import type { NativeTensor } from './tensor.js';

let fleet: RankFleet | undefined;
afterEach(async () => {
  await fleet?.end();
  fleet = undefined;
});

function works(command: string, ...parameters: string[]): boolean {
  return spawnSync(command, parameters, { stdio: 'ignore' }).status === 0;
}

const x = (...numbers: number[]): NativeTensor[] => [numberTensor('float32', [numbers.length], numbers)];

function outcome(result: PromiseSettledResult<unknown>): unknown {
  if (result.status === 'fulfilled') return 'done';
  const { kind, peer } = result.reason as NativeError;
  return peer === undefined ? kind : [kind, peer.fault, peer.rank];
}

async function expectSums(ranks: RankFleet): Promise<void> {
  const size = ranks.processes.length;
  const inputs = allOf(size).map((rank) => [numberTensor('float32', [30_000], new Array<number>(30_000).fill(rank))]);
  for (const [output] of await Promise.all(ranks.run(inputs))) {
    expect(new Set(numbersOf(output!))).toEqual(new Set([(size * (size - 1)) / 2]));
  }
}

/** Several collectives over all ranks, with tensors that do not fit into a ring at once. */
function longProgram(size: number): RankProgram {
  const group = allOf(size);
  return programOf(
    [value('x', 'float32')],
    [
      { kind: 'allReduce', group, reduction: 'sum', input: 'x', output: value('a', 'float32') },
      { kind: 'allGather', group, input: 'a', output: value('b', 'float32') },
      { kind: 'reduceScatter', group, reduction: 'max', input: 'b', output: value('c', 'float32') },
    ],
    ['c'],
  );
}

describe.each([
  ['shared memory', true],
  ['TCP', false],
])('a rank whose process ends or stops, over %s', (_, sharesMemory) => {
  it.each([2, 4])('of %i: killed while the others wait for it, or in the middle; it is started again and joins', async (size) => {
    fleet = new RankFleet(
      allOf(size).map(() => longProgram(size)),
      () => ({ sharesMemory }),
    );
    await fleet.start();
    await fleet.form();
    const victim = size - 1;
    const inputs = allOf(size).map(() => [numberTensor('float32', [size * 100_000], new Array<number>(size * 100_000).fill(1))]);
    for (const left of [[victim], []]) {
      const runs = fleet.run(inputs, { deadlineMs: 60_000, left });
      fleet.processes[victim]!.signal('SIGKILL');
      const outcomes = (await Promise.allSettled(runs)).slice(0, victim).map(outcome);
      // In the middle: where all that was needed had come, a rank may be done
      if (left.length > 0) expect(outcomes).toContainEqual(['peer', 'ended', victim]);
      for (const each of outcomes) expect(each === 'done' || String(each).startsWith('peer,')).toBe(true);
      await fleet.startRank(victim);
      await fleet.form();
      for (const [output] of await Promise.all(fleet.run(inputs))) expect(new Set(numbersOf(output!))).toEqual(new Set([size]));
    }
  });

  it('stopped: the deadline ends the batch; when it goes on it joins the next formation', async () => {
    fleet = new RankFleet(
      allOf(3).map(() => sumProgram(3)),
      () => ({ sharesMemory }),
    );
    await fleet.start();
    await fleet.form();
    await expectSums(fleet);
    fleet.processes[1]!.signal('SIGSTOP');
    const runs = fleet.run(
      allOf(3).map(() => x(1)),
      { deadlineMs: 300, left: [1] },
    );
    const outcomes = (await Promise.allSettled(runs)).map(outcome);
    expect(outcomes).toContainEqual(['deadline', 'silent', 1]);
    for (const each of outcomes) expect(String(each)).toMatch(/^(deadline,silent,1|peer,gave up,[02])$/);
    fleet.processes[1]!.signal('SIGCONT');
    await fleet.form();
    await expectSums(fleet);
  });
});

describe('memory of the host', () => {
  it('has no names left when the mesh stands', async () => {
    fleet = new RankFleet(allOf(2).map(() => sumProgram(2)));
    await fleet.start();
    expect(await fleet.form()).toEqual([
      ['shared', 'shared'],
      ['shared', 'shared'],
    ]);
    const pids = fleet.processes.map(({ pid }) => `mserve-rank-${pid}-`);
    expect(readdirSync('/dev/shm').filter((name) => pids.some((pid) => name.startsWith(pid)))).toEqual([]);
    await expectSums(fleet);
  });

  const canMount = works('unshare', '-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/dev/shm');
  /** A command that starts with a /dev/shm of its own, as a container has it. */
  const ownMemory = (size: string): string[] => [
    'unshare',
    '-m',
    'sh',
    '-c',
    `mount -t tmpfs -o size=${size} tmpfs /dev/shm && exec "$@"`,
    'sh',
  ];
  const whereMountable = canMount ? it : it.skip;

  whereMountable(
    'of another container, or one that is full: found out by trial, and TCP does the same (needs the right to mount)',
    async () => {
      fleet = new RankFleet(
        allOf(4).map(() => sumProgram(4)),
        (rank) => ({ wrapper: rank < 2 ? [] : ownMemory(rank === 2 ? '16m' : '64k') }),
      );
      await fleet.start();
      expect(await fleet.form()).toEqual([
        ['shared', 'shared', 'other-host', 'no-space'],
        ['shared', 'shared', 'other-host', 'no-space'],
        ['other-host', 'other-host', 'shared', expect.stringMatching('no-space|other-host')],
        ['no-space', 'no-space', expect.stringMatching('no-space|other-host'), 'shared'],
      ]);
      await expectSums(fleet);
      await expectSums(fleet);
    },
  );
});

describe('two hosts', () => {
  const namespaces = [`mserve-a-${process.pid}`, `mserve-b-${process.pid}`] as const;
  const [a, b] = namespaces;
  const remove = (): void => namespaces.forEach((name) => works('ip', 'netns', 'delete', name));
  const make = (): boolean =>
    [
      ['netns', 'add', a],
      ['netns', 'add', b],
      ['link', 'add', 'veth-a', 'netns', a, 'type', 'veth', 'peer', 'name', 'veth-b', 'netns', b],
      ['-n', a, 'address', 'add', '10.99.0.1/24', 'dev', 'veth-a'],
      ['-n', b, 'address', 'add', '10.99.0.2/24', 'dev', 'veth-b'],
      ['-n', a, 'link', 'set', 'veth-a', 'up'],
      ['-n', b, 'link', 'set', 'veth-b', 'up'],
      ['-n', a, 'link', 'set', 'lo', 'up'],
      ['-n', b, 'link', 'set', 'lo', 'up'],
    ].every((parameters) => works('ip', ...parameters));
  const canMake = make();
  remove();
  const whereNetworks = canMake ? it : it.skip;
  afterEach(remove);

  whereNetworks(
    'as network namespaces, two ranks on each; a link that fails is noticed by the deadline (needs the right to make namespaces)',
    async () => {
      expect(make()).toBe(true);
      fleet = new RankFleet(
        allOf(4).map(() => sumProgram(4)),
        (rank) => ({
          wrapper: [
            'ip',
            'netns',
            'exec',
            rank < 2 ? a : b,
            'unshare',
            '-m',
            'sh',
            '-c',
            'mount -t tmpfs tmpfs /dev/shm && exec "$@"',
            'sh',
          ],
          address: rank < 2 ? '10.99.0.1' : '10.99.0.2',
        }),
      );
      await fleet.start();
      for (const sharing of await fleet.form()) expect(sharing).toContain('other-host');
      await expectSums(fleet);
      works('ip', '-n', a, 'link', 'set', 'veth-a', 'down');
      const runs = fleet.run(
        allOf(4).map(() => x(1)),
        { deadlineMs: 500 },
      );
      const outcomes = (await Promise.allSettled(runs)).map(outcome);
      for (const each of outcomes) expect(String(each)).toMatch(/^(deadline,silent|peer,gave up),[0-3]$/);
      works('ip', '-n', a, 'link', 'set', 'veth-a', 'up');
      await fleet.form();
      await expectSums(fleet);
    },
  );
});
