import type { Distribution } from '@mserve/metrics';
import type { ServableSignature } from '@mserve/wire';
import { DeadlineLoad } from './deadline-load.js';
import { Heap } from './heap.js';
import { goesBefore, type Portion, type WaitingRoom } from './portion.js';

/** Where the waits for a method are kept. */
export type WaitsOf = (signature: ServableSignature, method: string) => Distribution;

/** What waits for one method of a servable version, in the order in which it goes. */
export class MethodQueue implements WaitingRoom {
  /** Living portions and their instances. */
  portions = 0;
  instances = 0;
  /** With maxQueueDelayMs: from then on what is here goes also in less than a full batch. Infinity while empty. */
  dueAt = Infinity;
  /** What has to be done until when. */
  readonly load = new DeadlineLoad();
  /** Contains dead portions too (cancelled, expired): they are dropped when they come up, or when they are the majority. */
  private readonly heap = new Heap<Portion>(goesBefore);

  constructor(
    readonly method: string,
    /** Instances worth giving to a replica at once; >= 1. */
    public batchSize: number,
    readonly waited: Distribution,
  ) {}

  push(portion: Portion, dueAt: number): void {
    portion.state = 'queued';
    portion.slot = this.load.slotOf(portion.deadlineAt, portion.queuedAt);
    this.load.add(portion.slot, portion.count);
    if (this.portions === 0) this.dueAt = dueAt;
    this.portions += 1;
    this.instances += portion.count;
    this.heap.push(portion);
  }

  peek(): Portion | undefined {
    for (;;) {
      const head = this.heap.peek();
      if (head === undefined || head.state === 'queued') return head;
      this.heap.pop();
    }
  }

  /** Takes the head, which {@link peek} returned, or its first `count` instances; the caller gives it its new state. */
  take(head: Portion, count: number): Portion {
    this.instances -= count;
    this.load.add(head.slot, -count);
    if (count < head.count) return head.split(count);
    this.heap.pop();
    this.forget();
    return head;
  }

  /** A queued portion has left (its state says so already): its place is free at once. */
  drop(portion: Portion): void {
    this.instances -= portion.count;
    this.load.add(portion.slot, -portion.count);
    this.forget();
    if (this.heap.size > 2 * this.portions + 64) this.heap.retain((other) => other.state === 'queued');
  }

  /** The living portions, in no order. */
  list(): Portion[] {
    this.heap.retain((portion) => portion.state === 'queued');
    return this.heap.list();
  }

  private forget(): void {
    this.portions -= 1;
    if (this.portions === 0) this.dueAt = Infinity;
  }
}
