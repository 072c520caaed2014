import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { startProcess } from '../support/running-process.js';

const folder = mkdtempSync(join(tmpdir(), 'mserve-modules-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('modules of a started server', () => {
  it('have none among them that only clients and specs, or later calls, need', async () => {
    const list = join(folder, 'list');
    const args = ['--import', './test/support/list-modules.mjs', 'test/support/unbundled.mjs', 'serve', 'examples', '--servable', 'digits'];
    const server = startProcess(process.execPath, [...args, '--rest', '127.0.0.1:0', '--grpc', '127.0.0.1:0', '--json'], {
      MODULE_LIST: list,
    });
    await server.line((line) => line.startsWith('{"rest"'));
    await server.stop();
    const modules = readFileSync(list, 'utf8').split('\n');
    expect(modules.filter((url) => url.includes('/libs/wire/dist/')).length).toBeGreaterThan(10);
    expect(modules.filter((url) => url.includes('/libs/wire/dist/gen') || url.includes('@bufbuild/protobuf'))).toEqual([]);
    // The rpcs besides infer are started by the first call
    expect(modules.filter((url) => /@grpc\/(grpc-js|reflection)|grpc-health-check|\/protobufjs\//.test(url))).toEqual([]);
  }, 60_000);
});
