import { afterEach, describe, expect, it } from '@jest/globals';
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { addModel, divisionModel, doubleModel, loopModel } from '../../../test/support/onnx-model.js';
import type { NativeError } from './native-error.js';
import type { RankProgram, SegmentStep } from './rank-contract.js';
import { numberTensor, numbersOf } from './testing/numbers.js';
import { allOf, oneStep, programOf, sumProgram, value } from './testing/rank-programs.js';
import { RankSet } from './testing/rank-set.js';
import { floatTensor, loopLimit } from './testing/tensors.js';
import type { NativeTensor } from './tensor.js';

let set: RankSet | undefined;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await set?.close();
  set = undefined;
});

async function load(programs: readonly RankProgram[], sharesMemory = true): Promise<RankSet> {
  set = await RankSet.load(programs, { sharesMemory });
  return set;
}

async function formed(programs: readonly RankProgram[], sharesMemory = true): Promise<RankSet> {
  const ranks = await load(programs, sharesMemory);
  await ranks.form();
  return ranks;
}

/** kind, and fault and rank of the peer at fault, of a failure; 'done' of no failure. */
function outcome(result: PromiseSettledResult<unknown>): unknown {
  if (result.status === 'fulfilled') return 'done';
  const { kind, peer } = result.reason as NativeError;
  return peer === undefined ? kind : [kind, peer.fault, peer.rank];
}

function textOf(result: PromiseSettledResult<unknown> | undefined): string {
  return result?.status === 'rejected' ? (result.reason as Error).message : 'done';
}

function segment(model: Uint8Array, inputs: readonly string[], outputs: readonly string[]): SegmentStep {
  return { kind: 'segment', model, initializers: [], inputs, outputs };
}

const x = (...numbers: number[]): NativeTensor[] => [numberTensor('float32', [numbers.length], numbers)];

async function expectSums(ranks: RankSet): Promise<void> {
  const outputs = await ranks.run(ranks.ranks.map((_, rank) => x(rank, 1)));
  const size = ranks.ranks.length;
  for (const [output] of outputs) expect(numbersOf(output!)).toEqual([(size * (size - 1)) / 2, size]);
}

describe('segments and collectives', () => {
  it('values go from step to step, to results, and are kept as long as they are needed', async () => {
    const program: RankProgram = {
      inputs: [value('x', 'float32', [-1, 2])],
      constants: [{ name: 'c', tensor: floatTensor([1, 2], [100, 200]) }],
      steps: [
        segment(doubleModel(), ['x'], ['twice']),
        { kind: 'allReduce', group: [0, 1], reduction: 'sum', input: 'twice', output: value('sum', 'float32', [-1, 2]) },
        segment(addModel(), ['sum', 'c'], ['y']),
        { kind: 'allGather', group: [0, 1], input: 'c', output: value('cs', 'float32', [2, 2]) },
      ],
      results: ['y', 'twice', 'cs', 'x', 'c', 'y'],
    };
    const ranks = await formed([program, program]);
    for (let batch = 0; batch < 3; batch++) {
      const outputs = await ranks.run([[floatTensor([1, 2], [1, 2])], [floatTensor([1, 2], [10, 20])]]);
      const shared = [122, 244];
      expect(outputs[0]!.map(numbersOf)).toEqual([shared, [2, 4], [100, 200, 100, 200], [1, 2], [100, 200], shared]);
      expect(outputs[1]!.map(numbersOf)).toEqual([shared, [20, 40], [100, 200, 100, 200], [10, 20], [100, 200], shared]);
    }
  });

  it('a run whose results nobody wants gives none', async () => {
    const ranks = await formed([sumProgram(2), sumProgram(2)]);
    const runs = ranks.ranks.map((rank, index) => rank.run({ batch: 1, inputs: x(1), wantResults: index === 1, deadlineMs: 10_000 }));
    const [none, sum] = await Promise.all(runs);
    expect(none).toEqual([]);
    expect(numbersOf(sum![0]!)).toEqual([2]);
  });

  it('a stage takes the next batches while the following stage is at an earlier one', async () => {
    const group = [0, 1];
    const first = programOf([value('n', 'int64', [])], [{ kind: 'send', group, to: 1, tag: 0, input: 'n' }], []);
    const second = programOf(
      [],
      [{ kind: 'receive', group, from: 0, tag: 0, output: value('n', 'int64', []) }, segment(loopModel(), ['n'], ['count'])],
      ['count'],
    );
    const ranks = await formed([first, second]);
    const [stage0, stage1] = ranks.ranks;
    const run = (batch: number): { inputs: readonly NativeTensor[]; batch: number; wantResults: boolean; deadlineMs: number } => ({
      batch,
      inputs: batch === 0 ? loopLimit('forever') : loopLimit(batch),
      wantResults: true,
      deadlineMs: 20_000,
    });
    const slow = stage1!.run({ ...run(0), inputs: [] });
    const next = stage1!.run({ ...run(1), inputs: [] });
    const ends = Promise.allSettled([slow, next]);
    await Promise.all([0, 1, 2, 3].map((batch) => stage0!.run(run(batch))));
    stage1!.abort('enough');
    expect((await ends).map(outcome)).toEqual(['aborted', 'aborted']);
  });
});

