import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { addModel, float32Bytes, onnxModel } from '../../../test/support/onnx-model.js';
import { Session } from './session.js';
import type { NativeTensor } from './tensor.js';
import { floatTensor, floatsOf, tensor } from './testing/tensors.js';

describe('inputs that do not fit the model', () => {
  let session: Session;
  const good = floatTensor([1, 2], [1, 2]);

  beforeAll(async () => {
    session = await Session.open(addModel());
  });
  afterAll(() => session.close());

  it.each<[string, readonly NativeTensor[], string]>([
    ['too few', [good], 'the model takes 2 inputs (a, b), got 1'],
    ['another dtype', [good, tensor('float64', [1, 2], new Uint8Array(16))], 'input "b": expected float32, got float64'],
    ['another rank', [good, floatTensor([2], [1, 2])], 'input "b": expected shape [?, 2], got [2]'],
    ['another fixed dim', [floatTensor([1, 3], [1, 2, 3]), good], 'input "a": expected shape [?, 2], got [1, 3]'],
    ['bytes too short', [tensor('float32', [2, 2], float32Bytes([1, 2, 3])), good], 'input "a": float32 [2, 2] needs 16 bytes, got 12'],
    ['bytes too long', [tensor('float32', [1, 2], float32Bytes([1, 2, 3])), good], 'input "a": float32 [1, 2] needs 8 bytes, got 12'],
  ])('%s', async (_, inputs, message) => {
    await expect(session.run(inputs)).rejects.toMatchObject({ name: 'NativeError', kind: 'input', message });
  });

  it.each([[-1], [1.5], [NaN], [2 ** 60]])('dim %p', async (dim) => {
    await expect(session.run([tensor('float32', [dim, 2], new Uint8Array(8)), good])).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining('dims are whole numbers >= 0 with a product below 2^53'),
    });
  });

  it('bytes that are no Uint8Array', async () => {
    const wrong = { dtype: 'float32', shape: [1, 2], bytes: { byteLength: 8 } } as unknown as NativeTensor;
    await expect(session.run([wrong, good])).rejects.toMatchObject({ kind: 'input', message: 'input "a": bytes is not a Uint8Array' });
  });

  it('what only ONNX Runtime can see is refused with its text, and the session stays usable', async () => {
    await expect(session.run([floatTensor([2, 2], [1, 2, 3, 4]), floatTensor([3, 2], [1, 2, 3, 4, 5, 6])])).rejects.toMatchObject({
      kind: 'run',
      message: expect.stringContaining('Add'),
    });
    const [sum] = await session.run([good, good]);
    expect(floatsOf(sum!)).toEqual([2, 4]);
  });

  it('a model that would allocate 64 GiB fails its run and nothing else', async () => {
    const bomb = await Session.open(
      onnxModel({
        inputs: [{ name: 'shape', dtype: 'int64', shape: [2] }],
        outputs: [{ name: 'y', dtype: 'float32', shape: [-1, -1] }],
        nodes: [{ op: 'ConstantOfShape', inputs: ['shape'], outputs: ['y'] }],
      }),
    );
    const shape = (rows: bigint, columns: bigint): NativeTensor =>
      tensor('int64', [2], new Uint8Array(BigInt64Array.of(rows, columns).buffer));
    await expect(bomb.run([shape(2n ** 40n, 2n ** 20n)])).rejects.toMatchObject({ kind: 'run' });
    const [zeros] = await bomb.run([shape(2n, 1n)]);
    expect(floatsOf(zeros!)).toEqual([0, 0]);
    await bomb.close();
  });
});
