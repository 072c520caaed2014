import { dtypeEntry, type TensorSignature } from '@mserve/wire';
import type { ResolvedModel } from '../catalog/method-catalog.js';
import { platform } from '../protocols/metadata.js';

interface ConfigTensor {
  readonly name: string;
  /** `TYPE_FP32` and the like. */
  readonly data_type: string;
  /** Of an instance; -1 = any. */
  readonly dims: readonly number[];
}

/** What the model configuration extension tells of a model; field names are those of Triton's model_config.proto. */
export interface ModelConfig {
  readonly name: string;
  readonly platform: string;
  readonly backend: string;
  readonly version_policy: { readonly specific: { readonly versions: readonly number[] } };
  /** Instances that a model runs at once; 0 for a method that is not batched, whose dims are those of the whole tensor. */
  readonly max_batch_size: number;
  readonly input: readonly (ConfigTensor & { readonly format: string; readonly optional: boolean })[];
  readonly output: readonly ConfigTensor[];
  /** One group: the ready replicas. */
  readonly instance_group: readonly { readonly name: string; readonly kind: string; readonly count: number }[];
}

/** `replicas`: those that are ready. */
export function modelConfig({ servable, method, versions }: ResolvedModel, name: string, replicas: number): ModelConfig {
  return {
    name,
    platform,
    backend: platform,
    version_policy: { specific: { versions } },
    max_batch_size: method.batched ? Math.max(1, method.batchSize) : 0,
    input: method.inputs.map((input) => ({ ...tensorOf(input), format: 'FORMAT_NONE', optional: input.optional === true })),
    output: method.outputs.map(tensorOf),
    instance_group: [{ name: `${servable}_0`, kind: 'KIND_AUTO', count: replicas }],
  };
}

function tensorOf({ name, dtype, shape }: TensorSignature): ConfigTensor {
  const datatype = dtype === undefined ? 'BYTES' : dtypeEntry(dtype).oipName;
  return { name, data_type: `TYPE_${datatype === 'BYTES' ? 'STRING' : datatype}`, dims: shape ?? [-1] };
}
