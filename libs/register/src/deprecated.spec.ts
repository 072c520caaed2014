import { describe, expect, it } from '@jest/globals';
import {
  AclOptions,
  addStage,
  callPostprocess,
  callPostprocessPipeline,
  callPreprocess,
  callPreprocessPipeline,
  callServable,
  Context,
  declareModel,
  declareServable,
  GPUDeviceInfo,
  registerMethod,
  type Model,
  type Placeholder,
} from './index.js';
import { declare, f, g, method, newAuthor, stage, type Row } from './testing/author.js';

const author = newAuthor();

describe('the deprecated calls', () => {
  const order =
    (...calls: ((x: Placeholder) => unknown)[]) =>
    () => {
      declareModel('a', 'ONNX');
      method((x) => calls.reduce<unknown>((value, call) => call(value as Placeholder), x));
    };
  const pre = (x: Placeholder) => callPreprocess(g, x);
  const preBatch = (x: Placeholder) => callPreprocessPipeline(g, x);
  const servable = (x: Placeholder) => callServable(x);
  const post = (x: Placeholder) => callPostprocess(g, x);
  const postBatch = (x: Placeholder) => callPostprocessPipeline(g, x);
  const rows: readonly Row[] = [
    [
      'preprocess twice',
      order(pre, preBatch, servable),
      "Check failed in method 'm', callPreprocess or callPreprocessPipeline should not be invoked more than once",
    ],
    [
      'preprocess behind the model',
      order(servable, pre),
      "Check failed in method 'm', callServable should be invoked after callPreprocess",
    ],
    [
      'postprocess before the model',
      order(post, servable),
      "Check failed in method 'm', callPostprocess or callPostprocessPipeline should be invoked after callServable",
    ],
    [
      'postprocess twice',
      order(servable, post, postBatch),
      "Check failed in method 'm', callPostprocess or callPostprocessPipeline should not be invoked more than once",
    ],
    ['the model twice', order(servable, servable), "Check failed in method 'm', callServable should not be invoked more than once"],
    ['no model call', order(pre), "Not find the invoke of 'callServable'"],
    ['no model', () => method((x) => callServable(x)), 'There is no model declared, you can use declareModel to declare models.'],
    [
      'two models',
      () => {
        declareModel('b', 'ONNX');
        order(servable)();
      },
      "There are more than one servable declared when the interface 'callServable' is used, use 'addStage' to replace 'callServable'",
    ],
    [
      'addStage before',
      order((x) => addStage(g, x), servable),
      "Check failed in method 'm', 'callServable' and 'addStage' cannot be used together, use 'addStage' to replace 'callServable'",
    ],
    [
      'addStage behind',
      order(servable, (x) => addStage(g, x)),
      "Check failed in method 'm', 'addStage' and the deprecated 'callServable' cannot be used together",
    ],
    [
      'a wrong count of arguments',
      order((x) => callPreprocess(f, x), servable),
      'function f input args count 2 not match the count 1 registered in method',
    ],
    [
      'outputs that are spread',
      order((x) => [...callPreprocess(g, x)][0]),
      "Check failed in method 'm', the outputs of a stage can be destructured, but not spread",
    ],
  ];
  it.each(rows)('refuse %s', (_what, act, text) => {
    expect(act).toThrow(new Error(text));
  });

  it('make stages whose outputs are counted by destructuring', () => {
    declareServable('a', 'ONNX', false);
    registerMethod(['p', 'q'], function m(x, y) {
      const [a, b] = callPreprocess(f, x, y);
      const z = callServable(a as Placeholder, b as Placeholder);
      const [p, q] = callPostprocessPipeline(g, z);
      return [p as Placeholder, q as Placeholder];
    });
    const { functions, methods, models } = author.declaration();
    expect(models[0]?.withBatchDim).toBe(false);
    expect(functions.map(({ name, outputsCount, batchSize }) => [name, outputsCount, batchSize])).toEqual([
      ['S.f', 2, undefined],
      ['S.g', 2, 0],
    ]);
    expect(methods[0]?.stages.map(({ kind, outputsCount, batchSize }) => [kind, outputsCount, batchSize])).toEqual([
      ['function', 2, undefined],
      ['model', 1, undefined],
      ['function', 2, 0],
    ]);
  });

  it('give all outputs of the model when its call is returned', () => {
    declareModel('a', 'ONNX');
    registerMethod(['p', 'q'], function m(x) {
      return callServable(x);
    });
    expect(author.declaration().methods[0]).toMatchObject({
      stages: [{ kind: 'model', outputsCount: 2 }],
      returns: [{ output: 0 }, { output: 1 }],
    });
  });

  it('warn once each', () => {
    declareServable('a', 'ONNX');
    method((x) => callPostprocess(g, callServable(callPreprocess(g, x))));
    method((x) => callServable(x), 'n');
    expect(author.warnings).toEqual([
      "'declareServable' is deprecated from version 1.5.0 and will be removed in a future version, use 'declareModel' instead.",
      ...['callPreprocess', 'callServable', 'callPostprocess'].map(
        (name) => `'${name}' is deprecated from version 1.5.0 and will be removed in a future version, use 'addStage' instead.`,
      ),
    ]);
  });
});

describe('a registry that collects', () => {
  it('hands over everything that is wrong and goes on', () => {
    const problems: string[] = [];
    author.registry.collect = (thrown) => problems.push(thrown instanceof Error ? thrown.message : String(thrown));
    const broken = declare('a', 'tflite') as Model;
    method((x) => addStage(broken, x));
    method(() => stage(g, 1), 'n');
    method(() => {
      throw 'text';
    }, 'o');
    declareModel('b', 'OM', true, new AclOptions({ deviceId: 1 } as object));
    new Context({ threadNum: 0 })
      .appendDeviceInfo(new GPUDeviceInfo())
      .appendDeviceInfo(new GPUDeviceInfo({ precisionMode: 'fp8' as 'fp16' }));
    expect(problems).toEqual([
      'model format can only be OM, MindIR, MindIR_Opt, MindIR_Lite or ONNX, case ignored',
      'Each value of parameter *args is a placeholder for data and must come from the method inputs or the outputs of addStage',
      'text',
      'Set ascend device info failed, unsupported parameter deviceId, it can be insertOpCfgPath, inputFormat, inputShape, outputType, precisionMode or opSelectImplMode',
      "Parameter 'threadNum' should be >= 1",
      "Parameter 'precisionMode' can only be 'origin', 'fp16', but actually 'fp8'",
      'Device info of type gpu has already been appended',
    ]);
  });

  it('is no excuse for what is done after the load', () => {
    author.registry.collect = () => undefined;
    method((x) => x);
    author.declaration();
    expect(() => new AclOptions({ deviceId: 1 } as object)).toThrow('Set ascend device info failed, unsupported parameter deviceId');
  });
});
