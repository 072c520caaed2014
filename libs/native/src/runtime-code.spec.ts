import { describe, expect, it } from '@jest/globals';
import { embeddingModel, int64Bytes, onnxModel, shapedByValueModel } from '../../../test/support/onnx-model.js';
import { Session } from './session.js';
import { tensor } from './testing/tensors.js';

const unknownOp = onnxModel({
  inputs: [{ name: 'x', dtype: 'float32', shape: [1] }],
  outputs: [{ name: 'y', dtype: 'float32', shape: [1] }],
  nodes: [{ op: 'NoSuchOperator', inputs: ['x'], outputs: ['y'] }],
});

describe('the codes of ONNX Runtime come with its errors', () => {
  it.each([
    ['an index beyond the table', embeddingModel(), [1, 1], [9], { kind: 'input', runtimeCode: 'InvalidArgument' }],
    ['an impossible Expand', shapedByValueModel('Expand'), [2], [3, 5], { kind: 'input', runtimeCode: 'InvalidArgument' }],
    ['an impossible Reshape', shapedByValueModel('Reshape'), [2], [3, 5], { kind: 'run', runtimeCode: 'Fail' }],
  ] as const)('%s', async (_, model, shape, values, error) => {
    const session = await Session.open(model);
    await expect(session.run([tensor('int64', [...shape], int64Bytes(values))])).rejects.toMatchObject({ name: 'NativeError', ...error });
    await session.close();
  });

  it('a model that cannot be loaded', async () => {
    await expect(Session.open(unknownOp)).rejects.toMatchObject({ kind: 'load', runtimeCode: 'InvalidGraph' });
  });

  it('none where it was not ONNX Runtime that failed', async () => {
    const session = await Session.open(embeddingModel());
    await expect(session.run([])).rejects.toMatchObject({ kind: 'input', runtimeCode: undefined });
    await session.close();
    await expect(session.run([])).rejects.toMatchObject({ kind: 'closed', runtimeCode: undefined });
  });
});
