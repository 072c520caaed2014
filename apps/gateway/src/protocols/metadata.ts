import { dtypeEntry, isVariableSize, type MethodSignature, type TensorSignature } from '@mserve/wire';
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
  /**
   * What the protocol has no words for. `batching`: whether instances share runs (docs/batching.md), and `batching_reason`, both for methods with models;
   * `optional_inputs`, `any_shape`: lists of names, `class_names`: labels by output, `value_types`: what BYTES are, by name, all as JSON. Not there when there
   * is nothing to tell.
   */
  readonly properties?: Readonly<Record<string, string>> | undefined;
}

/** The `platform` of all models that mserve serves. */
export const platform = 'mserve';

/** What the Open Inference Protocol says about a method. A tensor whose dtype is unknown is shown as BYTES; one whose shape is unknown as [-1]. */
export function modelMetadata(resolved: ResolvedMethod, name = `${resolved.servable}.${resolved.method.name}`): ModelMetadata {
  const { method } = resolved;
  const properties = propertiesOf(method);
  return {
    name,
    platform,
    inputs: method.inputs.map((signature) => tensorMetadata(method, signature)),
    outputs: method.outputs.map((signature) => tensorMetadata(method, signature)),
    ...(Object.keys(properties).length > 0 && { properties }),
  };
}

function propertiesOf({ batching, inputs, outputs }: MethodSignature): Record<string, string> {
  const names = (tensors: readonly TensorSignature[]): string => JSON.stringify(tensors.map(({ name }) => name));
  const optional = inputs.filter((input) => input.optional === true);
  // One of no known dtype is not a model's, and shown as any bytes
  const classes = outputs.filter((output) => output.classes !== undefined);
  // Text or bytes: the protocol has one datatype for both
  const kinds = [...inputs, ...outputs].filter(({ dtype }) => dtype !== undefined && isVariableSize(dtype));
  const anyShape = [...inputs, ...outputs].filter(({ dtype, shape }) => dtype !== undefined && shape === undefined);
  return {
    ...(batching && { batching: batching.outcome, batching_reason: batching.reason }),
    ...(optional.length > 0 && { optional_inputs: names(optional) }),
    ...(classes.length > 0 && { class_names: JSON.stringify(Object.fromEntries(classes.map((output) => [output.name, output.classes]))) }),
    ...(kinds.length > 0 && { value_types: JSON.stringify(Object.fromEntries(kinds.map(({ name, dtype }) => [name, dtype]))) }),
    ...(anyShape.length > 0 && { any_shape: names(anyShape) }),
  };
}

function tensorMetadata(method: MethodSignature, signature: TensorSignature): TensorMetadata {
  const datatype = signature.dtype === undefined ? 'BYTES' : dtypeEntry(signature.dtype).oipName;
  if (signature.shape === undefined) return { name: signature.name, datatype, shape: [-1] };
  return { name: signature.name, datatype, shape: method.batched ? [-1, ...signature.shape] : signature.shape };
}
