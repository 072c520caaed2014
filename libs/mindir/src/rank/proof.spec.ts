import { describe, expect, it } from '@jest/globals';
import type { CollectiveDetail, ExchangedTensor, ScheduledCollective } from '../graph/collective.js';
import type { ModelPort } from '../model-port.js';
import { disprove, type Disproof, type RankDeclaration } from './proof.js';

const world = [0, 1, 2, 3];
const f32 = (...shape: number[]): ExchangedTensor => ({ dtype: 'float32', shape });

function scheduled(detail: CollectiveDetail, rest: Partial<ScheduledCollective> = {}): ScheduledCollective {
  return {
    ...detail,
    node: detail.op,
    groupName: 'g',
    group: world,
    inputs: [f32(8, 4)],
    outputs: [f32(8, 4)],
    ...rest,
  } as ScheduledCollective;
}
const reduce = (group = world, shape = [8, 4]): ScheduledCollective =>
  scheduled({ op: 'AllReduce', reduction: 'sum' }, { group, inputs: [f32(...shape)], outputs: [f32(...shape)] });
const send = (to: number, tag = 0, shape = [8, 4]): ScheduledCollective =>
  scheduled({ op: 'Send', to, tag }, { group: [0, 1], inputs: [f32(...shape)], outputs: [] });
const receive = (from: number, tag = 0): ScheduledCollective => scheduled({ op: 'Receive', from, tag }, { group: [0, 1], inputs: [] });

const x: ModelPort = { name: 'x', dtype: 'float32', shape: [8, 4] };
const rank = (schedule: readonly ScheduledCollective[], rest: Partial<RankDeclaration> = {}): RankDeclaration => ({
  inputs: [x],
  outputs: [x],
  schedule,
  restoreRanks: [],
  ...rest,
});

function found(schedules: readonly (readonly ScheduledCollective[])[], stageSize = 1): Disproof[] {
  return disprove(
    schedules.map((schedule) => rank(schedule)),
    { rankSize: schedules.length, stageSize },
  );
}

/** Rank, position and text of the only problem. */
function problem(schedules: readonly (readonly ScheduledCollective[])[]): { rank: number; position: number | undefined; text: string } {
  const [first, ...others] = found(schedules);
  expect({ reason: first?.reason, others }).toEqual({ reason: 'schedule', others: [] });
  return first!;
}

describe('ranks that fit', () => {
  it('the same collectives in the same order, on groups that overlap', () => {
    const [even, odd] = [
      [0, 2],
      [1, 3],
    ];
    expect(found([0, 1, 2, 3].map((index) => [reduce(), reduce(index % 2 === 0 ? even : odd), reduce()]))).toEqual([]);
  });

  it('a pipeline whose stages exchange by Send and Receive, in any order of tags', () => {
    expect(
      found(
        [
          [send(1, 0), send(1, 1)],
          [receive(0, 1), receive(0, 0)],
        ],
        2,
      ),
    ).toEqual([]);
  });

  it('shapes that are known at run time only', () => {
    expect(found([[reduce([0, 1], [-1, 4])], [reduce([0, 1], [8, 4])]])).toEqual([]);
  });

  it('a later stage without inputs', () => {
    const declarations = [rank([send(1)]), rank([receive(0)], { inputs: [], outputs: [] })];
    expect(disprove(declarations, { rankSize: 2, stageSize: 2 })).toEqual([]);
  });
});

