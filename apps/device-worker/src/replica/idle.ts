import type { Replica } from './replica.js';

/** Longest time that an assignment is expected to be on its way. */
export const lateArrivalMs = 50;

/** Resolves when a draining replica has nothing in hand and nothing has come for a while, or after `graceMs`. */
export async function quietWithin(replica: Replica, graceMs: number): Promise<void> {
  const until = performance.now() + graceMs;
  for (let leftMs = graceMs; leftMs > 0; leftMs = until - performance.now()) {
    await idleWithin(replica, leftMs);
    const { taken } = replica;
    // What a scheduler sent before it heard of the change is still on its way.
    await new Promise((resolve) => setTimeout(resolve, Math.min(lateArrivalMs, Math.max(0, until - performance.now()))));
    if (replica.inHand === 0 && replica.taken === taken) return;
  }
}

/** Resolves when it has nothing in hand, or after `graceMs`. */
export async function idleWithin(handler: { whenIdle(): Promise<void> }, graceMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, graceMs)));
  await Promise.race([handler.whenIdle(), late]);
  clearTimeout(timer);
}
