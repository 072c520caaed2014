/** The longest delay that setTimeout takes: 2^31 - 1 ms, about 25 days. It fires at once for longer ones, Infinity included. */
export const maxTimerMs = 0x7fffffff;

/**
 * A delay for setTimeout: whole milliseconds, rounded up, from 1 to {@link maxTimerMs}. A timer for a time that is further away than that
 * fires too early: whoever needs the exact time looks at the clock again, as {@link WakeTimer} has its users do.
 */
export function timerMs(delayMs: number): number {
  return Math.min(Math.max(Math.ceil(delayMs), 1), maxTimerMs);
}
