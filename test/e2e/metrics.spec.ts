import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { serverMetrics, withTables } from '../../scripts/metrics-docs.mjs';
import { post } from '../support/clients.js';
import { root, serveDirectory, type RunningProcess, type ServerAddresses } from '../support/running-process.js';
import { scrape } from '../support/scrape.js';
import { servableDirectory, writeModelServable } from '../support/servables.js';

describe('the metrics of a server', () => {
  const directory = servableDirectory();
  let server: RunningProcess & ServerAddresses;
  let ops: string;

  beforeAll(async () => {
    const value = { dtype: 'float32', shape: ['n', 2] } as const;
    writeModelServable(directory.path, 'twice', {
      inputs: [{ name: 'x', ...value }],
      outputs: [{ name: 'y', ...value }],
      nodes: [{ op: 'Add', inputs: ['x', 'x'], outputs: ['y'] }],
    });
    server = await serveDirectory(directory.path, ['--ops', '127.0.0.1:0', '--metrics-compat', 'triton']);
    ({ ops } = JSON.parse(await server.line((line) => line.startsWith('{"rest"'))) as { ops: string });
  }, 60_000);
  afterAll(async () => {
    await server?.stop();
    directory.remove();
  });

  const ask = async (method: string, instances: readonly unknown[]): Promise<number> =>
    (await post(server.rest, `/model/${method}`, JSON.stringify({ instances }))).status;

  it('are those of docs/metrics.md (else: npm run build, node scripts/metrics-docs.mjs)', async () => {
    const page = readFileSync(join(root, 'docs/metrics.md'), 'utf8');
    expect(page).toBe(withTables(page));
    const { text } = await scrape(ops);
    const shown = [...text.matchAll(/^# TYPE (mserve\S+) /gm)].map((match) => match[1]);
    expect(shown.sort()).toEqual([...serverMetrics].sort());
    expect([...text.matchAll(/^# HELP (mserve\S+) \S/gm)].map((match) => match[1]).sort()).toEqual(shown);
  });

  it('move by what a load did', async () => {
    const before = (await scrape(ops)).samples;
    for (let i = 0; i < 5; i++) expect(await ask('twice:predict', [{ x: [1.5, 2] }, { x: [3.5, 4] }])).toBe(200);
    for (let i = 0; i < 3; i++) expect(await ask('twice:predict', [{ x: [1.5] }])).toBe(400);
    for (let i = 0; i < 2; i++) expect(await ask('nothing:predict', [{ x: [1.5, 2.5] }])).toBe(404);
    const after = (await scrape(ops)).samples;
    const moved = (sample: string): number => (after.get(sample) ?? 0) - (before.get(sample) ?? 0);
    const refusedFor = (reason: string): number =>
      [...after.keys()].filter((sample) => sample.includes(`reason="${reason}"`)).reduce((sum, sample) => sum + moved(sample), 0);
    const method = '{servable="twice",version="1",method="predict"}';
    const model = '{servable="twice",version="1",model="model.onnx"}';
    expect({
      received: moved('mserve_gateway_requests_received_total'),
      answered: moved('mserve_gateway_requests_answered_total'),
      sent: moved('mserve_gateway_protocol_requests_total{protocol="ms-rest"}'),
      notFound: refusedFor('servable-not-found'),
      failed: moved(`mserve_gateway_method_failed_requests_total${method}`),
      misfit: moved('mserve_worker_failed_instances_total'),
      succeeded: moved(`mserve_gateway_method_succeeded_requests_total${method}`),
      instances: moved(`mserve_gateway_method_succeeded_instances_total${method}`),
      timed: moved(`mserve_gateway_method_request_seconds_count${method}`) >= 5,
      tickets: moved('mserve_scheduler_tickets_total'),
      batched: moved('mserve_scheduler_batched_instances_total'),
      left: moved('mserve_worker_succeeded_instances_total'),
      failedRuns: moved(`mserve_worker_failed_runs_total${model}`),
      queuedParts: moved(`mserve_scheduler_method_queue_seconds_count${method}`),
      workerParts: moved(`mserve_worker_method_assignment_seconds_count${method}`),
      computed: moved(`mserve_worker_method_compute_seconds_count${method}`),
      waited: moved(`mserve_worker_method_wait_seconds_count${method}`),
      decoded: moved(`mserve_gateway_method_decode_seconds_count${method}`),
      encoded: moved(`mserve_gateway_method_encode_seconds_count${method}`),
      runsInHand: after.get(`mserve_worker_runs_in_hand${model}`),
      queued: after.get(`mserve_scheduler_method_queued_instances${method}`),
    }).toEqual({
      received: 10,
      // Three of them with the failure of their only instance
      answered: 8,
      sent: 8,
      notFound: 2,
      failed: 3,
      misfit: 3,
      succeeded: 5,
      instances: 10,
      timed: true,
      tickets: 8,
      batched: 13,
      left: 10,
      failedRuns: 0,
      queuedParts: 8,
      workerParts: 5,
      computed: 5,
      waited: 5,
      decoded: 8,
      encoded: 8,
      runsInHand: 0,
      queued: 0,
    });
    const runs = moved(`mserve_worker_run_seconds_count${model}`);
    expect(runs).toBeGreaterThanOrEqual(5);
    expect(moved(`mserve_worker_run_instances_sum${model}`)).toBe(10);
    expect(after.get('mserve_worker_replicas{servable="twice",version="1",state="ready"}')).toBe(1);
    expect(after.get('mserve_scheduler_servable_replicas{servable="twice",version="1"}')).toBe(1);
    expect(after.get('mserve_bus_up{role="gateway"}')).toBe(1);
    expect(after.get(`mserve_worker_run_lanes${model}`)).toBeGreaterThanOrEqual(1);
    const loaded = [...after].filter(([sample]) =>
      sample.startsWith('mserve_worker_replica_load_seconds{servable="twice",version="1",device="0"'),
    );
    expect(loaded).toHaveLength(1);
    for (const [, seconds] of loaded) expect(seconds).toBeGreaterThan(0);
    expect(after.get('mserve_gateway_buffered_bytes{port="rest"}')).toBe(0);
    expect(moved('mserve_gateway_connections_opened_total{port="rest"}')).toBeGreaterThan(0);
    expect(after.get('mserve_gateway_requests_in_hand')).toBe(0);
  });

  it('are also those of Triton, when that is asked for', async () => {
    const before = (await scrape(ops)).samples;
    for (let i = 0; i < 4; i++) expect(await ask('twice:predict', [{ x: [1.5, 2] }, { x: [3.5, 4] }])).toBe(200);
    expect(await ask('twice:predict', [{ x: [1.5] }])).toBe(400);
    const { text, samples: after } = await scrape(ops);
    const labels = 'model="twice.predict",version="1"';
    const moved = (name: string, more = ''): number => {
      const sample = `nv_inference_${name}{${labels}${more}}`;
      return (after.get(sample) ?? NaN) - (before.get(sample) ?? NaN);
    };
    expect([moved('request_success'), moved('request_failure', ',reason="OTHER"'), moved('count')]).toEqual([4, 1, 8]);
    expect(moved('exec_count')).toBeGreaterThanOrEqual(4);
    expect(moved('exec_count')).toBeLessThanOrEqual(8);
    expect(after.get(`nv_inference_pending_request_count{${labels}}`)).toBe(0);
    for (const part of ['request', 'queue', 'compute_infer']) expect(moved(`${part}_duration_us`)).toBeGreaterThan(0);
    // The names of Triton's own, recorded of it
    const theirs = [...readFileSync(join(root, 'test/fixtures/triton-metrics.txt'), 'utf8').matchAll(/^# TYPE (nv_inference\S+) (\S+)/gm)];
    const ours = [...text.matchAll(/^# TYPE (nv_\S+) (\S+)/gm)];
    expect(theirs.map(([, name, type]) => `${name} ${type}`)).toEqual(
      expect.arrayContaining(ours.map(([, name, type]) => `${name} ${type}`)),
    );
  });

  it('do not grow with names that are wrong', async () => {
    const before = (await scrape(ops)).samples.size;
    for (let i = 0; i < 1000; i += 50)
      await Promise.all(Array.from({ length: 50 }, (_, k) => ask(`wrong${i + k}:m${i + k}`, [{ x: [1.5, 2.5] }])));
    expect((await scrape(ops)).samples.size).toBeLessThanOrEqual(before + 1);
  });
});
