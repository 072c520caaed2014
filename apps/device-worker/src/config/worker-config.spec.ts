import { describe, expect, it } from '@jest/globals';
import { ConfigError, loadConfig } from '@mserve/config';
import { workerOptionsOf } from './options-of-config.js';
import { WorkerConfig } from './worker-config.js';

const load = (argv: readonly string[], env: Readonly<Record<string, string>> = {}): WorkerConfig =>
  loadConfig(WorkerConfig, { argv, env, program: 'device-worker' });

describe('WorkerConfig', () => {
  it('becomes the options of a worker', () => {
    expect(workerOptionsOf(load([]))).toEqual({
      directory: '.',
      servables: undefined,
      deviceIds: [0],
      numParallelWorkers: 1,
      intraOpThreads: undefined,
      concurrentRuns: 1,
      credits: undefined,
      warmUp: true,
    });
    const argv = ['--directory', '/srv', '--servables', 'digits,kit:2', '--device-ids', '0,3', '--warm-up=false', '--credits', '40'];
    expect(workerOptionsOf(load(argv, { MSERVE_INTRA_OP_THREADS: '2' }))).toMatchObject({
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
    ['--servables', '../x', 'NAME or NAME:VERSION'],
    ['--servables', 'kit:01', 'NAME or NAME:VERSION'],
    ['--servables', 'kit,kit', 'unique'],
    ['--device-ids', '-1', 'must not be less than 0'],
    ['--device-ids', '1,1', 'unique'],
    ['--num-parallel-workers', '65', 'must not be greater than 64'],
    ['--concurrent-runs', '0', 'must not be less than 1'],
    ['--device-id', '0', "did you mean '--device-ids'"],
  ])('refuses %s %s', (flag, text, message) => {
    expect(() => load([flag, text])).toThrow(ConfigError);
    expect(() => load([flag, text])).toThrow(message);
  });
});