describe('ranks that do not fit', () => {
  it('a missing rank', () => {
    expect(disprove([rank([]), undefined], { rankSize: 2, stageSize: 1 })).toEqual([
      { reason: 'missing-rank', rank: 1, position: undefined, text: 'missing rank: rank 1 of 2 has no model' },
    ]);
  });

  it('a group without the rank, and one with a rank that there is not', () => {
    const [first, second] = found([[reduce([0, 1]), reduce([1])], [reduce([0, 1, 2])]]);
    expect(first).toMatchObject({ reason: 'foreign-group', rank: 0, position: 1, text: expect.stringContaining('rank not in group') });
    expect(second).toMatchObject({ reason: 'foreign-group', rank: 1, position: 0, text: expect.stringContaining('the model has 2 ranks') });
  });

  it('weights of another rank, also where the schedules agree', () => {
    const declarations = [rank([], { restoreRanks: [0, 1] }), rank([], { restoreRanks: [0] })];
    expect(disprove(declarations, { rankSize: 2, stageSize: 1 })).toMatchObject([{ reason: 'restore-ranks', rank: 1 }]);
  });

  it.each<[string, Partial<ScheduledCollective>, string]>([
    ['shape', { inputs: [f32(4, 4)], outputs: [f32(4, 4)] }, 'float32[8, 4]'],
    ['dtype', { inputs: [{ dtype: 'float16', shape: [8, 4] }], outputs: [{ dtype: 'float16', shape: [8, 4] }] }, 'float16[8, 4]'],
    ['order of the group', { group: [1, 0] }, 'group 0, 1 and 1, 0'],
    ['reduction', { reduction: 'max' } as Partial<ScheduledCollective>, 'reduction sum and max'],
    ['operator', { op: 'AllGather' } as Partial<ScheduledCollective>, 'operator AllReduce and AllGather'],
  ])('another %s at the same place', (_, rest, text) => {
    const other = { ...reduce([0, 1]), ...rest } as ScheduledCollective;
    expect(problem([[reduce([0, 1])], [other]]).text).toContain(text);
  });

  it('two collectives in another order', () => {
    const [a, b] = [reduce([0, 1], [8, 4]), reduce([0, 1], [2, 2])];
    expect(
      problem([
        [a, b],
        [b, a],
      ]),
    ).toMatchObject({ position: 0 });
  });

  it('one collective fewer', () => {
    const [one, two] = [reduce([0, 1]), reduce([0, 1])];
    expect(problem([[one, two], [one]])).toMatchObject({
      rank: 0,
      position: 1,
      text: expect.stringContaining('rank 1 has ended after 1 collectives'),
    });
  });

  it('ranks that wait for each other in a circle', () => {
    const [ab, bc, ca] = [reduce([0, 1]), reduce([1, 2]), reduce([0, 2])];
    expect(
      problem([
        [ab, ca],
        [bc, ab],
        [ca, bc],
      ]).text,
    ).toContain('it would wait for ever: rank 1 is at collective 0');
  });

  it('Send and Receive that do not meet', () => {
    expect(problem([[send(1)], []]).text).toContain('rank 1 never receives what it sends');
    expect(problem([[], [receive(0)]]).text).toContain('rank 0 has ended after 0 collectives');
    expect(problem([[send(1, 3)], [receive(0, 4)]]).text).toContain('wait for ever');
    expect(problem([[send(1, 0, [2])], [receive(0)]]).text).toContain(
      'it receives float32[8, 4], but rank 0, collective 0 sends float32[2]',
    );
    expect(problem([[send(0)], []]).text).toContain('with itself');
  });

  it('a result that the size of the group does not make', () => {
    const gather = scheduled({ op: 'AllGather' }, { group: [0, 1], outputs: [f32(32, 4)] });
    expect(problem([[gather], [gather]]).text).toContain('made for another number of ranks');
    const scatter = scheduled({ op: 'ReduceScatter', reduction: 'sum' }, { group: [0, 1], inputs: [f32(3)], outputs: [f32(1)] });
    expect(problem([[scatter], [scatter]]).text).toContain('cannot give float32[1]');
  });

  it('neighbours that expect something else', () => {
    const exchange = (sendTo: number[], receiveFrom: number[], outputs: ExchangedTensor[]): ScheduledCollective =>
      scheduled({ op: 'NeighborExchange', sendTo, receiveFrom }, { group: [0, 1], outputs });
    expect(found([[exchange([1], [1], [f32(8, 4)])], [exchange([0], [0], [f32(8, 4)])]])).toEqual([]);
    expect(problem([[exchange([1], [1], [f32(8, 4)])], [exchange([0], [0], [f32(2)])]]).text).toContain(
      'rank 0 sends float32[8, 4] to rank 1, which expects float32[2]',
    );
  });

  it('other inputs, and other outputs inside a stage', () => {
    const y: ModelPort = { ...x, shape: [8, 5] };
    const declarations = [rank([]), rank([], { inputs: [y] }), rank([], { outputs: [y] }), rank([], { outputs: [y] })];
    expect(disprove(declarations, { rankSize: 4, stageSize: 2 })).toMatchObject([{ reason: 'ports', rank: 1 }]);
    expect(disprove(declarations.slice(0, 3), { rankSize: 3, stageSize: 1 })).toMatchObject([{ rank: 1 }, { rank: 2 }]);
  });
});
