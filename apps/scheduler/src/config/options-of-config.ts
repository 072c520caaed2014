import { readFileSync } from 'node:fs';
import type { NatsBusOptions } from '@mserve/bus';
import { ConfigError } from '@mserve/config';
import type { SchedulerOptions } from '../scheduler-options.js';
import type { SchedulerConfig } from './scheduler-config.js';

export function schedulerOptionsOf(config: SchedulerConfig): Partial<SchedulerOptions> {
  const { maxQueuedRequests, maxQueuedInstances, maxQueueDelayMs, maxAttempts, workerLostMs } = config;
  return { maxQueuedRequests, maxQueuedInstances, maxQueueDelayMs, maxAttempts, workerLostMs };
}

/** Throws ConfigError for a credentials file that cannot be read. */
export function busOptionsOf(config: SchedulerConfig): NatsBusOptions {
  return {
    servers: config.nats.split(','),
    role: 'scheduler',
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
