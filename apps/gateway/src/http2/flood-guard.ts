/** So many events at once are no flood. */
const burst = 1_000;
/** Events per second that are none either. */
const ratePerSecond = 33;

/**
 * Counts what costs the server more than the client: streams that are reset, or that had to be. A bucket of {@link burst} tokens that fills with
 * {@link ratePerSecond}; the figures are those of nghttp2, so that clients meet the same limits as with other servers.
 */
export class FloodGuard {
  private tokens = burst;
  private lastAt: number;

  /** `now`: milliseconds on any clock that never goes back. */
  constructor(now: number) {
    this.lastAt = now;
  }

  /** One more event; false when there were too many. */
  allows(now: number): boolean {
    this.tokens = Math.min(burst, this.tokens + ((now - this.lastAt) * ratePerSecond) / 1000);
    this.lastAt = now;
    if (this.tokens < 1) return false;
    this.tokens--;
    return true;
  }
}
