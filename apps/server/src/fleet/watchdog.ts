import type { Progress } from './progress.js';

/** Why a process is given up. `stopped`: by a signal. `blocked`: it waits for something for good. `busy`: it works and never comes to an answer. */
export type Hang = 'stopped' | 'blocked' | 'busy';

/** What a watchdog knows of the process. */
export interface Watched {
  /** Resolves when it has answered; need not when it does not. */
  answer(): Promise<void>;
  /** Undefined where the system does not tell. */
  progress(): Progress | undefined;
}

/** How many times `unresponsiveMs` a process is given that may still come to its answer by itself. */
export const patienceFactor = 4;
const looksPerLimit = 10;
const longestLookMs = 1_000;

/**
 * Asks a process again and again whether it answers, one question at a time. One that does not answer is given up when it also does nothing for `unresponsiveMs`: the part of
 * it that would answer gets no turn on a processor and waits for none, nor for a disk, nor does any other thread. `patienceFactor` times that is given to one that has never
 * answered yet and is not stopped, and to one of which only other threads work. One that works itself (a long garbage collection, a large file) is not given up; but when it took
 * `patienceFactor` times `unresponsiveMs` of processor time and has still not answered, it never will. Where the system tells nothing, silence for that long is enough.
 *
 * Times are counted in looks, so a supervisor that gets no processor itself, as on a machine with too much to do, counts slower.
 */
export class Watchdog {
  private readonly timer: NodeJS.Timeout;
  private readonly lookMs: number;
  private hasAnswered = false;
  private isAsking = false;
  private silentMs = 0;
  private first: Progress | undefined;
  private last: Progress | undefined;
  /** Nothing of it works, and nothing of the part that answers. */
  private readonly still = { allMs: 0, answeringMs: 0 };

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
    if (this.isAsking || this.silentMs > 0) {
      this.silentMs += this.lookMs;
      this.judge(this.watched.progress());
    }
    if (!this.isAsking) this.ask();
  }

  /** Gives the process up, which has been silent for `silentMs`, when what it did meanwhile says so. */
  private judge(now: Progress | undefined): void {
    const { unresponsiveMs, last, still, lookMs } = this;
    const patienceMs = unresponsiveMs * patienceFactor;
    this.last = now;
    if (now === undefined) {
      if (this.silentMs >= patienceMs) this.giveUp('blocked');
      return;
    }
    this.first ??= now;
    const isStill = last !== undefined && !now.isAtWork && now.steps === last.steps;
    still.answeringMs = isStill ? still.answeringMs + lookMs : 0;
    still.allMs = isStill && !now.othersAreAtWork ? still.allMs + lookMs : 0;
    const isCertain = this.hasAnswered || now.isStopped;
    if (still.allMs >= (isCertain ? unresponsiveMs : patienceMs) || still.answeringMs >= patienceMs)
      this.giveUp(now.isStopped ? 'stopped' : 'blocked');
    else if (now.cpuMs - this.first.cpuMs >= patienceMs) this.giveUp('busy');
  }

  private ask(): void {
    this.isAsking = true;
    this.watched.answer().then(
      () => {
        this.isAsking = false;
        this.hasAnswered = true;
        this.silentMs = 0;
        this.first = this.last = undefined;
        this.still.allMs = this.still.answeringMs = 0;
      },
      () => {
        // Asked again at the next look, and silent until it answers
        this.isAsking = false;
        this.silentMs ||= this.lookMs;
      },
    );
  }

  private giveUp(hang: Hang): void {
    this.stop();
    this.onHang(hang, this.silentMs);
  }
}
