import type { Distribution } from '@mserve/metrics';
import type { ServableSignature } from '@mserve/wire';
import { DeadlineLoad } from './deadline-load.js';
import { Heap } from './heap.js';
import { goesBefore, type Portion, type WaitingRoom } from './portion.js';

/** Where the waits for a method are kept. */
export type WaitsOf = (signature: ServableSignature, method: string) => Distribution;

/** Who is told of what waits in a queue. */
export interface QueueWatcher {
  /** So many more wait, or fewer where they are negative. */
  count(portions: number, instances: number): void;
  /** From then on it goes in less than a full batch; Infinity: it is empty. */
  dueAt(at: number): void;
}

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
    private readonly watcher: QueueWatcher,
  ) {}

  push(portion: Portion, dueAt: number): void {
    portion.state = 'queued';
    portion.slot = this.load.slotOf(portion.deadlineAt, portion.queuedAt);
    this.load.add(portion.slot, portion.count);
    if (this.portions === 0) {
      this.dueAt = dueAt;
      if (dueAt > portion.queuedAt) this.watcher.dueAt(dueAt);
    }
    this.count(1, portion.count);
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
    const isWhole = count === head.count;
    this.load.add(head.slot, -count);
    this.count(isWhole ? -1 : 0, -count);
    if (!isWhole) return head.split(count);
    this.heap.pop();
    return head;
  }

  /** A queued portion has left (its state says so already): its place is free at once. */
  drop(portion: Portion): void {
    this.load.add(portion.slot, -portion.count);
    this.count(-1, -portion.count);
    if (this.heap.size > 2 * this.portions + 64) this.heap.retain((other) => other.state === 'queued');
  }

  /** The living portions, in no order. */
  list(): Portion[] {
    this.heap.retain((portion) => portion.state === 'queued');
    return this.heap.list();
  }

  private count(portions: number, instances: number): void {
    this.portions += portions;
    this.instances += instances;
    this.watcher.count(portions, instances);
    if (this.portions > 0) return;
    this.dueAt = Infinity;
    this.watcher.dueAt(Infinity);
  }
}
