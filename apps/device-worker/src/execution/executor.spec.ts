import { describe, expect, it } from '@jest/globals';
import { isFailure, stringTensor, type DType, type Instance } from '@mserve/wire';
import { NativeError, type NativeTensor, type SessionDescription } from '@mserve/native';
import type { ServableDeclaration } from '@mserve/register';
import { functionOf, input, method, model, output, servable, stage } from '../../../../test/support/declarations.js';
import { elementwise, FakeSession, floats, valuesOf } from '../../../../test/support/fake-session.js';
import { addition, FakeRunner, outputsOf, pairs, run, setUp, Ticket } from './testing/executor-setup.js';
import type { Executor } from './executor.js';
import { planModel } from './model-plan.js';

describe('model stages', () => {
  it.each([
    { title: 'fixed batch of 4, 1 instance: padded', shape: [4, 2], count: 1, sizes: [4] },
    { title: 'fixed batch of 4, 4 instances', shape: [4, 2], count: 4, sizes: [4] },
    { title: 'fixed batch of 4, 9 instances: the last run is padded', shape: [4, 2], count: 9, sizes: [4, 4, 4] },
    { title: 'dynamic batch, 1 instance', shape: [-1, 2], count: 1, sizes: [1] },
    { title: 'dynamic batch, 7 instances at once', shape: [-1, 2], count: 7, sizes: [7] },
    { title: 'dynamic batch, 40 instances: at most maxBatchSize (32)', shape: [-1, 2], count: 40, sizes: [32, 8] },
  ])('$title', async ({ shape, count, sizes }) => {
    const { executor, session } = addition(shape);
    const results = await run(executor, 'add', pairs(count));
    expect(outputsOf(results)).toEqual(Array.from({ length: count }, (_, i) => [i + 100, i + 100]));
    expect(session.batchSizes).toEqual(sizes);
  });

  it('pads with the first instance and drops the padding', async () => {
    const { executor, session } = addition([4, 1]);
    await run(executor, 'add', [
      [floats([1], [7]), floats([1], [1])],
      [floats([1], [8]), floats([1], [2])],
    ]);
    expect(valuesOf(session.runs[0]?.[0])).toEqual([7, 8, 7, 7]);
    expect(valuesOf(session.runs[0]?.[1])).toEqual([1, 2, 1, 1]);
  });

  it('without batch dim: one instance per run, shapes as in the model', async () => {
    const { executor, session } = addition([2, 2], { withBatchDim: false });
    const results = await run(executor, 'add', pairs(3, [2, 2]));
    expect(session.runs.map((tensors) => tensors[0]?.shape)).toEqual([
      [2, 2],
      [2, 2],
      [2, 2],
    ]);
    expect(results.map((result) => !isFailure(result) && result.outputs[0]?.shape)).toEqual([
      [2, 2],
      [2, 2],
      [2, 2],
    ]);
  });

  it('instances of different tickets share a run; what comes during a run makes the next batch', async () => {
    const { executor, session } = addition([-1, 2]);
    session.hold();
    const first = run(executor, 'add', pairs(1));
    await session.started(1);
    const others = [run(executor, 'add', pairs(2)), run(executor, 'add', pairs(3))];
    session.letGo();
    await Promise.all([first, ...others]);
    expect(session.batchSizes).toEqual([1, 5]);
  });

  it('runs that are over at once follow each other without end, each with its own results', async () => {
    const count = 20_000;
    const { executor, session } = addition([1], { withBatchDim: false });
    session.isAtOnce = true;
    const results = await run(
      executor,
      'add',
      Array.from({ length: count }, (_, i) => [floats([1], [i]), floats([1], [1])]),
    );
    expect(session.runs).toHaveLength(count);
    expect(results.map((result) => !isFailure(result) && valuesOf(result.outputs[0]))).toEqual(
      Array.from({ length: count }, (_, i) => [i + 1]),
    );
  });

  it('concurrentRuns 2: a second run starts while the first goes on', async () => {
    const { executor, session } = addition([4, 2], {}, 2);
    session.hold();
    const ticket = run(executor, 'add', pairs(8));
    await session.started(2);
    session.letGo();
    expect(outputsOf(await ticket)).toHaveLength(8);
  });

  it('methods of a servable share the queue of a model, Model.call too', async () => {
    const session = elementwise([-1, 1], 1, (x) => x * 2);
    const declaration = servable({
      models: [model('twice.onnx')],
      methods: [
        method('a', ['x'], [stage(1, 'model', 0, [input(0)])], [output(1)]),
        method('b', ['x'], [stage(1, 'model', 0, [input(0)])], [output(1)]),
      ],
    });
    const { executor } = setUp(declaration, [[session]]);
    const one = (value: number): Instance => [floats([1], [value])];
    const [a, b, called] = await Promise.all([
      run(executor, 'a', [one(1)]),
      run(executor, 'b', [one(2)]),
      executor.call('twice.onnx', 0, [one(3), one(4)]),
    ]);
    expect([...outputsOf(a), ...outputsOf(b), ...called.map((outputs) => valuesOf(outputs[0]))]).toEqual([[2], [4], [6], [8]]);
    expect(session.batchSizes).toEqual([4]);
  });

  it('instances of different shapes never share a run, and keep their order among equals', async () => {
    const { executor, session } = addition([-1, -1]);
    const results = await run(executor, 'add', [...pairs(2, [3]), ...pairs(1, [5]), ...pairs(1, [3])]);
    expect(session.runs.map((tensors) => tensors[0]?.shape)).toEqual([
      [3, 3],
      [1, 5],
    ]);
    expect(results.map((result) => !isFailure(result) && result.outputs[0]?.shape)).toEqual([[3], [3], [5], [3]]);
  });

  /** y = x + bias, bias without batch dim. */
  function biased(): { executor: Executor; session: FakeSession } {
    const description: SessionDescription = {
      inputs: [
        { name: 'x', dtype: 'float32', shape: [4, 1], dimNames: ['', ''] },
        { name: 'bias', dtype: 'float32', shape: [1], dimNames: [''] },
      ],
      outputs: [{ name: 'y', dtype: 'float32', shape: [4, 1], dimNames: ['', ''] }],
    };
    const session = new FakeSession(description, ([x, bias]) => [
      floats(
        [4, 1],
        valuesOf(x).map((value) => value + (valuesOf(bias)[0] as number)),
      ),
    ]);
    const declaration = servable({
      models: [model('bias.onnx', { withoutBatchDimInputs: [1] })],
      methods: [method('add', ['x', 'bias'], [stage(1, 'model', 0, [input(0), input(1)])], [output(1)])],
    });
    const { executor } = setUp(declaration, [[session]]);
    return { executor, session };
  }
  const one = (x: number, bias: number): Instance => [floats([1], [x]), floats([1], [bias])];

  it('whole inputs: the first instance of a request decides for those of it that run with it, as in the original', async () => {
    const { executor, session } = biased();
    expect(outputsOf(await run(executor, 'add', [one(1, 10), one(2, 20), one(3, 30), one(4, 40), one(5, 50), one(6, 60)]))).toEqual([
      [11],
      [12],
      [13],
      [14],
      [55],
      [56],
    ]);
    expect(session.runs.map((tensors) => valuesOf(tensors[1]))).toEqual([[10], [50]]);
  });

  it('whole inputs: requests never get those of another one', async () => {
    const { executor, session } = biased();
    const requests = [[one(1, 10)], [one(2, 20)], [one(3, 10), one(4, 70)]].map((instances) => run(executor, 'add', instances));
    expect((await Promise.all(requests)).map(outputsOf)).toEqual([[[11]], [[22]], [[13], [14]]]);
    expect(session.runs.map((tensors) => valuesOf(tensors[1]))).toEqual([[10], [20]]);
  });

  it('whole inputs: a Model.call is like a request', async () => {
    const { executor } = biased();
    const called = await executor.call('bias.onnx', 0, [one(1, 10), one(2, 20)]);
    expect(called.map((outputs) => valuesOf(outputs[0]))).toEqual([[11], [12]]);
  });

  it('string tensors are joined and split by element', async () => {
    const value = (name: string): SessionDescription['inputs'][number] => ({ name, dtype: 'string', shape: [-1, 1], dimNames: ['n', ''] });
    const session = new FakeSession({ inputs: [value('x')], outputs: [value('y')] }, ([x]) => [x as NativeTensor]);
    const declaration = servable({
      models: [model('s.onnx')],
      methods: [method('m', ['x'], [stage(1, 'model', 0, [input(0)])], [output(1)])],
    });
    const { executor } = setUp(declaration, [[session]]);
    const text = (letters: string): Instance => [
      { dtype: 'string', shape: [], bytes: Buffer.from([letters.length, 0, 0, 0, ...Buffer.from(letters)]) },
    ];
    const results = await run(executor, 'm', [text('a'), text('bcd'), text('')]);
    expect(
      results.map(
        (result) =>
          !isFailure(result) &&
          Buffer.from(result.outputs[0]?.bytes ?? [])
            .subarray(4)
            .toString(),
      ),
    ).toEqual(['a', 'bcd', '']);
  });
});

