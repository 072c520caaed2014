import type { WorkerClaim } from '@mserve/bus';
import { ServingError } from '@mserve/wire';

/** Which worker an agent serves: one at a time, as long as it is heard of. */
export class Lease {
  private holder: string | undefined;
  private timer: NodeJS.Timeout | undefined;

  /** `onLost`: the holder was silent for too long. */
  constructor(private readonly onLost: (worker: string) => void) {}

  /** Bus address of the worker; undefined when the agent is free. */
  get worker(): string | undefined {
    return this.holder;
  }

  /** Takes or renews the lease. Throws ServingError UNAVAILABLE when another worker has it. */
  claim({ worker, leaseMs }: WorkerClaim): void {
    if (this.holder !== undefined && this.holder !== worker)
      throw new ServingError('UNAVAILABLE', `the agent serves the worker ${this.holder}`);
    this.holder = worker;
    clearTimeout(this.timer);
    const timer = setTimeout(() => {
      // When this thread was held up, a message of the worker may wait to be read
      setImmediate(() => {
        if (this.timer !== timer || this.holder !== worker) return;
        this.release();
        this.onLost(worker);
      });
    }, leaseMs);
    timer.unref();
    this.timer = timer;
  }

  release(): void {
    clearTimeout(this.timer);
    this.holder = undefined;
  }
}
