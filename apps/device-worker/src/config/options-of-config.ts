import { readFileSync } from 'node:fs';
import type { NatsBusOptions } from '@mserve/bus';
import { ConfigError } from '@mserve/config';
import type { DeviceWorkerOptions, ServableOptions } from '../replica/worker-options.js';
import type { WorkerConfig } from './worker-config.js';

export function workerOptionsOf(config: WorkerConfig): DeviceWorkerOptions {
  const { directory, deviceIds, numParallelWorkers, intraOpThreads, concurrentRuns, credits, warmUp } = config;
  return { directory, servables: config.servables?.map(servableOf), deviceIds, numParallelWorkers, intraOpThreads, concurrentRuns, credits, warmUp };
}

/** `NAME` or `NAME:VERSION`, checked by the config. */
function servableOf(text: string): ServableOptions {
  const [name = '', version = '0'] = text.split(':');
  return { name, version: Number(version) };
}

/** Throws ConfigError for a credentials file that cannot be read. */
export function busOptionsOf(config: WorkerConfig): NatsBusOptions {
  return {
    servers: config.nats.split(','),
    role: 'worker',
    prefix: config.subjectPrefix,
    user: config.natsUser,
    password: config.natsPassword,
    token: config.natsToken,
    credentials: config.natsCreds === undefined ? undefined : textOf(config.natsCreds),
  };
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError(`--nats-creds: cannot read ${path}: ${(error as Error).message}`);
  }
}