describe('checks of model inputs', () => {
  const int32 = (bytes: number): Instance[number] => ({ dtype: 'int32', shape: [bytes / 4], bytes: new Uint8Array(bytes) });
  it.each([
    {
      title: 'too few bytes',
      shape: [4, 2],
      instance: [floats([1], [1]), floats([2], [1, 2])],
      text: 'Given model input 0 size 4 not match the size 8 defined in model',
    },
    {
      title: 'second input',
      shape: [4, 2],
      instance: [floats([2], [1, 1]), floats([3], [1, 2, 3])],
      text: 'Given model input 1 size 12 not match the size 8 defined in model',
    },
    {
      title: 'dtype',
      shape: [4, 2],
      instance: [int32(8), floats([2], [1, 2])],
      text: 'Given model input 0 data type kMSI_Int32 not match the data type kMSI_Float32 defined in model',
    },
    {
      title: 'size before dtype',
      shape: [4, 2],
      instance: [int32(4), floats([2], [1, 2])],
      text: 'Given model input 0 size 4 not match the size 8 defined in model',
    },
    {
      title: 'a string, which has no data',
      shape: [4, 2],
      instance: [stringTensor('abcd'), floats([2], [1, 2])],
      text: 'Given model input 0 size 0 not match the size 8 defined in model',
    },
    {
      title: 'first input before second',
      shape: [4, 2],
      instance: [int32(8), floats([1], [1])],
      text: 'Given model input 0 data type kMSI_Int32 not match the data type kMSI_Float32 defined in model',
    },
    {
      title: 'rank of a dynamic input',
      shape: [-1, -1],
      instance: [floats([1, 2], [1, 2]), floats([2], [1, 2])],
      text: 'Given model input 0 shape [1, 2] not match the shape [any] defined in model',
    },
    {
      title: 'known dim of a dynamic input',
      shape: [-1, -1, 3],
      instance: [floats([1, 2], [1, 2]), floats([2], [1, 2])],
      text: 'Given model input 0 shape [1, 2] not match the shape [any, 3] defined in model',
    },
    {
      title: 'bytes that are not what a dynamic shape says',
      shape: [-1, -1],
      instance: [{ ...floats([2], [1]), shape: [2] }, floats([2], [1, 2])],
      text: 'Given model input 0 shape [2] not match the shape [any] defined in model',
    },
  ])('$title', async ({ shape, instance, text }) => {
    const { executor, session } = addition(shape);
    expect(outputsOf(await run(executor, 'add', [instance]))).toEqual([`INVALID_ARGUMENT ${text}`]);
    expect(session.runs).toHaveLength(0);
  });

  it('only bytes and dtype count for fixed shapes', async () => {
    const { executor } = addition([2, 2], { withBatchDim: false });
    const results = await run(executor, 'add', pairs(1, [4]));
    expect(results.map((result) => !isFailure(result) && result.outputs[0]?.shape)).toEqual([[2, 2]]);
  });

  it('one bad instance of 8: seven results, one failure at its place', async () => {
    const { executor, session } = addition([-1, 2]);
    const instances = pairs(8);
    instances[5] = [floats([1], [1]), floats([2], [1, 1])];
    const outputs = outputsOf(await run(executor, 'add', instances));
    expect(outputs[5]).toMatch(/^INVALID_ARGUMENT Given model input 0/);
    expect(outputs.filter((each) => typeof each !== 'string')).toHaveLength(7);
    expect(session.batchSizes).toEqual([7]);
  });

  it('an unknown method and a wrong number of tensors are failures', async () => {
    const { executor } = addition([-1, 2]);
    expect(outputsOf(await run(executor, 'nope', pairs(1)))).toEqual(["NOT_FOUND servable 'S' has no method 'nope'"]);
    expect(outputsOf(await run(executor, 'add', [[floats([2], [1, 1])]]))).toEqual([
      "INVALID_ARGUMENT method 'add' takes 2 inputs, the instance has 1",
    ]);
  });
});

