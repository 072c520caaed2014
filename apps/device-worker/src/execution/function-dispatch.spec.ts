import { describe, expect, it } from '@jest/globals';
import { isFailure, type Instance } from '@mserve/wire';
import { functionOf, input, method, model, output, servable, stage } from '../../../../test/support/declarations.js';
import { elementwise, floats, valuesOf } from '../../../../test/support/fake-session.js';
import { FakeRunner, noNegatives, outputsOf, plusOne, run, setUp, Ticket } from './testing/executor-setup.js';

describe('functions and pipelines', () => {
  it.each([
    { title: 'batchSize 3', batchSize: 3, count: 7, sizes: [3, 3, 1] },
    { title: 'batchSize 0 without models is 1', batchSize: 0, count: 3, sizes: [1, 1, 1] },
  ])('$title', async ({ batchSize, count, sizes }) => {
    const declaration = servable({
      functions: [functionOf(0, 'S.f', { batchSize })],
      methods: [method('m', ['x'], [stage(1, 'function', 0, [input(0)], { batchSize })], [output(1)])],
    });
    const runner = new FakeRunner(declaration, [plusOne]);
    const { executor } = setUp(declaration, [], runner);
    const results = await run(
      executor,
      'm',
      Array.from({ length: count }, (_, i) => [floats([], [i])]),
    );
    expect(outputsOf(results)).toEqual(Array.from({ length: count }, (_, i) => [i + 1]));
    expect(runner.runs.map((call) => call.instances.length)).toEqual(sizes);
  });

  it.each([
    { title: 'only method inputs: the smallest model of the method', second: [input(0)], limit: 2 },
    { title: 'else the largest', second: [output(1)], limit: 8 },
  ])('automatic batch size, $title', async ({ second, limit }) => {
    const small = elementwise([2, 1], 1, (x) => x);
    const large = elementwise([8, 1], 1, (x) => x);
    const stages = [stage(1, 'model', 0, [input(0)]), stage(2, 'function', 0, second, { batchSize: 0 }), stage(3, 'model', 1, [output(2)])];
    const declaration = servable({
      models: [model('a.onnx'), model('b.onnx')],
      functions: [functionOf(0, 'S.f', { batchSize: 0 })],
      methods: [method('m', ['x'], stages, [output(3)])],
    });
    const { executor } = setUp(declaration, [[small], [large]], new FakeRunner(declaration, [plusOne]));
    expect(executor.methods[0]?.stages[1]?.batchSize).toBe(limit);
    expect(outputsOf(await run(executor, 'm', [[floats([1], [1])], [floats([1], [2])]]))).toEqual([[2], [3]]);
  });

  it.each([
    { tag: undefined, text: "Function 'S.f' failed, method 'm', stage 1: negative value" },
    { tag: 'Guard', text: "Guard failed, method 'm', stage 1: negative value" },
  ])('a failing instance leaves, the others go on (tag $tag)', async ({ tag, text }) => {
    const session = elementwise([-1, 1], 1, (x) => x * 10);
    const stages = [stage(1, 'function', 0, [input(0)], { tag }), stage(2, 'model', 0, [output(1)])];
    const declaration = servable({
      models: [model('a.onnx')],
      functions: [functionOf(0, 'S.f')],
      methods: [method('m', ['x'], stages, [output(2)])],
    });
    const { executor } = setUp(declaration, [[session]], new FakeRunner(declaration, [noNegatives]));
    expect(
      outputsOf(
        await run(
          executor,
          'm',
          [1, -1, 2].map((x) => [floats([1], [x])]),
        ),
      ),
    ).toEqual([[20], `ABORTED ${text}`, [30]]);
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
    const results = await run(
      executor,
      'm',
      Array.from({ length: 5 }, (_, i) => [floats([1], [i]), floats([1], [10]), floats([1], [3])]),
    );
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
    await Promise.all([
      run(executor, 'long', [one]),
      run(executor, 'long', [one]),
      run(executor, 'short', [one]),
      run(executor, 'short', [one]),
    ]);
    expect(runner.runs.map((call) => call.index).slice(0, 4)).toEqual([0, 2, 1, 2]);
  });

  it('a thread that becomes free by itself is used at once', async () => {
    const declaration = servable({
      functions: [functionOf(0, 'S.f')],
      methods: [method('m', ['x'], [stage(1, 'function', 0, [input(0)])], [output(1)])],
    });
    const runner = new FakeRunner(declaration, [plusOne]);
    runner.hold();
    const { executor } = setUp(declaration, [], runner);
    const tickets = [run(executor, 'm', [[floats([], [0])]]), run(executor, 'm', [[floats([], [1])]])];
    await Promise.resolve();
    expect(runner.runs.map(({ instances }) => instances.length)).toEqual([1]);
    runner.idleCount++;
    runner.wake();
    expect(runner.runs.map(({ instances }) => instances.length)).toEqual([1, 1]);
    runner.letGo();
    expect((await Promise.all(tickets)).map(outputsOf)).toEqual([[[1]], [[2]]]);
  });

  it('instances that were given to a thread together end by themselves: a result goes on, a deadline passes', async () => {
    const declaration = servable({
      functions: [functionOf(0, 'S.f', { batchSize: 3 })],
      methods: [method('m', ['x'], [stage(1, 'function', 0, [input(0)], { batchSize: 3 })], [output(1)])],
    });
    const runner = new FakeRunner(declaration, [plusOne]);
    runner.hold();
    const { executor } = setUp(declaration, [], runner);
    const soon = performance.now() + 10_000;
    const done = new Ticket(executor, 'm', [[floats([], [0])]]);
    const late = new Ticket(executor, 'm', [[floats([], [1])]], soon);
    const under = new Ticket(executor, 'm', [[floats([], [2])]]);
    await Promise.resolve();
    const [together] = runner.runs;
    together?.settle(0, plusOne([floats([], [0])]));
    together?.review(soon + 1);
    expect(outputsOf(await done.done)).toEqual([[1]]);
    expect(outputsOf(await late.done)).toEqual([expect.stringMatching(/^DEADLINE_EXCEEDED/)]);
    expect(under.results).toEqual([]);
    runner.letGo();
    expect(outputsOf(await under.done)).toEqual([[3]]);
  });

  it('functions get the deadline, and are ended when nobody waits', async () => {
    const declaration = servable({
      functions: [functionOf(0, 'S.f')],
      methods: [method('m', ['x'], [stage(1, 'function', 0, [input(0)])], [output(1)])],
    });
    const runner = new FakeRunner(declaration, [plusOne]);
    const { executor } = setUp(declaration, [], runner);
    const deadlineAt = performance.now() + 60_000;
    const ticket = new Ticket(executor, 'm', [[floats([], [0])]], deadlineAt);
    await Promise.resolve();
    ticket.execution.cancel();
    expect(runner.runs.map((call) => [call.deadlineAt, call.isOver])).toEqual([[deadlineAt, true]]);
    expect(outputsOf(await ticket.done)[0]).toMatch(/^CANCELLED/);
  });
});
