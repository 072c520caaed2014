import { float32Bytes, int64Bytes } from '../../../../test/support/onnx-model.js';
import type { ElementType, NativeTensor } from '../tensor.js';

/** Tensors for the specs of this room. */
export function tensor(dtype: ElementType, shape: readonly number[], bytes: Uint8Array): NativeTensor {
  return { dtype, shape, bytes };
}

export function floatTensor(shape: readonly number[], values: readonly number[]): NativeTensor {
  return tensor('float32', shape, float32Bytes(values));
}

export function floatsOf({ bytes }: NativeTensor): number[] {
  return [...new Float32Array(bytes.slice().buffer)];
}

/** Input of loopModel(): a run counts to this; 'forever' needs cancelling. */
export function loopLimit(limit: number | 'forever'): readonly NativeTensor[] {
  return [tensor('int64', [], int64Bytes([limit === 'forever' ? 2n ** 62n : limit]))];
}

export function countOf({ bytes }: NativeTensor): bigint {
  return new BigInt64Array(bytes.slice().buffer)[0]!;
}

/** The encoding of string tensors. */
export function stringTensor(shape: readonly number[], values: readonly (string | Uint8Array)[]): NativeTensor {
  const parts = values.flatMap((value) => {
    const text = Buffer.from(value as string);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(text.length);
    return [length, text];
  });
  return tensor('string', shape, Buffer.concat(parts));
}

/** A turn of the event loop. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
