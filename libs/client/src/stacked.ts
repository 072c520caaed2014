import { dtypeEntry, dtypeOfOipName, elementCount, isVariableSize, ServingError, type Tensor } from '@mserve/wire';
import type { MethodDescription } from './description.js';
import type { NamedTensors } from './transport.js';

/** A tensor as the Open Inference Protocol has it. */
export interface OipTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/**
 * Inputs of one instance as tensors of the Open Inference Protocol: a batch of one where the method is batched. A single text or byte string has a dim of
 * its own, since the protocol's BYTES are lists.
 */
export function oipInputs({ isBatched }: MethodDescription, inputs: NamedTensors): OipTensor[] {
  return [...inputs].map(([name, { dtype, shape, bytes }]) => {
    const own = shape.length === 0 && isVariableSize(dtype) && !isBatched ? [1] : shape;
    return { name, datatype: dtypeEntry(dtype).oipName, shape: isBatched ? [1, ...own] : own, bytes };
  });
}

/** The outputs of an answer for one instance. ServingError INTERNAL when they are not what the method gives. */
export function instanceOutputs({ isBatched, outputs }: MethodDescription, tensors: readonly OipTensor[]): NamedTensors {
  return new Map(
    tensors.map(({ name, datatype, shape, bytes }): [string, Tensor] => {
      const found = dtypeOfOipName(datatype)?.dtype;
      if (found === undefined) throw new ServingError('INTERNAL', `output '${name}' has the unknown datatype '${datatype}'`);
      if (isBatched && shape[0] !== 1)
        throw new ServingError('INTERNAL', `output '${name}' has shape [${shape.join(', ')}], one instance was sent`);
      const own = isBatched ? shape.slice(1) : shape;
      const known = outputs.find((output) => output.name === name)?.dtype;
      const dtype = found === 'bytes' && known === 'string' ? 'string' : found;
      if (!isVariableSize(dtype) && bytes.byteLength !== elementCount(own) * dtypeEntry(dtype).elementBytes)
        throw new ServingError('INTERNAL', `output '${name}' of shape [${own.join(', ')}] has ${bytes.byteLength} bytes`);
      return [name, { dtype, shape: own, bytes }];
    }),
  );
}

/** Name of a method as a model of the Open Inference Protocol. */
export function modelName(servable: string, method: string): string {
  return `${servable}.${method}`;
}
