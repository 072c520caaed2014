import { silentLog } from '@mserve/app';
import { describe, expect, it } from '@jest/globals';
import { functionOf, input, method, model, output, servable, stage } from '../../../../test/support/declarations.js';
import { elementwise } from '../../../../test/support/fake-session.js';
import { planMethod, type StagePlan } from '../execution/method-plan.js';
import type { FunctionFault } from '../functions/function-call.js';
import { planModel } from '../execution/model-plan.js';
import { FailureLog } from './failure-log.js';

const plan = (key: string): ReturnType<typeof planModel> => planModel(model(key), elementwise([4, 1], 1, (x) => x).describe(), 0);

describe('FailureLog', () => {
  it('tells a fault of a function once per method, stage, class of error and place, then its count', () => {
    const told: unknown[] = [];
    const log = new FailureLog(
      { ...silentLog, error: (fields, text) => told.push([text, fields['servable'], fields['stack'] ?? fields['count']]) },
      { servable: 'S' },
    );
    const called = stage(1, 'function', 0, [input(0)]);
    const declared = method('m', ['x'], [called], [output(1)]);
    const plan = planMethod(servable({ functions: [functionOf(0, 'S.f')], methods: [declared] }), declared, []);
    const place = { method: plan, stage: plan.stages[0] as StagePlan };
    const fault = (line: number): FunctionFault => ({
      kind: 'RangeError',
      text: 'too far',
      frames: `    at f (a.ts:${line}:1)\n    at g (a.ts:9:9)`,
    });
    for (let i = 0; i < 12; i++) log.reportFault(fault(1), place);
    log.reportFault(fault(2), place);
    expect(told).toEqual([
      ["function 'S.f' failed: too far", 'S', 'too far\n    at f (a.ts:1:1)\n    at g (a.ts:9:9)'],
      ["function 'S.f' has failed 10 times in this way", 'S', 10],
      ["function 'S.f' failed: too far", 'S', 'too far\n    at f (a.ts:2:1)\n    at g (a.ts:9:9)'],
    ]);
  });

  it('tells the first failure of each model, then one a second with the number of the others', () => {
    let now = 0;
    const told: unknown[] = [];
    const log = new FailureLog(
      { ...silentLog, error: (fields) => told.push([fields['model'], fields['alsoFailed'], String(fields['err'])]) },
      { servable: 'S' },
      () => now,
    );
    for (const cause of ['a', 'b', 'c']) log.report(plan('one.onnx'), cause);
    log.report(plan('two.onnx'), 'd');
    now = 1000;
    log.report(plan('one.onnx'), 'e');
    expect(told).toEqual([
      ['one.onnx', undefined, 'a'],
      ['two.onnx', undefined, 'd'],
      ['one.onnx', 2, 'e'],
    ]);
  });
});
