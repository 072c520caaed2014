import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Fifo } from './fifo.js';

describe('Fifo', () => {
  it('gives what an array would give', () => {
    const action = fc.oneof(
      fc.record({ kind: fc.constant('push' as const), count: fc.integer({ min: 1, max: 1500 }) }),
      fc.record({ kind: fc.constant('shift' as const), count: fc.integer({ min: 1, max: 2000 }) }),
      fc.record({ kind: fc.constant('unshift' as const), count: fc.integer({ min: 0, max: 5 }) }),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 30 }), (actions) => {
        const fifo = new Fifo<number>();
        const model: number[] = [];
        let next = 0;
        for (const { kind, count } of actions) {
          const entries = Array.from({ length: count }, () => next++);
          if (kind === 'push') {
            for (const entry of entries) fifo.push(entry);
            model.push(...entries);
          } else if (kind === 'unshift') {
            fifo.unshift(entries);
            model.unshift(...entries);
          } else {
            const taken = entries.map(() => fifo.shift());
            expect(taken).toEqual([...model.splice(0, count), ...new Array<undefined>(count).fill(undefined)].slice(0, count));
          }
          expect(fifo.length).toBe(model.length);
        }
      }),
      { numRuns: 50 },
    );
  });
});
