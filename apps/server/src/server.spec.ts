import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { createLog } from '@mserve/app';
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
