import type { DType } from '@mserve/wire';
import type { TensorValue } from './value.js';

/** dtypes that the CPU kernels of ONNX Runtime 1.30 lack, by operator, and the dtype to compute in instead. Measured: scripts/probe-kernels.py. */
const substitutes = new Map<string, ReadonlyMap<DType, DType>>();

/**
 * The dtype in which a node must be computed because ONNX Runtime's CPU provider has no kernel for its own; undefined when it has.
 * float16 is left alone: ONNX Runtime inserts those casts itself, and GPUs compute it natively.
 */
export function computeDtype(opType: string, inputs: readonly (TensorValue | undefined)[]): DType | undefined {
  const index = opType === 'Where' ? 1 : 0;
  const dtype = inputs[index]?.dtype;
  return dtype === undefined ? undefined : substitutes.get(opType)?.get(dtype);
}
