import { outputMemory } from '@mserve/native';
import { isFailure, type InstanceResult, type PlacedResult } from '@mserve/wire';

/** Of these results those that were placed elsewhere (their places are others) are not read any more: gives back the memory of runs that their outputs lie in. */
export function leaveOutputs(results: readonly InstanceResult[], placed: readonly PlacedResult[]): void {
  for (let i = 0; i < results.length; i++) {
    const result = results[i] as InstanceResult;
    if (placed[i] === result || isFailure(result)) continue;
    const left: ArrayBufferLike[] = [];
    for (const { bytes } of result.outputs) {
      // Outputs of one run may be one buffer, which the instance leaves once
      if (left.includes(bytes.buffer)) continue;
      left.push(bytes.buffer);
      outputMemory.giveBack(bytes.buffer);
    }
  }
}
