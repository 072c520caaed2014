import { absent, alignedBytes, ServingError, type Instance, type Tensor } from '@mserve/wire';
import { outputMemory, type ElementType, type NativeTensor } from '@mserve/native';
import type { ModelPlan, ValuePlan } from './model-plan.js';

/** Larger staging buffers are made for their run alone. */
const keptBytes = 64 * 2 ** 20;

/**
 * Buffers that batches are put together in, one per model input, kept for the next batch. A staging belongs to one run at a time:
 * the session may read from it until the run has settled.
 */
export class Staging {
  private readonly buffers: Uint8Array[] = [];

  /** `length` bytes for input `index`; what was there before may be overwritten. */
  take(index: number, length: number): Uint8Array {
    const kept = this.buffers[index];
    if (kept !== undefined && kept.byteLength >= length) return kept.byteLength === length ? kept : kept.subarray(0, length);
    const made = new Uint8Array(length);
    if (length <= keptBytes) this.buffers[index] = made;
    return made;
  }
}

/** How many instances a run of `members` instances has, padding included. */
function runSize(plan: ModelPlan, members: number): number {
  return plan.batching === 'fixed' ? plan.batchSize : members;
}

/**
 * The inputs of one run: every instance copied once into one buffer per input, nothing copied when the run is one instance.
 * A fixed batch is filled up with the first instance; an input that is absent of all is undefined. The instances have passed checkInputs, and mayShareRun where the plan is picky.
 */
export function assemble(plan: ModelPlan, instances: readonly Instance[], staging: Staging): (NativeTensor | undefined)[] {
  const first = instances[0] as Instance;
  const count = runSize(plan, instances.length);
  const tensors: (NativeTensor | undefined)[] = [];
  for (let i = 0; i < plan.inputs.length; i++) {
    const input = plan.inputs[i] as ValuePlan;
    const tensor = first[i] as Tensor;
    if (tensor === absent) {
      tensors.push(undefined);
      continue;
    }
    const dtype = input.dtype as ElementType;
    const shape = input.elements === undefined ? tensor.shape : input.shape;
    const batched = plan.batching !== 'none' && !input.whole;
    if (!batched || count === 1) {
      tensors.push({ dtype, shape: batched ? [1, ...shape] : shape, bytes: alignedBytes(tensor.bytes, Math.max(1, input.elementBytes)) });
    } else {
      const bytes = input.dtype === 'string' ? joinStrings(instances, i, count) : join(instances, i, count, staging);
      tensors.push({ dtype, shape: [count, ...shape], bytes });
    }
  }
  return tensors;
}

function join(instances: readonly Instance[], index: number, count: number, staging: Staging): Uint8Array {
  const first = ((instances[0] as Instance)[index] as Tensor).bytes;
  const each = first.byteLength;
  const joined = staging.take(index, each * count);
  for (let k = 0; k < count; k++) {
    joined.set(k < instances.length ? ((instances[k] as Instance)[index] as Tensor).bytes : first, k * each);
  }
  return joined;
}

function joinStrings(instances: readonly Instance[], index: number, count: number): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let k = 0; k < count; k++) parts.push(((instances[k < instances.length ? k : 0] as Instance)[index] as Tensor).bytes);
  return Buffer.concat(parts);
}

/**
 * The outputs of a run as one output set per instance: views, no copies; those of the padding are left out.
 * Throws ServingError INTERNAL when an output does not have the run's batch size.
 */
export function split(plan: ModelPlan, outputs: readonly NativeTensor[], members: number): Instance[] {
  const used = plan.outputs.length;
  const places = plan.outputPlaces;
  if (plan.batching === 'none') return [used === outputs.length ? outputs : takenOutputs(plan, outputs)];
  const count = runSize(plan, members);
  const instances: Tensor[][] = [];
  for (let k = 0; k < members; k++) instances.push([]);
  for (let i = 0; i < used; i++) {
    const { dtype, shape: runShape, bytes } = outputs[places === undefined ? i : (places[i] as number)] as NativeTensor;
    if (runShape[0] !== count) {
      throw new ServingError(
        'INTERNAL',
        `output ${i} of model ${plan.key} has shape [${runShape.join(', ')}], its first dim should be the batch size ${count}: declare the model with withBatchDim false`,
      );
    }
    const shape = runShape.slice(1);
    if (members > 1) outputMemory.divide(bytes.buffer, members);
    if (dtype === 'string') {
      splitStrings(bytes, shape, instances);
    } else {
      const each = bytes.byteLength / count;
      for (let k = 0; k < members; k++)
        (instances[k] as Tensor[]).push({ dtype, shape, bytes: count === 1 ? bytes : bytes.subarray(k * each, (k + 1) * each) });
    }
  }
  return instances;
}

/** The outputs of a run that the plan has. */
export function takenOutputs({ outputs, outputPlaces }: ModelPlan, all: readonly NativeTensor[]): readonly NativeTensor[] {
  return outputs.map((_, i) => all[outputPlaces?.[i] ?? i] as NativeTensor);
}

function splitStrings(bytes: Uint8Array, shape: readonly number[], instances: Tensor[][]): void {
  const elements = shape.reduce((product, dim) => product * dim, 1);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  for (const tensors of instances) {
    const from = at;
    for (let e = 0; e < elements; e++) at += 4 + view.getUint32(at, true);
    tensors.push({ dtype: 'string', shape, bytes: bytes.subarray(from, at) });
  }
}
