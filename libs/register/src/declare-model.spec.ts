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
      'Declare model failed, unsupported parameter configFile, it can be modelFile, modelFormat, withBatchDim, withoutBatchDimInputs, options, context, maxBatchSize or batching',
    ],
    ['a batch size of 0', () => declare({ modelFile: 'a', modelFormat: 'OM', maxBatchSize: 0 }), "Parameter 'maxBatchSize' should be >= 1"],
    [
      'an unknown ascend option',
      () => loose(() => new AclOptions({ deviceId: 1 } as object))(),
      'Set ascend device info failed, unsupported parameter deviceId, it can be insertOpCfgPath, inputFormat, inputShape, outputType, precisionMode or opSelectImplMode',
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
      'Set gpu device info failed, unsupported option outputType, it can be precisionMode',
    ],
    [
      'an unknown gpu value',
      () => new GpuOptions({ precisionMode: 'fp8' as 'fp16' }),
      "Parameter 'precisionMode' can only be 'origin', 'fp16', but actually 'fp8'",
    ],
    [
      'an unknown cpu option',
      () => new CPUDeviceInfo({ x: 1 } as object),
      'Set cpu device info failed, unsupported option x, it can be precisionMode',
    ],
    [
      'an unknown context option',
      () => new Context({ x: 1 } as object),
      'Set model context failed, unsupported option x, it can be threadNum, threadAffinityCoreList or enableParallel',
    ],
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