describe('checks of declared inputs', () => {
  const declaration = (dtype: DType | undefined): ServableDeclaration =>
    servable({
      functions: [functionOf(0, 'plusOne')],
      methods: [{ ...method('next', ['x'], [stage(1, 'function', 0, [input(0)])], [output(1)]), inputs: [{ name: 'x', dtype }] }],
    });
  const bytes = { dtype: 'bytes' as const, shape: [], bytes: new Uint8Array(4) };
  const octets = { dtype: 'uint8' as const, shape: [4], bytes: new Uint8Array(4) };

  it.each<[DType | undefined, Instance, boolean]>([
    ['float64', [floats([1], [1])], true],
    ['bytes', [bytes], true],
    ['bytes', [octets], true],
    ['bytes', [stringTensor('a')], false],
    ['bytes', [floats([1], [1])], false],
    ['string', [bytes], false],
    ['string', [stringTensor('a')], true],
    ['float32', [stringTensor('a')], false],
    ['float32', [bytes], false],
    [undefined, [stringTensor('a')], true],
  ])('%s of functions: %j', async (dtype, instance, fits) => {
    const runner = new FakeRunner(declaration(dtype), [() => ({ outputs: [floats([], [1])] })]);
    const { executor } = setUp(runner.declaration, [], runner);
    const [result] = await run(executor, 'next', [instance]);
    const text = `Input 'x' of method 'next' should be ${dtype}, but is ${instance[0]?.dtype}`;
    if (fits) expect(result).toEqual({ outputs: [floats([], [1])] });
    else expect(result).toMatchObject({ failure: { code: 'INVALID_ARGUMENT', reason: 'input-kind', message: text } });
  });
});

