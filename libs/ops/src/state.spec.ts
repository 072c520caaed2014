import { afterEach, describe, expect, it } from '@jest/globals';
import { ProcessWatch } from './process-watch.js';
import { age, bytes, duration, short } from './figures.js';
import { bucketQuantile } from './state.js';

describe('bucketQuantile', () => {
  it.each<[number, number[], number | undefined]>([
    [0.5, [0, 0, 0, 0], undefined],
    [0.5, [4, 0, 0, 0], 0.5],
    [1, [4, 0, 0, 0], 1],
    [0.5, [1, 2, 1, 0], 1.5],
    [0.99, [0, 0, 0, 3], 4],
    [0, [0, 1, 0, 0], 1],
  ])('%d of %p', (quantile, counts, expected) => {
    const found = bucketQuantile(quantile, [1, 2, 4], counts);
    if (expected === undefined) expect(found).toBeUndefined();
    else expect(found).toBeCloseTo(expected, 9);
  });
});

describe('ProcessWatch', () => {
  const watch = new ProcessWatch();
  afterEach(() => watch.close());

  it('reports on this process, and gives who asks at once again the same report', () => {
    const first = watch.report();
    expect(first).toMatchObject({ pid: process.pid, node: process.version });
    expect(first.residentBytes).toBeGreaterThan(2 ** 20);
    expect(first.cpuCores).toBeGreaterThanOrEqual(0);
    expect(watch.report()).toBe(first);
  });
});

describe('figures', () => {
  it('are short', () => {
    expect([0, 0.1234, 12.345, 9876.5, 12_345, 1.5e6, null].map(short)).toEqual(['0', '0.123', '12.3', '9877', '12.3k', '1.5M', '–']);
    expect([null, 0, 0.00032, 0.0123, 1.5, 600].map(duration)).toEqual(['–', '0', '320 µs', '12.3 ms', '1.5 s', '10 min']);
    expect([512, 2048, 3.5 * 2 ** 30].map(bytes)).toEqual(['512 B', '2 KiB', '3.5 GiB']);
    expect([5, 600, 36_000, 864_000].map((seconds) => age(0, seconds * 1000))).toEqual(['5 s', '10 min', '10 h', '10 d']);
  });
});
