import type { Replica } from './replica.js';
import type { ServableOptions } from './worker-options.js';

/** A replica that is to be loaded. */
export interface LoadPlan {
  readonly replica: Replica;
  readonly servable: ServableOptions;
  readonly threads: number;
  /** Replicas planned with this one, itself included. */
  readonly siblings: number;
}

/** Plans by servable, in the order of the first plan of each. */
export function byServable(plans: readonly LoadPlan[]): LoadPlan[][] {
  const queues = new Map<string, LoadPlan[]>();
  for (const plan of plans) {
    const queue = queues.get(plan.servable.name);
    if (queue === undefined) queues.set(plan.servable.name, [plan]);
    else queue.push(plan);
  }
  return [...queues.values()];
}
