import { describe, expect, it } from '@jest/globals';
import {
  AclOptions,
  addStage,
  AscendDeviceInfo,
  Context,
  CPUDeviceInfo,
  declareModel,
  GpuOptions,
  GPUDeviceInfo,
  registerMethod,
  Tensor,
  type Model,
  type ServableDeclaration,
} from './index.js';
import { declare, f, g, loose, method, newAuthor, register, stage, type Row } from './testing/author.js';

/** Rules of SPEC 6.1 to 6.3, one row per sentence: what an author writes, and the error text or what is declared. */

const author = newAuthor();

describe('declareModel refuses (SPEC 6.1)', () => {
  const rows: readonly Row[] = [
    ['no file name', () => declare(undefined, 'ONNX'), "Parameter 'modelFile' should be string or array of string, but actually undefined"],
    ['an empty file name', () => declare('', 'ONNX'), "Parameter 'modelFile' should not be empty string"],
    ['an empty list', () => declare([], 'ONNX'), "Parameter 'modelFile' should not be empty"],
    ['a list of numbers', () => declare([1], 'ONNX'), "The item of parameter 'modelFile' should be string, but actually number"],
    ['a list with an empty name', () => declare(['a', ''], 'ONNX'), "The item of parameter 'modelFile' should not be empty string"],
    [
      'an unknown format',
      () => declare('a', 'tflite'),
      'model format can only be OM, MindIR, MindIR_Opt, MindIR_Lite or ONNX, case ignored',
    ],
    [
      'a format named like a property of objects',
      () => declare('a', 'constructor'),
      'model format can only be OM, MindIR, MindIR_Opt, MindIR_Lite or ONNX, case ignored',
    ],
    ['a format that is no string', () => declare('a', 1), "Parameter 'modelFormat' should be string, but actually number"],
    [
      'a file used before',
      () => (declare('a.mindir', 'MindIR'), declare('a.mindir', 'MindIR')),
      "Declare model [a.mindir] failed, model file 'a.mindir' has already been used",
    ],
    [
      'a subgraph used before',
      () => (declare(['a', 'b'], 'OM'), declare(['c', 'b'], 'OM')),
      "Declare model [c, b] failed, model file 'b' has already been used",
    ],
    [
      'a file used before by another name',
      () => (declare('b/a.onnx', 'ONNX'), declare('./b//a.onnx', 'ONNX')),
      "Declare model [./b//a.onnx] failed, model file './b//a.onnx' has already been used",
    ],
    ['a file twice in one model', () => declare(['a', 'a'], 'OM'), "Declare model [a, a] failed, model file 'a' has already been used"],
    [
      'a path out of the version',
      () => declare('../a.onnx', 'ONNX'),
      "Declare model [../a.onnx] failed, model file '../a.onnx' should be a name inside the version directory",
    ],
    [
      'an absolute path',
      () => declare('/a.onnx', 'ONNX'),
      "Declare model [/a.onnx] failed, model file '/a.onnx' should be a name inside the version directory",
    ],
    ['withBatchDim that is no boolean', () => declare('a', 'ONNX', 1), "Parameter 'withBatchDim' should be boolean, but actually number"],
    ['a negative input', () => declare('a', 'ONNX', true, undefined, -1), "Parameter 'withoutBatchDimInputs' should be >= 0"],
    [
      'a negative input in a list',
      () => declare('a', 'ONNX', true, undefined, [-1]),
      "The item value '-1' in parameter 'withoutBatchDimInputs' should be >= 0",
    ],
    [
      'a repeated input',
      () => declare('a', 'ONNX', true, undefined, [1, 1]),
      "The item value '1' in parameter 'withoutBatchDimInputs' should not be repeated",
    ],
    [
      'inputs that are no integers',
      () => declare('a', 'ONNX', true, undefined, 'x'),
      "Parameter 'withoutBatchDimInputs' should be integer or array of integer, but actually string",
    ],
    [
      'an item that is no integer',
      () => declare('a', 'ONNX', true, undefined, ['x']),
      "The item of parameter 'withoutBatchDimInputs' should be integer, but actually string",
    ],
    [
      'a plain object as options',
      () => declare('a', 'ONNX', true, {}),
      "Parameter 'options' should be undefined, GpuOptions or AclOptions, but gotten Object",
    ],
    [
      'a Context as options',
      () => declare('a', 'ONNX', true, new Context()),
      "Parameter 'options' should be undefined, GpuOptions or AclOptions, but gotten Context",
    ],
    [
      'options as context',
      () => declare({ modelFile: 'a', modelFormat: 'OM', context: new AclOptions() }),
      "Parameter 'context' should be undefined or Context, but gotten AclOptions",
    ],
    [
      'an unknown parameter',
      () => declare({ modelFile: 'a', modelFormat: 'OM', configFile: 'c' }),
      'Declare model failed, unsupported parameter configFile',
    ],
    ['a batch size of 0', () => declare({ modelFile: 'a', modelFormat: 'OM', maxBatchSize: 0 }), "Parameter 'maxBatchSize' should be >= 1"],
    [
      'an unknown ascend option',
      () => loose(() => new AclOptions({ deviceId: 1 } as object))(),
      'Set ascend device info failed, unsupported parameter deviceId',
    ],
    [
      'an unknown ascend value',
      () => loose(() => new AclOptions({ inputFormat: 'HW' as 'ND' }))(),
      "Parameter 'inputFormat' can only be 'ND', 'NCHW', 'NHWC', 'CHWN', 'NC1HWC0', 'NHWC1C0', but actually 'HW'",
    ],
    [
      'options that are no object',
      () => loose(() => new AclOptions('x' as unknown as object))(),
      "Parameter 'values' should be object, but actually string",
    ],
    [
      'null as options',
      () => loose(() => new GpuOptions(null as unknown as object))(),
      "Parameter 'values' should be object, but actually null",
    ],
    [
      'an unknown gpu option',
      () => new GpuOptions({ outputType: 'FP16' } as object),
      'Set gpu device info failed, unsupported option outputType',
    ],
    [
      'an unknown gpu value',
      () => new GpuOptions({ precisionMode: 'fp8' as 'fp16' }),
      "Parameter 'precisionMode' can only be 'origin', 'fp16', but actually 'fp8'",
    ],
    ['an unknown cpu option', () => new CPUDeviceInfo({ x: 1 } as object), 'Set cpu device info failed, unsupported option x'],
    ['an unknown context option', () => new Context({ x: 1 } as object), 'Set model context failed, unsupported option x'],
    ['0 threads', () => new Context({ threadNum: 0 }), "Parameter 'threadNum' should be >= 1"],
    [
      'a core twice',
      () => new Context({ threadAffinityCoreList: [0, 0] }),
      "The item value '0' in parameter 'threadAffinityCoreList' should not be repeated",
    ],
    [
      'enableParallel as a number',
      () => new Context({ enableParallel: 1 as unknown as boolean }),
      "Parameter 'enableParallel' should be boolean, but actually number",
    ],
    [
      'the same device info twice',
      () => new Context().appendDeviceInfo(new AscendDeviceInfo()).appendDeviceInfo(new AscendDeviceInfo()),
      'Device info of type ascend has already been appended',
    ],
    [
      'something else as device info',
      () => new Context().appendDeviceInfo({} as CPUDeviceInfo),
      "Parameter 'deviceInfo' should be CPUDeviceInfo, GPUDeviceInfo or AscendDeviceInfo",
    ],
  ];
  it.each(rows)('%s', (_what, act, text) => {
    expect(act).toThrow(new Error(text));
  });
});

