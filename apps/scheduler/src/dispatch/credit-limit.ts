/** What a replica does in this time is given to it ahead: longer than an assignment and its receipt travel. */
const aheadMs = 30;

/**
 * Instances that a replica may have in hand, when one takes `serviceMs` (undefined: not known). No more than it does by the time that one more could be here:
 * what waits waits in its queue, where it can go by its deadline.
 */
export function creditLimit(credits: number, leastCredits: number, serviceMs: number | undefined): number {
  return Math.min(credits, serviceMs === undefined ? leastCredits : Math.max(leastCredits, Math.ceil(aheadMs / serviceMs)));
}
