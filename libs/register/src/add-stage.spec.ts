import { describe, expect, it } from '@jest/globals';
import { addStage, declareModel, registerMethod, type CallContext, type Model } from './index.js';
import { f, g, method, newAuthor, stage, type Row } from './testing/author.js';

/** One row per rule: what an author writes, and the error text or what is declared. */

const author = newAuthor();

describe('addStage refuses', () => {
  const model = (): Model => declareModel('k.onnx', 'ONNX');
  const rows: readonly Row[] = [
    [
      'a call outside of a method',
      () => stage(g),
      'addStage can only be called in the body of a method, the function given to registerMethod',
    ],
    [
      'a value of its own as input',
      () => method(() => stage(g, 1)),
      "input 1 of addStage in method 'm' must be an input of the method or an output of an earlier stage, not number",
    ],
    [
      'an array as input',
      () => method((x) => stage(g, [x])),
      "input 1 of addStage in method 'm' must be an input of the method or an output of an earlier stage, not an array: give its entries one by one (...inputs)",
    ],
    [
      'a stage that is neither',
      () => method((x) => stage('argmax_cpp', x)),
      "the first argument of addStage in method 'm' must be a function or a model of declareModel, not string",
    ],
    [
      'an unknown option',
      () => method((x) => stage(g, x, { outputCount: 1 })),
      "addStage has no option outputCount, did you mean 'outputsCount'?",
    ],
    ['outputsCount 0', () => method((x) => stage(g, x, { outputsCount: 0 })), "'outputsCount' must be from 1 to 1024, not 0"],
    ['a tag that is no string', () => method((x) => stage(g, x, { tag: 1 })), "'tag' must be a string, not number"],
    [
      'a context that is neither',
      () => method((x) => stage(g, x, { context: ['x-tenant'] })),
      "'context' must be true, false or { headers: [...] }, not Array",
    ],
    [
      'a misspelt member of the context',
      () => method((x) => stage(g, x, { context: { header: 'x' } })),
      "'context' has no member header, did you mean 'headers'?",
    ],
    [
      'a header that has no such name',
      () => method((x) => stage(g, x, { context: { headers: ['x tenant'] } })),
      "'context.headers' has 'x tenant', which is no name of an HTTP header",
    ],
    [
      'a context for a model',
      () => method((x) => stage(model(), x, { context: true })),
      "'context' of addStage in method 'm' is for functions: a model has none",
    ],
    [
      'a function without a parameter for the context',
      () => method((x) => stage(g, x, { context: true })),
      "function 'g' has 1 parameter, the stage gives it 2 values",
    ],
    [
      'a function with and without a context',
      () =>
        method((x) => {
          const fn = (...values: unknown[]): unknown => values;
          stage(fn, x, { context: true });
          return stage(fn, x);
        }),
      "function 'S.fn' is used with and without context: it must be the same wherever it is a stage",
    ],
    ['a negative batch size', () => method((x) => stage(g, x, { batchSize: -1 })), "'batchSize' must be at least 0, not -1"],
    ['a batch size that is no integer', () => method((x) => stage(g, x, { batchSize: '2' })), "'batchSize' must be an integer, not string"],
    ['a batch size with a fraction', () => method((x) => stage(g, x, { batchSize: 1.5 })), "'batchSize' must be an integer, not 1.5"],
    [
      'a batch size for a model',
      () => method((x) => stage(model(), x, { batchSize: 2 })),
      "'batchSize' of addStage in method 'm' is for functions: a model's batch size comes from the model",
    ],
    [
      'more inputs than the function takes',
      () => method((x) => stage(g, x, x)),
      "function 'g' has 1 parameter, the stage gives it 2 values",
    ],
    [
      'more inputs than a function without a name takes',
      () => method((x) => stage((y: unknown) => y, x, x)),
      'function (anonymous) has 1 parameter, the stage gives it 2 values',
    ],
    ['fewer inputs than the function takes', () => method((x) => stage(f, x)), "function 'f' has 2 parameters, the stage gives it 1 value"],
    [
      'other inputs counts of a function',
      () =>
        method((x) => {
          stage(g, x, { batchSize: 1 });
          return stage(g, x, x, { batchSize: 1 });
        }),
      "function 'S.g' is used with 2 inputs in method 'm' and with 1 before",
    ],
    [
      'other outputs counts of a function',
      () =>
        method((x) => {
          stage(g, x);
          return stage(g, x, { outputsCount: 2 });
        }),
      "function 'S.g' is used with 2 outputs in method 'm' and with 1 before",
    ],
    [
      'batches here and single calls there',
      () =>
        method((x) => {
          stage(g, x);
          return stage(g, x, { batchSize: 1 });
        }),
      "function 'S.g' is used with and without batchSize: it must be the same wherever it is a stage",
    ],
    [
      'other inputs counts of a model',
      () =>
        method((x) => {
          const k = model();
          stage(k, x);
          return stage(k, x, x);
        }),
      "model 'k.onnx' is used with 2 inputs here and with 1 before",
    ],
    [
      'other outputs counts of a model',
      () =>
        method((x) => {
          const k = model();
          stage(k, x);
          return stage(k, x, { outputsCount: 2 });
        }),
      "model 'k.onnx' is used with 2 outputs here and with 1 before",
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
