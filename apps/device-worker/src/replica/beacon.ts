import { topics, type Bus, type Subscription, type WorkerHello } from '@mserve/bus';

const intervalMs = 250;

/**
 * Says `workers.hello` every 250 ms and at every change, so that schedulers that come later find this worker, and notice when it is gone.
 */
export class Beacon {
  private readonly bus: Bus;
  /** A new one after each outage of the bus: answers and receipts may have been lost in it, so schedulers give what is in hand here to others. */
  private epoch = Date.now();
  private states: Subscription | undefined;
  private timer: NodeJS.Timeout | undefined;
  private leaving = false;
  private count = 0;

  constructor(bus: Bus) {
    this.bus = bus;
  }

  start(): void {
    this.timer = setInterval(() => this.say(), intervalMs);
    this.timer.unref();
    this.states = this.bus.onState((state) => {
      if (state !== 'up') return;
      this.epoch = Math.max(Date.now(), this.epoch + 1);
      this.say();
    });
    this.say();
  }

  /** Counts up at every change of the worker's replicas. */
  get revision(): number {
    return this.count;
  }

  /** Before {@link start} and after {@link stop} changes are only counted. */
  changed(): void {
    this.count++;
    this.say();
  }

  /** From now on schedulers give this worker nothing new. */
  leave(): void {
    this.leaving = true;
    this.changed();
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    this.states?.unsubscribe();
  }

  private say(): void {
    if (this.timer === undefined || this.bus.state !== 'up') return;
    const hello: WorkerHello = { address: this.bus.address, epoch: this.epoch, revision: this.count, leaving: this.leaving };
    this.bus.broadcast(topics.workersHello, Buffer.from(JSON.stringify(hello)));
  }
}