describe('declareModel gives (SPEC 6.1)', () => {
  function models(): ServableDeclaration['models'] {
    method((x) => x);
    return author.declaration().models;
  }

  it('the defaults: batch dim, no exceptions, 32 instances', () => {
    const model = declareModel('a.onnx', 'ONNX');
    expect(model.key).toBe('a.onnx');
    expect(models()).toEqual([
      {
        key: 'a.onnx',
        files: ['a.onnx'],
        format: 'ONNX',
        withBatchDim: true,
        withoutBatchDimInputs: [],
        maxBatchSize: 32,
        options: undefined,
      },
    ]);
  });

  it('several files as subgraphs of one model, whose key joins their names', () => {
    expect(declareModel(['a.om', 'b.om'], 'om').key).toBe('a.om;b.om');
    expect(models()[0]?.files).toEqual(['a.om', 'b.om']);
  });

  const formats = [
    ['om', 'OM'],
    ['mindir', 'MindIR'],
    ['MINDIR', 'MindIR'],
    ['MindIR_Opt', 'MindIR'],
    ['mindir_lite', 'MindIR'],
    ['oNNx', 'ONNX'],
  ];
  it.each(formats)('format %s as %s', (given, format) => {
    declare('a', given);
    expect(models()[0]?.format).toBe(format);
  });

  it('the object form like the positional one', () => {
    declareModel('a', 'OM', false, new AclOptions({ inputFormat: 'NCHW' }), [1, 2]);
    declareModel({
      modelFile: 'b',
      modelFormat: 'OM',
      withBatchDim: false,
      options: new AclOptions({ inputFormat: 'NCHW' }),
      withoutBatchDimInputs: [1, 2],
    });
    const [positional, named] = models();
    expect({ ...named, key: 'a', files: ['a'] }).toEqual(positional);
    expect(positional).toMatchObject({
      withBatchDim: false,
      withoutBatchDimInputs: [1, 2],
      options: { kind: 'acl', values: { inputFormat: 'NCHW' } },
    });
  });

  it('a Context that wins over options', () => {
    const context = new Context({ threadNum: 2, threadAffinityCoreList: [0, 1], enableParallel: true })
      .appendDeviceInfo(new CPUDeviceInfo({ precisionMode: 'fp16' }))
      .appendDeviceInfo(new GPUDeviceInfo());
    declareModel('a', 'MindIR', true, new GpuOptions(), [], context);
    expect(models()[0]?.options).toEqual({
      kind: 'context',
      values: {
        threadNum: 2,
        threadAffinityCoreList: [0, 1],
        enableParallel: true,
        deviceInfos: [
          { device: 'cpu', values: { precisionMode: 'fp16' } },
          { device: 'gpu', values: {} },
        ],
      },
    });
  });
});

