import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { post } from '../support/clients.js';
import { float32Bytes, onnxModel } from '../support/onnx-model.js';
import { serveDirectory, type RunningProcess, type ServerAddresses } from '../support/running-process.js';
import { servableDirectory } from '../support/servables.js';

/** x float32 [batch, 1]; per instance: y = 2 x, size = instances of the run (padding included), total = sum of x over the run. */
function tellingModel(batch: number | string): Uint8Array {
  const shape = [batch, 1];
  return onnxModel({
    inputs: [{ name: 'x', dtype: 'float32', shape }],
    outputs: ['y', 'size', 'total'].map((name) => ({ name, dtype: 'float32' as const, shape })),
    initializers: [{ name: 'zero', dtype: 'float32', shape: [], bytes: float32Bytes([0]) }],
    nodes: [
      { op: 'Add', inputs: ['x', 'x'], outputs: ['y'] },
      { op: 'Mul', inputs: ['x', 'zero'], outputs: ['zeros'] },
      { op: 'Shape', inputs: ['x'], outputs: ['dims'], attributes: { end: { int: 1 } } },
      { op: 'Cast', inputs: ['dims'], outputs: ['count'], attributes: { to: { int: 1 } } },
      { op: 'Add', inputs: ['zeros', 'count'], outputs: ['size'] },
      { op: 'ReduceSum', inputs: ['x'], outputs: ['sum'], attributes: { keepdims: { int: 1 } } },
      { op: 'Add', inputs: ['zeros', 'sum'], outputs: ['total'] },
    ],
  });
}

const config = `import { addStage, declareModel, registerMethod, Tensor } from '@mserve/register';
// The models tell how many rows ran together, so their rows are not independent: nothing else would batch them.
const batching = 'trust';
const two = declareModel({ modelFile: 'two.onnx', modelFormat: 'ONNX', batching });
const four = declareModel({ modelFile: 'four.onnx', modelFormat: 'ONNX', batching });
const any = declareModel({ modelFile: 'any.onnx', modelFormat: 'ONNX', batching, maxBatchSize: 5 });

/** Each instance as it is, and how many there were: 0 = called with one instance, not with a list. */
function single(x: Tensor) { return [x, 0]; }
function count(instances: [Tensor][]) { return instances.map(([x]) => [x, instances.length]); }

registerMethod(['y', 'n'], function not_given(x) { return addStage(single, x, { outputsCount: 2 }); });
registerMethod(['y', 'n'], function three(x) { return addStage(count, x, { outputsCount: 2, batchSize: 3 }); });
registerMethod(['y', 'n'], function automatic(x) { return addStage(count, x, { outputsCount: 2, batchSize: 0 }); });
registerMethod(['y', 'size', 'total'], function run_four(x) { return addStage(four, x, { outputsCount: 3 }); });
registerMethod(['y', 'size', 'total'], function run_any(x) { return addStage(any, x, { outputsCount: 3 }); });
registerMethod(['y', 'size', 'total'], function run_any_too(x) { return addStage(any, x, { outputsCount: 3 }); });
registerMethod(['before', 'after'], function around_fixed(x) {
  const [a, before] = addStage(count, x, { outputsCount: 2, batchSize: 0 });
  const [b] = addStage(two, a, { outputsCount: 3 });
  const [c] = addStage(four, b, { outputsCount: 3 });
  const [, after] = addStage(count, c, { outputsCount: 2, batchSize: 0 });
  return [before, after];
});
registerMethod(['before', 'size', 'after'], function around_any(x) {
  const [a, before] = addStage(count, x, { outputsCount: 2, batchSize: 0 });
  const [b, size] = addStage(any, a, { outputsCount: 3 });
  const [, after] = addStage(count, b, { outputsCount: 2, batchSize: 0 });
  return [before, size, after];
});
`;

type Answer = Readonly<Record<string, number | readonly number[]>>;

