/** Something under way that is worth ending when its deadline passes. */
export interface Watched {
  /** performance.now() clock. To be changed only while it is not watched. */
  readonly deadlineAt: number;
  /** Place in its watch's list; the watch's own. */
  place?: number | undefined;
  expire(): void;
}

/** setTimeout's limit; what is further away is looked at again then. */
const maxTimerMs = 2 ** 31 - 1;

/**
 * Ends what passes its deadline, with one timer for all: runs are short and many, a timer each would cost more than the rest.
 * The timer is armed for the nearest deadline and is not moved back when that run ends in time.
 */
export class DeadlineWatch {
  /** In no order. A list, not a Set: entries come and go with every run (see IdTable in libs/bus). */
  private readonly watched: Watched[] = [];
  private timer: NodeJS.Timeout | undefined;
  private armedFor = Infinity;

  add(run: Watched): void {
    if (run.deadlineAt === Infinity) return;
    if (run.place === undefined) run.place = this.watched.push(run) - 1;
    this.arm(run.deadlineAt);
  }

  remove(run: Watched): void {
    const { place } = run;
    if (place === undefined) return;
    run.place = undefined;
    const last = this.watched.pop() as Watched;
    if (last === run) return;
    this.watched[place] = last;
    last.place = place;
  }

  close(): void {
    for (const run of this.watched) run.place = undefined;
    this.watched.length = 0;
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
        this.remove(run);
        run.expire();
      } else if (run.deadlineAt < nearest) {
        nearest = run.deadlineAt;
      }
    }
    if (nearest !== Infinity) this.arm(nearest);
  }
}
