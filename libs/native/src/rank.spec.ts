import { afterEach, describe, expect, it } from '@jest/globals';
import type { CollectiveStep, RankProgram, RankStep, Reduction } from './rank-contract.js';
import { reductions } from './rank-program.js';
import { numberTensor, numberTypes, numbersOf, reduced, type NumberType } from './testing/numbers.js';
import { allOf, oneStep, programOf, value } from './testing/rank-programs.js';
import { RankSet } from './testing/rank-set.js';
import { tensor } from './testing/tensors.js';
import type { ElementType, NativeTensor } from './tensor.js';

/** Different and repeatable on every rank; small, so that products stay in range. */
function someNumbers(type: NumberType, count: number, seed: number): NativeTensor {
  const signed = !type.startsWith('uint');
  const whole = !/float/.test(type);
  const values = Array.from({ length: count }, (_, index) => {
    const number = ((index * 7 + seed * 13) % 11) + 1 - (signed ? 5 : 0);
    return whole ? number : number + (index % 8) / 8;
  });
  return numberTensor(type, [count], values);
}

function expectSameBits(outputs: readonly NativeTensor[]): void {
  for (const output of outputs) expect(Buffer.compare(output.bytes, outputs[0]!.bytes)).toBe(0);
}

/** Of long float32 tensors, one after the other. */
function expectNumbers(parts: readonly NativeTensor[], wanted: readonly (number | bigint)[]): void {
  const bytes = Buffer.concat(parts.map((part) => part.bytes));
  expect(Buffer.compare(bytes, numberTensor('float32', [wanted.length], wanted.map(Number)).bytes)).toBe(0);
}

let set: RankSet | undefined;
afterEach(async () => {
  await set?.close();
  set = undefined;
});

async function formed(programs: readonly RankProgram[], sharesMemory: boolean): Promise<RankSet> {
  set = await RankSet.load(programs, { sharesMemory });
  await set.form();
  return set;
}

const ways = [
  ['shared memory', true],
  ['TCP', false],
] as const;

