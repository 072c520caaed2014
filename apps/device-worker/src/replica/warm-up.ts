import { isVariableSize } from '@mserve/wire';
import type { NativeTensor } from '@mserve/native';
import type { LoadedModel } from '../execution/executor.js';
import type { ValuePlan } from '../execution/model-plan.js';

/** Inputs larger than this are not made up for a warm-up. */
const largestInputBytes = 64 * 2 ** 20;

/**
 * One run with zeros, dims decided at run time being 1: the first run of a session allocates and tunes, better before a client waits for it.
 * Resolves with false when the model cannot be warmed up that way (strings, huge inputs). Rejects when the run fails or takes longer than
 * `timeoutMs`, which says little about real inputs.
 */
export async function warmUp(model: LoadedModel, timeoutMs: number): Promise<boolean> {
  const { plan, session } = model;
  const count = plan.batching === 'fixed' ? plan.batchSize : 1;
  const inputs: NativeTensor[] = [];
  for (const input of plan.inputs) {
    const tensor = zeros(input, plan.batching === 'none' || input.whole ? [] : [count]);
    if (tensor === undefined) return false;
    inputs.push(tensor);
  }
  await session.run(inputs, { signal: AbortSignal.timeout(timeoutMs) });
  return true;
}

function zeros(input: ValuePlan, batchDims: readonly number[]): NativeTensor | undefined {
  const { dtype } = input;
  if (isVariableSize(dtype)) return undefined;
  const shape = [...batchDims, ...input.shape.map((dim) => (dim === -1 ? 1 : dim))];
  const bytes = shape.reduce((product, dim) => product * dim, input.elementBytes);
  return bytes > largestInputBytes ? undefined : { dtype, shape, bytes: new Uint8Array(bytes) };
}
