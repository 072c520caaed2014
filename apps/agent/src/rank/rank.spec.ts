import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { BatchOrder } from './batch-order.js';
import { Lease } from './lease.js';

describe('batches of a rank', () => {
  it('start in the order of their numbers, whatever the order in which they come', () => {
    const order = new BatchOrder();
    const started: number[] = [];
    for (const batch of [2, 4, 1, 3, 3, 1]) order.enter(batch, () => started.push(batch));
    expect(started).toEqual([1, 2, 3, 4]);
  });

  it('begin anew in another epoch; what waited before is forgotten', () => {
    const order = new BatchOrder();
    const started: string[] = [];
    order.enter(2, () => started.push('old 2'));
    order.reset();
    order.enter(1, () => started.push('new 1'));
    order.enter(2, () => started.push('new 2'));
    expect(started).toEqual(['new 1', 'new 2']);
  });
});

describe('the lease of an agent', () => {
  const lost: string[] = [];
  beforeEach(() => {
    jest.useFakeTimers();
    lost.length = 0;
  });
  afterEach(() => void jest.useRealTimers());

  it('belongs to one worker as long as it is renewed', () => {
    const lease = new Lease((worker) => lost.push(worker));
    lease.claim({ worker: 'a', leaseMs: 1000 });
    jest.advanceTimersByTime(900);
    lease.claim({ worker: 'a', leaseMs: 1000 });
    jest.advanceTimersByTime(900);
    expect(() => lease.claim({ worker: 'b', leaseMs: 1000 })).toThrow('the agent serves the worker a');
    jest.advanceTimersByTime(200);
    expect([lost, lease.worker]).toEqual([['a'], undefined]);
    lease.claim({ worker: 'b', leaseMs: 1000 });
    expect(lease.worker).toBe('b');
  });

  it('is kept when a message of the worker was only read late', () => {
    const lease = new Lease((worker) => lost.push(worker));
    lease.claim({ worker: 'a', leaseMs: 1000 });
    jest.advanceTimersToNextTimer();
    // Read in the same turn of the event loop, behind the timers
    lease.claim({ worker: 'a', leaseMs: 1000 });
    jest.advanceTimersByTime(1);
    expect([lost, lease.worker]).toEqual([[], 'a']);
  });

  it('ends quietly when it is given back', () => {
    const lease = new Lease((worker) => lost.push(worker));
    lease.claim({ worker: 'a', leaseMs: 1000 });
    lease.release();
    jest.advanceTimersByTime(5000);
    expect([lost, lease.worker]).toEqual([[], undefined]);
  });
});
