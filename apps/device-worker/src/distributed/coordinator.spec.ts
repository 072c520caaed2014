import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { silentLog } from '@mserve/app';
import { agentSubjects, MemoryExchange, type Bus } from '@mserve/bus';
import type { NativeTensor } from '@mserve/native';
import { differenceOf } from '../../../../test/parity/mindir/comparison.js';
import { startCaseAgent, type TestAgent } from '../../../../test/support/agents.js';
import { distributedCases, type DistributedCase } from '../../../../test/support/distributed-cases.js';
import { InProcessRanks } from '../../../../test/support/in-process-ranks.js';
import { Coordinator, type CoordinatorOptions } from './coordinator.js';

/** Real agents on a bus of this process; their ranks meet in InProcessRanks. */

const cases = new Map(
  distributedCases(join(import.meta.dirname, '../../../../test/parity/distributed/cases')).map((one) => [one.name, one]),
);
const caseOf = (name: string): DistributedCase => cases.get(name)!;

let exchange: MemoryExchange;
let host: InProcessRanks;
let bus: Bus;
const agents: TestAgent[] = [];
const coordinators: Coordinator[] = [];

beforeEach(() => {
  exchange = new MemoryExchange();
  host = new InProcessRanks();
  bus = exchange.connect('worker');
});

afterEach(async () => {
  await Promise.all(coordinators.splice(0).map((coordinator) => coordinator.close()));
  await Promise.all(agents.splice(0).map((agent) => agent.close()));
  await bus.close();
});

async function startRank(one: DistributedCase, rank: number, files: DistributedCase = one, fileRank = rank): Promise<TestAgent> {
  const agent = await startCaseAgent(exchange, one, rank, host.load, {
    modelFiles: [join(files.folder, `rank_${fileRank}.mindir`)],
  });
  agents.push(agent);
  return agent;
}

function startAll(one: DistributedCase): Promise<TestAgent[]> {
  return Promise.all(Array.from({ length: one.rankSize }, (_, rank) => startRank(one, rank)));
}

function coordinate(one: DistributedCase, options: Partial<CoordinatorOptions> = {}): Coordinator {
  const { rankSize, stageSize } = one;
  const coordinator = new Coordinator(bus, { servable: 'net', version: 1, rankSize, stageSize, waitMs: 0, log: silentLog, ...options });
  coordinators.push(coordinator);
  return coordinator;
}

async function difference(one: DistributedCase, coordinator: Coordinator, set = 0): Promise<string | undefined> {
  const outputs = await coordinator.predict(0, one.inputs[set] as NativeTensor[]);
  return differenceOf(outputs, one.outputs[set]!, one.tolerance);
}

describe('a distributed model', () => {
  it.each(['explicit_3', 'pipe2_tp2_4', 'mlp_tp_2'])('%s gives what the whole net gives, several batches at once', async (name) => {
    const one = caseOf(name);
    const coordinator = coordinate(one);
    await Promise.all([coordinator.start(), startAll(one)]);
    expect(await Promise.all([0, 1, 0, 1].map((set) => difference(one, coordinator, set)))).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('waits for agents that come later, and says how many are there when they do not come', async () => {
    const one = caseOf('mlp_tp_2');
    await startRank(one, 0);
    await expect(coordinate(one, { waitMs: 500 }).start()).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      message: 'Failed to wait for ready of all agents, current agents count: 1, rank size: 2',
    });
    const coordinator = coordinate(one);
    await Promise.all([coordinator.start(), startRank(one, 1)]);
    expect(await difference(one, coordinator)).toBeUndefined();
  });

  it.each(['bad_mixed_2', 'bad_swapped_restore_2', 'bad_swapped_stage_4'])('%s is refused with its reason', async (name) => {
    const one = caseOf(name);
    const starting = coordinate(one).start();
    await startAll(one);
    await expect(starting).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(one.reason!) });
  });

  it('with a file that cannot be read is refused with its rank', async () => {
    const one = caseOf('mlp_tp_2');
    const starting = coordinate(one).start();
    await Promise.all([startRank(one, 0), startRank(one, 1, one, 7)]);
    await expect(starting).rejects.toMatchObject({ message: expect.stringMatching(/^rank 1: .*rank_7\.mindir.* does not exist/) });
  });

  it('an input that the model refuses is the fault of its batch alone', async () => {
    const one = caseOf('mlp_tp_2');
    const coordinator = coordinate(one);
    await Promise.all([coordinator.start(), startAll(one)]);
    const wrong = { ...(one.inputs[0]![0] as NativeTensor), shape: [1, 2], bytes: new Uint8Array(8) };
    await expect(coordinator.predict(0, [wrong])).rejects.toMatchObject({ name: 'NativeError', kind: 'input' });
    expect(await difference(one, coordinator)).toBeUndefined();
  });
});

