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
    ['preprocess twice', order(pre, preBatch, servable), "method 'm': callPreprocess or callPreprocessPipeline can be called once only"],
    ['preprocess behind the model', order(servable, pre), "method 'm': callPreprocess must come before callServable"],
    [
      'postprocess before the model',
      order(post, servable),
      "method 'm': callPostprocess or callPostprocessPipeline must come after callServable",
    ],
    [
      'postprocess twice',
      order(servable, post, postBatch),
      "method 'm': callPostprocess or callPostprocessPipeline can be called once only",
    ],
    ['the model twice', order(servable, servable), "method 'm': callServable can be called once only"],
    ['no model call', order(pre), "method 'm' calls callPreprocess, but not callServable"],
    ['no model', () => method((x) => callServable(x)), 'callServable needs a model: declare one with declareModel'],
    [
      'two models',
      () => {
        declareModel('b', 'ONNX');
        order(servable)();
      },
      'callServable is for servables of one model, and more are declared: use addStage with the model in its place',
    ],
    [
      'addStage before',
      order((x) => addStage(g, x), servable),
      "method 'm': callServable and addStage cannot be used together, use addStage in its place",
    ],
    [
      'addStage behind',
      order(servable, (x) => addStage(g, x)),
      "method 'm': addStage and the deprecated callServable cannot be used together, use addStage in its place",
    ],
    [
      'a wrong count of arguments',
      order((x) => callPreprocess(f, x), servable),
      "function 'f' has 2 parameters, the stage gives it 1 value",
    ],
    [
      'outputs that are spread',
      order((x) => [...callPreprocess(g, x)][0]),
      "method 'm': the outputs of a stage can be destructured, but not spread",
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
      "'modelFormat' must be OM, MindIR, MindIR_Opt, MindIR_Lite or ONNX (in any case), not 'tflite'",
      "input 1 of addStage in method 'n' must be an input of the method or an output of an earlier stage, not number",
      'text',
      'AclOptions has no option deviceId, it can be insertOpCfgPath, inputFormat, inputShape, outputType, precisionMode or opSelectImplMode',
      "'threadNum' must be at least 1, not 0",
      "'precisionMode' must be 'origin' or 'fp16', not 'fp8'",
      'appendDeviceInfo has been called with a device of kind gpu before',
    ]);
  });

  it('is no excuse for what is done after the load', () => {
    author.registry.collect = () => undefined;
    method((x) => x);
    author.declaration();
    expect(() => new AclOptions({ deviceId: 1 } as object)).toThrow(
      'AclOptions has no option deviceId, it can be insertOpCfgPath, inputFormat, inputShape, outputType, precisionMode or opSelectImplMode',
    );
  });
});
