import { describe, expect, it } from '@jest/globals';
import { onnxModel, type OnnxModel } from '../../../test/support/onnx-model.js';
import { Session } from './session.js';

const base: OnnxModel = {
  inputs: [{ name: 'x', dtype: 'float32', shape: ['n', 2] }],
  outputs: [{ name: 'y', dtype: 'float32', shape: ['n', 2] }],
  nodes: [{ op: 'Relu', inputs: ['x'], outputs: ['y'] }],
};
const scaler: OnnxModel['nodes'] = [{ op: 'Scaler', domain: 'ai.onnx.ml', inputs: ['x'], outputs: ['y'] }];
const foreign = (op: string): OnnxModel['nodes'][number] => ({ op, domain: 'my.ops', inputs: ['x'], outputs: ['y'] });

describe('why a model cannot be loaded', () => {
  it.each<[what: string, model: Partial<OnnxModel>, text: RegExp]>([
    [
      'an opset that is not there yet',
      { opset: 99 },
      /^the file has opset 99, ONNX Runtime 1\.\d+\.\d+ knows up to (\d\d): export it with opset_version=\1, or/,
    ],
    [
      'another set that is not there yet',
      { opsets: { 'ai.onnx.ml': 99 }, nodes: scaler },
      /^the file has opset 99 of domain ai.onnx.ml, ONNX Runtime 1\.\d+\.\d+ knows up to (\d): .*target_opset=\{'ai.onnx.ml': \1\}/,
    ],
    [
      'an IR version that is not there yet',
      { irVersion: 99 },
      /^the file has IR version 99, ONNX Runtime 1\.\d+\.\d+ knows up to (\d\d): set model.ir_version = \1 /,
    ],
    [
      'an opset before the oldest',
      { opset: 5, nodes: [{ op: 'Add', inputs: ['x', 'x'], outputs: ['y'], attributes: { broadcast: { int: 1 } } }] },
      /^the file has opset 5, ONNX Runtime 1\.\d+\.\d+ runs operators from opset 7 on: .*convert_version/,
    ],
    [
      'operators of a library',
      { opsets: { 'my.ops': 1 }, nodes: [foreign('Twice')] },
      /^the file uses an operator of an operator library: Twice of domain my.ops. Name the library .* setting operatorLibraries/,
    ],
    ['an operator that nobody has', { nodes: [{ op: 'Nope', inputs: ['x'], outputs: ['y'] }] }, /^This is an invalid model.*Nope/],
  ])('%s', async (_, model, message) => {
    await expect(Session.open(onnxModel({ ...base, ...model }))).rejects.toMatchObject({
      kind: 'load',
      message: expect.stringMatching(message),
    });
  });

  it('what the runtime does load is not refused', async () => {
    await (await Session.open(onnxModel({ ...base, opset: 6 }))).close();
    await (await Session.open(onnxModel({ ...base, irVersion: 3 }))).close();
  });
});