describe('failed runs', () => {
  it('Predict Failed for a run of one; the cause goes to the operator', async () => {
    const { executor, session, causes } = addition([-1, 2]);
    session.hold();
    const ticket = run(executor, 'add', pairs(1));
    await session.started(1);
    session.failNext(new Error('out of device memory at 0x1'));
    expect(outputsOf(await ticket)).toEqual(['INTERNAL Predict Failed']);
    expect(causes.map(String)).toEqual(['Error: out of device memory at 0x1']);
  });

  it('INVALID_ARGUMENT with the reason when the model cannot take the tensors', async () => {
    const { executor, session } = addition([-1, 2]);
    session.hold();
    const ticket = run(executor, 'add', pairs(1));
    await session.started(1);
    session.failNext(new NativeError('input', 'integer division by zero in the model'));
    expect(outputsOf(await ticket)).toEqual(['INVALID_ARGUMENT Predict Failed, integer division by zero in the model']);
  });

  it('a failure without a code of its own is that of the tensors only when the model has run well before', async () => {
    const { executor, session } = addition([-1, 2]);
    const failed = async (runs: number): Promise<unknown> => {
      session.hold();
      const ticket = run(executor, 'add', pairs(1));
      await session.started(runs);
      session.failNext(new NativeError('run', 'no such shape', { runtimeCode: 'Fail' }));
      return outputsOf(await ticket);
    };
    expect(await failed(1)).toEqual(['INTERNAL Predict Failed']);
    const good = run(executor, 'add', pairs(1));
    await session.started(2);
    session.finishNext();
    await good;
    expect(await failed(3)).toEqual(['INVALID_ARGUMENT Predict Failed, no such shape']);
  });

  it('one bad instance does not fail its neighbours when runs fail at once', async () => {
    const session = elementwise([-1, 1], 1, (x) => {
      if (x === 2) throw new Error('two');
      return -x;
    });
    session.isAtOnce = true;
    const declaration = servable({
      models: [model('negate.onnx')],
      methods: [method('negate', ['x'], [stage(1, 'model', 0, [input(0)])], [output(1)])],
    });
    const { executor, causes } = setUp(declaration, [[session]]);
    const instances = [1, 2, 3].map((x) => [floats([1], [x])]);
    const results = await run(executor, 'negate', instances);
    expect(results.map((result) => (isFailure(result) ? result.failure.code : valuesOf(result.outputs[0])))).toEqual([
      [-1],
      'INTERNAL',
      [-3],
    ]);
    expect(session.batchSizes).toEqual([3, 1, 1, 1]);
    expect(causes).toHaveLength(2);
  });

  it('one bad instance does not fail its neighbours: a failed batch is run again one by one', async () => {
    const session = new FakeSession(elementwise([-1, 1], 1, (x) => x).describe(), ([x]) => {
      if (valuesOf(x).includes(13)) throw new Error('unlucky');
      return [x as NativeTensor];
    });
    const declaration = servable({
      models: [model('m.onnx')],
      methods: [method('m', ['x'], [stage(1, 'model', 0, [input(0)])], [output(1)])],
    });
    const { executor, causes } = setUp(declaration, [[session]]);
    const results = await run(
      executor,
      'm',
      [1, 13, 2].map((value) => [floats([1], [value])]),
    );
    expect(outputsOf(results)).toEqual([[1], 'INTERNAL Predict Failed', [2]]);
    expect(session.batchSizes).toEqual([3, 1, 1, 1]);
    expect(causes).toHaveLength(2);
  });

  it('an output of the wrong batch size fails its instances, and the queue goes on', async () => {
    let wrong = true;
    const session = new FakeSession(elementwise([-1, 1], 1, (x) => x).describe(), ([x]) =>
      wrong ? [floats([5], [1, 2, 3, 4, 5])] : [x as NativeTensor],
    );
    const declaration = servable({
      models: [model('m.onnx')],
      methods: [method('m', ['x'], [stage(1, 'model', 0, [input(0)])], [output(1)])],
    });
    const { executor } = setUp(declaration, [[session]]);
    expect(outputsOf(await run(executor, 'm', [[floats([1], [1])]]))).toEqual([
      'INTERNAL Predict Failed, output 0 of model m.onnx has shape [5], its first dim should be the batch size 1: declare the model with withBatchDim false',
    ]);
    wrong = false;
    expect(outputsOf(await run(executor, 'm', [[floats([1], [1])]]))).toEqual([[1]]);
  });
});

