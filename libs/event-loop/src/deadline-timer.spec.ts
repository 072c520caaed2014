import { describe, expect, it } from '@jest/globals';
import { DeadlineTimer, WakeTimer, maxTimerMs, timerMs, type Expiring } from './index.js';

interface Entry extends Expiring {
  readonly name: string;
}

const entry = (name: string, inMs: number): Entry => ({ name, deadlineAt: performance.now() + inMs, deadlineIndex: -1 });

/** The timers do not keep the process alive, so that something else has to while a test waits. */
async function awake<T>(promise: Promise<T>): Promise<T> {
  const alive = setInterval(() => undefined, 1000);
  return promise.finally(() => clearInterval(alive));
}

describe('timerMs', () => {
  it.each([
    [-5, 1],
    [0, 1],
    [1.2, 2],
    [maxTimerMs, maxTimerMs],
    [maxTimerMs + 1, maxTimerMs],
    [Infinity, maxTimerMs],
  ])('of %d is %d', (delayMs, expected) => {
    expect(timerMs(delayMs)).toBe(expected);
  });
});

describe('WakeTimer', () => {
  it('wakes for the earliest time that it was armed for, once', async () => {
    let wakes = 0;
    const began = performance.now();
    const woken = new Promise<number>((resolve) => {
      const timer = new WakeTimer((now) => {
        wakes++;
        resolve(now);
      });
      timer.arm(Infinity);
      timer.arm(began + 3_000_000_000);
      timer.arm(began + 5);
      timer.arm(began + 60_000);
    });
    expect((await awake(woken)) - began).toBeLessThan(30_000);
    expect(wakes).toBe(1);
  });
});

describe('DeadlineTimer', () => {
  it('expires what is due, earliest first, with one call at the end of each turn', async () => {
    const expired: string[] = [];
    let turns = 0;
    const done = new Promise<void>((resolve) => {
      const timer: DeadlineTimer<Entry> = new DeadlineTimer<Entry>(
        ({ name }) => expired.push(name),
        () => {
          turns++;
          if (expired.length === 3) resolve();
        },
      );
      timer.add(entry('never', Infinity));
      timer.add(entry('far', 3_000_000_000));
      const removed = entry('removed', 1);
      for (const added of [entry('c', 20), removed, entry('a', -10), entry('b', 10)]) timer.add(added);
      timer.add(removed);
      timer.remove(removed);
      timer.remove(removed);
      expect(timer.size).toBe(4);
    });
    await awake(done);
    expect(expired).toEqual(['a', 'b', 'c']);
    expect(turns).toBeGreaterThan(0);
  });

  it('does not expire what an expiry before it removed, or what was cleared', async () => {
    const expired: string[] = [];
    const b = entry('b', -1);
    const done = new Promise<void>((resolve) => {
      const timer: DeadlineTimer<Entry> = new DeadlineTimer<Entry>(({ name }) => {
        expired.push(name);
        timer.remove(b);
      }, resolve);
      timer.add(entry('a', -2));
      timer.add(b);
    });
    await awake(done);
    expect(expired).toEqual(['a']);
    const cleared = new DeadlineTimer<Entry>(() => expired.push('cleared'));
    const left = entry('left', 1);
    cleared.add(left);
    cleared.clear();
    expect([cleared.size, left.deadlineIndex]).toEqual([0, -1]);
  });
});