describe('what a peer does wrong ends the batch on all ranks, and the next formation works', () => {
  const sizes = (count: number): RankProgram =>
    oneStep('float32', { kind: 'allReduce', group: [0, 1], reduction: 'sum', input: 'x', output: value('y', 'float32') }, [count]);

  it.each([
    [
      'another collective',
      oneStep('float32', { kind: 'allGather', group: [0, 1], input: 'x', output: value('y', 'float32') }),
      /allReduce.*allGather|allGather.*allReduce/,
    ],
    [
      'another reduction',
      oneStep('float32', { kind: 'allReduce', group: [0, 1], reduction: 'max', input: 'x', output: value('y', 'float32') }),
      /sum of.*max of|max of.*sum of/,
    ],
    [
      'another group',
      oneStep('float32', { kind: 'allReduce', group: [1, 0], reduction: 'sum', input: 'x', output: value('y', 'float32') }),
      /another group/,
    ],
    ['another size', sizes(3), /8 bytes.*12 bytes|12 bytes.*8 bytes/],
  ])('%s', async (_, other, text) => {
    for (const sharesMemory of [true, false]) {
      const ranks = await formed([sumProgram(2), other], sharesMemory);
      const inputs = [x(1, 2), other.inputs[0]!.shape[0] === 3 ? x(1, 2, 3) : x(1, 2)];
      const results = await ranks.settle(inputs);
      const outcomes = results.map(outcome);
      expect(outcomes).toContainEqual(['protocol', 'unexpected', expect.any(Number)]);
      expect(results.map(textOf).join('\n')).toMatch(text);
      for (const each of outcomes) expect(each).not.toBe('done');
      expect((await ranks.settle(inputs)).map(outcome)).toEqual(['unformed', 'unformed']);
      await ranks.close();
    }
  });

  it('another batch', async () => {
    const ranks = await formed([sumProgram(2), sumProgram(2)]);
    const results = await Promise.allSettled(
      ranks.ranks.map((rank, batch) => rank.run({ batch, inputs: x(1), wantResults: true, deadlineMs: 10_000 })),
    );
    expect(results.map(outcome)).toContainEqual(['protocol', 'unexpected', expect.any(Number)]);
    expect(results.map(textOf).join('\n')).toMatch(/of batch 0.*of batch 1|of batch 1.*of batch 0/);
    await ranks.form();
    await expectSums(ranks);
  });

  it('a send that nobody receives', async () => {
    const send = programOf(
      [value('x', 'float32')],
      [{ kind: 'send', group: [0, 1], to: 1, tag: 3, input: 'x' }, ...sumProgram(2).steps],
      ['y'],
    );
    const ranks = await formed([send, sumProgram(2)]);
    const results = await ranks.settle([x(1), x(1)]);
    expect(outcome(results[1]!)).toEqual(['protocol', 'unexpected', 0]);
    expect(textOf(results[1])).toContain('send with tag 3');
  });

  it('a collective where a send is awaited', async () => {
    const receive = programOf(
      [value('x', 'float32')],
      [{ kind: 'receive', group: [0, 1], from: 1, tag: 3, output: value('y', 'float32') }],
      ['y'],
    );
    const ranks = await formed([receive, sumProgram(2)]);
    const results = await ranks.settle([x(1), x(1)]);
    expect(outcome(results[0]!)).toEqual(['protocol', 'unexpected', 1]);
    expect(outcome(results[1]!)).toEqual(['peer', 'gave up', 0]);
  });

  it('a segment that fails: the others are told at once', async () => {
    const division = programOf(
      [value('a', 'int32'), value('b', 'int32')],
      [
        segment(divisionModel('Div', 'int32'), ['a', 'b'], ['q']),
        { kind: 'allReduce', group: [0, 1], reduction: 'sum', input: 'q', output: value('y', 'int32') },
      ],
      ['y'],
    );
    const ranks = await formed([division, division]);
    const numbers = (divisor: number): NativeTensor[] => [numberTensor('int32', [1], [6]), numberTensor('int32', [1], [divisor])];
    const results = await ranks.settle([numbers(2), numbers(0)]);
    expect(results.map(outcome)).toEqual([['peer', 'gave up', 1], 'input']);
    await ranks.form();
    const outputs = await ranks.run([numbers(2), numbers(3)]);
    expect(outputs.flat().map(numbersOf)).toEqual([[5], [5]]);
  });
});

