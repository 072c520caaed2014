/** Tickets in a row that came while nothing else was in hand, before that is taken for the way it is. */
const loneTickets = 32;
/** One in so many is run on a native thread all the same: only there a second client shows, as a ticket that comes meanwhile. */
const probeEvery = 16;
/** What a lone client's run may take on the JavaScript thread. */
const maxHoldUs = 3_000;

/**
 * Tells whether a worker has one client that waits for each answer before it asks again. Then nobody needs the JavaScript thread while a run
 * goes on, and a run of a few milliseconds is better executed on it: two wake-ups of idle cores with cold caches, up to a fifth of such a
 * request, are saved (docs/adr/0006-short-runs-inline.md).
 */
export class LoneClient {
  private inARow = 0;

  /** A ticket came; so many are in hand with it. */
  came(inHand: number): void {
    this.inARow = inHand === 1 ? this.inARow + 1 : 0;
  }

  /** Runs expected to take less than this, in microseconds, may be executed on the JavaScript thread now; 0: none. */
  get inlineBelowUs(): number {
    return this.inARow >= loneTickets && this.inARow % probeEvery !== 0 ? maxHoldUs : 0;
  }
}
