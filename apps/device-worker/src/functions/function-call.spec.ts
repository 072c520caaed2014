import { describe, expect, it } from '@jest/globals';
import { CallContext, InvalidInput, outputKinds, Tensor } from '@mserve/register';
import { packElements, type Instance } from '@mserve/wire';
import { callFunction, isStepFailure, textOf, type CallableFunction, type StepResult } from './function-call.js';

/** Without threads: how a function is called, and what becomes of each instance. */

const one = (value: number): Instance => [Tensor.scalar('float64', value)];
const callable = (fn: unknown, batchSize: number | undefined, outputsCount = 1): CallableFunction => ({
  fn: fn as CallableFunction['fn'],
  declaration: { index: 0, name: 'S.f', inputsCount: 1, outputsCount, batchSize, takesContext: false },
});
/** Outputs as numbers, failures as texts. */
const plain = (results: readonly StepResult[]): unknown[] =>
  results.map((result) =>
    isStepFailure(result)
      ? (result.fault?.text ?? result.facts.detail)
      : result.map(({ dtype, shape, bytes }) => Tensor.fromBytes(dtype as 'float64', shape, bytes).item()),
  );
const call = async (fn: unknown, batchSize: number | undefined, values: readonly number[], outputsCount = 1): Promise<unknown[]> =>
  plain(await callFunction(callable(fn, batchSize, outputsCount), values.map(one)));

type X = Tensor<'float64'>;
const refuseNegative = (x: X): number => {
  if (x.item() < 0) throw new Error('negative');
  return x.item() * 2 + 0.5;
};
const tooFew = (given: number, wanted: number): string => `it gave ${given} results for ${wanted} instances`;
const wrongCount = (given: number, registered: number): string => `it returned ${given} outputs where ${registered} are expected`;
const noValue = (type: string): string => `it returned a value of type ${type} where ${outputKinds} is expected`;
const noList = "The value returned by function 'S.f' should be an array, a generator or an async generator with one result per instance";

describe('contexts of requests', () => {
  const contexts = ['a', 'b', 'c'].map((requestId) => new CallContext({ requestId }));
  const ids = async (fn: unknown, batchSize: number | undefined, instances = [1, 2, 3].map(one)): Promise<unknown[]> =>
    (await callFunction(callable(fn, batchSize), instances, contexts)).map((result) =>
      isStepFailure(result) ? (result.fault?.text ?? result.facts.detail) : Buffer.from(result[0]?.bytes.subarray(4) ?? []).toString(),
    );

  it('come to a function as its last argument, one per call', async () => {
    expect(await ids((x: X, { requestId }: CallContext) => `${requestId}${x.item()}`, undefined)).toEqual(['a1', 'b2', 'c3']);
  });

  it('come to a batch function beside its instances, also when it is called again for the rest', async () => {
    const fn = function* (all: [X][], own: CallContext[]): Generator<string> {
      for (const [i, [x]] of all.entries()) {
        if (x.item() === 2) throw new Error('two');
        yield `${own[i]?.requestId}${x.item()}of${own.length}`;
      }
    };
    expect(await ids(fn, 4)).toEqual(['a1of3', 'two', 'c3of1']);
  });

  it('stay with their instances when one of those cannot be read', async () => {
    const unreadable: Instance = [{ dtype: 'string', shape: [], bytes: packElements([Uint8Array.of(0xff)]) }];
    const fn = (all: unknown[], own: CallContext[]): string[] => all.map((_, i) => own[i]?.requestId ?? '');
    expect(await ids(fn, 4, [one(1), unreadable, one(3)])).toEqual(['a', 'a string is not valid UTF-8', 'c']);
  });

  it('have defaults for tests, and the time that is left', () => {
    expect(new CallContext()).toMatchObject({
      requestId: 'test',
      parameters: {},
      headers: {},
      deadline: undefined,
      remainingMs: Infinity,
      log: console,
    });
    expect(new CallContext({ deadline: new Date(Date.now() - 1000) }).remainingMs).toBe(0);
  });
});

