import type { InstanceResult, PlacedResult } from '@mserve/wire';

/** Whether a result is complete as it is: nothing of it is still with its worker. */
export function isHere(result: PlacedResult): result is InstanceResult {
  return !('held' in result);
}
