import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { HeldTable, readPatienceMs } from './held-table.js';

const bytes = (length: number): Uint8Array => new Uint8Array(length);

describe('HeldTable', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('forgets what is held for one reader when every part of it was released, each counted once', async () => {
    const table = new HeldTable('worker-1');
    const held = table.holdForOne(bytes(10));
    const part = (offset: number, length: number): typeof held => ({ ...held, offset, length });
    const taken = table.allTaken();
    table.release(part(0, 4));
    table.release(part(0, 4));
    table.release(part(0, 4));
    expect(table.read(held.id, 4, 6)).toHaveLength(6);
    table.release(part(4, 6));
    expect(() => table.read(held.id, 4, 6)).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
    await taken;
  });

  it('forgets other bytes at the first release, whatever part it names', () => {
    const table = new HeldTable('gateway-1');
    const held = table.hold(bytes(10));
    table.release({ ...held, length: 1 });
    expect(() => table.read(held.id, 0, 1)).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
  });

  it('gives up on a reader that read nothing for a minute, and says so once', async () => {
    const table = new HeldTable('worker-1');
    const onLost = jest.fn();
    const kept = table.hold(bytes(1));
    const held = table.holdForOne(bytes(10), onLost);
    const taken = table.allTaken();
    jest.advanceTimersByTime(readPatienceMs - 10_000);
    table.read(held.id, 0, 1);
    jest.advanceTimersByTime(readPatienceMs - 10_000);
    expect(onLost).not.toHaveBeenCalled();
    jest.advanceTimersByTime(20_000);
    expect(onLost).toHaveBeenCalledTimes(1);
    await taken;
    expect(() => table.read(held.id, 0, 1)).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
    expect(table.read(kept.id, 0, 1)).toHaveLength(1);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('tells nobody when it is cleared', async () => {
    const table = new HeldTable('worker-1');
    const onLost = jest.fn();
    table.holdForOne(bytes(10), onLost);
    const taken = table.allTaken();
    table.clear();
    await taken;
    expect([onLost.mock.calls.length, jest.getTimerCount()]).toEqual([0, 0]);
  });
});
