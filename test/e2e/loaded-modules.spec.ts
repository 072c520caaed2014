import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { startProcess } from '../support/running-process.js';

const folder = mkdtempSync(join(tmpdir(), 'mserve-modules-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('modules of a started server', () => {
  it('have no generated protobuf among them: it is for clients and specs', async () => {
    const list = join(folder, 'list');
    const args = ['--import', './test/support/list-modules.mjs', 'apps/server/dist/main.js', 'serve', 'examples', '--servable', 'digits'];
    const server = startProcess(process.execPath, [...args, '--rest', '127.0.0.1:0', '--grpc', '127.0.0.1:0', '--json'], {
      MODULE_LIST: list,
    });
    await server.line((line) => line.startsWith('{"rest"'));
    await server.stop();
    const modules = readFileSync(list, 'utf8').split('\n');
    expect(modules.filter((url) => url.includes('/libs/wire/dist/')).length).toBeGreaterThan(10);
    expect(modules.filter((url) => url.includes('/libs/wire/dist/gen') || url.includes('@bufbuild/protobuf'))).toEqual([]);
  }, 60_000);
});
