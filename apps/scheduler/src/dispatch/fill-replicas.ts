import type { DeadlineHeap } from '@mserve/event-loop';
import type { MethodQueue } from './method-queue.js';
import type { Holder, Portion } from './portion.js';
import type { RequestBook } from './request-book.js';
import type { ServablePool } from './servable-pool.js';

/** What a fill needs of the dispatcher. */
export interface FillContext {
  readonly book: RequestBook;
  readonly deadlines: DeadlineHeap<Portion>;
  /** Portions that got a replica, to be sent when the fill is over. Appended to. */
  readonly given: Portion[];
  /** Refuses a queued portion whose deadline has passed. */
  expire(portion: Portion): void;
  /** Refuses a queued portion that a replica would not have done by its deadline. */
  giveUp(portion: Portion): void;
}

/**
 * Gives replicas of the pool what is queued until nothing is queued or no credit is free. Returns the number of batches.
 *
 * One batch is what one replica gets at once: up to the method's batch size, and not more than its share where several replicas are idle (two
 * half batches on two devices are done before one whole batch on one of them). A portion that would fit a batch but not the rest of
 * this one is left for the next, so that it stays together; it is split only when no replica has the credits to take it whole.
 */
export function fillReplicas(pool: ServablePool, now: number, context: FillContext): number {
  let batches = 0;
  let isWaiting = false;
  for (;;) {
    const queue = pool.chooseQueue(now);
    if (queue === undefined) break;
    const head = livingHead(queue, now, context);
    if (head === undefined) continue;
    const replica = pool.chooseReplica(Math.min(head.count, queue.batchSize));
    if (replica === undefined) {
      isWaiting = true;
      break;
    }
    if (!isDoneInTime(head, replica, now)) {
      context.giveUp(head);
      continue;
    }
    pool.passTurn(queue);
    giveBatch(queue, replica, pool.idleShare(queue), now, context);
    batches += 1;
  }
  pool.noteWaiting(isWaiting, now);
  for (const portion of context.given) if (portion.replica !== undefined) portion.replica.lastGiven = undefined;
  return batches;
}

/** `share`: the instances that are enough when no portion is to be split for it. */
function giveBatch(queue: MethodQueue, replica: Holder, share: number, now: number, context: FillContext): void {
  let room = Math.min(queue.batchSize, replica.free);
  let left = share;
  let empty = true;
  while (room > 0) {
    const head = livingHead(queue, now, context);
    if (head === undefined) return;
    if (!empty && (head.count > left || (head.count > room && head.count <= queue.batchSize))) return;
    if (!isDoneInTime(head, replica, now)) {
      context.giveUp(head);
      continue;
    }
    const count = Math.min(head.count, room);
    if (!extendLast(queue, replica, head, count, context)) give(queue, replica, head, count, now, context);
    room -= count;
    left -= count;
    empty = false;
  }
}

/** Whether the replica would have done one more by the deadline of the portion. One that has nothing to do may always try: else nobody would see it be faster. */
function isDoneInTime({ ticket }: Portion, { inHand, serviceMs }: Holder, now: number): boolean {
  return inHand === 0 || serviceMs === undefined || now + (inHand + 1) * serviceMs <= ticket.deadlineAt;
}

function give(queue: MethodQueue, replica: Holder, head: Portion, count: number, now: number, context: FillContext): void {
  const portion = queue.take(head, count);
  portion.givenAt = now;
  if (replica.inHand === 0) replica.begin(now);
  if (portion === head) context.deadlines.remove(head);
  else context.book.addBeside(head, portion);
  replica.put(portion);
  replica.lastGiven = portion;
  context.given.push(portion);
}

/** Adds the first `count` instances of the head to what the replica got last, where they directly follow: one assignment less. */
function extendLast(queue: MethodQueue, replica: Holder, head: Portion, count: number, context: FillContext): boolean {
  const last = replica.lastGiven;
  if (last === undefined || last.ticket !== head.ticket || last.attempt !== head.attempt || last.first + last.count !== head.first)
    return false;
  if (last.deaths !== head.deaths || last.undelivered !== head.undelivered) return false;
  const portion = queue.take(head, count);
  if (portion === head) {
    portion.state = 'done';
    portion.span?.end();
    context.deadlines.remove(portion);
    context.book.remove(portion);
  }
  replica.extend(last, count);
  return true;
}

function livingHead(queue: MethodQueue, now: number, context: FillContext): Portion | undefined {
  for (;;) {
    const head = queue.peek();
    if (head === undefined || head.ticket.deadlineAt > now) return head;
    context.expire(head);
  }
}