describe('registerMethod refuses (SPEC 6.2)', () => {
  const rows: readonly Row[] = [
    [
      'a function without a name',
      () => register('y', (x: unknown) => x),
      "The method has no name: use a named function (function m(x) {...}), or registerMethod({ name: 'm', ... }, fn)",
    ],
    [
      'no output names',
      () => register(undefined, function m() {}),
      "Parameter 'outputNames' should be string or array of string, but actually undefined",
    ],
    ['empty output names', () => register([], function m() {}), "Parameter 'outputNames' should not be empty"],
    [
      'output names of another type',
      () => register(3, function m() {}),
      "Parameter 'outputNames' should be string or array of string, but actually number",
    ],
    [
      'a repeated output name',
      () => register(['y', 'y'], function m() {}),
      "The item value 'y' in parameter 'outputNames' should not be repeated",
    ],
    ['no function', () => register('y', 'm'), "Parameter 'fn' should be function, but actually string"],
    [
      'a rest parameter',
      () =>
        register('y', function m(...x: unknown[]) {
          return x;
        }),
      "'m' input x cannot be a rest parameter !",
    ],
    [
      'a default value',
      () =>
        register('y', function m(x = 1) {
          return x;
        }),
      "'m' input x cannot have a default value !",
    ],
    [
      'destructuring',
      () =>
        register('y', function m(a: unknown, { b }: { b: unknown }) {
          return a ?? b;
        }),
      "'m' input 2 cannot be destructured !",
    ],
    [
      'destructuring with a default value',
      () =>
        register('y', function m({ b } = { b: 1 }) {
          return b;
        }),
      "'m' input 1 cannot have a default value !",
    ],
    [
      'an async function',
      () =>
        register('y', async function m(x: unknown) {
          return x;
        }),
      "'m' should be a plain function, but actually AsyncFunction: its body runs once, at load, with placeholders",
    ],
    [
      'a generator',
      () =>
        register('y', function* m(x: unknown) {
          yield x;
        }),
      "'m' should be a plain function, but actually GeneratorFunction: its body runs once, at load, with placeholders",
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
      "The parameters of 'm' cannot be read from its source (a bound or native function or a class)",
    ],
    [
      'a name that no URL can hold',
      () => register({ name: 'a/b', outputs: 'y' }, (x: unknown) => x),
      "Method name 'a/b' is not allowed: 1 to 128 characters without blanks, control characters and / : @ ? # % \" < > \\ ^ ` { | }",
    ],
    [
      'a name that clients of HTTP would write in another way',
      () => register({ name: 'a"b', outputs: 'y' }, (x: unknown) => x),
      'Method name \'a"b\' is not allowed: 1 to 128 characters without blanks, control characters and / : @ ? # % " < > \\ ^ ` { | }',
    ],
    [
      'an unknown parameter',
      () => register({ name: 'm', output: 'y' }, (x: unknown) => x),
      'Register method failed, unsupported parameter output',
    ],
    [
      'a description of no input',
      () => register({ name: 'm', inputs: { z: {} }, outputs: 'y' }, (x: unknown) => x),
      "Parameter 'inputs' describes 'z', but the inputs of method 'm' are: x",
    ],
    [
      'an unknown data type',
      () => register({ name: 'm', inputs: { x: { dtype: 'float' } }, outputs: 'y' }, (x: unknown) => x),
      "Parameter 'inputs.x.dtype' is not a data type: 'float'",
    ],
    [
      'a shape with a bad dim',
      () => register({ name: 'm', outputs: { y: { shape: [-2] } } }, (x: unknown) => x),
      "Parameter 'outputs.y.shape' should be >= -1",
    ],
    [
      'too few returned values',
      () =>
        register(['a', 'b'], function m(x: unknown) {
          return x;
        }),
      'Method return output size 1 not match registered 2',
    ],
    [
      'too many returned values',
      () =>
        register('a', function m(x: unknown) {
          return [x, x];
        }),
      'Method return output size 2 not match registered 1',
    ],
    [
      'a returned value of its own',
      () =>
        register('y', function m() {
          return 1;
        }),
      'Each value returned is a placeholder for data and must come from the method inputs or the outputs of addStage',
    ],
    [
      'no returned value',
      () => register('y', function m() {}),
      'Each value returned is a placeholder for data and must come from the method inputs or the outputs of addStage',
    ],
    [
      "another method's value",
      () => {
        let other: unknown;
        method((x) => (other = x), 'n');
        method(() => other);
      },
      'Each value returned is a placeholder for data and must come from the method inputs or the outputs of addStage',
    ],
    [
      'a second method of a name',
      () => {
        method((x) => x);
        method((x) => x);
      },
      'Method m has been registered more than once.',
    ],
    ['a method in a method', () => method((x) => (method((z) => z, 'n'), x)), "registerMethod cannot be called in the body of method 'm'"],
    ['a servable without methods', () => author.declaration(), 'There is no method registered for servable'],
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

describe('registerMethod gives (SPEC 6.2)', () => {
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
      "Parameter 'inputs.x.example' should be a value: Get illegal result data with type Object",
    ],
    [
      'arrays without a dtype',
      { example: [1, 2] },
      "Parameter 'inputs.x.example' should be a value: numbers in arrays need a numeric dtype",
    ],
    ['a number that the dtype cannot hold', { dtype: 'int8', example: [300] }, "Parameter 'inputs.x.example' should be a value of int8: "],
    ['too much', { example: Buffer.alloc(4093) }, "Parameter 'inputs.x.example' has 4097 bytes, at most 4096 are allowed"],
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

describe('addStage refuses (SPEC 6.3)', () => {
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
      "Parameter 'outputCount' of addStage is not supported, it can be outputsCount, batchSize or tag",
    ],
    ['outputsCount 0', () => method((x) => stage(g, x, { outputsCount: 0 })), "Parameter 'outputsCount' should be in range [1,1024]"],
    ['a tag that is no string', () => method((x) => stage(g, x, { tag: 1 })), "Parameter 'tag' should be string, but actually number"],
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

describe('addStage gives (SPEC 6.3)', () => {
  it('one placeholder, or an array of outputsCount', () => {
    let outputs: unknown;
    registerMethod(['p', 'q'], function m(a, b) {
      const [x, y] = addStage(f, a, b, { outputsCount: 2 });
      outputs = addStage(f, x, y, { outputsCount: 2 });
      return [y, x];
    });
    expect(outputs).toHaveLength(2);
    const { methods, functions } = author.declaration();
    expect(functions).toEqual([{ index: 0, name: 'S.f', inputsCount: 2, outputsCount: 2, batchSize: undefined }]);
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
