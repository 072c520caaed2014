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
    await writeFile(config, '{"logLevel":"warn"}');
    const server = await serveDirectory('examples', ['--servable', 'digits', '--config', config]);
    await writeFile(config, '{"logLevel":"debug","maxInFlight":1,"concurrentRuns":2}');
    server.child.kill('SIGHUP');
    await server.line((line) => line.includes('SIGHUP: taken: logLevel, maxInFlight; these need a restart: concurrentRuns'));
    await writeFile(config, '{"logLevel":"loud"}');
    server.child.kill('SIGHUP');
    await server.line((line) => line.includes('SIGHUP: the settings cannot be loaded, nothing has changed'));
    expect((await fetch(`http://${server.rest}/readyz`)).status).toBe(200);
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