describe('the batch sizes that are used', () => {
  const directory = servableDirectory();
  let server: RunningProcess & ServerAddresses;
  beforeAll(async () => {
    mkdirSync(join(directory.path, 'batches/1'), { recursive: true });
    writeFileSync(join(directory.path, 'batches/servable_config.ts'), config);
    for (const [file, batch] of [
      ['two', 2],
      ['four', 4],
      ['any', 'n'],
    ] as const)
      writeFileSync(join(directory.path, `batches/1/${file}.onnx`), tellingModel(batch));
    server = await serveDirectory(directory.path);
  }, 60_000);
  afterAll(async () => {
    await server?.stop();
    directory.remove();
  });

  /** One request with these x; the answers in their order. */
  async function ask(method: string, values: readonly number[]): Promise<Answer[]> {
    const { status, body } = await post(
      server.rest,
      `/model/batches:${method}`,
      JSON.stringify({ instances: values.map((x) => ({ x: [x] })) }),
    );
    expect({ status, body }).toEqual({ status: 200, body: { instances: expect.anything() } });
    return (body as { instances: Answer[] }).instances;
  }
  const halves = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 0.5);
  const column = (answers: readonly Answer[], name: string): number[] => answers.map((answer) => [answer[name]].flat()[0] as number);

  it('functions, batchSize not given: one instance at a time', async () => {
    expect(column(await ask('not_given', halves(7)), 'n')).toEqual([0, 0, 0, 0, 0, 0, 0]);
  });

  it('functions, batchSize 3: at most 3, and each instance gets its own result', async () => {
    const answers = await ask('three', halves(7));
    expect(column(answers, 'n')).toEqual([3, 3, 3, 3, 3, 3, 1]);
    expect(column(answers, 'y')).toEqual(halves(7));
  });

  it('functions, batchSize 0: one at a time in a method without models', async () => {
    expect(column(await ask('automatic', halves(4)), 'n')).toEqual([1, 1, 1, 1]);
  });

  it("functions, batchSize 0: at most the smallest of the method's models before them, at most the largest behind them", async () => {
    const answers = await ask('around_fixed', halves(8));
    expect(column(answers, 'before')).toEqual([2, 2, 2, 2, 2, 2, 2, 2]);
    const after = column(answers, 'after');
    expect(Math.max(...after)).toBeLessThanOrEqual(4);
    expect(Math.min(...after)).toBeGreaterThanOrEqual(1);
  });

  it('functions, batchSize 0: with a model of no fixed batch size, its maxBatchSize', async () => {
    const answers = await ask('around_any', halves(12));
    expect(column(answers, 'before')).toEqual([5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 2, 2]);
    for (const name of ['size', 'after']) expect(Math.max(...column(answers, name))).toBeLessThanOrEqual(5);
  });

  it.each([1, 3, 4, 6])('a model of batch size 4, %d instances: always 4, what is missing is padded and dropped', async (instances) => {
    const answers = await ask('run_four', halves(instances));
    expect(column(answers, 'size')).toEqual(new Array(instances).fill(4));
    expect(column(answers, 'y')).toEqual(halves(instances).map((x) => 2 * x));
  });

  it.each([
    [1, [1]],
    [4, [4, 4, 4, 4]],
    [7, [5, 5, 5, 5, 5, 2, 2]],
  ])('a model of any batch size with maxBatchSize 5, %d instances: what there is, nothing padded', async (instances, sizes) => {
    const answers = await ask('run_any', halves(instances));
    expect(column(answers, 'size')).toEqual(sizes);
    const runs = [halves(instances).slice(0, 5), halves(instances).slice(5)];
    expect(column(answers, 'total')).toEqual(
      halves(instances).map((_, i) => (runs[i < 5 ? 0 : 1] as number[]).reduce((sum, x) => sum + x, 0)),
    );
    expect(column(answers, 'y')).toEqual(halves(instances).map((x) => 2 * x));
  });

  it('methods that share a model share its runs', async () => {
    // 0.5 comes through one method, 1000.5 through the other: a total shows who was in a run
    let shared = false;
    for (let round = 0; round < 50 && !shared; round++) {
      const requests = Array.from({ length: 40 }, (_, i) => ask(i % 2 === 0 ? 'run_any' : 'run_any_too', [i % 2 === 0 ? 0.5 : 1000.5]));
      for (const [i, [answer]] of (await Promise.all(requests)).entries()) {
        const [size, total] = [column([answer as Answer], 'size')[0] as number, column([answer as Answer], 'total')[0] as number];
        const others = Math.floor(total / 1000);
        expect(column([answer as Answer], 'y')).toEqual([i % 2 === 0 ? 1 : 2001]);
        expect(total).toBe(others * 1000 + size * 0.5);
        expect(size).toBeLessThanOrEqual(5);
        if (others > 0 && others < size) shared = true;
      }
    }
    expect(shared).toBe(true);
  }, 60_000);
});
