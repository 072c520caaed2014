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
});