describe('inputs that cannot be read', () => {
  const text = (...bytes: number[]): Instance => [{ dtype: 'string', shape: [], bytes: packElements([Uint8Array.from(bytes)]) }];
  const instances = [text(0x61), text(0xff), text(0x62, 0x63)];
  const expected = [[1], 'a string is not valid UTF-8', [2]];
  const lengths = (results: readonly StepResult[]): unknown[] =>
    plain(results).map((result) => (typeof result === 'string' ? result : (result as bigint[]).map(Number)));

  it.each<[string, unknown, number | undefined]>([
    ['a function', (x: string) => x.length, undefined],
    ['a batch function', (all: [string][]) => all.map(([x]) => x.length), 4],
    ['an asynchronous batch function', async (all: [string][]) => all.map(([x]) => x.length), 4],
  ])('fail their instance before %s sees it', async (_what, fn, batchSize) => {
    expect(lengths(await callFunction(callable(fn, batchSize), instances))).toEqual(expected);
    expect(lengths(await callFunction(callable(fn, batchSize), instances.slice(1, 2)))).toEqual(expected.slice(1, 2));
  });
});

it.each([undefined, 4])(
  'InvalidInput is the fault of the caller; anything else is a fault with its place (batch size %s)',
  async (batchSize) => {
    const check = (x: X): number => {
      if (x.item() < 0) throw new InvalidInput('below zero');
      if (x.item() > 9) throw new RangeError('above nine');
      return x.item() + 0.5;
    };
    const fn = batchSize === undefined ? check : (instances: [X][]) => instances.map(async ([x]) => Promise.resolve(check(x)));
    const [refused, good, failed] = await callFunction(callable(fn, batchSize), [-1, 1, 10].map(one));
    expect(refused).toEqual({ reason: 'function-refused', facts: { detail: 'below zero' }, fault: undefined });
    expect(good).toHaveLength(1);
    expect(failed).toMatchObject({
      reason: 'function-failed',
      facts: { detail: 'above nine' },
      fault: { kind: 'RangeError', text: 'above nine' },
    });
    expect((failed as { fault: { frames: string } }).fault.frames).toMatch(/^ +at .*check.* \(.*function-call\.spec\.ts:\d+:\d+\)/);
  },
);

class Own extends InvalidInput {}
it.each<[string, unknown, readonly unknown[]]>([
  [
    'a generator in the middle',
    function* (all: [X][]) {
      for (const [x] of all) {
        if (x.item() < 0) throw new InvalidInput('below');
        yield 1;
      }
    },
    [[1n], 'below', [1n]],
  ],
  [
    'an async generator in the middle',
    async function* (all: [X][]) {
      for (const [x] of all) {
        if (x.item() < 0) throw new Own('below');
        yield await Promise.resolve(1);
      }
    },
    [[1n], 'below', [1n]],
  ],
  [
    'a batch function before any result',
    (all: [X][]) => {
      if (all.some(([x]) => x.item() < 0)) throw new InvalidInput('one is below');
      return all.map(() => 1);
    },
    ['one is below', 'one is below', 'one is below'],
  ],
  ['an async batch function', async () => Promise.reject(new InvalidInput('all')), ['all', 'all', 'all']],
  [
    'a thenable as a result',
    (all: [X][]) => all.map(() => ({ then: (_: unknown, no: (thrown: unknown) => void) => no(new InvalidInput('not now')) })),
    ['not now', 'not now', 'not now'],
  ],
])('InvalidInput of %s is told in its own words', async (_what, fn, expected) => {
  const results = await callFunction(callable(fn, 4), [1, -1, 2].map(one));
  expect(plain(results)).toEqual(expected);
  expect(results.filter(isStepFailure).map(({ reason, fault }) => [reason, fault])).toEqual(
    expected.filter((each) => typeof each === 'string').map(() => ['function-refused', undefined]),
  );
});

describe('a function without a batch size', () => {
  it('is called once per instance; an exception fails its instance alone', async () => {
    expect(await call(refuseNegative, undefined, [1, -1, 3])).toEqual([[2.5], 'negative', [6.5]]);
  });

  it('may be asynchronous; its calls are under way at the same time', async () => {
    let underWay = 0;
    let most = 0;
    const fn = async (x: X): Promise<number> => {
      most = Math.max(most, ++underWay);
      await Promise.resolve();
      underWay--;
      return refuseNegative(x);
    };
    expect(await call(fn, undefined, [1, -1, 3])).toEqual([[2.5], 'negative', [6.5]]);
    expect(most).toBe(3);
  });

  it('gives one value, an array of one, or an array of outputsCount', async () => {
    expect(await call((x: X) => x, undefined, [1.5])).toEqual([[1.5]]);
    expect(await call((x: X) => [x], undefined, [1.5])).toEqual([[1.5]]);
    expect(await call((x: X) => [x, 2.5], undefined, [1.5], 2)).toEqual([[1.5, 2.5]]);
  });

  it.each([
    ['too many outputs', () => [1, 2], 1, wrongCount(2, 1)],
    ['too few outputs', () => 1, 2, wrongCount(1, 2)],
    ['nothing', () => undefined, 1, noValue('undefined')],
    ['an object', () => ({}), 1, noValue('Object')],
    [
      'a generator',
      function* () {
        yield 1;
      },
      1,
      noValue('Generator'),
    ],
  ])('that returns %s fails the instance', async (_what, fn, outputsCount, text) => {
    expect(await call(fn, undefined, [1], outputsCount)).toEqual([text]);
  });
});

