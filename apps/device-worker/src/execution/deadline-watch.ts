/** Something under way that is worth ending when its deadline passes. */
export interface Watched {
  /** performance.now() clock; may only move nearer while watched, by {@link DeadlineWatch.nearer}. */
  readonly deadlineAt: number;
  expire(): void;
}

/** setTimeout's limit; what is further away is looked at again then. */
const maxTimerMs = 2 ** 31 - 1;

/**
 * Ends what passes its deadline, with one timer for all: runs are short and many, a timer each would cost more than the rest.
 * The timer is armed for the nearest deadline and is not moved back when that run ends in time.
 */
export class DeadlineWatch {
  private readonly watched = new Set<Watched>();
  private timer: NodeJS.Timeout | undefined;
  private armedFor = Infinity;

  add(run: Watched): void {
    if (run.deadlineAt === Infinity) return;
    this.watched.add(run);
    this.arm(run.deadlineAt);
  }

  /** The deadline of a run came nearer (or it got one). */
  nearer(run: Watched): void {
    this.add(run);
  }

  remove(run: Watched): void {
    if (run.deadlineAt !== Infinity) this.watched.delete(run);
  }

  close(): void {
    this.watched.clear();
    this.disarm();
  }

  private arm(deadlineAt: number): void {
    if (deadlineAt >= this.armedFor) return;
    this.disarm();
    this.armedFor = deadlineAt;
    // + 1: timers count whole milliseconds and may fire a fraction early.
    const delayMs = Math.min(Math.max(0, deadlineAt - performance.now()) + 1, maxTimerMs);
    this.timer = setTimeout(() => this.expire(), delayMs);
    this.timer.unref();
  }

  private disarm(): void {
    if (this.timer !== undefined) clearTimeout(this.timer);
    this.timer = undefined;
    this.armedFor = Infinity;
  }

  private expire(): void {
    this.timer = undefined;
    this.armedFor = Infinity;
    const now = performance.now();
    let nearest = Infinity;
    for (const run of [...this.watched]) {
      if (run.deadlineAt <= now) {
        this.watched.delete(run);
        run.expire();
      } else if (run.deadlineAt < nearest) {
        nearest = run.deadlineAt;
      }
    }
    if (nearest !== Infinity) this.arm(nearest);
  }
}
