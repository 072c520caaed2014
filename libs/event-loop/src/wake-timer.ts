import { timerMs } from './timer-ms.js';

/**
 * One timer for the earliest of many times. It is armed for earlier ones only, never moved back: to wake too early and find nothing due is
 * cheaper than to follow every change. It does not keep the process alive.
 */
export class WakeTimer {
  #timer: NodeJS.Timeout | undefined;
  #at = Infinity;
  readonly #onTimer: () => void;

  /** `onWake` is called with the time, perhaps too early. It arms the timer again for what is left. */
  constructor(onWake: (now: number) => void) {
    this.#onTimer = (): void => {
      this.#at = Infinity;
      onWake(performance.now());
    };
  }

  /** Wakes at `at` (performance.now() clock; Infinity: not for this) at the latest. */
  arm(at: number): void {
    if (at >= this.#at) return;
    this.#at = at;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#onTimer, timerMs(at - performance.now()));
    this.#timer.unref();
  }

  /** Wakes nobody any more, until it is armed again. */
  disarm(): void {
    clearTimeout(this.#timer);
    this.#at = Infinity;
  }
}