/** A thenable whose own \`then\` gives nothing, as those of query builders may. */
class Later {
  constructor(private readonly value: number | Error) {}
  then(resolve: (value: number) => void, reject: (reason: Error) => void): void {
    if (this.value instanceof Error) reject(this.value);
    else resolve(this.value);
  }
}

it.each([undefined, 4])('promises of any make are waited for (batch size %s)', async (batchSize) => {
  const later = (x: X): Later => new Later(x.item() < 0 ? new Error('negative') : x.item() + 0.5);
  const fn = batchSize === undefined ? later : (instances: [X][]) => instances.map(([x]) => later(x));
  expect(await call(fn, batchSize, [1, -1, 3])).toEqual([[1.5], 'negative', [3.5]]);
});

describe('a batch function', () => {
  const doubled = (x: X): number => x.item() * 2;

  const forms: readonly (readonly [string, (instances: [X][]) => unknown])[] = [
    ['an array of values', (instances) => instances.map(([x]) => doubled(x))],
    ['an array of arrays', (instances) => instances.map(([x]) => [doubled(x)])],
    [
      'a generator',
      function* (instances) {
        for (const [x] of instances) yield doubled(x);
      },
    ],
    ['another iterable', (instances) => new Set(instances.map(([x]) => doubled(x)))],
    ['a promise of an array', async (instances) => instances.map(([x]) => doubled(x))],
    ['an array of promises', (instances) => instances.map(async ([x]) => doubled(x))],
    ['promises among values', (instances) => instances.map(([x], index) => (index === 1 ? Promise.resolve(doubled(x)) : doubled(x)))],
    [
      'a generator of promises',
      function* (instances) {
        for (const [x] of instances) yield Promise.resolve(doubled(x));
      },
    ],
    [
      'a promise of a generator',
      async (instances) =>
        (function* () {
          for (const [x] of instances) yield doubled(x);
        })(),
    ],
    [
      'an async generator',
      async function* (instances) {
        for (const [x] of instances) yield doubled(x);
      },
    ],
  ];
  it.each(forms)('may give its results as %s', async (_what, fn) => {
    expect((await call(fn, 0, [1, 2, 3])).map((result) => Number((result as unknown[])[0]))).toEqual([2, 4, 6]);
  });

  it('gets all instances of a call, as arrays of their inputs', async () => {
    const fn = function* (instances: [X][]): Generator<[X, number]> {
      for (const [x] of instances) yield [x, instances.length + 0.5];
    };
    expect(await call(fn, 3, [1.5, 2.5], 2)).toEqual([
      [1.5, 2.5],
      [2.5, 2.5],
    ]);
  });

  const raising: readonly (readonly [string, (instances: [X][]) => unknown])[] = [
    [
      'a generator',
      function* (instances) {
        for (const [x] of instances) yield refuseNegative(x);
      },
    ],
    [
      'an async generator',
      async function* (instances) {
        for (const [x] of instances) yield refuseNegative(x);
      },
    ],
    [
      'a promise of a generator',
      async (instances) =>
        (function* () {
          for (const [x] of instances) yield refuseNegative(x);
        })(),
    ],
  ];
  it.each(raising)('as %s that raises: what was given counts, that instance fails, the rest is called again', async (_what, fn) => {
    const calls: number[] = [];
    const counted = (instances: [X][]): unknown => (calls.push(instances.length), fn(instances));
    expect(await call(counted, 4, [1, -1, 3, -4])).toEqual([[2.5], 'negative', [6.5], 'negative']);
    expect(calls).toEqual([4, 2]);
  });

  it.each(raising)('as %s that always raises fails one instance per call', async (_what, fn) => {
    expect(await call(fn, 4, [-1, -2])).toEqual(['negative', 'negative']);
  });

  it.each([
    [
      'raises',
      (): never => {
        throw new Error('bad batch');
      },
    ],
    [
      'rejects',
      async (): Promise<never> => {
        throw new Error('bad batch');
      },
    ],
  ])('that %s before its first result fails them all', async (_what, fn) => {
    expect(await call(fn, 4, [1, 2])).toEqual(['bad batch', 'bad batch']);
  });

  it.each([
    ['an empty array', () => [], tooFew(0, 2)],
    ['one result', () => [1], tooFew(1, 2)],
    [
      'an empty generator',
      function* () {
        /* nothing */
      },
      tooFew(0, 2),
    ],
    [
      'one result of an async generator',
      async function* () {
        yield 1;
      },
      tooFew(1, 2),
    ],
    ['undefined', () => undefined, noList],
    ['a string', () => 'ab', noList],
    ['a TypedArray', () => Float32Array.of(1, 2), noList],
    ['a promise of nothing', async () => undefined, noList],
  ])('that gives %s fails all instances of the call', async (_what, fn, text) => {
    expect(await call(fn, 4, [1, 2])).toEqual([text, text]);
  });

  it('whose array holds a promise that rejects fails that instance alone', async () => {
    expect(await call((instances: [X][]) => instances.map(async ([x]) => refuseNegative(x)), 4, [1, -1, 3])).toEqual([
      [2.5],
      'negative',
      [6.5],
    ]);
    expect(await call((instances: [X][]) => instances.slice(1).map(async ([x]) => refuseNegative(x)), 4, [1, -1, 3])).toEqual(
      [2, 2, 2].map(() => tooFew(2, 3)),
    );
  });

  it('is called once when its array holds what cannot be looked at', async () => {
    let calls = 0;
    const hostile = Object.defineProperty({}, 'then', {
      get: () => {
        throw new Error();
      },
    });
    expect(await call(() => (calls++, [hostile, 1.5]), 4, [1, 2])).toEqual([noValue('Object'), [1.5]]);
    expect(calls).toBe(1);
  });

  it('that skips an instance does not put results where they do not belong', async () => {
    const fn = function* (instances: [X][]): Generator<X> {
      for (const [x] of instances) if (x.item() !== 2) yield x;
    };
    expect(await call(fn, 4, [1, 2, 3])).toEqual([tooFew(2, 3), tooFew(2, 3), tooFew(2, 3)]);
  });

  it('fails only the instance whose result breaks the contract', async () => {
    expect(await call(() => [1.5, undefined, [1, 2], 4.5], 4, [1, 2, 3, 4])).toEqual([
      [1.5],
      noValue('undefined'),
      wrongCount(2, 1),
      [4.5],
    ]);
  });

  it('may give more results than instances: they are ignored, and its generator is closed', async () => {
    let isClosed = false;
    const fn = function* (): Generator<number> {
      try {
        for (let i = 0; ; i++) yield i + 0.5;
      } finally {
        isClosed = true;
      }
    };
    expect(await call(fn, 4, [1, 2])).toEqual([[0.5], [1.5]]);
    expect(isClosed).toBe(true);
  });

  it('that raises on being closed has given all results', async () => {
    const fn = function* (): Generator<number> {
      try {
        yield 1.5;
        yield 2.5;
      } finally {
        throw new Error('closing');
      }
    };
    expect(await call(fn, 4, [1])).toEqual([[1.5]]);
  });
});

