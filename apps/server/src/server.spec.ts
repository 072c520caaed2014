import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { createLog } from '@mserve/app';
import { MetricRegistry } from '@mserve/metrics';
import { RecordingTracer } from '../../../test/support/recording-tracer.js';
import { startServer, type ServerOptions } from './server.js';

const options: ServerOptions = {
  directory: fileURLToPath(new URL('../templates', import.meta.url)),
  rest: '127.0.0.1:0',
  grpc: '127.0.0.1:0',
  log: createLog('silent', 'server'),
};

/** Ports that this process listens on. Node forgets one in the turn after its close. */
async function openPorts(): Promise<number> {
  await new Promise((resolve) => setImmediate(resolve));
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPServerWrap').length;
}

describe('a server in this process', () => {
  it('starts, stops, and starts again on the same addresses', async () => {
    let { rest, grpc } = options;
    for (let round = 0; round < 3; round++) {
      const server = await startServer({ ...options, rest, grpc });
      try {
        const ready = await fetch(`http://${server.rest}/v2/health/ready`);
        expect([ready.status, server.servables.map(({ servable }) => servable)]).toEqual([200, ['servable']]);
        if (round > 0) expect([server.rest, server.grpc]).toEqual([rest, grpc]);
        ({ rest, grpc } = server);
      } finally {
        await server.close();
      }
      expect(await openPorts()).toBe(0);
    }
  });

  it('counts in one registry and tells one tracer, whichever room a request is in', async () => {
    const [metrics, tracer] = [new MetricRegistry(), new RecordingTracer()];
    const server = await startServer({ ...options, metrics, tracer });
    try {
      const body = JSON.stringify({ instances: [{ x: [1, 2, 3] }] });
      const answered = await fetch(`http://${server.rest}/model/servable:predict`, { method: 'POST', body });
      expect(await answered.json()).toEqual({ instances: [{ y: [2, 4, 6] }] });
    } finally {
      await server.close();
    }
    const counted = metrics.snapshot().flatMap(({ declaration, samples }) => samples.map(({ value }) => [declaration.name, value]));
    expect(Object.fromEntries(counted)).toMatchObject({
      mserve_gateway_requests_answered_total: 1,
      mserve_scheduler_receipted_instances_total: 1,
      mserve_worker_succeeded_instances_total: 1,
    });
    // The gateway's request, the scheduler's queue, and what the worker did
    expect(tracer.outline).toEqual([
      'request < : ok',
      'queue < request-0: ok',
      'batch < request-0: ok',
      'stage < batch-2: ok',
      'run < stage-3: ok',
    ]);
  });

  it('leaves nothing open when a port is taken', async () => {
    const blocker = createServer().listen(0, '127.0.0.1');
    await once(blocker, 'listening');
    const grpc = `127.0.0.1:${(blocker.address() as AddressInfo).port}`;
    await expect(startServer({ ...options, grpc })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await openPorts()).toBe(1);
    blocker.close();
    await once(blocker, 'close');
  });

  it('leaves nothing open when a chosen servable cannot be loaded', async () => {
    await expect(startServer({ ...options, servables: ['servable:9'] })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await openPorts()).toBe(0);
  });
});
