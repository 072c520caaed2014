import { isStill, type Progress } from './progress.js';

/** Why a process is given up. `stopped`: by a signal. `blocked`: it waits for something for good. `busy`: it works and never comes to an answer. */
export type Hang = 'stopped' | 'blocked' | 'busy';

/** What a watchdog knows of the process. */
export interface Watched {
  /** Resolves when it has answered; need not when it does not. */
  answer(): Promise<void>;
  /** Undefined where the system does not tell. */
  progress(): Progress | undefined;
}

/** How many times `unresponsiveMs` of processor time, without an answer, a busy process may take. */
export const busyFactor = 4;
const looksPerLimit = 10;
const longestLookMs = 1_000;

/**
 * Asks a process again and again whether it answers, one question at a time. One that does not answer is given up when it also does nothing for `unresponsiveMs`. One that
 * works meanwhile (a long garbage collection, a large file) or waits for a processor or a disk is not; but when it took `busyFactor` times that of processor time and has still
 * not answered, it never will. A supervisor that was held up itself looks less often, and so counts less. Where the system tells nothing, silence for `busyFactor` times
 * `unresponsiveMs` is enough.
 */
export class Watchdog {
  private readonly timer: NodeJS.Timeout;
  private readonly lookMs: number;
  private isAsking = false;
  private first: Progress | undefined;
  private last: Progress | undefined;
  private stillMs = 0;
  private silentMs = 0;

  /** `onHang`: called once; it has not answered for `silentMs`. */
  constructor(
    private readonly watched: Watched,
    private readonly unresponsiveMs: number,
    private readonly onHang: (hang: Hang, silentMs: number) => void,
  ) {
    this.lookMs = Math.min(Math.ceil(unresponsiveMs / looksPerLimit), longestLookMs);
    this.timer = setInterval(() => this.look(), this.lookMs);
    this.timer.unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private look(): void {
    const now = this.watched.progress();
    if (!this.isAsking) this.ask(now);
    else this.silentMs += this.lookMs;
    if (this.silentMs === 0) return;
    const { unresponsiveMs, lookMs, first, last } = this;
    if (now === undefined || first === undefined || last === undefined) {
      if (this.silentMs >= unresponsiveMs * busyFactor) this.giveUp('blocked');
      return;
    }
    this.stillMs = isStill(last, now) ? this.stillMs + lookMs : 0;
    this.last = now;
    if (this.stillMs >= unresponsiveMs) this.giveUp(now.state === 'T' ? 'stopped' : 'blocked');
    else if (now.cpuMs - first.cpuMs >= unresponsiveMs * busyFactor) this.giveUp('busy');
  }

  private ask(now: Progress | undefined): void {
    this.isAsking = true;
    if (this.silentMs === 0) this.first = this.last = now;
    this.watched.answer().then(
      () => {
        this.isAsking = false;
        this.silentMs = 0;
        this.stillMs = 0;
      },
      () => {
        // Asked again, and silent until then
        this.isAsking = false;
        this.silentMs += this.lookMs;
      },
    );
  }

  private giveUp(hang: Hang): void {
    this.stop();
    this.onHang(hang, this.silentMs);
  }
}
