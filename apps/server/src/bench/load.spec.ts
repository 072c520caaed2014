import { describe, expect, it } from '@jest/globals';
import { LatencyHistogram } from './latency-histogram.js';
import type { CallFailure, LoadClient } from './load-clients.js';
import { Load } from './load.js';
import { seededRandom } from './method-inputs.js';

const body = { path: '/', headers: {}, body: new Uint8Array() };
const never = new AbortController().signal;

class ScriptedClient implements LoadClient {
  sent = 0;
  inHand = 0;
  mostInHand = 0;

  constructor(private readonly answer: (n: number) => Promise<CallFailure | undefined>) {}

  async send(): Promise<CallFailure | undefined> {
    this.inHand += 1;
    this.mostInHand = Math.max(this.mostInHand, this.inHand);
    const failure = await this.answer(this.sent++);
    this.inHand -= 1;
    return failure;
  }

  close(): void {}
}

const passed = (ms: number): Promise<undefined> => new Promise((resolve) => setTimeout(() => resolve(undefined), ms));

describe('LatencyHistogram', () => {
  it('gives percentiles of any times, at most 0.8 % too large', () => {
    const random = seededRandom(7);
    const times = Array.from({ length: 5_000 }, () => 10 ** (-5.5 + 6 * random()));
    const histogram = new LatencyHistogram();
    for (const time of times) histogram.record(time);
    times.sort((a, b) => a - b);
    for (const share of [0.001, 0.5, 0.9, 0.99, 0.999, 1]) {
      const exact = times[Math.ceil(share * times.length) - 1] as number;
      expect(histogram.percentile(share)).toBeGreaterThanOrEqual(exact - 1e-6);
      expect(histogram.percentile(share)).toBeLessThanOrEqual(exact * 1.008 + 1e-6);
    }
    const { count, min, max, mean } = histogram.summary();
    expect([count, min, max]).toEqual([5_000, times[0], times.at(-1)]);
    expect(mean).toBeCloseTo(times.reduce((sum, time) => sum + time, 0) / times.length);
    for (const steps of [1, 4, 128]) {
      const buckets = histogram.buckets(steps);
      expect(buckets.reduce((sum, bucket) => sum + bucket.count, 0)).toBe(5_000);
      expect(buckets.map(({ seconds }) => seconds)).toEqual(buckets.map(({ seconds }) => seconds).toSorted((a, b) => a - b));
    }
  });

  it('takes times beyond its range', () => {
    const histogram = new LatencyHistogram();
    for (const time of [-1, 0, 1e-9, 1e9]) histogram.record(time);
    expect(histogram.summary()).toMatchObject({ count: 4, max: 1e9 });
    expect(new LatencyHistogram().summary()).toMatchObject({ count: 0, min: 0, p99: 0, max: 0 });
  });
});

describe('Load', () => {
  it('closed loop: keeps so many on their way, and sends so many', async () => {
    const client = new ScriptedClient(() => passed(1));
    const result = await new Load(client, [body], { concurrency: 4, requests: 41, warmUpSeconds: 0 }).run(never);
    expect([client.sent, client.mostInHand]).toEqual([41, 4]);
    expect(result).toMatchObject({ requests: 41, failed: 0, unsent: 0, unfinished: 0 });
    expect(result.latency.count).toBe(41);
  });

  it('open loop: a stall counts for every request that was due meanwhile', async () => {
    const stallMs = 200;
    const client = new ScriptedClient((n) => passed(n === 0 ? stallMs : 0));
    const result = await new Load(client, [body], { concurrency: 1, rate: 200, requests: 20, warmUpSeconds: 0 }).run(never);
    expect(result).toMatchObject({ requests: 20, unsent: 0 });
    // Request n was due at 5 n ms and could go out after the stall: 20 of them waited for 200 - 5 n ms at least
    expect(result.latency.percentile(0.5)).toBeGreaterThan((stallMs - 5 * 10 - 1) / 1000);
    expect(result.latency.summary().mean).toBeGreaterThan(result.service.summary().mean);
  });

  it('open loop: what was due and never sent is counted', async () => {
    const client = new ScriptedClient((n) => passed(n === 0 ? 300 : 0));
    const result = await new Load(client, [body], { concurrency: 1, rate: 100, seconds: 0.1, warmUpSeconds: 0 }).run(never);
    expect(result.requests).toBe(1);
    expect(result.unsent).toBeGreaterThanOrEqual(9);
  });

  it('counts failures by status, with the text of the first', async () => {
    const client = new ScriptedClient((n) => Promise.resolve(n % 2 === 0 ? { status: '503', text: `text ${n}` } : undefined));
    const result = await new Load(client, [body], { concurrency: 2, requests: 10, warmUpSeconds: 0 }).run(never);
    expect(result.failures).toEqual([{ status: '503', text: 'text 0', count: 5 }]);
    expect([result.requests, result.failed, result.latency.count]).toEqual([10, 5, 5]);
  });

  it('stops at once when it is told to, and says what was on its way', async () => {
    const stop = new AbortController();
    const client = new ScriptedClient((n) => {
      if (n === 5) queueMicrotask(() => stop.abort());
      return n < 4 ? Promise.resolve(undefined) : new Promise(() => undefined);
    });
    const result = await new Load(client, [body], { concurrency: 2, warmUpSeconds: 0 }).run(stop.signal);
    expect(result).toMatchObject({ requests: 4, unfinished: 2 });
  });
});
