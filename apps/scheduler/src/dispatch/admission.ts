import type { Ticket } from '@mserve/wire';
import type { MethodQueue } from './method-queue.js';
import type { ServablePool } from './servable-pool.js';

/** Of the time until a deadline, this part is planned with: service times vary, and answers have to travel. */
const plannedPart = 0.8;
/** The same for a gateway that got more than its share: what is left is room for the others. */
const plannedPartOver = 0.6;

/**
 * Whether `count` instances that come now would be done by their deadline, and none that wait already would be late for them, as far as service times are
 * measured: everything goes by earliest deadline. What would not is better refused now than late: it would take the time of others and be thrown away.
 */
export function isInTime(pool: ServablePool, queue: MethodQueue, ticket: Ticket, count: number, now: number): boolean {
  const { msPerInstance: ms } = pool;
  if (ms === undefined || ticket.deadlineAt === Infinity) return true;
  const { queuedInstances } = pool;
  const leftMs = ticket.deadlineAt - now;
  const allMs = (pool.inHand + queuedInstances + count) * ms;
  // Also those that wait with later deadlines would be in time
  if (allMs <= leftMs * plannedPartOver) return true;
  const plannedMs = leftMs * (pool.shares.standing(ticket.gateway, now) === 'over' ? plannedPartOver : plannedPart);
  if (allMs <= plannedMs) return true;
  // It would go first
  const head = queue.peek();
  if (head === undefined ? queuedInstances === 0 && pool.idleReplicas > 0 : ticket.priority > head.ticket.priority) return true;
  const slot = queue.load.slotOf(ticket.deadlineAt, now);
  if (slot < 0) return false;
  // What waits for other methods has turns of its own
  const others = pool.inHand + queuedInstances - queue.instances + count;
  let isFeasible = true;
  let before = 0;
  queue.load.walk(now, (endsAt, instances) => {
    if (endsAt <= ticket.deadlineAt) before = instances;
    else isFeasible = (others + instances) * ms <= endsAt - now;
    return isFeasible;
  });
  return isFeasible && (others + before) * ms <= plannedMs;
}
