import { describe, expect, it } from '@jest/globals';
import type { Rates, Sample, State } from '@mserve/ops/state';
import { frameOf, spark } from './frame.js';

const rates: Rates = { ok: 40, failed: 2, p50: 0.0012, p90: 0.02, p99: 0.25 };
const sampleAt = (at: number): Sample => ({
  at,
  ...rates,
  inHand: 3,
  queued: 7,
  running: 3,
  batch: 2.5,
  methods: { 'digits/1/classify': rates },
  failures: {},
});

const report = {
  host: 'box-1',
  node: 'v22.1.0',
  startedAt: 0,
  residentBytes: 300 * 2 ** 20,
  heapUsedBytes: 1,
  externalBytes: 1,
  cpuCores: 0.5,
  loopBusy: 0.25,
  loopDelayMs: { p50: 0, p99: 1.5, max: 9 },
};

const state: State = {
  format: 1,
  at: 600_000,
  version: '0.1.0',
  ready: true,
  bus: { kind: 'nats', state: 'up', address: 'gateway-1' },
  ports: { rest: '127.0.0.1:1500', tls: false },
  servables: [
    {
      servable: 'digits',
      version: 1,
      state: 'ready',
      readyReplicas: 2,
      methods: [{ name: 'classify', inputs: [], outputs: [], batched: true, batchSize: 32 }],
    },
    { servable: 'large', version: 0, state: 'loading', readyReplicas: 0, methods: [] },
  ],
  replicas: Array.from({ length: 30 }, (_, i) => ({
    replica: `w.${i}`,
    servable: 'digits',
    version: 1,
    worker: `worker-${i}`,
    deviceId: i,
    state: i === 0 ? ('failed' as const) : ('ready' as const),
    credits: 8,
    inHand: i % 4,
  })),
  queues: [],
  processes: [
    { address: 'gateway-1', role: 'gateway', report: { ...report, pid: 1 } },
    { address: 'scheduler-1', role: 'scheduler', report: { ...report, pid: 2 } },
    { address: 'worker-1', role: 'worker', problem: 'nobody answers' },
  ],
  failures: [
    {
      at: 590_000,
      servable: 'digits',
      version: 1,
      method: 'classify',
      protocol: 'oip-rest',
      code: 'INVALID_ARGUMENT',
      reason: 'function-refused',
      text: 'no image: \u001b[2J\u009b31m\u202edne',
      requestId: 'abc-1',
    },
  ],
  failuresByReason: { 'function-refused': 1 },
  sample: sampleAt(600_000),
  history: { stepMs: 1000, samples: Array.from({ length: 900 }, (_, i) => sampleAt(i)) },
};
const options = { address: '127.0.0.1:1501', isColored: false, isConnected: true };

describe('a frame of mserve top', () => {
  it('has all figures, methods, replicas, processes and failures', () => {
    const text = frameOf(state, { ...options, columns: 140, rows: Infinity }).join('\n');
    for (const part of [
      'mserve  ready  0.1.0  bus NATS up  127.0.0.1:1501  00:10:00 UTC',
      'requests 42/s  failed 2/s  p50 1.2 ms  p90 20 ms  p99 250 ms  in hand 3  queued 7  running 3  batch 2.5',
      'digits.classify  1        ready    2         40    2         1.2 ms  250 ms',
      'large                     loading',
      'digits    1        failed  0 of 8   0       worker-0',
      'gateway          box-1           1    300 MiB  0.5    1.5 ms    25 %       10 min',
      'worker worker-1  nobody answers',
      '10 s ago  digits.classify  function-refused  abc-1    no image:',
    ])
      expect(text).toContain(part);
  });

  it.each([
    [80, 24],
    [40, 12],
    [200, 60],
    [20, 5],
    [10, 1],
  ])('fits %i columns and %i rows, and says what is left out', (columns, rows) => {
    const lines = frameOf(state, { ...options, columns, rows });
    expect(lines.length).toBeLessThanOrEqual(rows);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns);
    if (rows === 24) expect(lines.join('\n')).toMatch(/REPLICA[^]*… \d+ more[^]*PROCESS[^]*FAILED/);
  });

  it('gives no control character of others to the terminal', () => {
    const text = frameOf(state, { ...options, columns: 200, rows: 60 }).join('');
    expect(text).not.toMatch(/[\p{Cc}\u202e]/u);
    expect(text).toContain('·[2J·31m·dne');
  });

  it('says when the server is not ready, or away', () => {
    expect(frameOf({ ...state, ready: false }, { ...options, columns: 100, rows: 10 })[0]).toContain('not ready');
    expect(frameOf(state, { ...options, columns: 100, rows: 10, isConnected: false })[0]).toContain('no connection');
  });

  it('draws bars from nothing to the largest', () => {
    expect(spark([0, 1, 4, 8])).toBe(' ▂▅█');
    expect(spark([])).toBe('');
  });
});
