import { describe, expect, it } from '@jest/globals';
import { addModel, float32Bytes, int64Bytes, loopModel } from '../../../test/support/onnx-model.js';
import { Session } from './session.js';

const floats = (bytes: Uint8Array): number[] => [...new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)];

describe('Session', () => {
  it('opens a model from bytes, describes it, runs it and closes', async () => {
    const session = await Session.open(addModel());
    expect(session.describe()).toEqual({
      inputs: [
        { name: 'a', dtype: 'float32', shape: [-1, 2], dimNames: ['batch', ''] },
        { name: 'b', dtype: 'float32', shape: [-1, 2], dimNames: ['batch', ''] },
      ],
      outputs: [{ name: 'sum', dtype: 'float32', shape: [-1, 2], dimNames: ['batch', ''] }],
    });
    const [sum] = await session.run([
      { dtype: 'float32', shape: [1, 2], bytes: float32Bytes([1, 2]) },
      { dtype: 'float32', shape: [1, 2], bytes: float32Bytes([10, 20]) },
    ]);
    expect(sum).toMatchObject({ dtype: 'float32', shape: [1, 2] });
    expect(floats(sum!.bytes)).toEqual([11, 22]);
    await session.close();
  });

  it('ends a run that would never end when its signal aborts, and stays usable', async () => {
    const session = await Session.open(loopModel());
    const abort = new AbortController();
    const endless = session.run([{ dtype: 'int64', shape: [], bytes: int64Bytes([2n ** 62n]) }], { signal: abort.signal });
    setImmediate(() => abort.abort());
    await expect(endless).rejects.toMatchObject({ name: 'NativeError', kind: 'cancelled' });
    const [count] = await session.run([{ dtype: 'int64', shape: [], bytes: int64Bytes([3]) }]);
    expect(count!.bytes).toEqual(int64Bytes([3]));
    await session.close();
  });
});