describe('time and abort', () => {
  it('a rank that does not come: the deadline names it', async () => {
    for (const sharesMemory of [true, false]) {
      const ranks = await formed(
        allOf(3).map(() => sumProgram(3)),
        sharesMemory,
      );
      const runs = [0, 1].map((rank) => ranks.ranks[rank]!.run({ batch: 1, inputs: x(1), wantResults: true, deadlineMs: 200 }));
      const outcomes = (await Promise.allSettled(runs)).map(outcome);
      expect(outcomes).toContainEqual(['deadline', 'silent', 2]);
      for (const each of outcomes)
        expect([
          ['deadline', 'silent', 2],
          ['peer', 'gave up', 0],
          ['peer', 'gave up', 1],
        ]).toContainEqual(each);
      await ranks.form();
      await expectSums(ranks);
      await ranks.close();
    }
  });

  it('the deadline ends a segment too, and runs behind it', async () => {
    const loop = programOf([value('n', 'int64', [])], [segment(loopModel(), ['n'], ['count'])], ['count']);
    const ranks = await formed([loop]);
    const [rank] = ranks.ranks;
    const run = (batch: number, deadlineMs: number): Promise<NativeTensor[]> =>
      rank!.run({ batch, inputs: loopLimit(batch === 0 ? 'forever' : 3), wantResults: true, deadlineMs });
    const results = await Promise.allSettled([run(0, 100), run(1, 10_000)]);
    expect(results.map(outcome)).toEqual(['deadline', 'deadline']);
  });

  it('abort ends what waits and what executes, on all ranks; without a mesh it does nothing', async () => {
    const ranks = await formed([sumProgram(2), sumProgram(2)]);
    const [first, second] = ranks.ranks;
    const waits = [1, 2].map((batch) => first!.run({ batch, inputs: x(1), wantResults: true, deadlineMs: 20_000 }));
    const ends = Promise.allSettled(waits);
    first!.abort('the worker says so');
    expect((await ends).map((result) => [outcome(result), textOf(result)])).toEqual([
      ['aborted', 'the worker says so'],
      ['aborted', 'the worker says so'],
    ]);
    // What the first rank has sent before it left may be enough for batch 1
    const others = [1, 2].map((batch) => second!.run({ batch, inputs: x(1), wantResults: true, deadlineMs: 20_000 }));
    expect((await Promise.allSettled(others)).map(outcome)).toContainEqual(['peer', 'gave up', 0]);
    for (const rank of ranks.ranks) rank.abort('again');
    await expect(first!.run({ batch: 3, inputs: x(1), wantResults: true, deadlineMs: 1000 })).rejects.toMatchObject({ kind: 'unformed' });
    await ranks.form();
    await expectSums(ranks);
  });

  it('a new formation ends the former one, and what runs in it', async () => {
    const ranks = await formed([sumProgram(2), sumProgram(2)]);
    const waiting = Promise.allSettled([ranks.ranks[0]!.run({ batch: 1, inputs: x(1), wantResults: true, deadlineMs: 20_000 })]);
    const lonely = Promise.allSettled([ranks.ranks[0]!.form(ranks.next())]);
    await ranks.form();
    // The other one's new formation may be seen before its own
    expect([['aborted'], [['peer', 'gave up', 1]]]).toContainEqual((await waiting).map(outcome));
    expect((await lonely).map(outcome)).toEqual(['aborted']);
    await expectSums(ranks);
  });

  it('close ends what is in hand; afterwards everything is refused', async () => {
    const ranks = await formed([sumProgram(2), sumProgram(2)]);
    const [rank] = ranks.ranks;
    const waiting = Promise.allSettled([rank!.run({ batch: 1, inputs: x(1), wantResults: true, deadlineMs: 20_000 })]);
    await rank!.close();
    expect((await waiting).map(outcome)).toEqual(['aborted']);
    await expect(rank!.run({ batch: 2, inputs: x(1), wantResults: true, deadlineMs: 1000 })).rejects.toMatchObject({ kind: 'closed' });
    await expect(rank!.form(ranks.next())).rejects.toMatchObject({ kind: 'closed' });
    await rank!.close();
  });
});

