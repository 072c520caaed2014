import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { outputTensor, Tensor, type MethodDeclaration, type StageDeclaration, type ValueSource } from '@mserve/register';
import type { Instance } from '@mserve/wire';
// A spec of the repository as a whole may look behind the rooms' doors: what is tested is the servable, not the worker's API.
import { FunctionCalls } from '../../../apps/device-worker/src/functions/function-calls.fixture.js';
import { openServable, type OpenedServable } from '../../../apps/device-worker/src/replica/open-servable.js';
import { formatG } from './kit/format-g.js';

/** The kit's servable declares what the kit's SPEC.json says, and its functions do it. */

type StageRow = readonly [
  stage: string,
  inputs: readonly string[],
  outputs: readonly string[],
  options?: { tag?: string; batch_size?: number },
];
interface MethodRow {
  readonly in: readonly string[];
  readonly out: readonly string[];
  readonly stages: readonly StageRow[];
  readonly return?: readonly string[];
}
interface KitSpec {
  readonly models: Readonly<Record<string, { readonly with_batch_dim: boolean; readonly without_batch_dim_inputs?: readonly number[] }>>;
  readonly functions: Readonly<Record<string, string>>;
  readonly methods: Readonly<Record<string, MethodRow>>;
}

const directory = fileURLToPath(new URL('.', import.meta.url));
const spec = JSON.parse(readFileSync(new URL('SPEC.json', import.meta.url), 'utf8')) as KitSpec;
/** Its model (33 MB) is not in the repository. */
const methods = Object.entries(spec.methods).filter(([name]) => name !== 'mlp');

let kit: OpenedServable;
let calls: FunctionCalls;
beforeAll(async () => {
  // Every model adds its inputs here: what the real models do is tested with them.
  const add = ([a, b]: Instance): Instance => [wireTensor(a as Instance[number]).add(wireTensor(b as Instance[number]))];
  kit = await openServable(directory, 'kit', { models: { call: (_key, _subgraph, instances) => Promise.resolve(instances.map(add)) } });
  calls = new FunctionCalls(kit.runner);
});
afterAll(() => kit.runner.close());

const wireTensor = ({ dtype, shape, bytes }: Instance[number]): Tensor => Tensor.fromBytes(dtype as 'float32', shape, bytes);

describe('the declaration', () => {
  const named =
    (declared: MethodDeclaration, stages: readonly StageRow[]) =>
    (source: ValueSource): string | undefined =>
      source.from === 'input' ? declared.inputs[source.index]?.name : stages[source.stage - 1]?.[2][source.output];
  const kitKey = (key: string | undefined): string | undefined => key?.replace('.onnx', '.mindir');
  const stageName = ({ kind, index }: StageDeclaration): string | undefined =>
    kind === 'model'
      ? `model:${kitKey(kit.runner.declaration.models[index]?.key)}`
      : kit.runner.declaration.functions[index]?.name.slice('kit.'.length);

  it.each(methods)('has method %s with its stages', (name, expected) => {
    const declared = kit.runner.declaration.methods.find((method) => method.name === name) as MethodDeclaration;
    expect(declared.inputs.map((input) => input.name)).toEqual(expected.in);
    expect(declared.outputs.map((output) => output.name)).toEqual(expected.out);
    const nameOf = named(declared, expected.stages);
    expect(
      declared.stages.map((stage) => [stageName(stage), stage.inputs.map(nameOf), stage.outputsCount, stage.batchSize, stage.tag]),
    ).toEqual(
      expected.stages.map(([stage, inputs, outputs, options]) => [stage, inputs, outputs.length, options?.batch_size, options?.tag]),
    );
    if (expected.return !== undefined) expect(declared.returns.map(nameOf)).toEqual(expected.return);
  });

  it('has the functions and models of the kit, and no more', () => {
    expect(kit.runner.declaration.functions.map(({ name }) => name.slice('kit.'.length)).sort()).toEqual(
      Object.keys(spec.functions).sort(),
    );
    expect(kit.runner.declaration.methods).toHaveLength(methods.length);
    const models = Object.entries(spec.models).filter(([key]) => !key.startsWith('mlp'));
    expect(
      kit.runner.declaration.models.map(({ key, withBatchDim, withoutBatchDimInputs }) => [
        kitKey(key),
        withBatchDim,
        withoutBatchDimInputs,
      ]),
    ).toEqual(models.map(([key, model]) => [key, model.with_batch_dim, model.without_batch_dim_inputs ?? []]));
  });

  it('runs as version 2, the highest', () => {
    expect(kit.version).toBe(2);
  });
});

