import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { documentedMetrics } from '../../scripts/metrics-docs.mjs';
import { post } from '../support/clients.js';
import { startFleet, type Fleet } from '../support/fleet.js';
import { freePort } from '../support/free-port.js';
import { startNatsServer, type NatsServer } from '../support/nats-server.js';
import { Moves, scrape, type Scraped } from '../support/scrape.js';
import { servableDirectory, writeAddServable, writeModelServable } from '../support/servables.js';

const names = ['gateway-0', 'scheduler', 'worker-1', 'worker-2'] as const;
type Name = (typeof names)[number];

const built = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'mserve/bin/promtool');
const promtool = process.env['PROMTOOL'] ?? (existsSync(built) ? built : 'promtool');
const hasPromtool = spawnSync(promtool, ['--version']).status === 0;

describe('the metrics of a fleet', () => {
  const directory = servableDirectory();
  const ops = new Map<string, string>();
  let nats: NatsServer;
  let fleet: Fleet;
  let rest: string;

  beforeAll(async () => {
    writeAddServable(directory.path);
    writeModelServable(directory.path, 'wide', {
      inputs: [{ name: 'x', dtype: 'float32', shape: ['n', 'm'] }],
      outputs: [{ name: 'y', dtype: 'float32', shape: ['n', 'm'] }],
      nodes: [{ op: 'Relu', inputs: ['x'], outputs: ['y'] }],
    });
    nats = await startNatsServer();
    for (const name of names) ops.set(name, `127.0.0.1:${await freePort()}`);
    fleet = await startFleet(nats.url, directory.path, ['add.predict', 'wide.predict'], names, {
      flagsOf: (name) => ['--ops', ops.get(name) ?? ''],
    });
    rest = fleet.gateways[0]?.rest ?? '';
    // A gateway is ready with one replica of each
    const replicas = async (servable: string): Promise<number | undefined> =>
      (await scrape(ops.get('scheduler') ?? '')).samples.get(`mserve_scheduler_servable_replicas{servable="${servable}",version="1"}`);
    for (const servable of ['add', 'wide'])
      while ((await replicas(servable)) !== 2) await new Promise((resolve) => setTimeout(resolve, 50));
  }, 120_000);
  afterAll(async () => {
    await fleet?.stop();
    await nats?.stop();
    directory.remove();
  });

  const scrapeAll = async (): Promise<Record<Name, Scraped>> =>
    Object.fromEntries(await Promise.all(names.map(async (name) => [name, await scrape(ops.get(name) ?? '')]))) as Record<Name, Scraped>;
  const infer = async (instances: number, shape: readonly number[] = [2]): Promise<number> => {
    const data = Array.from({ length: instances * (shape[0] ?? 1) }, (_, i) => i);
    const inputs = ['x1', 'x2'].map((name) => ({ name, datatype: 'FP32', shape: [instances, ...shape], data }));
    return (await post(rest, '/v2/models/add.predict/infer', JSON.stringify({ inputs }))).status;
  };
  const moves = (before: Record<Name, Scraped>, after: Record<Name, Scraped>) =>
    Object.fromEntries(names.map((name) => [name, new Moves(before[name].samples, after[name].samples)])) as Record<Name, Moves>;

  it('move in each process by what a load did there', async () => {
    const before = await scrapeAll();
    // 40 requests with 3 instances each, 8 at a time
    for (let i = 0; i < 5; i++) expect(await Promise.all(Array.from({ length: 8 }, () => infer(3)))).toEqual(Array(8).fill(200));
    expect(await post(rest, '/v2/models/absent/infer', '{}').then(({ status }) => status)).toBe(404);
    const after = await scrapeAll();
    const moved = moves(before, after);
    const method = '{servable="add",version="1",method="predict"}';
    const { 'gateway-0': gateway, scheduler } = moved;
    expect({
      received: gateway.of('mserve_gateway_requests_received_total'),
      answered: gateway.of('mserve_gateway_requests_answered_total'),
      refused: gateway.sum('mserve_gateway_requests_refused_total', 'reason="servable-not-found"'),
      protocol: gateway.of('mserve_gateway_protocol_requests_total{protocol="oip-rest"}'),
      succeeded: gateway.of(`mserve_gateway_method_succeeded_requests_total${method}`),
      instances: gateway.of(`mserve_gateway_method_succeeded_instances_total${method}`),
      timed: gateway.of(`mserve_gateway_method_request_seconds_count${method}`),
      decoded: gateway.of(`mserve_gateway_method_decode_seconds_count${method}`),
      encoded: gateway.of(`mserve_gateway_method_encode_seconds_count${method}`),
      tickets: scheduler.of('mserve_scheduler_tickets_total'),
      batched: scheduler.of('mserve_scheduler_batched_instances_total'),
      receipted: scheduler.of('mserve_scheduler_receipted_instances_total'),
    }).toEqual({
      ...{ received: 41, answered: 40, refused: 1, protocol: 40, succeeded: 40, instances: 120 },
      ...{ timed: 40, decoded: 40, encoded: 40, tickets: 40, batched: 120, receipted: 120 },
    });
    const assignments = scheduler.of('mserve_scheduler_assignments_total');
    expect(scheduler.of(`mserve_scheduler_method_queue_seconds_count${method}`)).toBe(assignments);
    const workers = [moved['worker-1'], moved['worker-2']];
    const ofWorkers = (sample: string): number => workers.reduce((sum, each) => sum + each.of(sample), 0);
    expect(ofWorkers('mserve_worker_assignments_total')).toBe(assignments);
    expect(ofWorkers(`mserve_worker_method_assignment_seconds_count${method}`)).toBe(assignments);
    expect(ofWorkers('mserve_worker_succeeded_instances_total')).toBe(120);
    expect(workers.reduce((sum, each) => sum + each.sum('mserve_worker_run_instances_sum'), 0)).toBe(120);
    const runs = workers.reduce((sum, each) => sum + each.sum('mserve_worker_run_seconds_count'), 0);
    expect(runs).toBeGreaterThan(0);
    expect(ofWorkers(`mserve_worker_method_compute_seconds_count${method}`)).toBeGreaterThanOrEqual(runs);
    // Each of the two replicas by itself, with its device, and together all that there was
    const ofReplicas = workers.map((each, i) =>
      each.sum('mserve_worker_replica_assignments_total', `{servable="add",version="1",device="${i + 1}",replica="`),
    );
    expect(ofReplicas.reduce((sum, count) => sum + count, 0)).toBe(assignments);
    const series = (name: Name, metric: string): number[] =>
      [...after[name].samples].flatMap(([sample, value]) => (sample.startsWith(`${metric}{servable="add"`) ? [value] : []));
    expect(names.map((name) => series(name, 'mserve_worker_replica_ready'))).toEqual(
      names.map((name) => (name.startsWith('worker') ? [1] : [])),
    );
    expect(series('scheduler', 'mserve_scheduler_replica_running_instances')).toEqual([0, 0]);
    expect(series('scheduler', 'mserve_scheduler_replica_service_seconds')).toHaveLength(2);
    // The times of a request's parts lie within its time
    const parts = ['wait', 'compute'].reduce((sum, part) => sum + ofWorkers(`mserve_worker_method_${part}_seconds_sum${method}`), 0);
    expect(parts).toBeLessThan(gateway.of(`mserve_gateway_method_request_seconds_sum${method}`) * 3);
    const shown = new Set(names.flatMap((name) => [...after[name].text.matchAll(/^# TYPE (mserve\S+) /gm)].map((match) => match[1])));
    expect([...shown].sort()).toEqual([...documentedMetrics].sort());
    for (const name of names) expect(after[name].samples.get(`mserve_bus_up{role="${name.split('-')[0]}"}`)).toBe(1);
    expect(after.scheduler.samples.get('mserve_scheduler_servable_replicas{servable="add",version="1"}')).toBe(2);
    expect(after.scheduler.samples.get('mserve_scheduler_servable_running_instances{servable="add",version="1"}')).toBe(0);
  }, 120_000);

  it('are counted over the workers by the statistics of the Open Inference Protocol', async () => {
    interface Duration {
      readonly count: number;
      readonly ns: number;
    }
    interface Entry {
      readonly inference_count: number;
      readonly execution_count: number;
      readonly inference_stats: Readonly<Record<string, Duration>>;
      readonly batch_stats: readonly { readonly batch_size: number; readonly compute_infer: Duration }[];
    }
    const read = async (): Promise<Entry> => {
      const answer = await fetch(`http://${rest}/v2/models/add.predict/stats`);
      return ((await answer.json()) as { readonly model_stats: readonly [Entry] }).model_stats[0];
    };
    const before = await read();
    for (let i = 0; i < 4; i++) expect(await Promise.all(Array.from({ length: 4 }, () => infer(1)))).toEqual(Array(4).fill(200));
    const after = await read();
    const moved = (kind: string): number => (after.inference_stats[kind]?.count ?? 0) - (before.inference_stats[kind]?.count ?? 0);
    expect(['success', 'fail', 'queue', 'compute_input', 'compute_infer', 'compute_output'].map(moved)).toEqual([16, 0, 16, 16, 16, 16]);
    expect(after.inference_count - before.inference_count).toBe(16);
    const batched = ({ batch_stats }: Entry): number =>
      batch_stats.reduce((sum, { batch_size, compute_infer }) => sum + batch_size * compute_infer.count, 0);
    expect(batched(after) - batched(before)).toBe(16);
    expect(after.execution_count).toBe(after.batch_stats.reduce((sum, { compute_infer }) => sum + compute_infer.count, 0));
    expect(after.inference_stats['queue']?.ns).toBeGreaterThan(0);
  }, 60_000);

  it('show the rings between the processes, and that messages take them', async () => {
    const rings = ({ samples }: Scraped): number[] =>
      ['read', 'written'].map((end) => new Moves(new Map(), samples).sum('mserve_bus_rings', `end="${end}"`));
    // Tickets and assignments one way, receipts and answers the other way
    const least: Readonly<Record<Name, readonly [number, number]>> = {
      ...{ 'gateway-0': [2, 1], scheduler: [3, 2] },
      ...{ 'worker-1': [1, 2], 'worker-2': [1, 2] },
    };
    const areAllThere = (all: Record<Name, Scraped>): boolean =>
      names.every((name) => rings(all[name]).every((number, end) => number >= (least[name][end] ?? 0)));
    let before = await scrapeAll();
    for (; !areAllThere(before); before = await scrapeAll())
      expect(await Promise.all(Array.from({ length: 8 }, () => infer(1)))).toContain(200);
    expect(await Promise.all(Array.from({ length: 40 }, () => infer(1)))).toEqual(Array(40).fill(200));
    const moved = moves(before, await scrapeAll());
    const sent = (name: Name, way: string): number => moved[name].sum('mserve_bus_sent_messages_total', `way="${way}"`);
    expect(names.map((name) => sent(name, 'server'))).toEqual([0, 0, 0, 0]);
    expect(sent('gateway-0', 'ring')).toBe(40);
    expect(sent('scheduler', 'ring')).toBe(moved.scheduler.of('mserve_scheduler_assignments_total'));
    for (const name of ['worker-1', 'worker-2'] as const)
      expect(sent(name, 'ring')).toBeGreaterThanOrEqual(moved[name].of('mserve_worker_assignments_total') * 2);
  }, 60_000);

  it('do not grow with names that are wrong', async () => {
    const before = await scrapeAll();
    for (let i = 0; i < 1000; i += 50) {
      const wrong = Array.from({ length: 50 }, (_, k) =>
        post(rest, `/v2/models/wrong${i + k}.m${i + k}/versions/${i + k + 1}/infer`, '{"inputs":[]}'),
      );
      for (const { status } of await Promise.all(wrong)) expect(status).toBe(404);
    }
    const after = await scrapeAll();
    for (const name of names) expect(after[name].samples.size).toBeLessThanOrEqual(before[name].samples.size + 1);
  }, 60_000);

  (hasPromtool ? it : it.skip)(
    `are in the form that promtool wants${hasPromtool ? '' : ' (skipped: there is no promtool; PROMTOOL names it)'}`,
    async () => {
      for (const { text } of Object.values(await scrapeAll())) {
        const { status, stdout, stderr } = spawnSync(promtool, ['check', 'metrics'], { input: text, encoding: 'utf8' });
        expect({ status, said: `${stdout}${stderr}` }).toEqual({ status: 0, said: '' });
      }
    },
  );

  const elements = 50_000;
  /** Whether the answer to a tensor of 200 KB, all elements `value`, is right. */
  const isRight = async (value: number): Promise<boolean> => {
    const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, elements], data: new Array<number>(elements).fill(value) }];
    const { status, body } = await post(rest, '/v2/models/wide.predict/infer', JSON.stringify({ inputs }));
    if (status !== 200) return false;
    const [y] = (body as { readonly outputs: readonly { readonly data: readonly number[] }[] }).outputs;
    return y?.data.length === elements && y.data.every((element) => element === value);
  };
  const untilUnused = async (...of: readonly Name[]): Promise<void> => {
    for (const name of of) {
      const used = `mserve_shared_memory_used_bytes{role="${name.split('-')[0]}"}`;
      while ((await scrape(ops.get(name) ?? '')).samples.get(used) !== 0) await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };

  describe('on one machine', () => {
    it('show that large tensors go through shared memory, both ways, and leave none of it in use', async () => {
      const before = await scrapeAll();
      expect(await Promise.all([1, 2, 3, 4].map(isRight))).toEqual([true, true, true, true]);
      const moved = moves(before, await scrapeAll());
      const bytes = (way: string): number[] =>
        [moved['gateway-0'].sum('mserve_tensor_bytes_total', `way="${way}"`)].concat(
          (['worker-1', 'worker-2'] as const).reduce((sum, name) => sum + moved[name].sum('mserve_tensor_bytes_total', `way="${way}"`), 0),
        );
      for (const sum of bytes('shared')) expect(sum).toBeGreaterThanOrEqual(4 * elements * 4);
      expect(bytes('bus')).toEqual([0, 0]);
      await untilUnused('gateway-0', 'worker-1', 'worker-2');
    }, 60_000);

    it('lose no request, and no memory, to a worker that is killed while it reads', async () => {
      let asked = 0;
      const wrong: number[] = [];
      const ask = async (until: number): Promise<void> => {
        for (let n = ++asked; n <= until; n = ++asked) if (!(await isRight(n))) wrong.push(n);
      };
      const load = Promise.all(Array.from({ length: 4 }, () => ask(40)));
      while (asked < 10) await new Promise((resolve) => setImmediate(resolve));
      await fleet.processes.get('worker-2')?.stop('SIGKILL');
      await load;
      expect(wrong).toEqual([]);
      await untilUnused('gateway-0', 'worker-1');
    }, 60_000);
  });
});
