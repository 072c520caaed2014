import { describe, expect, it } from '@jest/globals';
import { addStage, outputKinds, registerMethod, Tensor } from './index.js';
import { g, method, newAuthor, register, type Row } from './testing/author.js';

/** One row per rule: what an author writes, and the error text or what is declared. */

const author = newAuthor();

describe('registerMethod refuses', () => {
  const rows: readonly Row[] = [
    [
      'a function without a name',
      () => register('y', (x: unknown) => x),
      "the method has no name: use a named function (function m(x) {...}), or registerMethod({ name: 'm', ... }, fn)",
    ],
    ['no output names', () => register(undefined, function m() {}), "'outputNames' must be a string or an array of strings, not undefined"],
    ['empty output names', () => register([], function m() {}), "'outputNames' must not be an empty array"],
    [
      'output names of another type',
      () => register(3, function m() {}),
      "'outputNames' must be a string or an array of strings, not number",
    ],
    ['a repeated output name', () => register(['y', 'y'], function m() {}), "'outputNames' has 'y' twice"],
    ['no function', () => register('y', 'm'), 'the last argument of registerMethod must be a function, not string'],
    [
      'a rest parameter',
      () =>
        register('y', function m(...x: unknown[]) {
          return x;
        }),
      "input 'x' of method 'm' must not be a rest parameter",
    ],
    [
      'a default value',
      () =>
        register('y', function m(x = 1) {
          return x;
        }),
      "input 'x' of method 'm' must not have a default value",
    ],
    [
      'destructuring',
      () =>
        register('y', function m(a: unknown, { b }: { b: unknown }) {
          return a ?? b;
        }),
      "input 2 of method 'm' must not be destructured",
    ],
    [
      'destructuring with a default value',
      () =>
        register('y', function m({ b } = { b: 1 }) {
          return b;
        }),
      "input 1 of method 'm' must not have a default value",
    ],
    [
      'an async function',
      () =>
        register('y', async function m(x: unknown) {
          return x;
        }),
      "the body of method 'm' must be a plain function, not AsyncFunction: it runs once, at load, with placeholders",
    ],
    [
      'a generator',
      () =>
        register('y', function* m(x: unknown) {
          yield x;
        }),
      "the body of method 'm' must be a plain function, not GeneratorFunction: it runs once, at load, with placeholders",
    ],
    [
      'a bound function',
      () =>
        register(
          { name: 'm', outputs: 'y' },
          function (x: unknown) {
            return x;
          }.bind(null),
        ),
      "the parameters of method 'm' cannot be read from its source: it is a bound or native function, or a class",
    ],
    [
      'a name that no URL can hold',
      () => register({ name: 'a/b', outputs: 'y' }, (x: unknown) => x),
      `method name 'a/b' is not allowed: 1 to 128 characters without blanks, control characters and / : @ ? # % " < > \\ ^ \` { | }`,
    ],
    [
      'a name that clients of HTTP would write in another way',
      () => register({ name: 'a"b', outputs: 'y' }, (x: unknown) => x),
      `method name 'a"b' is not allowed: 1 to 128 characters without blanks, control characters and / : @ ? # % " < > \\ ^ \` { | }`,
    ],
    [
      'an unknown parameter',
      () => register({ name: 'm', output: 'y' }, (x: unknown) => x),
      "registerMethod has no parameter output, did you mean 'outputs'?",
    ],
    [
      'a description of no input',
      () => register({ name: 'm', inputs: { z: {} }, outputs: 'y' }, (x: unknown) => x),
      "'inputs' describes 'z', but the inputs of method 'm' are: x, did you mean 'x'?",
    ],
    [
      'a misspelt member of an input',
      () => register({ name: 'm', inputs: { x: { dtpye: 'float32', exmaple: [1] } }, outputs: 'y' }, (x: unknown) => x),
      "'inputs.x' has no member dtpye, did you mean 'dtype'?",
    ],
    [
      'a misspelt member of an output',
      () => register({ name: 'm', outputs: { y: { shpae: [1] } } }, (x: unknown) => x),
      "'outputs.y' has no member shpae, did you mean 'shape'?",
    ],
    [
      'two inputs of one name',
      () => register({ name: 'm', inputs: { a: { name: 'b' } }, outputs: 'y' }, (a: unknown, b: unknown) => [a, b][0]),
      "'inputs' has the name 'b' twice",
    ],
    [
      'two outputs whose names differ only in how a letter is written',
      () =>
        register(['\u00fc', 'u\u0308'], function m(x: unknown) {
          return [x, x];
        }),
      "'outputs' has the name '\u00fc' twice",
    ],
    [
      'an unknown data type',
      () => register({ name: 'm', inputs: { x: { dtype: 'float' } }, outputs: 'y' }, (x: unknown) => x),
      "'inputs.x.dtype' is no data type: 'float'",
    ],
    [
      'a shape with a bad dim',
      () => register({ name: 'm', outputs: { y: { shape: [-2] } } }, (x: unknown) => x),
      "'outputs.y.shape' must be at least -1, not -2",
    ],
    [
      'too few returned values',
      () =>
        register(['a', 'b'], function m(x: unknown) {
          return x;
        }),
      "method 'm' returns 1 value and has 2 output names: a, b",
    ],
    [
      'too many returned values',
      () =>
        register('a', function m(x: unknown) {
          return [x, x];
        }),
      "method 'm' returns 2 values and has 1 output name: a",
    ],
    [
      'a returned value of its own',
      () =>
        register('y', function m() {
          return 1;
        }),
      "method 'm' must return its inputs and outputs of its stages, not number",
    ],
    [
      'no returned value',
      () => register('y', function m() {}),
      "method 'm' returns nothing in place of an output: return what addStage gives",
    ],
    [
      "another method's value",
      () => {
        let other: unknown;
        method((x) => (other = x), 'n');
        method(() => other);
      },
      "method 'm' must return its inputs and outputs of its stages, not one of another method",
    ],
    [
      'a second method of a name',
      () => {
        method((x) => x);
        method((x) => x);
      },
      "method 'm' is registered twice",
    ],
    ['a method in a method', () => method((x) => (method((z) => z, 'n'), x)), "registerMethod cannot be called in the body of method 'm'"],
    ['a servable without methods', () => author.declaration(), 'no method is registered: call registerMethod in servable_config'],
    [
      'anything once the config is loaded',
      () => {
        method((x) => x);
        author.declaration();
        method((x) => x, 'late');
      },
      'registerMethod can only be called while servable_config is being loaded',
    ],
  ];
  it.each(rows)('%s', (_what, act, text) => {
    expect(act).toThrow(new Error(text));
  });
});

