import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { IdTable } from './id-table.js';

describe('IdTable', () => {
  it('does what a Map does, whatever comes', () => {
    const id = fc.oneof(
      fc.nat(40),
      fc.nat(2 ** 31),
      fc.maxSafeNat(),
      fc.nat(20).map((n) => n * 2 ** 24),
    );
    const step = fc.record({ kind: fc.constantFrom('set', 'set', 'delete', 'get'), id, value: fc.nat() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const table = new IdTable<number>();
        const map = new Map<number, number>();
        for (const { kind, id: key, value } of steps) {
          if (kind === 'set') {
            table.set(key, value);
            map.set(key, value);
          } else if (kind === 'delete') expect(table.delete(key)).toBe(map.delete(key));
          else expect(table.get(key)).toBe(map.get(key));
          expect(table.size).toBe(map.size);
        }
        for (const [key, value] of map) expect(table.get(key)).toBe(value);
        expect(table.list().sort((a, b) => a - b)).toEqual([...map.values()].sort((a, b) => a - b));
      }),
      { numRuns: 300 },
    );
  });

  it('keeps its size while entries come and go', () => {
    const table = new IdTable<object>();
    for (let n = 0; n < 10_000; n++) {
      table.set(n, {});
      if (n >= 20) table.delete(n - 20);
    }
    expect(table.size).toBe(20);
    table.clear();
    expect(table.list()).toEqual([]);
    expect(table.get(9_999)).toBeUndefined();
  });
});
