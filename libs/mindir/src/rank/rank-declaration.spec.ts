import { describe, expect, it } from '@jest/globals';
import { checkRankSubgraph, type RankSubgraph } from './rank-declaration.js';

const tensor = { dtype: 'float32', shape: [2] } as const;
const common = { node: 'n', groupName: 'g', group: [0, 1], inputs: [tensor], outputs: [tensor] };
const subgraph: RankSubgraph = {
  inputs: [{ name: 'x', ...tensor }],
  outputs: [{ name: 'y', dtype: 'float16', shape: [-1, 3] }],
  schedule: [
    { ...common, op: 'AllReduce', reduction: 'sum' },
    { ...common, op: 'AllGather' },
    { ...common, op: 'AlltoAll', splitAxis: 0, concatAxis: 1 },
    { ...common, op: 'Broadcast', root: 1 },
    { ...common, op: 'NeighborExchange', sendTo: [1], receiveFrom: [0] },
    { ...common, op: 'Send', to: 1, tag: 0 },
    { ...common, op: 'Receive', from: 1, tag: 0 },
  ],
  restoreRanks: [0],
  uses: [0],
  sha256: 'abc',
};
const travelled = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe('what an agent says of its rank', () => {
  it('comes through JSON as it was', () => {
    expect(checkRankSubgraph(travelled(subgraph))).toEqual(subgraph);
  });

  it.each<[string, object, string]>([
    ['no inputs', { inputs: undefined }, 'inputs is not a list'],
    ['an unknown dtype', { outputs: [{ name: 'y', dtype: 'float128' }] }, 'a dtype is unknown'],
    ['an input that there is not', { uses: [1] }, 'uses is not a whole number up to 0'],
    ['a negative rank', { restoreRanks: [-1] }, 'restoreRanks is not a whole number'],
    ['an unknown operator', { schedule: [{ ...common, op: 'AllMean' }] }, 'a collective has no known operator'],
    ['an unknown reduction', { schedule: [{ ...common, op: 'AllReduce', reduction: 'mean' }] }, 'a reduction is unknown'],
    ['a rank that is text', { schedule: [{ ...common, op: 'Send', to: '1', tag: 0 }] }, 'to is not a whole number'],
  ])('with %s is refused', (_, wrong, text) => {
    expect(() => checkRankSubgraph(travelled({ ...subgraph, ...wrong }))).toThrow(`the description of a rank is wrong: ${text}`);
  });

  it.each([undefined, null, 'text', [], 5])('that is %j is refused', (value) => {
    expect(() => checkRankSubgraph(value)).toThrow('the description of a rank is wrong');
  });
});