describe('the functions', () => {
  const f32 = (...values: number[]): Tensor => Tensor.of('float32', values);
  const i32 = (...values: number[]): Tensor => Tensor.of('int32', values);
  const scalar = Tensor.scalar;
  const rows: readonly (readonly [name: string, instances: readonly (readonly unknown[])[], expected: readonly unknown[]])[] = [
    ['f_identity', [[f32(1)], ['text'], [Buffer.from([0, 255])]], [[f32(1)], ['text'], [Tensor.of('uint8', [0, 255])]]],
    ['f_to_f32', [[i32(1), scalar('int64', 2)]], [[f32(1), scalar('float32', 2)]]],
    ['f_bytes', [[Buffer.from([0, 255])]], [[Buffer.from([0, 255])]]],
    ['f_upper', [['straße']], [['STRASSE']]],
    ['f_concat_str', [['a', 'b']], [['ab']]],
    [
      'f_sum',
      [
        [i32(1), f32(0.5)],
        [scalar('int8', 1), scalar('int8', 2)],
      ],
      [[Tensor.of('float64', [1.5])], [scalar('int8', 3)]],
    ],
    ['f_sumdiff', [[i32(3), i32(1)]], [[i32(4), i32(2)]]],
    ['f_describe', [['𝒳yz'], [scalar('float32', 1)], [Tensor.of('float16', [[1, 2]])]], [['str:3'], ['float32:[]'], ['float16:[1, 2]']]],
    ['f_raise_neg', [[i32(1)], [i32(1, -1)], [scalar('int8', -1)]], [[i32(2)], 'negative value', 'negative value']],
    [
      'f_py_scalar',
      [['int'], ['float'], ['bool'], ['str'], ['bytes'], ['big'], ['np_int8'], ['np_f16'], ['list0'], ['arr2'], ['toString']],
      [
        [7],
        [2.5],
        [true],
        ['seven'],
        [Buffer.from('\0\xffseven', 'latin1')],
        [2 ** 40],
        [scalar('int8', -3)],
        [scalar('float16', 0.5)],
        [i32()],
        [
          Tensor.of('int64', [
            [1, 2],
            [3, 4],
          ]),
        ],
        "'toString'",
      ],
    ],
    ['f_fp16', [[f32(0.1)]], [[Tensor.of('float16', [0.1])]]],
    [
      'f_astype',
      [
        [f32(1.9), 'int32'],
        [f32(1), 'nope'],
      ],
      [[i32(1)], "data type 'nope' not understood"],
    ],
    ['f_half', [[f32(1)], [i32(1)]], [[f32(0.5)], [Tensor.of('float64', [0.5])]]],
    ['f_label', [[f32(1, 0.5)], [i32(1_000_000)]], [['sum=1.5'], ['sum=1e+06']]],
    [
      'f_size',
      [[Tensor.zeros('int8', [2, 3])], [scalar('int8', 1)], [f32()]],
      [
        [6, 2],
        [1, 0],
        [0, 0],
      ],
    ],
    ['f_sleep', [[i32(1), scalar('int32', 1)]], [[i32(1)]]],
    ['f_call1', [[f32(1), f32(2)]], [[f32(3)]]],
    ['f_call_sub', [[f32(1), f32(2)]], [[f32(3)]]],
    [
      'f_gen_add',
      [
        [i32(1), i32(2)],
        [i32(3), i32(4)],
      ],
      [[i32(3)], [i32(7)]],
    ],
    [
      'f_list_add',
      [
        [i32(1), i32(2)],
        [i32(3), i32(4)],
      ],
      [[i32(3)], [i32(7)]],
    ],
    ['f_gen_raise', [[i32(1)], [i32(-1)], [i32(3)]], [[i32(2)], 'bad item', [i32(6)]]],
    ['f_gen_raise_at_start', [[i32(1)], [i32(-1)]], ['bad batch', 'bad batch']],
    [
      'f_count',
      [[i32(1)], [i32(2)]],
      [
        [i32(1), 2],
        [i32(2), 2],
      ],
    ],
    [
      'f_call_many',
      [
        [f32(1), f32(2)],
        [f32(3), f32(4)],
      ],
      [[f32(3)], [f32(7)]],
    ],
  ];
  const plain = ({ dtype, shape, bytes }: Instance[number]): unknown => ({ dtype, shape, bytes: [...bytes] });

  it.each(rows)('%s', async (name, instances, expected) => {
    const index = kit.runner.declaration.functions.find((declared) => declared.name === `kit.${name}`)?.index ?? -1;
    const results = await calls.run(
      index,
      instances.map((values) => values.map(outputTensor)),
    );
    expect(results.map((result) => ('failure' in result ? result.failure.message : result.outputs.map(plain)))).toEqual(
      expected.map((result) => (typeof result === 'string' ? result : (result as unknown[]).map((value) => plain(outputTensor(value))))),
    );
  });
});

it.each([
  [0, '0'],
  [-0, '-0'],
  [1, '1'],
  [1.5, '1.5'],
  [-2.25, '-2.25'],
  [100000, '100000'],
  [999999.5, '1e+06'],
  [1e6, '1e+06'],
  [0.0001, '0.0001'],
  [0.00001234567, '1.23457e-05'],
  [1 / 3, '0.333333'],
  [1e100, '1e+100'],
  [123456.7, '123457'],
  [NaN, 'nan'],
  [-Infinity, '-inf'],
])('formatG(%d) is C’s %%g', (value, text) => {
  expect(formatG(value)).toBe(text);
});
