import { silentLog } from '@mserve/app';
import { describe, expect, it } from '@jest/globals';
import { model } from '../../../../test/support/declarations.js';
import { elementwise } from '../../../../test/support/fake-session.js';
import { planModel } from '../execution/model-plan.js';
import { FailureLog } from './failure-log.js';

const plan = (key: string): ReturnType<typeof planModel> => planModel(model(key), elementwise([4, 1], 1, (x) => x).describe(), 0);

describe('FailureLog', () => {
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