describe.each(ways)('collectives over %s', (_, sharesMemory) => {
  it.each([2, 3, 4, 8])(
    'allReduce of every type by every reduction, %i ranks: the reference, with the same bits on all ranks',
    async (size) => {
      const steps = (dtype: NumberType): RankStep[] =>
        reductions.map((reduction) => ({
          kind: 'allReduce',
          group: allOf(size),
          reduction,
          input: dtype,
          output: value(`${dtype} ${reduction}`, dtype),
        }));
      const program = programOf(
        numberTypes.map((dtype) => value(dtype, dtype)),
        numberTypes.flatMap(steps),
        numberTypes.flatMap((dtype) => reductions.map((reduction) => `${dtype} ${reduction}`)),
      );
      const ranks = await formed(
        allOf(size).map(() => program),
        sharesMemory,
      );
      const inputs = allOf(size).map((rank) => numberTypes.map((dtype) => someNumbers(dtype, 37, rank)));
      const outputs = await ranks.run(inputs);
      let at = 0;
      for (const [column, dtype] of numberTypes.entries()) {
        for (const reduction of reductions) {
          const index = at++;
          const all = outputs.map((results) => results[index]!);
          expectSameBits(all);
          const wanted = reduced(
            inputs.map((each) => each[column]!),
            reduction,
          );
          expect([dtype, reduction, numbersOf(all[0]!)]).toEqual([dtype, reduction, wanted]);
        }
      }
    },
  );

  it.each([2, 5])('large allReduce, allGather and reduceScatter of %i ranks', async (size) => {
    const group = allOf(size);
    const count = 120_000 - (120_000 % size);
    const program = programOf(
      [value('x', 'float32')],
      [
        { kind: 'allReduce', group, reduction: 'sum', input: 'x', output: value('sum', 'float32') },
        { kind: 'allGather', group, input: 'x', output: value('all', 'float32', [size * count]) },
        { kind: 'reduceScatter', group, reduction: 'max', input: 'x', output: value('part', 'float32', [count / size]) },
      ],
      ['sum', 'all', 'part'],
    );
    const ranks = await formed(
      group.map(() => program),
      sharesMemory,
    );
    const inputs = group.map((rank) => [someNumbers('float32', count, rank)]);
    const columns = inputs.map(([each]) => each!);
    const outputs = await ranks.run(inputs);
    expectSameBits(outputs.map(([sum]) => sum!));
    expectNumbers(
      outputs.slice(0, 1).map(([sum]) => sum!),
      reduced(columns, 'sum'),
    );
    for (const [, all] of outputs) expect(Buffer.compare(all!.bytes, Buffer.concat(columns.map(({ bytes }) => bytes)))).toBe(0);
    expectNumbers(
      outputs.map(([, , part]) => part!),
      reduced(columns, 'max'),
    );
  });

  it('sums that depend on the order of their terms have the same bits on all ranks', async () => {
    const size = 4;
    const program = oneStep('float32', {
      kind: 'allReduce',
      group: allOf(size),
      reduction: 'sum',
      input: 'x',
      output: value('y', 'float32'),
    });
    const ranks = await formed(
      allOf(size).map(() => program),
      sharesMemory,
    );
    for (const count of [5, 50_000]) {
      const terms = [1e8, 1, -1e8, 1];
      const outputs = await ranks.run(terms.map((term) => [numberTensor('float32', [count], new Array<number>(count).fill(term))]));
      expectSameBits(outputs.map(([sum]) => sum!));
    }
  });

  it('NaN and infinities go through, and bool is combined by "or" and "and"', async () => {
    const group = [0, 1];
    const step = (dtype: ElementType, reduction: Reduction): RankStep => ({
      kind: 'allReduce',
      group,
      reduction,
      input: dtype,
      output: value(`${dtype} ${reduction}`, dtype),
    });
    const steps = [step('float16', 'max'), step('float16', 'sum'), step('bool', 'sum'), step('bool', 'min')];
    const program = programOf([value('float16', 'float16'), value('bool', 'bool')], steps, [
      'float16 max',
      'float16 sum',
      'bool sum',
      'bool min',
    ]);
    const ranks = await formed([program, program], sharesMemory);
    const [first] = await ranks.run([
      [numberTensor('float16', [4], [NaN, 1, Infinity, 60_000]), tensor('bool', [4], Uint8Array.of(0, 0, 1, 1))],
      [numberTensor('float16', [4], [1, NaN, -Infinity, 60_000]), tensor('bool', [4], Uint8Array.of(0, 1, 0, 1))],
    ]);
    expect(first!.slice(0, 2).map(numbersOf)).toEqual([
      [NaN, NaN, Infinity, 60_000],
      [NaN, NaN, NaN, Infinity],
    ]);
    expect(first!.slice(2).map(({ bytes }) => [...bytes])).toEqual([
      [0, 1, 1, 1],
      [0, 0, 0, 1],
    ]);
  });

  it('groups work side by side, each in its own order', async () => {
    const groups = [
      [2, 0],
      [3, 1],
      [0, 1, 2, 3],
      [3, 2, 1, 0],
    ];
    const programs = allOf(4).map((rank) => {
      const own = groups.filter((group) => group.includes(rank));
      return programOf(
        [value('x', 'int32')],
        own.map((group, index) => ({ kind: 'allGather', group, input: 'x', output: value(`y${index}`, 'int32') })),
        own.map((_each, index) => `y${index}`),
      );
    });
    const ranks = await formed(programs, sharesMemory);
    const outputs = await ranks.run(allOf(4).map((rank) => [numberTensor('int32', [1], [rank])]));
    expect(outputs.map((results) => results.map(numbersOf))).toEqual([
      [
        [2, 0],
        [0, 1, 2, 3],
        [3, 2, 1, 0],
      ],
      [
        [3, 1],
        [0, 1, 2, 3],
        [3, 2, 1, 0],
      ],
      [
        [2, 0],
        [0, 1, 2, 3],
        [3, 2, 1, 0],
      ],
      [
        [3, 1],
        [0, 1, 2, 3],
        [3, 2, 1, 0],
      ],
    ]);
  });

  it.each([
    [0, 1],
    [1, 0],
    [1, 2],
    [2, 1],
    [0, 0],
  ])('allToAll splits along axis %i and joins along axis %i', async (splitAxis, concatAxis) => {
    const group = [1, 0];
    const shape = [4, 2, 6];
    const step: CollectiveStep = { kind: 'allToAll', group, splitAxis, concatAxis, input: 'x', output: value('y', 'int32', [-1, -1, -1]) };
    const ranks = await formed([oneStep('int32', step, shape), oneStep('int32', step, shape)], sharesMemory);
    const at = (rank: number, [i = 0, j = 0, k = 0]: number[]): number => rank * 1000 + i * 100 + j * 10 + k;
    const outputs = await ranks.run(
      group.map((_each, rank) => [
        numberTensor(
          'int32',
          shape,
          indicesOf(shape).map((index) => at(rank, index)),
        ),
      ]),
    );
    const outShape = shape.map((dim, axis) => dim / (axis === splitAxis ? 2 : 1)).map((dim, axis) => dim * (axis === concatAxis ? 2 : 1));
    for (const [rank, [output]] of outputs.entries()) {
      const own = group.indexOf(rank);
      const wanted = indicesOf(outShape).map((index) => {
        const joined = outShape[concatAxis]! / 2;
        const source = [...index];
        source[concatAxis] = index[concatAxis]! % joined;
        source[splitAxis] = source[splitAxis]! + (own * shape[splitAxis]!) / 2;
        return at(group[Math.floor(index[concatAxis]! / joined)]!, source);
      });
      expect([output!.shape, numbersOf(output!)]).toEqual([outShape, wanted]);
    }
  });

  it('broadcast gives the tensors of the root, neighborExchange and send those of the peer', async () => {
    const group = [0, 1, 2];
    const programs = group.map((rank) =>
      programOf(
        [value('x', 'int16'), value('z', 'uint8')],
        [
          { kind: 'broadcast', group, root: 1, inputs: ['x', 'z'], outputs: [value('bx', 'int16'), value('bz', 'uint8')] },
          {
            kind: 'neighborExchange',
            group,
            sendTo: [(rank + 1) % 3, (rank + 2) % 3, (rank + 1) % 3],
            receiveFrom: [(rank + 2) % 3, (rank + 2) % 3, (rank + 1) % 3],
            inputs: ['x', 'x', 'z'],
            outputs: [value('n0', 'int16', [3]), value('n1', 'uint8', [2]), value('n2', 'int16', [3])],
          },
        ],
        ['bx', 'bz', 'n0', 'n1', 'n2'],
      ),
    );
    const ranks = await formed(programs, sharesMemory);
    const outputs = await ranks.run(
      group.map((rank) => [numberTensor('int16', [3], [rank, 5 - rank, 7]), numberTensor('uint8', [2], [rank, 9])]),
    );
    expect(outputs.map((results) => results.map(numbersOf))).toEqual(
      group.map((rank) => {
        const before = (rank + 2) % 3;
        const next = (rank + 1) % 3;
        return [
          [1, 4, 7],
          [1, 9],
          [before, 5 - before, 7],
          [before, 9],
          [next, 5 - next, 7],
        ];
      }),
    );
  });

  it('sends are found by their tags, of any size, also while both sides send first', async () => {
    const group = [0, 1];
    const programs = group.map((rank) => {
      const peer = 1 - rank;
      return programOf(
        [value('x', 'float32'), value('z', 'int8')],
        [
          { kind: 'send', group, to: peer, tag: 5, input: 'x' },
          { kind: 'send', group, to: peer, tag: 6, input: 'z' },
          { kind: 'send', group, to: peer, tag: 5, input: 'x' },
          { kind: 'allGather', group, input: 'z', output: value('all', 'int8') },
          { kind: 'receive', group, from: peer, tag: 6, output: value('z6', 'int8', [-1]) },
          { kind: 'receive', group, from: peer, tag: 5, output: value('x5', 'float32', [400_000]) },
          { kind: 'receive', group, from: peer, tag: 5, output: value('again', 'float32', [-1]) },
        ],
        ['z6', 'x5', 'again', 'all'],
      );
    });
    const ranks = await formed(programs, sharesMemory);
    const inputs = group.map((rank) => [someNumbers('float32', 400_000, rank), numberTensor('int8', [3], [rank, 2, 3])]);
    for (let batch = 0; batch < 3; batch++) {
      const outputs = await ranks.run(inputs);
      for (const rank of group) {
        const [z6, x5, again, all] = outputs[rank]!;
        expect(numbersOf(z6!)).toEqual([1 - rank, 2, 3]);
        expect(numbersOf(all!)).toEqual([0, 2, 3, 1, 2, 3]);
        expect(Buffer.compare(x5!.bytes, inputs[1 - rank]![0]!.bytes)).toBe(0);
        expect(Buffer.compare(again!.bytes, x5!.bytes)).toBe(0);
      }
    }
  });

  it('empty tensors and scalars are tensors too', async () => {
    const group = [0, 1];
    const program = programOf(
      [value('none', 'float32', [0, 3]), value('one', 'float32', [])],
      [
        { kind: 'allReduce', group, reduction: 'sum', input: 'none', output: value('a', 'float32', [0, 3]) },
        { kind: 'allReduce', group, reduction: 'sum', input: 'one', output: value('b', 'float32', []) },
        { kind: 'allGather', group, input: 'one', output: value('c', 'float32', [2]) },
      ],
      ['a', 'b', 'c'],
    );
    const ranks = await formed([program, program], sharesMemory);
    const inputs = group.map((rank) => [numberTensor('float32', [0, 3], []), numberTensor('float32', [], [rank + 1])]);
    const [results] = await ranks.run(inputs);
    expect(results!.map((each) => [each.shape, numbersOf(each)])).toEqual([
      [[0, 3], []],
      [[], [3]],
      [[2], [1, 2]],
    ]);
  });
});

/** All indices of a tensor, in its order. */
function indicesOf(shape: readonly number[]): number[][] {
  return shape.reduce<number[][]>((all, dim) => all.flatMap((index) => allOf(dim).map((at) => [...index, at])), [[]]);
}