describe('who may join a mesh', () => {
  it('not who has another token', async () => {
    const ranks = await load([sumProgram(2), sumProgram(2)]);
    const formation = ranks.next({ deadlineMs: 400 });
    const stranger = { ...formation, token: '11'.repeat(32) };
    const results = await Promise.allSettled([ranks.ranks[0]!.form(formation), ranks.ranks[1]!.form(stranger)]);
    expect(results.map(outcome)).toEqual([
      ['deadline', 'silent', 1],
      ['peer', 'token', 0],
    ]);
    expect(textOf(results[0])).toContain('rank 1 with another token');
    await ranks.form();
    await expectSums(ranks);
  });

  it('not who is in an earlier epoch', async () => {
    const ranks = await load([sumProgram(2), sumProgram(2)]);
    const early = ranks.next({ deadlineMs: 400 });
    const late = ranks.next({ deadlineMs: 400 });
    const results = await Promise.allSettled([ranks.ranks[0]!.form(late), ranks.ranks[1]!.form(early)]);
    expect(results.map(outcome)).toEqual([
      ['deadline', 'silent', 1],
      ['peer', 'epoch', 0],
    ]);
    await expect(ranks.ranks[0]!.form(early)).rejects.toMatchObject({ kind: 'input' });
  });

  it('who is called before its own formation waits for it', async () => {
    const ranks = await load([sumProgram(2), sumProgram(2)]);
    const early = ranks.next();
    const late = ranks.next();
    const stale = Promise.allSettled([ranks.ranks[0]!.form(early)]);
    const caller = ranks.ranks[1]!.form(late);
    const called = ranks.ranks[0]!.form(late);
    await Promise.all([caller, called]);
    expect((await stale).map(outcome)).toEqual(['aborted']);
    await expectSums(ranks);
  });

  it('not who comes from the address of another rank', async () => {
    const programs = allOf(3).map(() => sumProgram(3));
    set = await RankSet.load(programs, {}, (rank) => ({ address: `127.0.0.${rank + 1}` }));
    const formation = set.next({ deadlineMs: 500 });
    const [zero, one, two] = formation.endpoints;
    const swapped = [zero!, { ...one!, address: two!.address }, { ...two!, address: one!.address }];
    const results = await Promise.allSettled([
      set.ranks[0]!.form({ ...formation, endpoints: swapped }),
      set.ranks[1]!.form(formation),
      set.ranks[2]!.form(formation),
    ]);
    expect(results.slice(1).map(outcome)).toContainEqual(['peer', 'address', 0]);
    expect(textOf(results[0])).toContain('with another address');
    await set.form();
    await expectSums(set);
  });

  it('a rank that nobody runs cannot be reached', async () => {
    const ranks = await load([sumProgram(2), sumProgram(2)]);
    const formation = ranks.next({ deadlineMs: 300 });
    await ranks.ranks[0]!.close();
    await expect(ranks.ranks[1]!.form(formation)).rejects.toMatchObject({ kind: 'peer', peer: { rank: 0, fault: 'unreachable' } });
  });

  it('strangers at the port (another protocol, silence, half a greeting) do no harm, before, during and after', async () => {
    const ranks = await load(allOf(3).map(() => sumProgram(3)));
    const disturb = async (): Promise<void> => {
      for (const { endpoint } of ranks.ranks) {
        for (const text of ['GET / HTTP/1.1\r\n\r\n', '', 'msrank1\n', Buffer.alloc(256), Buffer.alloc(70_000, 7)]) {
          const socket = connect(endpoint.port, endpoint.address);
          socket.on('error', () => undefined);
          sockets.push(socket);
          await once(socket, 'connect');
          if (text.length > 0) socket.write(text);
        }
      }
    };
    await disturb();
    await ranks.form();
    await expectSums(ranks);
    await disturb();
    await expectSums(ranks);
    await ranks.form();
    await expectSums(ranks);
  });
});

describe('what is refused before anything runs leaves the mesh as it is', () => {
  it('inputs, batches, formations', async () => {
    const ranks = await formed([sumProgram(2), sumProgram(2)]);
    const [rank] = ranks.ranks;
    const base = { batch: 5, wantResults: true, deadlineMs: 10_000 };
    await expect(rank!.run({ ...base, inputs: [] })).rejects.toMatchObject({ kind: 'input', message: 'the rank takes 1 inputs, got 0' });
    await expect(rank!.run({ ...base, inputs: [numberTensor('int8', [1], [1])] })).rejects.toMatchObject({ kind: 'input' });
    await expect(rank!.run({ ...base, inputs: [numberTensor('float32', [1, 1], [1])] })).rejects.toMatchObject({ kind: 'input' });
    await expect(rank!.run({ ...base, batch: -1, inputs: x(1) })).rejects.toMatchObject({ kind: 'input' });
    await expect(rank!.run({ ...base, deadlineMs: 0, inputs: x(1) })).rejects.toMatchObject({ kind: 'deadline' });
    const formation = ranks.next();
    await expect(rank!.form({ ...formation, token: 'secret' })).rejects.toMatchObject({ kind: 'input' });
    await expect(rank!.form({ ...formation, endpoints: [] })).rejects.toMatchObject({ kind: 'input' });
    const named = formation.endpoints.map((endpoint) => ({ ...endpoint, address: 'localhost' }));
    await expect(rank!.form({ ...formation, endpoints: named })).rejects.toMatchObject({ kind: 'input' });
    await expectSums(ranks);
  });
});
