import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { serveDirectory, startProcess, type RunningProcess } from '../support/running-process.js';
import { servableDirectory } from '../support/servables.js';

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

  describe('with a request in hand', () => {
    const directory = servableDirectory();
    beforeAll(() => {
      mkdirSync(join(directory.path, 'waits', '1'), { recursive: true });
      writeFileSync(
        join(directory.path, 'waits', 'servable_config.ts'),
        `import { addStage, registerMethod } from '@mserve/register';
function wait(x) { console.log('it waits'); return new Promise(() => undefined).then(() => x); }
registerMethod(['y'], function predict(x) { return addStage(wait, x); });
`,
      );
    });
    afterAll(() => directory.remove());

    async function serveWaiting(graceMs: number): Promise<{ server: RunningProcess; answer: Promise<number | undefined> }> {
      const server = await serveDirectory(directory.path, ['--grace-ms', String(graceMs)]);
      const answer = fetch(`http://${server.rest}/model/waits:predict`, { method: 'POST', body: '{"instances":[{"x":1}]}' }).then(
        ({ status }) => status,
        () => undefined,
      );
      await server.line((line) => line.includes('it waits'));
      return { server, answer };
    }

    it('a server that cannot finish it within graceMs refuses it, counts it, and ends with 1', async () => {
      const { server, answer } = await serveWaiting(300);
      expect(await server.stop()).toBe(1);
      expect(await answer).toBe(503);
      expect(server.output()).toMatch(/^mserve: 1 requests were cut off after 300 ms$/m);
    });

    it('a server ends at once, with 1, at a second signal', async () => {
      const { server, answer } = await serveWaiting(3_600_000);
      // Signals of less than half a second after the first one are the first one
      while (server.child.exitCode === null && server.child.signalCode === null) {
        server.child.kill('SIGTERM');
        await sleep(20);
      }
      expect([await server.stop(), server.child.signalCode]).toEqual([1, null]);
      expect(await answer).toBeUndefined();
    });
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