describe('a pipeline', () => {
  it('stage 0 works at the next batch while stage 1 has the one before', async () => {
    const one = caseOf('pipe2_tp2_4');
    const coordinator = coordinate(one);
    await Promise.all([coordinator.start(), startAll(one)]);
    const release = host.ranks.get(3)!.hold();
    const batches = [0, 1].map((set) => difference(one, coordinator, set));
    // The first stage has finished both, the second one none
    await Promise.all([0, 1].map((rank) => host.ranks.get(rank)!.whenFinished(2)));
    expect(host.ranks.get(3)!.finished).toBe(0);
    release();
    expect(await Promise.all(batches)).toEqual([undefined, undefined]);
  });
});

describe('a rank that is lost', () => {
  it.each([0, 1, 2, 3])('rank %i: its batch is run again when an agent with the same files has come', async (lost) => {
    const one = caseOf('pipe2_tp2_4');
    const coordinator = coordinate(one);
    const [all] = await Promise.all([startAll(one), coordinator.start()]);
    const others = host.loads;
    await all[lost]!.vanish();
    const [outcome] = await Promise.all([difference(one, coordinator), startRank(one, lost)]);
    expect(outcome).toBeUndefined();
    expect(host.loads).toBe(others + 1);
    expect([coordinator.lostAgents, coordinator.agents.map(({ rank }) => rank).sort()]).toEqual([1, [0, 1, 2, 3]]);
  });

  it('is not replaced by an agent with other files, which fails batches with a code that clients may retry', async () => {
    const one = caseOf('mlp_tp_2');
    const coordinator = coordinate(one, { recoverMs: 700 });
    const [all] = await Promise.all([startAll(one), coordinator.start()]);
    await all[1]!.vanish();
    const stranger = await startRank(one, 1, caseOf('reduce_2'));
    await expect(difference(one, coordinator)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('1 of 2 ranks are missing'),
    });
    await stranger.close();
    await startRank(one, 1);
    expect(await difference(one, coordinator)).toBeUndefined();
  });

  it('is not said of one that only takes too long: its batch fails, and is not run again', async () => {
    const one = caseOf('mlp_tp_2');
    const coordinator = coordinate(one, { predictMs: 200 });
    await Promise.all([coordinator.start(), startAll(one)]);
    host.ranks.get(1)!.hang();
    await expect(difference(one, coordinator)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/^Failed to wait for result of rank/),
    });
  });

  it('also when it only stops to answer', async () => {
    const one = caseOf('mlp_tp_2');
    const coordinator = coordinate(one, { lostMs: 600 });
    const [all] = await Promise.all([startAll(one), coordinator.start()]);
    host.ranks.get(1)!.hang();
    const batch = difference(one, coordinator);
    all[1]!.bus.broadcast = () => undefined;
    await startRank(one, 1);
    await all[1]!.vanish();
    expect(await batch).toBeUndefined();
  });
});

describe('a worker that is gone', () => {
  it('leaves its agents to the next one, with the models loaded', async () => {
    const one = caseOf('mlp_tp_2');
    const first = coordinate(one, { lostMs: 600 });
    await Promise.all([first.start(), startAll(one)]);
    const { loads } = host;
    const gone = bus;
    bus = exchange.connect('worker');
    await gone.close();
    const second = coordinate(one);
    await second.start();
    expect(await difference(one, second)).toBeUndefined();
    expect(host.loads).toBe(loads);
  });

  it('an agent serves one worker at a time', async () => {
    const one = caseOf('mlp_tp_2');
    const coordinator = coordinate(one);
    const [all] = await Promise.all([startAll(one), coordinator.start()]);
    const claim = Buffer.from(JSON.stringify({ worker: 'other', leaseMs: 1000 }));
    await expect(bus.request(all[0]!.bus.address, agentSubjects.load, claim)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('the agent serves the worker'),
    });
    expect(await difference(one, coordinator)).toBeUndefined();
  });
});