it.each([undefined, 4])('inputs that cannot be read fail their step (batch size %s)', async (batchSize) => {
  const broken: Instance = [{ dtype: 'string', shape: [1], bytes: Uint8Array.of(9, 0, 0, 0) }];
  const results = await callFunction(
    callable((x: unknown) => x, batchSize),
    [broken],
  );
  expect(plain(results)).toEqual(['string tensor of shape [1] needs 1 elements, its bytes hold 0 and a rest']);
});

describe('the text of what was thrown', () => {
  it.each<readonly [string, unknown, string]>([
    ['an error', new Error('text'), 'text'],
    ['an error without a text', new TypeError(), 'TypeError'],
    ['a string', 'text', 'text'],
    ['undefined', undefined, 'undefined'],
    ['an object like an error', { message: 'text' }, 'text'],
    ['an object that cannot be a string', Object.create(null), 'an error without a text'],
    [
      'a hostile error',
      Object.defineProperty(new Error(), 'message', {
        get: () => {
          throw new Error();
        },
      }),
      'an error without a text',
    ],
    ['an error whose text is none', Object.assign(new Error(), { message: { toString: 1 } }), 'an error without a text'],
    ['an error whose text is a number', Object.assign(new Error(), { message: 7 }), '7'],
    ['a very long text', 'x'.repeat(5000), `${'x'.repeat(4096)}...`],
  ])('%s', (_what, thrown, text) => {
    expect(textOf(thrown)).toBe(text);
  });
});
