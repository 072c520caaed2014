import { dtypeEntry, type MethodSignature, type TensorSignature } from '@mserve/wire';
import type { ResolvedMethod } from './protocol.js';

/** Metadata of one tensor as the Open Inference Protocol shows it. */
export interface TensorMetadata {
  readonly name: string;
  readonly datatype: string;
  /** -1 = any size; the first dim is -1 (the instance count) for a batched method. */
  readonly shape: readonly number[];
}

/** Body of GET /v2/models/M, less `versions`, which the catalog knows. Field names are those of the protocol. */
export interface ModelMetadata {
  readonly name: string;
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
  /** `batching`: whether instances share runs (docs/batching.md), and `batching_reason`. Not there for methods without models. */
  readonly properties?: Readonly<Record<string, string>> | undefined;
}

/** The `platform` of all models that mserve serves. */
export const platform = 'mserve';

/** What the Open Inference Protocol tells of a method. A tensor whose dtype is unknown is shown as BYTES; one whose shape is unknown as [-1]. */
export function modelMetadata(resolved: ResolvedMethod, name = `${resolved.servable}.${resolved.method.name}`): ModelMetadata {
  const { method } = resolved;
  const { batching } = method;
  return {
    name,
    platform,
    inputs: method.inputs.map((signature) => tensorMetadata(method, signature)),
    outputs: method.outputs.map((signature) => tensorMetadata(method, signature)),
    ...(batching && { properties: { batching: batching.outcome, batching_reason: batching.reason } }),
  };
}

function tensorMetadata(method: MethodSignature, signature: TensorSignature): TensorMetadata {
  const datatype = signature.dtype === undefined ? 'BYTES' : dtypeEntry(signature.dtype).oipName;
  if (signature.shape === undefined) return { name: signature.name, datatype, shape: [-1] };
  return { name: signature.name, datatype, shape: method.batched ? [-1, ...signature.shape] : signature.shape };
}
