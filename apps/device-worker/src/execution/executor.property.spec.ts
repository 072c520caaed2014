import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isFailure, type Instance } from '@mserve/wire';
import { functionOf, input, method, model, output, servable, stage } from '../../../../test/support/declarations.js';
import { elementwise, FakeSession, floats, valuesOf } from '../../../../test/support/fake-session.js';
import { FakeRunner, noNegatives, setUp, Ticket } from './testing/executor-setup.js';

/** A value that makes every run it is part of fail. */
const poison = 13;

/** f(x) = 2 (x + 1): a function that refuses negatives, then a model that fails for the poison. */
function pipeline(shape: readonly number[], concurrentRuns: number): { setup: ReturnType<typeof setUp>; session: FakeSession } {
  const session = new FakeSession(elementwise(shape, 1, (x) => x).describe(), ([x]) => {
    const values = valuesOf(x);
    if (values.includes(poison + 1)) throw new Error('poison');
    return [
      floats(
        x?.shape ?? [],
        values.map((value) => value * 2),
      ),
    ];
  });
  const declaration = servable({
    models: [model('m.onnx', { maxBatchSize: 5 })],
    functions: [functionOf(0, 'S.f')],
    methods: [
      method('long', ['x'], [stage(1, 'function', 0, [input(0)]), stage(2, 'model', 0, [output(1)])], [output(2)]),
      method('short', ['x'], [stage(1, 'model', 0, [input(0)])], [output(1)]),
    ],
  });
  return { setup: setUp(declaration, [[session]], new FakeRunner(declaration, [noNegatives], 2), concurrentRuns), session };
}

const action = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('start' as const),
      short: fc.boolean(),
      values: fc.array(fc.integer({ min: -2, max: 20 }), { minLength: 1, maxLength: 12 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const), ticket: fc.nat(10) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('finish' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('fail' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('turn' as const) }) },
);

interface Started {
  readonly ticket: Ticket;
  readonly short: boolean;
  readonly values: readonly number[];
  cancelled: boolean;
}

function checkResults(tickets: readonly Started[], failedRuns: boolean): void {
  for (const { ticket, short, values, cancelled } of tickets) {
    values.forEach((value, i) => {
      const result = ticket.results[i];
      const modelInput = short ? value : value + 1;
      if (result === undefined) throw new Error('an instance was not settled');
      if (!isFailure(result)) {
        expect(valuesOf(result.outputs[0])).toEqual([modelInput * 2]);
        expect(modelInput).not.toBe(poison + 1);
        return;
      }
      const { code } = result.failure;
      if (code === 'CANCELLED') expect(cancelled).toBe(true);
      else if (code === 'ABORTED') expect([short, value < 0]).toEqual([false, true]);
      // A run of one that the spec made fail is nobody's fault but its own
      else expect([code, failedRuns || modelInput === poison + 1]).toEqual(['INTERNAL', true]);
    });
  }
}

describe('Executor', () => {
  it.each([
    { title: 'fixed batch', shape: [3, 1], concurrentRuns: 1 },
    { title: 'dynamic batch, two runs at a time', shape: [-1, 1], concurrentRuns: 2 },
  ])('settles every instance once, with its own result ($title)', async ({ shape, concurrentRuns }) => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 25 }), async (actions) => {
        const { setup, session } = pipeline(shape, concurrentRuns);
        session.hold();
        const tickets: Started[] = [];
        let failedRuns = false;
        for (const step of actions) {
          if (step.kind === 'start') {
            const instances = step.values.map((value): Instance => [floats([1], [value])]);
            tickets.push({
              ticket: new Ticket(setup.executor, step.short ? 'short' : 'long', instances),
              short: step.short,
              values: step.values,
              cancelled: false,
            });
          } else if (step.kind === 'cancel') {
            const started = tickets[step.ticket];
            if (started !== undefined) started.cancelled = true;
            started?.ticket.execution.cancel();
          } else if (step.kind === 'finish') {
            session.finishNext();
          } else if (step.kind === 'fail') {
            failedRuns = true;
            session.failNext(new Error('unlucky'));
          } else {
            await new Promise((resolve) => setImmediate(resolve));
          }
        }
        session.letGo();
        await Promise.all(tickets.map(({ ticket }) => ticket.done));
        checkResults(tickets, failedRuns);
        const most = shape[0] === -1 ? 5 : (shape[0] as number);
        expect(session.batchSizes.every((size) => (shape[0] === -1 ? size <= most : size === most))).toBe(true);
      }),
      { numRuns: 150 },
    );
  });
});
