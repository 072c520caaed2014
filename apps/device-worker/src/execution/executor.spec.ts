import { describe, expect, it } from '@jest/globals';
import { isFailure, type Instance, type InstanceResult } from '@mserve/wire';
import type { ModelDeclaration, ServableDeclaration } from '@mserve/register';
import type { NativeTensor, SessionDescription } from '@mserve/native';
import type { FunctionRunner, FunctionRunOptions } from '../functions/function-runner.js';
import { input, method, model, output, servable, stage, functionOf } from '../../../../test/support/declarations.js';
import { elementwise, FakeSession, floats, valuesOf } from '../../../../test/support/fake-session.js';
import { Executor, type Execution } from './executor.js';
import { planModel } from './model-plan.js';

/** Collects the results of one ticket. */
class Ticket {
  readonly results: InstanceResult[] = [];
  readonly done: Promise<readonly InstanceResult[]>;
  execution: Execution;
  constructor(executor: Executor, name: string, instances: readonly Instance[], deadlineAt = Infinity) {
    let missing = instances.length;
    let finish: (results: readonly InstanceResult[]) => void = () => undefined;
    this.done = new Promise((resolve) => (finish = resolve));
    this.execution = executor.start(name, instances, deadlineAt, {
      settle: (index, result) => {
        if (this.results[index] !== undefined) throw new Error(`instance ${index} was settled twice`);
        this.results[index] = result;
        if (--missing === 0) finish(this.results);
      },
    });
  }
}

function run(executor: Executor, name: string, instances: readonly Instance[], deadlineAt?: number): Promise<readonly InstanceResult[]> {
  return new Ticket(executor, name, instances, deadlineAt).done;
}

interface Setup {
  readonly executor: Executor;
  readonly causes: unknown[];
}

function setUp(declaration: ServableDeclaration, sessions: readonly (readonly FakeSession[])[], runner?: FunctionRunner, concurrentRuns = 1): Setup {
  const causes: unknown[] = [];
  const models = sessions.map((subgraphs, i) =>
    subgraphs.map((session, subgraph) => ({ plan: planModel(declaration.models[i] as ModelDeclaration, session.describe(), subgraph), session, concurrentRuns })),
  );
  return { executor: new Executor({ declaration, models, runner, reportFailure: (_, cause) => causes.push(cause) }), causes };
}

/** One model, method `add(x1, x2)`. */
function addition(shape: readonly number[], options: Partial<ModelDeclaration> = {}, concurrentRuns = 1): Setup & { session: FakeSession } {
  const session = elementwise(shape, 2, (a, b) => a + b);
  const declaration = servable({ models: [model('add.onnx', options)], methods: [method('add', ['x1', 'x2'], [stage(1, 'model', 0, [input(0), input(1)])], [output(1)])] });
  return { ...setUp(declaration, [[session]], undefined, concurrentRuns), session };
}

function pairs(count: number, shape: readonly number[] = [2]): Instance[] {
  const size = shape.reduce((a, b) => a * b, 1);
  return Array.from({ length: count }, (_, i) => [floats(shape, Array(size).fill(i)), floats(shape, Array(size).fill(100))]);
}

