import { describe, expect, it } from '@jest/globals';
import { addStage, declareModel, registerMethod, type CallContext, type Model } from './index.js';
import { f, g, method, newAuthor, stage, type Row } from './testing/author.js';

/** One row per rule: what an author writes, and the error text or what is declared. */

const author = newAuthor();

describe('addStage refuses', () => {
  const model = (): Model => declareModel('k.onnx', 'ONNX');
  const rows: readonly Row[] = [
    ['a call outside of a method', () => stage(g), "'addStage' can only be called in the body of a method given to registerMethod"],
    [
      'a value of its own as input',
      () => method(() => stage(g, 1)),
      'Each value of parameter *args is a placeholder for data and must come from the method inputs or the outputs of addStage',
    ],
    [
      'an array as input',
      () => method((x) => stage(g, [x])),
      'Each value of parameter *args is a placeholder for data and must come from the method inputs or the outputs of addStage',
    ],
    [
      'a stage that is neither',
      () => method((x) => stage('argmax_cpp', x)),
      "Check failed in method 'm', the parameter 'stage' of addStage must be function or Model returned by declareModel, now is string",
    ],
    [
      'an unknown option',
      () => method((x) => stage(g, x, { outputCount: 1 })),
      "addStage has no option outputCount, did you mean 'outputsCount'?",
    ],
    ['outputsCount 0', () => method((x) => stage(g, x, { outputsCount: 0 })), "Parameter 'outputsCount' should be in range [1,1024]"],
    ['a tag that is no string', () => method((x) => stage(g, x, { tag: 1 })), "Parameter 'tag' should be string, but actually number"],
    [
      'a context that is neither',
      () => method((x) => stage(g, x, { context: ['x-tenant'] })),
      "Parameter 'context' should be boolean or { headers: [...] }, but actually Array",
    ],
    [
      'a misspelt member of the context',
      () => method((x) => stage(g, x, { context: { header: 'x' } })),
      "Parameter 'context' has an unknown member header, did you mean 'headers'?",
    ],
    [
      'a header that has no such name',
      () => method((x) => stage(g, x, { context: { headers: ['x tenant'] } })),
      "Parameter 'context.headers' has 'x tenant', which is no name of an HTTP header",
    ],
    [
      'a context for a model',
      () => method((x) => stage(model(), x, { context: true })),
      "Check failed in method 'm', the parameter 'context' of addStage is for functions: a model has none",
    ],
    [
      'a function without a parameter for the context',
      () => method((x) => stage(g, x, { context: true })),
      'function g input args count 1 not match the count 2 registered in method',
    ],
    [
      'a function with and without a context',
      () =>
        method((x) => {
          const fn = (...values: unknown[]): unknown => values;
          stage(fn, x, { context: true });
          return stage(fn, x);
        }),
      "Failed to add stage function S.fn: parameter 'context' in multiple 'addStage' should be enabled or disabled consistently",
    ],
    ['a negative batch size', () => method((x) => stage(g, x, { batchSize: -1 })), "Parameter 'batchSize' should be >= 0"],
    [
      'a batch size that is no integer',
      () => method((x) => stage(g, x, { batchSize: '2' })),
      "Parameter 'batchSize' should be integer, but actually string",
    ],
    [
      'a batch size with a fraction',
      () => method((x) => stage(g, x, { batchSize: 1.5 })),
      "Parameter 'batchSize' should be integer, but actually 1.5",
    ],
    [
      'a batch size for a model',
      () => method((x) => stage(model(), x, { batchSize: 2 })),
      "Check failed in method 'm', the parameter 'batchSize' of addStage is for functions: a model's batch size comes from the model",
    ],
    [
      'more inputs than the function takes',
      () => method((x) => stage(g, x, x)),
      'function g input args count 1 not match the count 2 registered in method',
    ],
    [
      'more inputs than a function without a name takes',
      () => method((x) => stage((y: unknown) => y, x, x)),
      'function (anonymous) input args count 1 not match the count 2 registered in method',
    ],
    [
      'fewer inputs than the function takes',
      () => method((x) => stage(f, x)),
      'function f input args count 2 not match the count 1 registered in method',
    ],
    [
      'other inputs counts of a function',
      () =>
        method((x) => {
          stage(g, x, { batchSize: 1 });
          return stage(g, x, x, { batchSize: 1 });
        }),
      "Stage function 'S.g' inputs count 2 not match last registered count 1, method name 'm'",
    ],
    [
      'other outputs counts of a function',
      () =>
        method((x) => {
          stage(g, x);
          return stage(g, x, { outputsCount: 2 });
        }),
      "Stage function 'S.g' outputs count 2 not match last registered count 1, method name 'm'",
    ],
    [
      'batches here and single calls there',
      () =>
        method((x) => {
          stage(g, x);
          return stage(g, x, { batchSize: 1 });
        }),
      "Failed to add stage function S.g: parameter 'batchSize' in multiple 'addStage' should be enabled or disabled consistently",
    ],
    [
      'other inputs counts of a model',
      () =>
        method((x) => {
          const k = model();
          stage(k, x);
          return stage(k, x, x);
        }),
      'RegisterInputOutputInfo failed, inputs count 2 not match old count 1, model: k.onnx',
    ],
    [
      'other outputs counts of a model',
      () =>
        method((x) => {
          const k = model();
          stage(k, x);
          return stage(k, x, { outputsCount: 2 });
        }),
      'RegisterInputOutputInfo failed, outputs count 2 not match old count 1, model: k.onnx',
    ],
  ];
  it.each(rows)('%s', (_what, act, text) => {
    expect(act).toThrow(new Error(text));
  });
});

