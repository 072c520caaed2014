import {
  absent,
  dtypeEntry,
  isFailure,
  isVariableSize,
  maxRank,
  refusal,
  type Failure,
  type Instance,
  type InstanceResult,
  type Tensor,
  type TensorSignature,
} from '@mserve/wire';
import type { ResolvedMethod } from './protocol.js';

/** Members of one instance, declared inputs or not; more are refused. */
export const maxMembers = 4096;

/** A slot of an instance under construction: undefined = the client did not send this input. */
export type Slots = (Tensor | undefined)[];

/** The original's text for a malformed tensor; undefined for a correct one. Elements are counted, not trusted. */
export function tensorFault(tensor: Tensor): string | undefined {
  const { dtype, shape, bytes } = tensor;
  if (isVariableSize(dtype)) return textFault(tensor);
  const count = elementsOf(shape);
  if (count < 0 || shape.length > maxRank) return shapeFault(shape);
  if (count * dtypeEntry(dtype).elementBytes !== bytes.byteLength)
    return `Tensor check failed: input data size ${bytes.byteLength} invalid`;
  return undefined;
}

/** The original's text for a malformed shape of a tensor of numbers; undefined for a correct one. */
export function shapeFault(shape: readonly number[]): string | undefined {
  // Dims past 2^53 as they are, not as JavaScript rounds them for printing
  if (elementsOf(shape) < 0) return `Tensor check failed: input  shape [${shape.slice(0, maxRank).map(BigInt).join(', ')}] invalid`;
  if (shape.length > maxRank) return `Tensor check failed: input  shape has ${shape.length} dims, at most ${maxRank} are allowed`;
  return undefined;
}

/** Elements that the original lets a shape have. */
const maxElements = 0x7fffffff;

/** Elements of a shape; -1 for one that the original refuses: a negative dim, a dim after a 0, too many elements. */
function elementsOf(shape: readonly number[]): number {
  let count = 1;
  for (const dim of shape) {
    if (dim < 0 || count === 0) return -1;
    count *= dim;
  }
  return count > maxElements ? -1 : count;
}

/** A string or bytes tensor of the original's protocols is one element of rank 0 or shape [1]. */
function textFault({ shape, bytes }: Tensor): string | undefined {
  if (bytes.byteLength < 4 || 4 + new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true) !== bytes.byteLength) {
    return 'Instance tensor check failed: bytes or string type shape batch size can only be 1';
  }
  if (shape.length > 1 || (shape.length === 1 && shape[0] !== 1)) {
    return `Instance tensor check failed: bytes or string type input  shape can only be (1,) or empty, but given shape is [${shape.slice(0, maxRank).join(', ')}]`;
  }
  return undefined;
}

/**
 * Instances that have all declared inputs, each well formed, in the order of the signature.
 * Throws ServingError INVALID_ARGUMENT with the original's text for the first fault of the request.
 */
export function checkedInstances(instances: readonly Slots[], target: ResolvedMethod): readonly Instance[] {
  const { inputs } = target.method;
  for (const slots of instances) {
    for (let i = 0; i < inputs.length; i++) {
      const tensor = slots[i];
      const { name } = inputs[i] as TensorSignature;
      if (tensor === undefined) {
        slots[i] = absentInput(inputs[i] as TensorSignature, target);
        continue;
      }
      const fault = tensorFault(tensor);
      if (fault !== undefined) throw refusal('input-malformed', { input: name, detail: fault });
    }
  }
  return instances as readonly Instance[];
}

/** The failure of a request all of whose instances failed alike (same code and text); the original then answers with one error. */
export function commonFailure(results: readonly InstanceResult[]): Failure | undefined {
  const [first] = results;
  if (first === undefined || !isFailure(first)) return undefined;
  const { code, message, reason } = first.failure;
  const isSame = (other: Failure): boolean => other.code === code && other.reason === reason && other.message === message;
  for (const result of results) if (!isFailure(result) || !isSame(result.failure)) return undefined;
  return first.failure;
}

/** What stands for an input that the client did not send. Throws ServingError INVALID_ARGUMENT when it may not be left out. */
export function absentInput({ name, optional }: TensorSignature, target: ResolvedMethod): Tensor {
  if (optional === true) return absent;
  throw refusal('input-missing', { input: name, servable: target.servable, method: target.method.name });
}