function outputsOf(results: readonly InstanceResult[]): (number[] | string)[] {
  return results.map((result) => (isFailure(result) ? `${result.failure.code} ${result.failure.message}` : valuesOf(result.outputs[0])));
}

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
    await run(executor, 'add', [[floats([1], [7]), floats([1], [1])], [floats([1], [8]), floats([1], [2])]]);
    expect(valuesOf(session.runs[0]?.[0])).toEqual([7, 8, 7, 7]);
    expect(valuesOf(session.runs[0]?.[1])).toEqual([1, 2, 1, 1]);
  });

  it('without batch dim: one instance per run, shapes as in the model', async () => {
    const { executor, session } = addition([2, 2], { withBatchDim: false });
    const results = await run(executor, 'add', pairs(3, [2, 2]));
    expect(session.runs.map((tensors) => tensors[0]?.shape)).toEqual([[2, 2], [2, 2], [2, 2]]);
    expect(results.map((result) => !isFailure(result) && result.outputs[0]?.shape)).toEqual([[2, 2], [2, 2], [2, 2]]);
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
      methods: [method('a', ['x'], [stage(1, 'model', 0, [input(0)])], [output(1)]), method('b', ['x'], [stage(1, 'model', 0, [input(0)])], [output(1)])],
    });
    const { executor } = setUp(declaration, [[session]]);
    const one = (value: number): Instance => [floats([1], [value])];
    const [a, b, called] = await Promise.all([run(executor, 'a', [one(1)]), run(executor, 'b', [one(2)]), executor.call('twice.onnx', 0, [one(3), one(4)])]);
    expect([...outputsOf(a), ...outputsOf(b), ...called.map((outputs) => valuesOf(outputs[0]))]).toEqual([[2], [4], [6], [8]]);
    expect(session.batchSizes).toEqual([4]);
  });

  it('instances of different shapes never share a run, and keep their order among equals', async () => {
    const { executor, session } = addition([-1, -1]);
    const results = await run(executor, 'add', [...pairs(2, [3]), ...pairs(1, [5]), ...pairs(1, [3])]);
    expect(session.runs.map((tensors) => tensors[0]?.shape)).toEqual([[3, 3], [1, 5]]);
    expect(results.map((result) => !isFailure(result) && result.outputs[0]?.shape)).toEqual([[3], [3], [5], [3]]);
  });

  it('whole inputs are passed as they are, and only shared by instances that agree on them', async () => {
    const description: SessionDescription = {
      inputs: [{ name: 'x', dtype: 'float32', shape: [4, 1], dimNames: ['', ''] }, { name: 'bias', dtype: 'float32', shape: [1], dimNames: [''] }],
      outputs: [{ name: 'y', dtype: 'float32', shape: [4, 1], dimNames: ['', ''] }],
    };
    const session = new FakeSession(description, ([x, bias]) => [floats([4, 1], valuesOf(x).map((value) => value + (valuesOf(bias)[0] as number)))]);
    const declaration = servable({
      models: [model('bias.onnx', { withoutBatchDimInputs: [1] })],
      methods: [method('add', ['x', 'bias'], [stage(1, 'model', 0, [input(0), input(1)])], [output(1)])],
    });
    const { executor } = setUp(declaration, [[session]]);
    const one = (x: number, bias: number): Instance => [floats([1], [x]), floats([1], [bias])];
    expect(outputsOf(await run(executor, 'add', [one(1, 10), one(2, 20), one(3, 10)]))).toEqual([[11], [22], [13]]);
    expect(session.runs.map((tensors) => valuesOf(tensors[1]))).toEqual([[10], [20]]);
  });

  it('string tensors are joined and split by element', async () => {
    const value = (name: string): SessionDescription['inputs'][number] => ({ name, dtype: 'string', shape: [-1, 1], dimNames: ['n', ''] });
    const session = new FakeSession({ inputs: [value('x')], outputs: [value('y')] }, ([x]) => [x as NativeTensor]);
    const declaration = servable({ models: [model('s.onnx')], methods: [method('m', ['x'], [stage(1, 'model', 0, [input(0)])], [output(1)])] });
    const { executor } = setUp(declaration, [[session]]);
    const text = (letters: string): Instance => [{ dtype: 'string', shape: [], bytes: Buffer.from([letters.length, 0, 0, 0, ...Buffer.from(letters)]) }];
    const results = await run(executor, 'm', [text('a'), text('bcd'), text('')]);
    expect(results.map((result) => !isFailure(result) && Buffer.from(result.outputs[0]?.bytes ?? []).subarray(4).toString())).toEqual(['a', 'bcd', '']);
  });
});

