import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { serveDirectory, startProcess } from '../support/running-process.js';

/** What signals do to `mserve serve`, as processes of their own. */

const readyLine = (line: string): boolean => line.startsWith('{"rest"');

describe('signals', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mserve-signals-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each(['SIGTERM', 'SIGINT', 'SIGQUIT'] as const)('%s ends a server with 0', async (signal) => {
    const server = await serveDirectory('examples', ['--servable', 'digits']);
    expect(await server.stop(signal)).toBe(0);
  });

  it('SIGHUP takes what it can of the config file, says so, and what is wrong with the file ends nothing', async () => {
    const config = join(folder, 'mserve.json');
    const clients = join(folder, 'clients.json');
    const clientsOf = (key: string): Promise<void> => writeFile(clients, `{"clients":[{"name":"all","keys":["${key}"]}]}`);
    await clientsOf('the-first-of-two-keys');
    await writeFile(config, '{"logLevel":"warn"}');
    const files = ['--config', config, '--access-file', clients];
    const server = await serveDirectory('examples', ['--servable', 'digits', '--ops', '127.0.0.1:0', ...files]);
    const { ops } = JSON.parse(await server.line(readyLine)) as { ops: string };
    const metadata = (key: string): Promise<Response> => fetch(`http://${server.rest}/v2`, { headers: { 'x-api-key': key } });
    expect((await metadata('the-second-of-two-keys')).status).toBe(401);
    await writeFile(config, '{"logLevel":"debug","maxInFlight":1,"concurrentRuns":2}');
    await clientsOf('the-second-of-two-keys');
    server.child.kill('SIGHUP');
    await server.line((line) => line.includes('SIGHUP: taken: logLevel, maxInFlight; these need a restart: concurrentRuns'));
    // The file of clients does not wait until somebody looks at it
    expect(server.output()).toMatch(/clients\.json was read again.*SIGHUP: taken/s);
    expect((await metadata('the-second-of-two-keys')).status).toBe(200);
    await writeFile(config, '{"logLevel":"loud"}');
    await writeFile(clients, '{"clients":');
    server.child.kill('SIGHUP');
    await server.line((line) => line.includes('SIGHUP: the settings cannot be loaded, nothing has changed'));
    expect((await fetch(`http://${server.rest}/readyz`)).status).toBe(200);
    expect((await metadata('the-second-of-two-keys')).status).toBe(200);
    const figures = await (await fetch(`http://${ops}/metrics`)).text();
    expect(figures).toMatch(/^mserve_process_config_reload_failed_total\{what="settings"\} 1$/m);
    expect(figures).toMatch(/^mserve_process_config_reload_failed_total\{what="clients"\} [1-9]/m);
    expect(await server.stop()).toBe(0);
  });

  const args = ['serve', 'examples', '--servable', 'digits', '--rest', '127.0.0.1:0', '--grpc', '127.0.0.1:0', '--json'];

  it('SIGTERM to npx ends the server behind it', async () => {
    const wrapper = startProcess('npx', ['mserve', ...args]);
    await wrapper.line(readyLine);
    // Resolves when the pipes are closed, which the server has too
    await wrapper.stop();
  });

  it('a server started by npm ends when its wrapper is gone without a word', async () => {
    const script = `${JSON.stringify(process.execPath)} apps/server/dist/main.js ${args.join(' ')} & wait`;
    const wrapper = startProcess('sh', ['-c', script], { npm_lifecycle_event: 'start' });
    await wrapper.line(readyLine);
    await wrapper.stop('SIGKILL');
  });
});
