import { describe, expect, it } from '@jest/globals';
import { EndOfTurn, soon } from './index.js';

const nextMicrotask = (): Promise<void> => new Promise((resolve) => soon(resolve));
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('EndOfTurn', () => {
  it('makes one call for all who ask in one turn, and another in the next', async () => {
    let calls = 0;
    const end = new EndOfTurn(() => calls++);
    for (let i = 0; i < 3; i++) end.ask();
    expect(calls).toBe(0);
    await nextMicrotask();
    expect(calls).toBe(1);
    end.ask();
    await nextMicrotask();
    expect(calls).toBe(2);
  });

  it('waits for the sockets of the turn when it is told to', async () => {
    const order: string[] = [];
    new EndOfTurn(() => order.push('check'), 'check').ask();
    new EndOfTurn(() => order.push('microtask')).ask();
    await nextMicrotask();
    expect(order).toEqual(['microtask']);
    await nextTurn();
    expect(order).toEqual(['microtask', 'check']);
  });

  it('makes one call in the earliest phase that was asked for', async () => {
    let calls = 0;
    const end = new EndOfTurn(() => calls++);
    end.ask('check');
    end.ask('microtask');
    end.ask('check');
    await nextMicrotask();
    expect(calls).toBe(1);
    await nextTurn();
    expect(calls).toBe(1);
    end.ask('microtask');
    end.ask('check');
    await nextMicrotask();
    expect(calls).toBe(2);
    await nextTurn();
    expect(calls).toBe(2);
  });

  it('makes the call now when its owner cannot wait, and not again at the end of the turn', async () => {
    let calls = 0;
    const end = new EndOfTurn(() => calls++);
    end.flush();
    expect(calls).toBe(0);
    end.ask();
    end.flush();
    expect(calls).toBe(1);
    await nextTurn();
    expect(calls).toBe(1);
  });

  it('may be asked again while it hands over', async () => {
    let calls = 0;
    const end = new EndOfTurn(() => {
      if (++calls < 3) end.ask();
    });
    end.ask();
    await nextTurn();
    expect(calls).toBe(3);
  });
});
