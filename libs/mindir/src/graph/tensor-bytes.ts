import { dtypeEntry, elementCount, type DType } from '@mserve/wire';
import { MindirError } from '../mindir-error.js';

/** `bytes`, when they are exactly what dtype and dims need. Throws MindirError 'format' for impossible dims and wrong lengths. */
export function checkedTensorBytes(dtype: DType, dims: readonly number[], bytes: Uint8Array, where: string): Uint8Array {
  const expected = expectedTensorBytes(dtype, dims, where);
  if (bytes.byteLength !== expected)
    throw new MindirError(
      'format',
      `${where} of dtype ${dtype} and shape [${dims.join(', ')}] needs ${expected} bytes, the file holds ${bytes.byteLength}`,
    );
  return bytes;
}

/** Bytes of a tensor by its dims. Throws 'format' for negative, too many or too large dims, 'unsupported' for strings. */
export function expectedTensorBytes(dtype: DType, dims: readonly number[], where: string): number {
  const { elementBytes } = dtypeEntry(dtype);
  if (elementBytes === 0) throw new MindirError('unsupported', `${where} holds strings`);
  try {
    return elementCount(dims) * elementBytes;
  } catch (thrown) {
    throw new MindirError('format', `${where} has the impossible shape [${dims.slice(0, 16).join(', ')}]`, { cause: thrown });
  }
}
