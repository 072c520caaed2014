import { describe, expect, it } from '@jest/globals';
import {
  AclOptions,
  AscendDeviceInfo,
  Context,
  CPUDeviceInfo,
  declareModel,
  GpuOptions,
  GPUDeviceInfo,
  type ServableDeclaration,
} from './index.js';
import { declare, loose, method, newAuthor, type Row } from './testing/author.js';

/** One row per rule: what an author writes, and the error text or what is declared. */

const author = newAuthor();

describe('declareModel refuses', () => {
  const rows: readonly Row[] = [
    ['no file name', () => declare(undefined, 'ONNX'), "'modelFile' must be a string or an array of strings, not undefined"],
    ['an empty file name', () => declare('', 'ONNX'), "'modelFile' must not be an empty string"],
    ['an empty list', () => declare([], 'ONNX'), "'modelFile' must not be an empty array"],
    ['a list of numbers', () => declare([1], 'ONNX'), "'modelFile' must have strings in its array, not number"],
    ['a list with an empty name', () => declare(['a', ''], 'ONNX'), "'modelFile' must not have an empty string in its array"],
    [
      'an unknown format',
      () => declare('a', 'tflite'),
      "'modelFormat' must be OM, MindIR, MindIR_Opt, MindIR_Lite or ONNX (in any case), not 'tflite'",
    ],
    [
      'a format named like a property of objects',
      () => declare('a', 'constructor'),
      "'modelFormat' must be OM, MindIR, MindIR_Opt, MindIR_Lite or ONNX (in any case), not 'constructor'",
    ],
    ['a format that is no string', () => declare('a', 1), "'modelFormat' must be a string, not number"],
    [
      'a file used before',
      () => (declare('a.mindir', 'MindIR'), declare('a.mindir', 'MindIR')),
      "model file 'a.mindir' is declared twice: use the model of the first declaration",
    ],
    [
      'a subgraph used before',
      () => (declare(['a', 'b'], 'OM'), declare(['c', 'b'], 'OM')),
      "model file 'b' is declared twice: use the model of the first declaration",
    ],
    [
      'a file used before by another name',
      () => (declare('b/a.onnx', 'ONNX'), declare('./b//a.onnx', 'ONNX')),
      "model file './b//a.onnx' is declared twice: use the model of the first declaration",
    ],
    [
      'a file twice in one model',
      () => declare(['a', 'a'], 'OM'),
      "model file 'a' is declared twice: use the model of the first declaration",
    ],
    ['a path out of the version', () => declare('../a.onnx', 'ONNX'), "model file '../a.onnx' must be a name inside the version's folder"],
    ['an absolute path', () => declare('/a.onnx', 'ONNX'), "model file '/a.onnx' must be a name inside the version's folder"],
    ['withBatchDim that is no boolean', () => declare('a', 'ONNX', 1), "'withBatchDim' must be true or false, not number"],
    ['a negative input', () => declare('a', 'ONNX', true, undefined, -1), "'withoutBatchDimInputs' must be at least 0, not -1"],
    [
      'a negative input in a list',
      () => declare('a', 'ONNX', true, undefined, [-1]),
      "'withoutBatchDimInputs' must have integers of at least 0 in its array, not -1",
    ],
    ['a repeated input', () => declare('a', 'ONNX', true, undefined, [1, 1]), "'withoutBatchDimInputs' has '1' twice"],
    [
      'inputs that are no integers',
      () => declare('a', 'ONNX', true, undefined, 'x'),
      "'withoutBatchDimInputs' must be an integer or an array of integers, not string",
    ],
    [
      'an item that is no integer',
      () => declare('a', 'ONNX', true, undefined, ['x']),
      "'withoutBatchDimInputs' must have integers in its array, not string",
    ],
    [
      'a plain object as options',
      () => declare('a', 'ONNX', true, {}),
      "'options' must be new AclOptions(...) or new GpuOptions(...), not Object",
    ],
    [
      'a Context as options',
      () => declare('a', 'ONNX', true, new Context()),
      "'options' must be new AclOptions(...) or new GpuOptions(...), not Context",
    ],
    [
      'options as context',
      () => declare({ modelFile: 'a', modelFormat: 'OM', context: new AclOptions() }),
      "'context' must be new Context(...), not AclOptions",
    ],
    [
      'an unknown parameter',
      () => declare({ modelFile: 'a', modelFormat: 'OM', configFile: 'c' }),
      'declareModel has no parameter configFile, it can be modelFile, modelFormat, withBatchDim, withoutBatchDimInputs, options, context, maxBatchSize or batching',
    ],
    [
      'a batch size of 0',
      () => declare({ modelFile: 'a', modelFormat: 'OM', maxBatchSize: 0 }),
      "'maxBatchSize' must be at least 1, not 0",
    ],
    [
      'an unknown ascend option',
      () => loose(() => new AclOptions({ deviceId: 1 } as object))(),
      'AclOptions has no option deviceId, it can be insertOpCfgPath, inputFormat, inputShape, outputType, precisionMode or opSelectImplMode',
    ],
    [
      'an unknown ascend value',
      () => loose(() => new AclOptions({ inputFormat: 'HW' as 'ND' }))(),
      "'inputFormat' must be 'ND', 'NCHW', 'NHWC', 'CHWN', 'NC1HWC0' or 'NHWC1C0', not 'HW'",
    ],
    [
      'options that are no object',
      () => loose(() => new AclOptions('x' as unknown as object))(),
      'the options must be an object, not string',
    ],
    ['null as options', () => loose(() => new GpuOptions(null as unknown as object))(), 'the options must be an object, not null'],
    [
      'an unknown gpu option',
      () => new GpuOptions({ outputType: 'FP16' } as object),
      'GpuOptions has no option outputType, it can be precisionMode',
    ],
    [
      'an unknown gpu value',
      () => new GpuOptions({ precisionMode: 'fp8' as 'fp16' }),
      "'precisionMode' must be 'origin' or 'fp16', not 'fp8'",
    ],
    ['an unknown cpu option', () => new CPUDeviceInfo({ x: 1 } as object), 'CPUDeviceInfo has no option x, it can be precisionMode'],
    [
      'an unknown context option',
      () => new Context({ x: 1 } as object),
      'Context has no option x, it can be threadNum, threadAffinityCoreList or enableParallel',
    ],
    ['0 threads', () => new Context({ threadNum: 0 }), "'threadNum' must be at least 1, not 0"],
    ['a core twice', () => new Context({ threadAffinityCoreList: [0, 0] }), "'threadAffinityCoreList' has '0' twice"],
    [
      'enableParallel as a number',
      () => new Context({ enableParallel: 1 as unknown as boolean }),
      "'enableParallel' must be true or false, not number",
    ],
    [
      'the same device info twice',
      () => new Context().appendDeviceInfo(new AscendDeviceInfo()).appendDeviceInfo(new AscendDeviceInfo()),
      'appendDeviceInfo has been called with a device of kind ascend before',
    ],
    [
      'something else as device info',
      () => new Context().appendDeviceInfo({} as CPUDeviceInfo),
      'appendDeviceInfo takes new CPUDeviceInfo(...), new GPUDeviceInfo(...) or new AscendDeviceInfo(...), not Object',
    ],
  ];
  it.each(rows)('%s', (_what, act, text) => {
    expect(act).toThrow(new Error(text));
  });
});

describe('declareModel gives', () => {
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
        batching: 'proven',
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