describe('checks of model inputs', () => {
  const int32 = (bytes: number): Instance[number] => ({ dtype: 'int32', shape: [bytes / 4], bytes: new Uint8Array(bytes) });
  it.each([
    { title: 'too few bytes', shape: [4, 2], instance: [floats([1], [1]), floats([2], [1, 2])], text: 'Given model input 0 size 4 not match the size 8 defined in model' },
    { title: 'second input', shape: [4, 2], instance: [floats([2], [1, 1]), floats([3], [1, 2, 3])], text: 'Given model input 1 size 12 not match the size 8 defined in model' },
    { title: 'dtype', shape: [4, 2], instance: [int32(8), floats([2], [1, 2])], text: 'Given model input 0 data type kMSI_Int32 not match the data type kMSI_Float32 defined in model' },
    { title: 'size before dtype', shape: [4, 2], instance: [int32(4), floats([2], [1, 2])], text: 'Given model input 0 size 4 not match the size 8 defined in model' },
    { title: 'first input before second', shape: [4, 2], instance: [int32(8), floats([1], [1])], text: 'Given model input 0 data type kMSI_Int32 not match the data type kMSI_Float32 defined in model' },
    { title: 'rank of a dynamic input', shape: [-1, -1], instance: [floats([1, 2], [1, 2]), floats([2], [1, 2])], text: 'Given model input 0 shape [1, 2] not match the shape [any] defined in model' },
    { title: 'known dim of a dynamic input', shape: [-1, -1, 3], instance: [floats([1, 2], [1, 2]), floats([2], [1, 2])], text: 'Given model input 0 shape [1, 2] not match the shape [any, 3] defined in model' },
    { title: 'bytes that are not what a dynamic shape says', shape: [-1, -1], instance: [{ ...floats([2], [1]), shape: [2] }, floats([2], [1, 2])], text: 'Given model input 0 shape [2] not match the shape [any] defined in model' },
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
    expect(outputsOf(await run(executor, 'nope', pairs(1)))).toEqual(['NOT_FOUND Request servable(S) method(nope) , method is not available']);
    expect(outputsOf(await run(executor, 'add', [[floats([2], [1, 1])]]))).toEqual(["INVALID_ARGUMENT method 'add' takes 2 inputs, the instance has 1"]);
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

  it('one bad instance does not fail its neighbours: a failed batch is run again one by one', async () => {
    const session = new FakeSession(elementwise([-1, 1], 1, (x) => x).describe(), ([x]) => {
      if (valuesOf(x).includes(13)) throw new Error('unlucky');
      return [x as NativeTensor];
    });
    const declaration = servable({ models: [model('m.onnx')], methods: [method('m', ['x'], [stage(1, 'model', 0, [input(0)])], [output(1)])] });
    const { executor, causes } = setUp(declaration, [[session]]);
    const results = await run(executor, 'm', [1, 13, 2].map((value) => [floats([1], [value])]));
    expect(outputsOf(results)).toEqual([[1], 'INTERNAL Predict Failed', [2]]);
    expect(session.batchSizes).toEqual([3, 1, 1, 1]);
    expect(causes).toHaveLength(2);
  });

  it('an output of the wrong batch size fails its instances, and the queue goes on', async () => {
    let wrong = true;
    const session = new FakeSession(elementwise([-1, 1], 1, (x) => x).describe(), ([x]) => (wrong ? [floats([5], [1, 2, 3, 4, 5])] : [x as NativeTensor]));
    const declaration = servable({ models: [model('m.onnx')], methods: [method('m', ['x'], [stage(1, 'model', 0, [input(0)])], [output(1)])] });
    const { executor } = setUp(declaration, [[session]]);
    expect(outputsOf(await run(executor, 'm', [[floats([1], [1])]]))).toEqual(['INTERNAL Predict Failed']);
    wrong = false;
    expect(outputsOf(await run(executor, 'm', [[floats([1], [1])]]))).toEqual([[1]]);
  });
});

describe('deadlines and cancellation', () => {
  it('what is past its deadline is not run', async () => {
    const { executor, session } = addition([-1, 2]);
    expect(outputsOf(await run(executor, 'add', pairs(1), performance.now() - 1))).toEqual(["DEADLINE_EXCEEDED deadline exceeded, method 'add', stage index(begin with 1): 1"]);
    expect(session.runs).toHaveLength(0);
  });

  it('a deadline for all ends the native run', async () => {
    const { executor, session } = addition([-1, 2]);
    session.hold();
    expect(outputsOf(await run(executor, 'add', pairs(2), performance.now() + 20))).toEqual(Array(2).fill("DEADLINE_EXCEEDED deadline exceeded, method 'add', stage index(begin with 1): 1"));
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
    expect(outputsOf([...(await first.done), ...(await second.done)])).toEqual(Array(2).fill("CANCELLED the request was cancelled, method 'add'"));
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

/** Runs functions in this thread, when the spec lets it. */
class FakeRunner implements FunctionRunner {
  free: number;
  readonly calls: { index: number; size: number; options: FunctionRunOptions }[] = [];
  constructor(
    readonly declaration: ServableDeclaration,
    private readonly functions: readonly ((instance: Instance) => InstanceResult)[],
    threads = 1,
  ) {
    this.free = threads;
  }
  async run(index: number, instances: readonly Instance[], options: FunctionRunOptions): Promise<readonly InstanceResult[]> {
    this.free--;
    this.calls.push({ index, size: instances.length, options });
    await new Promise((resolve) => setImmediate(resolve));
    this.free++;
    return instances.map((instance) => this.functions[index]?.(instance) ?? { failure: { code: 'INTERNAL', message: 'no function' } });
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

const plusOne = ([x]: Instance): InstanceResult => ({ outputs: [floats(x?.shape ?? [], valuesOf(x).map((value) => value + 1))] });
const noNegatives = (instance: Instance): InstanceResult =>
  (valuesOf(instance[0])[0] as number) < 0 ? { failure: { code: 'ABORTED', message: 'negative value' } } : plusOne(instance);

describe('functions and pipelines', () => {
  it.each([
    { title: 'batchSize 3', batchSize: 3, count: 7, sizes: [3, 3, 1] },
    { title: 'batchSize 0 without models is 1', batchSize: 0, count: 3, sizes: [1, 1, 1] },
  ])('$title', async ({ batchSize, count, sizes }) => {
    const declaration = servable({ functions: [functionOf(0, 'S.f', { batchSize })], methods: [method('m', ['x'], [stage(1, 'function', 0, [input(0)], { batchSize })], [output(1)])] });
    const runner = new FakeRunner(declaration, [plusOne]);
    const { executor } = setUp(declaration, [], runner);
    const results = await run(executor, 'm', Array.from({ length: count }, (_, i) => [floats([], [i])]));
    expect(outputsOf(results)).toEqual(Array.from({ length: count }, (_, i) => [i + 1]));
    expect(runner.calls.map((call) => call.size)).toEqual(sizes);
  });

  it.each([
    { title: 'only method inputs: the smallest model of the method', second: [input(0)], limit: 2 },
    { title: 'else the largest', second: [output(1)], limit: 8 },
  ])('automatic batch size, $title', async ({ second, limit }) => {
    const small = elementwise([2, 1], 1, (x) => x);
    const large = elementwise([8, 1], 1, (x) => x);
    const stages = [stage(1, 'model', 0, [input(0)]), stage(2, 'function', 0, second, { batchSize: 0 }), stage(3, 'model', 1, [output(2)])];
    const declaration = servable({ models: [model('a.onnx'), model('b.onnx')], functions: [functionOf(0, 'S.f', { batchSize: 0 })], methods: [method('m', ['x'], stages, [output(3)])] });
    const { executor } = setUp(declaration, [[small], [large]], new FakeRunner(declaration, [plusOne]));
    expect(executor.methods[0]?.stages[1]?.batchSize).toBe(limit);
    expect(outputsOf(await run(executor, 'm', [[floats([1], [1])], [floats([1], [2])]]))).toEqual([[2], [3]]);
  });

  it.each([
    { tag: undefined, text: "Call Function 'S.f' Failed, method: 'm', stage index(begin with 1): 1, error msg: negative value" },
    { tag: 'Guard', text: "Call Guard Failed, method: 'm', stage index(begin with 1): 1, error msg: negative value" },
  ])('a failing instance leaves, the others go on (tag $tag)', async ({ tag, text }) => {
    const session = elementwise([-1, 1], 1, (x) => x * 10);
    const stages = [stage(1, 'function', 0, [input(0)], { tag }), stage(2, 'model', 0, [output(1)])];
    const declaration = servable({ models: [model('a.onnx')], functions: [functionOf(0, 'S.f')], methods: [method('m', ['x'], stages, [output(2)])] });
    const { executor } = setUp(declaration, [[session]], new FakeRunner(declaration, [noNegatives]));
    expect(outputsOf(await run(executor, 'm', [1, -1, 2].map((x) => [floats([1], [x])])))).toEqual([[20], `ABORTED ${text}`, [30]]);
  });

  it('a long pipeline: values of inputs and earlier stages reach later ones, returns in any order', async () => {
    const sum = elementwise([4, 1], 2, (a, b) => a + b);
    const difference = elementwise([2, 1], 2, (a, b) => a - b);
    const stages = [
      stage(1, 'function', 0, [input(0)]),
      stage(2, 'model', 0, [output(1), input(1)]),
      stage(3, 'function', 0, [output(2)]),
      stage(4, 'model', 1, [output(3), input(2)]),
    ];
    const declaration = servable({
      models: [model('sum.onnx'), model('difference.onnx')],
      functions: [functionOf(0, 'S.f')],
      methods: [method('m', ['x1', 'x2', 'x3'], stages, [output(2), output(4), input(0)])],
    });
    const { executor } = setUp(declaration, [[sum], [difference]], new FakeRunner(declaration, [plusOne]));
    const results = await run(executor, 'm', Array.from({ length: 5 }, (_, i) => [floats([1], [i]), floats([1], [10]), floats([1], [3])]));
    expect(results.map((result) => (isFailure(result) ? result.failure : result.outputs.map((tensor) => valuesOf(tensor)[0])))).toEqual(
      Array.from({ length: 5 }, (_, i) => [i + 11, i + 9, i]),
    );
  });

  it('no stage at all: inputs are passed through', async () => {
    const { executor } = setUp(servable({ methods: [method('swap', ['a', 'b'], [], [input(1), input(0)])] }), []);
    const results = await run(executor, 'swap', [[floats([], [1]), floats([], [2])]]);
    expect(results.map((result) => !isFailure(result) && result.outputs.map(valuesOf))).toEqual([[[2], [1]]]);
  });

  it('late stages go first, methods take turns', async () => {
    const stages = [stage(1, 'function', 0, [input(0)]), stage(2, 'function', 1, [output(1)])];
    const declaration = servable({
      functions: [functionOf(0, 'S.f'), functionOf(1, 'S.g'), functionOf(2, 'S.h')],
      methods: [method('long', ['x'], stages, [output(2)]), method('short', ['x'], [stage(1, 'function', 2, [input(0)])], [output(1)])],
    });
    const runner = new FakeRunner(declaration, [plusOne, plusOne, plusOne]);
    const { executor } = setUp(declaration, [], runner);
    const one: Instance = [floats([], [0])];
    await Promise.all([run(executor, 'long', [one]), run(executor, 'long', [one]), run(executor, 'short', [one]), run(executor, 'short', [one])]);
    expect(runner.calls.map((call) => call.index).slice(0, 4)).toEqual([0, 2, 1, 2]);
  });

  it('functions get the deadline, and the abort when nobody waits', async () => {
    const declaration = servable({ functions: [functionOf(0, 'S.f')], methods: [method('m', ['x'], [stage(1, 'function', 0, [input(0)])], [output(1)])] });
    const runner = new FakeRunner(declaration, [plusOne]);
    const { executor } = setUp(declaration, [], runner);
    const deadlineAt = performance.now() + 60_000;
    const ticket = new Ticket(executor, 'm', [[floats([], [0])]], deadlineAt);
    await Promise.resolve();
    ticket.execution.cancel();
    expect(runner.calls.map((call) => [call.options.deadlineAt, call.options.signal?.aborted])).toEqual([[deadlineAt, true]]);
    expect(outputsOf(await ticket.done)[0]).toMatch(/^CANCELLED/);
  });
});

describe('Model.call', () => {
  const { executor } = addition([4, 2]);
  it.each([
    { title: 'unknown subgraph', subgraph: 2, instances: pairs(1), text: 'The model does not have subgraph of index 2, the subgraph count of the model is 1' },
    { title: 'inputs count', subgraph: 0, instances: [...pairs(1), [floats([2], [1, 1])]], text: 'The inputs count 1 of instance 1 is not equal to the inputs count 2 of the model' },
    { title: 'size', subgraph: 0, instances: pairs(1, [1]), text: 'Given model input 0 size 4 not match the size 8 defined in model' },
  ])('$title', async ({ subgraph, instances, text }) => {
    await expect(executor.call('add.onnx', subgraph, instances)).rejects.toThrow(text);
  });

  it('more instances than the batch size are split', async () => {
    const { executor: own, session } = addition([4, 2]);
    expect(await own.call('add.onnx', 0, pairs(6))).toHaveLength(6);
    expect(session.batchSizes).toEqual([4, 4]);
  });
});

describe('load', () => {
  const shapes = (x: readonly number[], y: readonly number[]): SessionDescription => ({
    inputs: [{ name: 'x', dtype: 'float32', shape: x, dimNames: x.map(() => '') }],
    outputs: [{ name: 'y', dtype: 'float32', shape: y, dimNames: y.map(() => '') }],
  });
  it.each([
    { x: [4, 1], y: [2, 1], text: "Expect batch size to be same, input 0 'x' has 4, output 0 'y' has 2, model: m.onnx" },
    { x: [-1, 1], y: [2, 1], text: "Expect batch size to be same, input 0 'x' has any, output 0 'y' has 2, model: m.onnx" },
    { x: [], y: [2, 1], text: "input 0 'x' of model m.onnx has no dims" },
    { x: [0, 1], y: [0, 1], text: 'Expect batch size to be greater than 0, model: m.onnx' },
  ])('batch dims $x and $y', ({ x, y, text }) => {
    expect(() => planModel(model('m.onnx'), shapes(x, y), 0)).toThrow(text);
  });

  it('counts of the method and of the model must match', () => {
    const session = elementwise([4, 1], 2, (a) => a);
    const declaration = servable({ models: [model('m.onnx')], methods: [method('m', ['x'], [stage(1, 'model', 0, [input(0)])], [output(1)])] });
    expect(() => setUp(declaration, [[session]])).toThrow('The inputs count 1 in register_method not equal to the count 2 defined in model, model info: m.onnx, subgraph: 0');
  });
});
