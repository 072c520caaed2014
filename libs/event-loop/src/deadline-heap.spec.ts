import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DeadlineHeap, type Expiring } from './deadline-heap.js';

describe('DeadlineHeap', () => {
  it('gives entries by deadline, whatever was removed in between', () => {
    const deadlines = fc.array(fc.record({ deadlineAt: fc.integer({ min: 0, max: 50 }), removed: fc.boolean() }), { maxLength: 60 });
    fc.assert(
      fc.property(deadlines, (rows) => {
        const heap = new DeadlineHeap<Expiring>();
        const entries = rows.map(({ deadlineAt, removed }) => ({ deadlineAt, removed, deadlineIndex: -1 }));
        for (const entry of entries) heap.add(entry);
        for (const entry of entries) if (entry.removed) heap.remove(entry);
        for (const entry of entries) if (entry.removed) heap.remove(entry);
        const popped: number[] = [];
        for (let due = heap.popDue(40); due !== undefined; due = heap.popDue(40)) popped.push(due.deadlineAt);
        const kept = entries.filter((entry) => !entry.removed).map((entry) => entry.deadlineAt);
        expect(popped).toEqual(kept.filter((at) => at <= 40).sort((a, b) => a - b));
        expect(heap.size).toBe(kept.filter((at) => at > 40).length);
        expect(heap.nextAt).toBe(Math.min(Infinity, ...kept.filter((at) => at > 40)));
      }),
    );
  });

  it('is as a sorted list, whatever is added and removed when', () => {
    const add = fc.record({ step: fc.constant('add' as const), deadlineAt: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.constant(30)) });
    const remove = fc.record({ step: fc.constant('remove' as const), which: fc.nat() });
    const pop = fc.record({ step: fc.constant('pop' as const), now: fc.integer({ min: 0, max: 30 }) });
    fc.assert(
      fc.property(fc.array(fc.oneof({ arbitrary: add, weight: 3 }, remove, pop), { maxLength: 400 }), (steps) => {
        const heap = new DeadlineHeap<Expiring>();
        const kept = new Set<Expiring>();
        for (const step of steps) {
          if (step.step === 'add') {
            const entry = { deadlineAt: step.deadlineAt, deadlineIndex: -1 };
            heap.add(entry);
            kept.add(entry);
          } else if (step.step === 'remove') {
            const entry = [...kept][step.which % Math.max(1, kept.size)];
            if (entry === undefined) continue;
            heap.remove(entry);
            expect(entry.deadlineIndex).toBe(-1);
            kept.delete(entry);
          } else {
            const earliest = Math.min(Infinity, ...[...kept].map((entry) => entry.deadlineAt));
            const due = heap.popDue(step.now);
            expect(due?.deadlineAt).toBe(earliest <= step.now ? earliest : undefined);
            if (due !== undefined) expect(kept.delete(due)).toBe(true);
          }
          expect(heap.size).toBe(kept.size);
          expect(heap.nextAt).toBe(Math.min(Infinity, ...[...kept].map((entry) => entry.deadlineAt)));
        }
      }),
    );
  });

  it('keeps nothing of thousands that passed behind one that stays', () => {
    const heap = new DeadlineHeap<Expiring>();
    const entryAt = (deadlineAt: number): Expiring => ({ deadlineAt, deadlineIndex: -1 });
    heap.add(entryAt(0));
    for (let i = 1; i < 10_000; i++) {
      const passing = entryAt(i);
      heap.add(passing);
      heap.remove(passing);
      expect(passing.deadlineIndex).toBe(-1);
    }
    const latest = entryAt(10_000);
    heap.add(latest);
    // Its place is counted from the first: the row was closed meanwhile
    expect(latest.deadlineIndex).toBeGreaterThan(-200);
    expect([heap.size, heap.popDue(1)?.deadlineAt, heap.popDue(10_000)]).toEqual([2, 0, latest]);
  });
});
