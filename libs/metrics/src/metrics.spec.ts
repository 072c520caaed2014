import { describe, expect, it } from '@jest/globals';
import { MetricRegistry, type MetricDeclaration } from './index.js';

const refused: MetricDeclaration = {
  name: 'mserve_refused_total',
  help: 'Requests refused.',
  labels: [
    { name: 'servable', most: 2 },
    { name: 'code', values: ['NOT_FOUND', 'CANCELLED'] },
  ],
};

describe('MetricRegistry', () => {
  it('counts per combination of labels, and gives exporters what it counted', () => {
    const registry = new MetricRegistry();
    const counter = registry.counter(refused);
    const one = counter.of(['digits', 'NOT_FOUND']);
    one.add();
    one.add(2);
    counter.of(['digits', 'CANCELLED']).add();
    expect(counter.of(['digits', 'NOT_FOUND'])).toBe(one);
    expect(registry.snapshot()).toEqual([
      {
        type: 'counter',
        declaration: refused,
        samples: [
          { labels: ['digits', 'NOT_FOUND'], value: 3 },
          { labels: ['digits', 'CANCELLED'], value: 1 },
        ],
      },
    ]);
  });

  it('keeps the number of series bounded, whatever names come', () => {
    const counter = new MetricRegistry().counter(refused);
    for (let i = 0; i < 1000; i++) counter.of([`s${i}`, `CODE_${i}`]).add();
    expect(counter.all.map(({ values, state }) => [...values, state.value])).toEqual([
      ['s0', 'other', 1],
      ['s1', 'other', 1],
      ['other', 'other', 998],
    ]);
  });

  it('forgets the series of what is gone, and has room for others then', () => {
    const gauge = new MetricRegistry().gauge({ name: 'mserve_up', help: 'Up.', labels: [{ name: 'replica', most: 2 }] });
    const show = (...replicas: string[]): unknown => {
      gauge.clear();
      for (const replica of replicas) gauge.of([replica]).set(1);
      return gauge.all.map(({ values }) => values[0]);
    };
    expect(show('a', 'b', 'c')).toEqual(['a', 'b', 'other']);
    expect(show('c', 'd')).toEqual(['c', 'd']);
  });

  it('keeps values of histograms only while somebody reads', () => {
    const registry = new MetricRegistry();
    const histogram = registry.histogram({ name: 'mserve_run_seconds', help: 'Runs.', buckets: [0.1, 1] }).of([]);
    histogram.observe(5);
    expect([histogram.sum, histogram.counts]).toEqual([0, [0, 0, 0]]);
    registry.isRead = true;
    for (const value of [0.05, 0.1, 0.5, 1, 1.5]) histogram.observe(value);
    expect(histogram.counts).toEqual([2, 2, 1]);
    expect(histogram.sum).toBeCloseTo(3.15);
  });

  it('keeps values of histograms that are declared so while nobody reads', () => {
    const histogram = new MetricRegistry()
      .histogram({ name: 'mserve_run_seconds', help: 'Runs.', buckets: [1], isAlwaysKept: true })
      .of([]);
    for (const value of [0.5, 2, 3]) histogram.observe(value);
    expect([histogram.sum, histogram.counts, histogram.count]).toEqual([5.5, [1, 2], 3]);
  });

  it('works gauges out when they are read', () => {
    const registry = new MetricRegistry();
    const queued = registry.gauge({ name: 'mserve_queued_instances', help: 'Queued.' }).of([]);
    let asked = 0;
    registry.beforeRead(() => queued.set(++asked));
    expect(asked).toBe(0);
    expect(registry.snapshot()[0]?.samples).toEqual([{ labels: [], value: 1 }]);
  });

  it('is shared by rooms that declare the same metric', () => {
    const registry = new MetricRegistry();
    expect(registry.counter(refused)).toBe(registry.counter(refused));
    expect(() => registry.counter({ ...refused })).toThrow("two metrics with the name 'mserve_refused_total'");
    expect(() => registry.gauge(refused)).toThrow(TypeError);
  });

  it.each([
    ['a name without prefix', { name: 'refused_total', help: 'x' }],
    ['a name with capitals', { name: 'mserve_Refused_total', help: 'x' }],
    ['a counter without _total', { name: 'mserve_refused', help: 'x' }],
    ['no help', { name: 'mserve_refused_total', help: '' }],
    ['a label that is no name', { name: 'mserve_refused_total', help: 'x', labels: [{ name: 'Code', most: 3 }] }],
    ['a label without bound', { name: 'mserve_refused_total', help: 'x', labels: [{ name: 'code', most: Infinity }] }],
  ])('refuses %s', (_what, declaration) => {
    expect(() => new MetricRegistry().counter(declaration)).toThrow(TypeError);
  });

  it('refuses buckets that do not ascend, and label values that are too few', () => {
    const registry = new MetricRegistry();
    expect(() => registry.histogram({ name: 'mserve_run_seconds', help: 'x', buckets: [1, 1] })).toThrow('ascend');
    expect(() => registry.histogram({ name: 'mserve_run_seconds', help: 'x', buckets: [1, Infinity] })).toThrow('finite');
    expect(() => registry.counter(refused).of(['digits'])).toThrow('1 label values, 2 are needed: servable, code');
  });
});
