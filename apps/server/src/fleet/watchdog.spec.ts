import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Progress } from './progress.js';
import { Watchdog, type Hang } from './watchdog.js';

const unresponsiveMs = 1_000;
const asleep: Progress = { isStopped: false, isAtWork: false, othersAreAtWork: false, cpuMs: 100, steps: 7 };

/** A process that answers or not, and of which the system tells what is set here. */
class Fake {
  answers = true;
  refuses = false;
  now: Progress | undefined = asleep;
  /** Called before each look. */
  beforeLook: () => void = () => undefined;
  readonly hangs: { hang: Hang; silentMs: number }[] = [];
  private readonly watchdog = new Watchdog(
    {
      answer: () => (this.answers ? Promise.resolve() : this.refuses ? Promise.reject(new Error('refused')) : new Promise(() => undefined)),
      progress: () => {
        this.beforeLook();
        return this.now;
      },
    },
    unresponsiveMs,
    (hang, silentMs) => this.hangs.push({ hang, silentMs }),
  );

  /** It has answered, and does so no longer. */
  async falls(silent: 'silent' | 'refusing' = 'silent'): Promise<void> {
    await jest.advanceTimersByTimeAsync(unresponsiveMs);
    this.answers = false;
    this.refuses = silent === 'refusing';
  }

  /** What it was given up for within so many times `unresponsiveMs`. */
  async within(limits: number): Promise<Hang | undefined> {
    await jest.advanceTimersByTimeAsync(limits * unresponsiveMs);
    return this.hangs[0]?.hang;
  }

  stop(): void {
    this.watchdog.stop();
  }
}

describe('a watchdog', () => {
  let process: Fake;
  beforeEach(() => {
    jest.useFakeTimers();
    process = new Fake();
  });
  afterEach(() => {
    process.stop();
    jest.useRealTimers();
  });

  it('leaves alone what answers', async () => {
    expect(await process.within(100)).toBeUndefined();
  });

  it.each(['silent', 'refusing'] as const)('gives up what is %s and does nothing, once', async (how) => {
    await process.falls(how);
    expect(await process.within(0.9)).toBeUndefined();
    expect(await process.within(0.6)).toBe('blocked');
    expect(process.hangs[0]?.silentMs).toBeGreaterThanOrEqual(unresponsiveMs);
    await process.within(10);
    expect(process.hangs).toHaveLength(1);
  });

  it('begins anew after each answer', async () => {
    for (let i = 0; i < 10; i++) {
      await process.falls('refusing');
      expect(await process.within(0.9)).toBeUndefined();
      process.answers = true;
    }
  });

  it('says of what is stopped that it is, also when it has never answered', async () => {
    process.answers = false;
    process.now = { ...asleep, isStopped: true };
    expect(await process.within(1.5)).toBe('stopped');
  });

  it('is patient with what has never answered', async () => {
    process.answers = false;
    expect(await process.within(3.9)).toBeUndefined();
    expect(await process.within(0.6)).toBe('blocked');
  });

  it.each([
    ['waits for a processor or a disk', { isAtWork: true }],
    ['gets a turn now and then, too short for the clock', undefined],
  ] as const)('leaves alone what %s', async (_, now) => {
    let looks = 0;
    process.beforeLook = () => {
      process.now = now === undefined ? { ...asleep, steps: asleep.steps + Math.floor(looks++ / 8) } : { ...asleep, ...now };
    };
    await process.falls();
    expect(await process.within(50)).toBeUndefined();
  });

  it('is patient with what waits for another thread that works', async () => {
    process.now = { ...asleep, othersAreAtWork: true };
    await process.falls();
    expect(await process.within(3.9)).toBeUndefined();
    expect(await process.within(0.6)).toBe('blocked');
  });

  it('gives up what works without an end by its time on processors', async () => {
    let looks = 0;
    process.beforeLook = () => {
      looks++;
      // Half of a processor
      process.now = { ...asleep, isAtWork: true, steps: looks, cpuMs: looks * 50 };
    };
    await process.falls();
    expect(await process.within(7.5)).toBeUndefined();
    expect(await process.within(1)).toBe('busy');
  });

  it('has silence alone where the system tells nothing', async () => {
    process.now = undefined;
    await process.falls();
    expect(await process.within(3.9)).toBeUndefined();
    expect(await process.within(0.6)).toBe('blocked');
  });
});