describe('addStage gives', () => {
  it('one placeholder, or an array of outputsCount', () => {
    let outputs: unknown;
    registerMethod(['p', 'q'], function m(a, b) {
      const [x, y] = addStage(f, a, b, { outputsCount: 2 });
      outputs = addStage(f, x, y, { outputsCount: 2 });
      return [y, x];
    });
    expect(outputs).toHaveLength(2);
    const { methods, functions } = author.declaration();
    expect(functions).toEqual([{ index: 0, name: 'S.f', inputsCount: 2, outputsCount: 2, batchSize: undefined, takesContext: false }]);
    expect(methods[0]?.returns).toEqual([
      { from: 'stage', stage: 1, output: 1 },
      { from: 'stage', stage: 1, output: 0 },
    ]);
  });

  it('batch size, tag and counts as they were given', () => {
    registerMethod('y', function m(x) {
      const a = addStage(g, x, { batchSize: 0 });
      return addStage(g, a, { batchSize: 3, tag: 'T' });
    });
    expect(author.declaration().methods[0]?.stages).toEqual([
      { number: 1, kind: 'function', index: 0, inputs: [{ from: 'input', index: 0 }], outputsCount: 1, batchSize: 0, tag: undefined },
      { number: 2, kind: 'function', index: 0, inputs: [{ from: 'stage', stage: 1, output: 0 }], outputsCount: 1, batchSize: 3, tag: 'T' },
    ]);
  });

  it('models by their index, several per servable', () => {
    declareModel('a', 'ONNX');
    const second = declareModel('b', 'ONNX');
    registerMethod('y', function m(x) {
      return addStage(second, x, { tag: 'second' });
    });
    expect(author.declaration().methods[0]?.stages[0]).toMatchObject({ kind: 'model', index: 1, tag: 'second', batchSize: undefined });
  });

  it('functions with defaults and rest parameters for what they can take', () => {
    registerMethod(['a', 'b', 'c'], function m(x) {
      const optional = addStage((p: unknown, { q }: { q: number } = { q: 1 }) => q ?? p, x);
      return [addStage((p: unknown, q = p) => q, x), addStage((p: unknown, ...rest: unknown[]) => rest ?? p, x, x, x), optional];
    });
    const { functions } = author.declaration();
    expect(functions.map(({ name, inputsCount }) => [name, inputsCount])).toEqual([
      ['S.m_function1', 1],
      ['S.m_function2', 1],
      ['S.m_function3', 3],
    ]);
  });

  it('what a function wants to know of its request', () => {
    registerMethod('y', function m(x) {
      const seen = addStage((p: unknown, context: CallContext) => [p, context], x, { context: { headers: ['X-Tenant', 'x-tenant', 'b'] } });
      return addStage((all: unknown[], contexts: CallContext[]) => [all, contexts], seen, { batchSize: 2, context: true });
    });
    const { functions, methods } = author.declaration();
    expect(functions.map(({ inputsCount, takesContext }) => [inputsCount, takesContext])).toEqual([
      [1, true],
      [1, true],
    ]);
    expect(methods[0]?.stages.map(({ context }) => context)).toEqual([{ headers: ['x-tenant', 'b'] }, { headers: [] }]);
  });

  it('two functions of one name as two', () => {
    const make = (k: number) =>
      function scale(x: number) {
        return x * k;
      };
    registerMethod('y', function m(x) {
      return addStage(make(2), addStage(make(3), x));
    });
    expect(author.declaration().functions.map(({ index, name }) => [index, name])).toEqual([
      [0, 'S.scale'],
      [1, 'S.scale'],
    ]);
  });
});
