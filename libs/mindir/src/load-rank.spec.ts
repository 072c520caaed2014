import { describe, expect, it } from '@jest/globals';
import { loadMindir, loadRankMindir, inspectMindir, type RankOptions } from './load.js';
import { MindirError } from './mindir-error.js';
import type { RankModel } from './rank/rank-model.js';
import { encryptedBlock } from './testing/encrypted-block.js';
import { mindirFile, type FileGraph, type FilePrimitive } from './testing/mindir-file.js';

const place = { rank: 1, rankSize: 4 };

function primitive(opType: string, attributes: FilePrimitive['attributes'], name = opType): FilePrimitive {
  return { name, opType, attributes };
}

function main(nodes: FileGraph['nodes'], output: string, rest: Partial<FileGraph> = {}): FileGraph {
  return { name: 'main', inputs: [['main:x', [8, 2]]], nodes, output, ...rest };
}

function load(graphs: readonly FileGraph[], primitives: readonly FilePrimitive[], options: Partial<RankOptions> = {}): Promise<RankModel> {
  return loadRankMindir({ bytes: mindirFile(graphs, primitives) }, { ...place, ...options });
}

async function refusal(loading: Promise<unknown>): Promise<MindirError> {
  const thrown: unknown = await loading.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(thrown instanceof MindirError)) throw new Error(`not refused: ${String(thrown)}`);
  return thrown;
}

/** Fields of ParallelGroupMap. */
function groupConfig(groups: Readonly<Record<string, readonly number[]>>, restoreRanks: readonly number[]): Uint8Array {
  const ranks = (list: readonly number[]): number[] => list.flatMap((rank) => [0x08, rank]);
  const field = (number: number, body: readonly number[]): number[] => [number * 8 + 2, body.length, ...body];
  const items = Object.entries(groups).flatMap(([name, list]) => field(1, [...field(1, [...Buffer.from(name)]), ...field(2, ranks(list))]));
  return Uint8Array.from([...items, ...field(2, ranks(restoreRanks))]);
}

const reduceWorld = primitive('AllReduce', { group: 'hccl_world_group', op: 'max' });

describe('the graph of a rank', () => {
  it('is cut at its collectives; a value that a later part uses crosses', async () => {
    const { program, schedule, inputs, outputs } = await load(
      [
        main(
          [
            ['main:a', 'Neg', 'main:x'],
            ['main:b', 'REF::AllReduce:0', 'main:a'],
            ['main:c', 'Add', 'main:a', 'main:b'],
          ],
          'main:c',
        ),
      ],
      [reduceWorld],
    );
    expect(program.steps.map(({ kind }) => kind)).toEqual(['segment', 'allReduce', 'segment']);
    const [first, reduce, last] = program.steps;
    if (first?.kind !== 'segment' || last?.kind !== 'segment') throw new Error('no segments');
    expect(reduce).toMatchObject({ kind: 'allReduce', group: [0, 1, 2, 3], reduction: 'max', output: { dtype: 'float32', shape: [8, 2] } });
    expect(first).toMatchObject({ inputs: ['x'], outputs: [expect.stringMatching(/^Neg/)] });
    expect(last).toMatchObject({ inputs: [...first.outputs, expect.stringMatching(/^AllReduce/)] });
    expect(program.results).toEqual(last.outputs);
    expect(schedule).toEqual([
      {
        op: 'AllReduce',
        node: 'Default/main:b',
        groupName: 'hccl_world_group',
        group: [0, 1, 2, 3],
        reduction: 'max',
        inputs: [{ dtype: 'float32', shape: [8, 2] }],
        outputs: [{ dtype: 'float32', shape: [8, 2] }],
      },
    ]);
    expect(inputs).toEqual([{ name: 'x', dtype: 'float32', shape: [8, 2] }]);
    expect(outputs).toEqual([{ name: 'output_0', dtype: 'float32', shape: [8, 2] }]);
  });

  it('keeps collectives whose results nobody uses, and leaves out an input that nothing uses', async () => {
    const { program, inputs } = await load(
      [
        main([['main:b', 'REF::AllReduce:0', 'w']], 'main:c', {
          nodes: [
            ['main:b', 'REF::AllReduce:0', 'w'],
            ['main:c', 'Load', 'v'],
          ],
          parameters: [
            { name: 'w', dims: [1], raw: new Uint8Array(4) },
            { name: 'v', dims: [1], raw: new Uint8Array(4) },
          ],
        }),
      ],
      [reduceWorld],
    );
    expect(program.steps).toMatchObject([{ kind: 'allReduce', input: 'w' }]);
    expect(program.constants.map(({ name }) => name)).toEqual(['w', 'v']);
    expect(program.results).toEqual(['v']);
    expect(program.inputs).toEqual([]);
    expect(inputs).toHaveLength(1);
  });

  it('is not cut at a collective of the rank alone', async () => {
    const alone = primitive('AllReduce', { group: 'mine', rank_list: [1] });
    const { program, schedule } = await load([main([['main:b', 'REF::AllReduce:0', 'main:x']], 'main:b')], [alone]);
    expect({ steps: program.steps, results: program.results, schedule }).toEqual({ steps: [], results: ['x'], schedule: [] });
  });

  it('names ranks of the world, whatever the group', async () => {
    const group = { group: 'some', rank_list: [3, 1] };
    const { program } = await load(
      [
        main(
          [
            ['main:s', 'REF::Send:0', 'main:x'],
            ['main:r', 'REF::Receive:0', 'main:x'],
            ['main:t', 'MakeTuple', 'main:s'],
            ['main:o', 'Depend', 'main:r', 'main:t'],
          ],
          'main:o',
        ),
      ],
      [primitive('Send', { ...group, dest_rank: 0, sr_tag: 7 }), primitive('Receive', { ...group, src_rank: 0, shape: [8, 2], dtype: 43 })],
    );
    expect(program.steps).toMatchObject([
      { kind: 'send', to: 3, tag: 7, input: 'x' },
      { kind: 'receive', from: 3, tag: 0, output: { dtype: 'float32', shape: [8, 2] } },
    ]);
  });
});

