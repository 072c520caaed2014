import { beforeEach, describe, expect, it } from '@jest/globals';
import { ServiceTime } from './service-time.js';

const nobodyWaits = NaN;

describe('the service time of a replica', () => {
  let time: ServiceTime;
  let now: number;
  beforeEach(() => {
    time = new ServiceTime();
    time.begin((now = 1_000));
  });
  /** One instance leaves after `ms`, while others wait. */
  const leave = (ms: number, wasRun = true): void => {
    const givenAt = now;
    time.ended(1, givenAt, (now += ms), 1_000, wasRun);
  };

  it('is the time between two that leave while others wait', () => {
    expect(time.ms).toBeUndefined();
    for (let n = 0; n < 8; n++) leave(10);
    expect(time.ms).toBe(10);
  });

  it('does not get shorter by what was dropped: its time counts with the next one', () => {
    for (let n = 0; n < 8; n++) leave(10);
    for (let n = 0; n < 100; n++) {
      leave(1, false);
      leave(9);
    }
    expect(time.ms).toBeCloseTo(10);
    for (let n = 0; n < 100; n++) time.ended(1, now, (now += 1), nobodyWaits, false);
    expect(time.ms).toBeCloseTo(10);
  });

  it('gets longer by what came too late, which may have been run', () => {
    for (let n = 0; n < 8; n++) leave(10);
    for (let n = 0; n < 1_000; n++) leave(20, false);
    expect(time.ms).toBeCloseTo(20);
  });

  it('gets shorter by one that was faster while nobody waits', () => {
    for (let n = 0; n < 8; n++) leave(10);
    time.ended(1, now, (now += 2), nobodyWaits);
    expect(time.ms).toBe(8);
  });
});