describe('deadlines and cancellation', () => {
  it('what is past its deadline is not run', async () => {
    const { executor, session } = addition([-1, 2]);
    expect(outputsOf(await run(executor, 'add', pairs(1), performance.now() - 1))).toEqual([
      "DEADLINE_EXCEEDED deadline exceeded, method 'add', stage 1",
    ]);
    expect(session.runs).toHaveLength(0);
  });

  it('a deadline for all ends the native run', async () => {
    const { executor, session } = addition([-1, 2]);
    session.hold();
    expect(outputsOf(await run(executor, 'add', pairs(2), performance.now() + 200))).toEqual(
      Array(2).fill("DEADLINE_EXCEEDED deadline exceeded, method 'add', stage 1"),
    );
    expect(session.aborted).toBe(1);
    session.letGo();
    expect(outputsOf(await run(executor, 'add', pairs(1)))).toEqual([[100, 100]]);
  });

  it('a cancellation of all ends the native run; of some only drops their results', async () => {
    const { executor, session } = addition([-1, 2]);
    session.hold();
    const first = new Ticket(executor, 'add', pairs(1));
    const second = new Ticket(executor, 'add', pairs(1));
    await session.started(1);
    first.execution.cancel();
    expect(session.aborted).toBe(0);
    expect(first.results).toHaveLength(0);
    second.execution.cancel();
    expect(session.aborted).toBe(1);
    expect(outputsOf([...(await first.done), ...(await second.done)])).toEqual(
      Array(2).fill("CANCELLED the request was cancelled, method 'add'"),
    );
  });

  it('a neighbour of a cancelled instance gets its result', async () => {
    const { executor, session } = addition([-1, 2]);
    session.hold();
    const first = new Ticket(executor, 'add', pairs(1));
    const second = new Ticket(executor, 'add', pairs(1));
    await session.started(1);
    first.execution.cancel();
    session.letGo();
    expect(outputsOf(await second.done)).toEqual([[100, 100]]);
    expect(outputsOf(await first.done)[0]).toMatch(/^CANCELLED/);
  });

  it('what only waits is given back at once and never run', async () => {
    const { executor, session } = addition([1, 2]);
    session.hold();
    const running = new Ticket(executor, 'add', pairs(1));
    await session.started(1);
    const waiting = new Ticket(executor, 'add', pairs(3));
    waiting.execution.cancel();
    expect(waiting.results).toHaveLength(3);
    session.letGo();
    await running.done;
    expect(outputsOf(await run(executor, 'add', pairs(1)))).toEqual([[100, 100]]);
    expect(session.runs).toHaveLength(2);
  });
});