describe('registerMethod gives', () => {
  it('the name of the function and of its parameters, whatever they look like', () => {
    register(
      'y',
      function plain(
        a: unknown,
        /* , no */ b: unknown, // nor this,
        c: unknown,
      ) {
        return a ?? b ?? c;
      },
    );
    // eslint-disable-next-line prefer-const
    let arrow = (x: unknown): unknown => x;
    register('y', arrow);
    expect(author.declaration().methods.map(({ name, inputs, outputs }) => [name, inputs.map((input) => input.name), outputs])).toEqual([
      ['plain', ['a', 'b', 'c'], [{ name: 'y' }]],
      ['arrow', ['x'], [{ name: 'y' }]],
    ]);
  });

  it('types and docs in the object form', () => {
    registerMethod(
      {
        name: 'm',
        inputs: { b: { dtype: 'float32', shape: [-1, 2], doc: 'second' } },
        outputs: { y: { dtype: 'string' }, z: {} },
        doc: 'what it does',
      },
      function anything(a, b) {
        return [a, b];
      },
    );
    expect(author.declaration().methods[0]).toEqual({
      name: 'm',
      doc: 'what it does',
      inputs: [
        { name: 'a', dtype: undefined, shape: undefined, doc: undefined },
        { name: 'b', dtype: 'float32', shape: [-1, 2], doc: 'second' },
      ],
      outputs: [
        { name: 'y', dtype: 'string', shape: undefined, doc: undefined },
        { name: 'z', dtype: undefined, shape: undefined, doc: undefined },
      ],
      stages: [],
      returns: [
        { from: 'input', index: 0 },
        { from: 'input', index: 1 },
      ],
    });
  });

  it.each<[string, object, object]>([
    [
      'nested numbers of the declared dtype',
      { dtype: 'int8', shape: [-1, 2], example: [[1, 2]] },
      { dtype: 'int8', shape: [1, 2], b64: 'AQI=' },
    ],
    ['a number of the declared dtype', { dtype: 'float32', example: 1 }, { dtype: 'float32', shape: [], b64: 'AACAPw==' }],
    ['a number', { example: 7 }, { dtype: 'int64', shape: [], b64: 'BwAAAAAAAAA=' }],
    ['a tensor', { example: Tensor.of('uint8', [1, 2, 3]) }, { dtype: 'uint8', shape: [3], b64: 'AQID' }],
    ['text', { example: 'a' }, { dtype: 'string', shape: [], b64: 'AQAAAGE=' }],
    [
      'text for bytes, in the shape that is told',
      { dtype: 'bytes', shape: [1], example: 'a' },
      { dtype: 'bytes', shape: [1], b64: 'AQAAAGE=' },
    ],
    ['bytes', { example: Buffer.from('a') }, { dtype: 'bytes', shape: [], b64: 'AQAAAGE=' }],
  ])('an example of an input: %s', (_, description, example) => {
    registerMethod({ name: 'm', inputs: { x: description }, outputs: ['y'] }, (x) => x);
    expect(author.declaration().methods[0]?.inputs[0]?.example).toEqual(example);
  });

  it.each<[string, object, string]>([
    [
      'nothing that can be told as a tensor',
      { example: { a: 1 } },
      `'inputs.x.example' must be a value: a value of type Object was given where ${outputKinds} is expected`,
    ],
    ['arrays without a dtype', { example: [1, 2] }, "'inputs.x.example' must be a value: numbers in arrays need a numeric dtype"],
    [
      'a number that the dtype cannot hold',
      { dtype: 'int8', example: [300] },
      "'inputs.x.example' must be a value of int8: 300 is out of the range of int8",
    ],
    ['too much', { example: Buffer.alloc(4093) }, "'inputs.x.example' has 4097 bytes, at most 4096 are allowed"],
  ])('no example that is %s', (_, description, text) => {
    expect(() => registerMethod({ name: 'm', inputs: { x: description }, outputs: ['y'] }, (x) => x)).toThrow(text);
  });

  it('inputs and outputs that are called like properties of objects', () => {
    register({ inputs: { x: { dtype: 'int8' } }, outputs: ['__proto__', 'constructor'] }, function m(toString: unknown, x: unknown) {
      return [toString, x];
    });
    const [declared] = author.declaration().methods;
    expect(declared?.inputs).toMatchObject([
      { name: 'toString', dtype: undefined },
      { name: 'x', dtype: 'int8' },
    ]);
    expect(declared?.outputs.map(({ name }) => name)).toEqual(['__proto__', 'constructor']);
  });

  it('a passthrough without stages, in any order, and the same value twice', () => {
    registerMethod(['p', 'q', 'r'], function swap(a, b) {
      return [b, a, b];
    });
    expect(author.declaration().methods[0]?.returns).toEqual([
      { from: 'input', index: 1 },
      { from: 'input', index: 0 },
      { from: 'input', index: 1 },
    ]);
  });

  it('what ordinary control flow in the body adds up to', () => {
    registerMethod('y', function chain(x) {
      let value = x;
      for (let i = 0; i < 3; i++) value = addStage(g, value);
      return value;
    });
    expect(author.declaration().methods[0]?.stages.map(({ number, index, inputs }) => [number, index, inputs[0]])).toEqual([
      [1, 0, { from: 'input', index: 0 }],
      [2, 0, { from: 'stage', stage: 1, output: 0 }],
      [3, 0, { from: 'stage', stage: 2, output: 0 }],
    ]);
  });
});
