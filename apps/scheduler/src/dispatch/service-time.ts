/** So many instances weigh as much as all those before them. */
const windowInstances = 64;
/** The same for time, once there is something to go by. */
const windowMs = 2_000;
const fewInstances = 8;
/** Clocks are no finer. */
const leastMs = 0.001;
/** How far one instance that was served faster than the estimate moves it. */
const correction = 0.25;

/**
 * How long a replica takes for one instance, while it never has to wait for the next one: the time between two that leave it, batches and parallel runs
 * included. Measured only while others wait for the replica: the time of one alone says nothing of how many it could do.
 */
export class ServiceTime {
  private busyMs = 0;
  private instances = 0;
  private markAt = -Infinity;
  private estimate: number | undefined = undefined;

  /** Milliseconds per instance; undefined while nobody had to wait for the replica. */
  get ms(): number | undefined {
    return this.estimate;
  }

  /** The replica, which had nothing, has got something at `now`. */
  begin(now: number): void {
    this.markAt = now;
  }

  /**
   * `instances`, given to the replica at `givenAt`, have left it at `now`. `waitedSince`: since when something has been waiting for it all the time; NaN
   * when nothing is. `wasRun`: that they were run is certain. What may have been dropped, in no time, makes the replica no faster: its time counts with the next one.
   */
  ended(instances: number, givenAt: number, now: number, waitedSince: number, wasRun = true): void {
    if (!wasRun && this.estimate !== undefined && now - Math.max(this.markAt, givenAt) < this.estimate * instances) return;
    // From one to the next that leaves: what was running when others began to wait had begun before
    if (waitedSince <= this.markAt) {
      this.busyMs += now - this.markAt;
      this.instances += instances;
      if (this.instances >= fewInstances / 2 && this.busyMs > 0) this.estimate = this.busyMs / this.instances;
      if (this.instances >= windowInstances || (this.busyMs >= windowMs && this.instances >= fewInstances)) {
        this.busyMs /= 2;
        this.instances /= 2;
      }
    } else if (Number.isNaN(waitedSince)) this.correct(Math.max(leastMs, (now - givenAt) / instances));
    this.markAt = now;
  }

  /** It does one in `atMostMs`: an estimate above that is out of date. */
  private correct(atMostMs: number): void {
    const { estimate } = this;
    if (estimate === undefined || atMostMs >= estimate) return;
    this.estimate = estimate + correction * (atMostMs - estimate);
    this.busyMs = this.estimate * this.instances;
  }
}