describe('Model.call', () => {
  const { executor } = addition([4, 2]);
  it.each([
    {
      title: 'unknown subgraph',
      subgraph: 2,
      instances: pairs(1),
      text: 'The model does not have subgraph of index 2, the subgraph count of the model is 1',
    },
    {
      title: 'inputs count',
      subgraph: 0,
      instances: [...pairs(1), [floats([2], [1, 1])]],
      text: 'The inputs count 1 of instance 1 is not equal to the inputs count 2 of the model',
    },
    { title: 'size', subgraph: 0, instances: pairs(1, [1]), text: 'Given model input 0 size 4 not match the size 8 defined in model' },
  ])('$title', async ({ subgraph, instances, text }) => {
    await expect(executor.call('add.onnx', subgraph, instances)).rejects.toThrow(text);
  });

  it('is ended at its deadline', async () => {
    const { executor: own, session } = addition([4, 2]);
    session.hold();
    await expect(own.call('add.onnx', 0, pairs(1), performance.now() + 200)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(session.aborted).toBe(1);
  });

  it('more instances than the batch size are split', async () => {
    const { executor: own, session } = addition([4, 2]);
    expect(await own.call('add.onnx', 0, pairs(6))).toHaveLength(6);
    expect(session.batchSizes).toEqual([4, 4]);
  });
});

describe('load', () => {
  const valueOf = (name: string, shape: readonly number[]) => ({ name, dtype: 'float32' as const, shape, dimNames: shape.map(() => '') });
  const shapes = (x: readonly number[], y: readonly number[], z: readonly number[] = x): SessionDescription => ({
    inputs: [valueOf('x', x), valueOf('y', y)],
    outputs: [valueOf('z', z)],
  });
  it.each([
    {
      x: [4, 1],
      y: [2, 1],
      text: "Expect batch size to be same, input 0 'x' has 4, input 1 'y' has 2, model: m.onnx: declare the model with withBatchDim false",
    },
    { x: [-1, 1], y: [2, 1], text: "Expect batch size to be same, input 0 'x' has any, input 1 'y' has 2, model: m.onnx" },
    { x: [], y: [2, 1], text: "input 0 'x' of model m.onnx has no dims" },
    { x: [0, 1], y: [0, 1], text: 'Expect batch size to be greater than 0, model: m.onnx' },
  ])('batch dims $x and $y', ({ x, y, text }) => {
    expect(() => planModel(model('m.onnx'), shapes(x, y), 0)).toThrow(text);
  });

  it('what the file says about outputs is a remark: a run tells', () => {
    expect(planModel(model('m.onnx'), shapes([-1, 1], [-1, 1], [1, 1]), 0)).toMatchObject({ batching: 'dynamic', batchSize: 32 });
  });

  it('counts of the method and of the model must match', () => {
    const session = elementwise([4, 1], 2, (a) => a);
    const declaration = servable({
      models: [model('m.onnx')],
      methods: [method('m', ['x'], [stage(1, 'model', 0, [input(0)])], [output(1)])],
    });
    expect(() => setUp(declaration, [[session]])).toThrow(
      'The inputs count 1 in registerMethod not equal to the count 2 defined in model, model info: m.onnx, subgraph: 0',
    );
  });
});