describe('groups', () => {
  const nodes: FileGraph['nodes'] = [['main:b', 'REF::AllGather:0', 'main:x']];
  const gather = (attributes: FilePrimitive['attributes'], options: Partial<RankOptions> = {}): Promise<RankModel> =>
    load([main(nodes, 'main:b')], [primitive('AllGather', attributes)], options);

  it('are told by the group configuration where the node does not', async () => {
    const { schedule, restoreRanks } = await gather({ group: '2-99' }, { groupConfig: groupConfig({ '2-99': [1, 3] }, [1]) });
    expect(schedule).toMatchObject([{ group: [1, 3], outputs: [{ shape: [16, 2] }] }]);
    expect(restoreRanks).toEqual([1]);
  });

  it.each([
    ['nothing describes', { group: '2-99' }, undefined, 'nothing says which ranks'],
    [
      'two sources describe differently',
      { group: '2-99', rank_list: [0, 1] },
      groupConfig({ '2-99': [1, 3] }, []),
      'configuration says 1, 3',
    ],
    ['holds a rank twice', { group: '2-99', rank_list: [1, 1] }, undefined, 'not distinct'],
    ['is none', { group: '2-99' }, Uint8Array.of(0xff), 'group configuration of rank 1'],
    ['lacks its restore list', { group: '2-99' }, new Uint8Array(0), 'ckpt_restore_rank_list is missing'],
  ])('a group that %s is refused', async (_, attributes, config, text) => {
    expect((await refusal(gather(attributes, { groupConfig: config }))).message).toContain(text);
  });
});

describe('files that are refused', () => {
  it('collectives inside an if, by name', async () => {
    const branch = (name: string, node: FileGraph['nodes'][number]): FileGraph => ({ name, inputs: [], nodes: [node], output: node[0] });
    const refused = await refusal(
      load(
        [
          main(
            [
              ['main:c', 'IsFinite', 'main:p'],
              ['main:w', 'Switch', 'main:c', 'then', 'else'],
              ['main:o', 'REF::main:w'],
            ],
            'main:o',
            {
              inputs: [
                ['main:x', [8, 2]],
                ['main:p', []],
              ],
            },
          ),
          branch('then', ['then:a', 'REF::AllReduce:0', 'main:x']),
          branch('else', ['else:a', 'Neg', 'main:x']),
        ],
        [reduceWorld],
      ),
    );
    expect(refused.message).toMatch(/inside an if or a loop.*AllReduce \(node 'Default\/then:a'\)/);
  });

  it('an unknown reduction, and a rank that is not in its group', async () => {
    const nodes: FileGraph['nodes'] = [['main:b', 'REF::X:0', 'main:x']];
    const load1 = (opType: string, attributes: FilePrimitive['attributes']): Promise<RankModel> =>
      load([main(nodes, 'main:b')], [primitive(opType, attributes, 'X')]);
    const group = { group: 'nccl_world_group' };
    expect((await refusal(load1('AllReduce', { ...group, op: 'median' }))).message).toContain("reduces by 'median'");
    expect((await refusal(load1('Broadcast', { ...group, root_rank: 4 }))).message).toContain('root_rank 4 is not a place in the group');
    expect((await refusal(load1('AlltoAll', { ...group, split_dim: 2, concat_dim: 0, split_count: 4 }))).message).toContain(
      'no axis of 2 dims',
    );
  });

  it('one rank as a model of its own, with the cure; inspect says what it is', async () => {
    const bytes = mindirFile([main([['main:b', 'REF::AllReduce:0', 'main:x']], 'main:b')], [reduceWorld]);
    expect((await refusal(loadMindir({ bytes }))).message).toContain('distributed.declareServable');
    expect((await inspectMindir({ bytes })).remarks).toEqual([
      'the file is one rank of a distributed model: it has the collectives AllReduce',
    ]);
  });
});

describe('encrypted files', () => {
  it('have the hash of the plain ones', async () => {
    const bytes = mindirFile([main([['main:b', 'REF::AllReduce:0', 'main:x']], 'main:b')], [reduceWorld]);
    const key = Buffer.alloc(16, 7);
    const options = { ...place, decKey: key };
    const plain = await loadRankMindir({ bytes }, place);
    const sealed = await loadRankMindir({ bytes: encryptedBlock('AES-CBC', key, bytes) }, options);
    expect(sealed.sha256).toBe(plain.sha256);
    expect(plain.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect((await refusal(loadRankMindir({ bytes: encryptedBlock('AES-CBC', key, bytes) }, place))).kind).toBe('encrypted');
  });
});
