import { describe, expect, it } from '@jest/globals';
import type { SessionDescription, ValueDescription } from '@mserve/native';
import { absent, type Tensor } from '@mserve/wire';
import { model } from '../../../../test/support/declarations.js';
import { checkInputs, inputsOfCall, mayShareRun, planModel, type StageUse } from './model-plan.js';
import { split } from './batch.js';

const value = (name: string, shape: readonly number[] | undefined, more: Partial<ValueDescription> = {}): ValueDescription => ({
  name,
  dtype: 'float32',
  shape,
  dimNames: (shape ?? []).map(() => ''),
  ...more,
});
const tensor = (shape: readonly number[], ...values: number[]): Tensor => ({
  dtype: 'float32',
  shape,
  bytes: new Uint8Array(Float32Array.from(values).buffer),
});

/** In the file: scale, x, bias, of which x alone must be given. */
const withDefaults: SessionDescription = {
  inputs: [value('x', [-1, 2])],
  defaults: [value('scale', [1]), value('bias', [-1, 2])],
  inputOrder: [1, 0, 2],
  outputs: [value('y', [-1, 2])],
};
const planOf = (description: SessionDescription, use: StageUse = {}): ReturnType<typeof planModel> =>
  planModel(model('m.onnx'), description, 0, use);

describe('planModel', () => {
  it.each<[argumentCount: number | undefined, inputs: string[], order: readonly number[] | undefined]>([
    [1, ['x'], undefined],
    [2, ['x', 'scale'], [1, 0]],
    [3, ['x', 'scale', 'bias'], [1, 0, 2]],
    [undefined, ['x', 'scale', 'bias'], [1, 0, 2]],
  ])('%p arguments are %j', (argumentCount, inputs, order) => {
    const plan = planOf(withDefaults, { argumentCount });
    expect([plan.inputs.map(({ name }) => name), plan.order]).toEqual([inputs, order]);
  });

  it('an input that may be left out has rows where its first dim is the batch', () => {
    const { inputs, picky } = planOf(withDefaults);
    expect(inputs.map(({ name, whole, optional, shape }) => [name, whole, optional, shape])).toEqual([
      ['x', false, false, [2]],
      ['scale', true, true, [1]],
      ['bias', false, true, [2]],
    ]);
    expect(picky).toBe(true);
  });

  it('instances share a run when the same inputs are left out, and those without rows are equal', () => {
    const plan = planOf(withDefaults);
    const x = tensor([2], 1, 2);
    const instance = (scale: Tensor, bias: Tensor): Tensor[] => [x, scale, bias];
    const [two, three, bias] = [tensor([1], 2), tensor([1], 3), tensor([2], 5, 5)];
    const shared = (a: Tensor[], b: Tensor[]): boolean => mayShareRun(plan, a, b, true);
    expect(shared(instance(absent, absent), instance(absent, absent))).toBe(true);
    expect(shared(instance(two, bias), instance(tensor([1], 2), tensor([2], 7, 7)))).toBe(true);
    expect(shared(instance(two, absent), instance(three, absent))).toBe(false);
    expect(shared(instance(two, absent), instance(absent, absent))).toBe(false);
    expect(shared(instance(absent, bias), instance(absent, absent))).toBe(false);
    expect(checkInputs(plan, instance(absent, absent))).toBeUndefined();
    expect(checkInputs(plan, [absent, two, bias])).toMatchObject({ reason: 'model-input-size' });
  });

  it('calls give inputs in the order of the file, the last ones left out', () => {
    const plan = planOf(withDefaults);
    const [a, b, c] = [tensor([1], 1), tensor([2], 1, 2), tensor([2], 3, 4)];
    expect(inputsOfCall(plan, [a, b, c])).toEqual([b, a, c]);
    expect(inputsOfCall(plan, [a, b])).toEqual([b, a, absent]);
    expect(inputsOfCall(plan, [b])).toEqual([b, absent, absent]);
    expect([inputsOfCall(plan, []), inputsOfCall(plan, [a, b, c, a])]).toEqual([undefined, undefined]);
  });

  it('any shape will do where the model does not tell it', () => {
    const plan = planOf({ inputs: [value('x', undefined)], outputs: [value('y', undefined)] });
    expect(plan).toMatchObject({ batching: 'dynamic', inputs: [{ anyShape: true, elements: undefined }] });
    expect(checkInputs(plan, [tensor([2, 1, 1], 1, 2)])).toBeUndefined();
    expect(checkInputs(plan, [{ ...tensor([2], 1, 2), shape: [3] }])).toMatchObject({ reason: 'model-input-shape' });
    expect(mayShareRun(plan, [tensor([2], 1, 2)], [tensor([1, 2], 1, 2)], true)).toBe(false);
  });

  it.each<[outputs: string[], count: number, used: string[]]>([
    [['label', 'map'], 1, ['label']],
    [['map', 'label'], 1, ['label']],
    [['map', 'label'], 2, ['map', 'label']],
    [['label', 'scores', 'map'], 2, ['label', 'scores']],
    [['label', 'scores'], 1, ['label', 'scores']],
  ])('of outputs %j a stage with %d takes %j', (names, outputCount, used) => {
    const outputs = names.map((name) => value(name, [-1], name === 'map' ? { isUnzipped: true } : {}));
    const plan = planOf({ inputs: [value('x', [-1, 2])], outputs }, { outputCount });
    expect(plan.outputs.map(({ name }) => name)).toEqual(used);
    const run = names.map((_, i) => ({ dtype: 'float32', shape: [1], bytes: Uint8Array.of(i, 0, 0, 0) }) as const);
    expect(split(plan, run, 1)[0]?.map(({ bytes }) => names[bytes[0] as number])).toEqual(used);
  });
});
