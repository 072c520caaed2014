import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { ConfigError, loadSettings } from '@mserve/config';
import type { DeviceWorkerOptions } from '../replica/worker-options.js';
import { workerOptionsOf } from './options-of-settings.js';

async function load(argv: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<DeviceWorkerOptions> {
  return workerOptionsOf((await loadSettings({ program: 'device-worker', usage: 'device-worker', argv, env })).settings);
}

function keyFile(bytes: Uint8Array | string): string {
  const path = join(mkdtempSync(join(tmpdir(), 'mserve-key-')), 'key');
  writeFileSync(path, bytes);
  return path;
}

describe('settings of a device-worker', () => {
  it('are its options', async () => {
    expect(await load([])).toEqual({
      directory: '.',
      servables: undefined,
      versionPolicy: 'latest',
      watchModels: false,
      watchIntervalMs: 1_000,
      provider: 'auto',
      cpuFallback: 'refuse',
      deviceIds: [0],
      numParallelWorkers: 1,
      intraOpThreads: undefined,
      concurrentRuns: 1,
      credits: undefined,
      warmUp: true,
      configPatienceMs: 2_000,
      configTimeoutMs: 30_000,
      waitAgentsMs: 0,
      functionIsolation: 'thread',
      servingLogMaxMb: 50,
      servingLogBackups: 30,
      sharedMemoryMb: 256,
      sharedMemoryFromBytes: 8_192,
      sharedRings: true,
    });
    const argv = ['--directory', '/srv', '--servables', 'digits,kit:2', '--device-ids', '0,3', '--warm-up=false', '--credits', '40'];
    expect(await load(argv, { MSERVE_INTRA_OP_THREADS: '2' })).toMatchObject({
      directory: '/srv',
      servables: [
        { name: 'digits', version: 0 },
        { name: 'kit', version: 2 },
      ],
      deviceIds: [0, 3],
      intraOpThreads: 2,
      credits: 40,
      warmUp: false,
    });
  });

  it.each([
    ['bytes', Buffer.alloc(16, 7)],
    ['hexadecimal', `${Buffer.alloc(16, 7).toString('hex')}\n`],
  ])('read the key of encrypted models from a file of %s', async (_name, content) => {
    const { servables } = await load(['--servables', 'kit', '--dec-key-file', keyFile(content), '--dec-mode', 'aes-cbc']);
    expect(servables?.map(({ decKey, decMode }) => [[...(decKey ?? [])], decMode])).toEqual([[Array(16).fill(7), 'AES-CBC']]);
  });

  it.each([
    ['of the wrong length', 'key of 15 bytes', /holds 15 bytes: 16, 24 or 32 bytes/],
    ['that is not there', undefined, /cannot read the key file .*: ENOENT/],
  ])('refuse a key file %s, without telling what is in it', async (_name, content, text) => {
    const path = content === undefined ? '/nowhere/key' : keyFile(content);
    const loading = load(['--servables', 'kit', '--dec-key-file', path]);
    await expect(loading).rejects.toThrow(ConfigError);
    await expect(loading).rejects.toThrow(text);
  });
});
