import { afterEach, describe, expect, it } from '@jest/globals';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { silentLog } from '@mserve/app';
import { MetricRegistry } from '@mserve/metrics';
import { Operations } from './operations.js';
import { OpsPort } from './ops-port.js';
import { prometheusText } from './prometheus-text.js';

interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

function ask(address: string, path: string, options: { host?: string; method?: string } = {}): Promise<Answered> {
  const [host, port] = address.split(':');
  return new Promise((resolve, reject) => {
    const sent = request({ host, port, path, method: options.method ?? 'GET', headers: { host: options.host ?? address } }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
    });
    sent.on('error', reject).end();
  });
}

describe('the operations port', () => {
  let port: OpsPort;
  let ready = false;
  const metrics = new MetricRegistry();
  const open = async (hosts?: readonly string[]): Promise<string> => {
    port = await OpsPort.open({ address: '127.0.0.1:0', hosts, metrics, isReady: () => ready, log: silentLog });
    return port.address;
  };
  afterEach(() => port.close());

  it('tells liveness, readiness and metrics', async () => {
    const address = await open();
    expect(await ask(address, '/livez')).toMatchObject({ status: 200, text: 'ok' });
    expect(await ask(address, '/readyz')).toMatchObject({ status: 503, text: 'not ready' });
    ready = true;
    expect(await ask(address, '/readyz?verbose')).toMatchObject({ status: 200, text: 'ok' });
    const { status, headers, text } = await ask(address, '/metrics');
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(Number(/^mserve_process_resident_memory_bytes (\d+)$/m.exec(text)?.[1])).toBeGreaterThan(2 ** 20);
    expect(await ask(address, '/metrics', { method: 'HEAD' })).toMatchObject({ status: 200, text: '' });
  });

  it('answers no foreign Host header, no other path and no other method', async () => {
    const address = await open();
    expect(await ask(address, '/metrics', { host: 'attacker.example' })).toMatchObject({ status: 403 });
    expect(await ask(address, '/metrics', { host: 'a b' })).toMatchObject({ status: 400 });
    for (const host of ['localhost:1', '127.0.0.1', '[::1]:80'])
      expect(await ask(address, '/livez', { host })).toMatchObject({ status: 200 });
    expect(await ask(address, '/metrics/more')).toMatchObject({ status: 404, text: expect.stringContaining('/metrics') });
    expect(await ask(address, '/metrics', { method: 'POST' })).toMatchObject({ status: 405 });
  });

  it('answers Host headers with the names that it was given', async () => {
    const address = await open(['metrics.example']);
    expect(await ask(address, '/livez', { host: 'metrics.example:1501' })).toMatchObject({ status: 200 });
    const refused = await ask(address, '/livez', { host: 'attacker.example' });
    expect(refused).toMatchObject({ status: 403, text: expect.stringContaining('--ops-hosts') });
  });

  it('hands on what is mounted, the longest path first; a handler that throws costs its own request', async () => {
    const address = await open();
    port.mount('/a/', (_, response) => void response.end('below a'));
    port.mount('/a/b', (_, response) => void response.end('b'));
    port.mount('/broken', () => {
      throw new Error('broken');
    });
    expect((await ask(address, '/a/b')).text).toBe('b');
    expect((await ask(address, '/a/c/d', { method: 'POST' })).text).toBe('below a');
    expect(await ask(address, '/a')).toMatchObject({ status: 404 });
    expect(await ask(address, '/broken')).toMatchObject({ status: 500 });
    expect(await ask(address, '/livez')).toMatchObject({ status: 200 });
  });
});

describe('Operations', () => {
  it('a taken address is an error when it was asked for, and no port when it is the default', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    await expect(
      new Operations().open({ ops: `127.0.0.1:${port}`, opsHosts: undefined, metricsCompat: 'none' }, silentLog),
    ).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    });
    const unset = { ops: undefined, opsHosts: undefined, metricsCompat: 'none' } as const;
    const none = new Operations();
    await none.open({ ops: '', opsHosts: undefined, metricsCompat: 'none' }, silentLog, true);
    await none.open(unset, silentLog);
    expect(none.address).toBeUndefined();
    const [first, second] = [new Operations(), new Operations()];
    await first.open(unset, silentLog, true);
    await second.open(unset, silentLog, true);
    expect(second.address).toBeUndefined();
    // Nobody can ask: nothing is kept, and nothing of the process is watched
    expect(second.metrics.isRead).toBe(false);
    expect(second.metrics.snapshot()).toEqual([]);
    await Promise.all([first.close(), second.close(), new Promise((resolve) => taken.close(resolve))]);
  });
});

describe('prometheusText', () => {
  it('writes counters, gauges and histograms, with their labels escaped', () => {
    const registry = new MetricRegistry();
    registry.isRead = true;
    registry
      .counter({ name: 'mserve_a_total', help: 'A\\B\nC', labels: [{ name: 'kind', most: 3 }] })
      .of(['x"y\\z\n'])
      .add(3);
    registry.gauge({ name: 'mserve_level', help: 'G.' }).of([]).set(Infinity);
    const seconds = registry.histogram({
      name: 'mserve_time_seconds',
      help: 'H.',
      buckets: [0.5, 1],
      labels: [{ name: 'method', most: 3 }],
    });
    for (const value of [0.25, 0.5, 0.75, 8]) seconds.of(['m']).observe(value);
    registry.counter({ name: 'mserve_never_total', help: 'N.', labels: [{ name: 'kind', most: 3 }] });
    expect(prometheusText(registry)).toBe(
      [
        '# HELP mserve_a_total A\\\\B\\nC',
        '# TYPE mserve_a_total counter',
        'mserve_a_total{kind="x\\"y\\\\z\\n"} 3',
        '# HELP mserve_level G.',
        '# TYPE mserve_level gauge',
        'mserve_level +Inf',
        '# HELP mserve_time_seconds H.',
        '# TYPE mserve_time_seconds histogram',
        'mserve_time_seconds_bucket{method="m",le="0.5"} 2',
        'mserve_time_seconds_bucket{method="m",le="1"} 3',
        'mserve_time_seconds_bucket{method="m",le="+Inf"} 4',
        'mserve_time_seconds_sum{method="m"} 9.5',
        'mserve_time_seconds_count{method="m"} 4',
        '# HELP mserve_never_total N.',
        '# TYPE mserve_never_total counter',
        '',
      ].join('\n'),
    );
  });
});
