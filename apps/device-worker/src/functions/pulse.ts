/** How often a thread is asked. */
const everyMs = 50;

/** The side of a thread that answers, from its event loop, when its JavaScript lets it. */
export interface Pinged {
  /** Number of the last question that it answered. */
  readonly heard: number;
  ping(number: number): void;
}

/** Whether a thread comes back to its event loop: what awaits something there goes on only then. */
export class Pulse {
  /** A question that was asked at this time was answered: the thread was heard after it. */
  heardAfter = -Infinity;
  private number = 0;
  private askedAt = -Infinity;

  constructor(private readonly thread: Pinged) {}

  /** Asks again when the last question was answered. To be called now and then while there is something to know. */
  take(now: number): void {
    if (this.thread.heard !== this.number) return;
    this.heardAfter = this.askedAt;
    if (now - this.askedAt < everyMs) return;
    this.askedAt = now;
    this.thread.ping(++this.number);
  }

  /** For how long the last question has been without an answer; 0: it was answered. */
  silentMs(now: number): number {
    return this.thread.heard === this.number ? 0 : now - this.askedAt;
  }
}
