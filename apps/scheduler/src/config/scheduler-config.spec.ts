import { describe, expect, it } from '@jest/globals';
import { ConfigError, loadConfig } from '@mserve/config';
import { defaultSchedulerOptions } from '../scheduler-options.js';
import { busOptionsOf } from '@mserve/app';
import { schedulerOptionsOf } from './options-of-config.js';
import { SchedulerConfig } from './scheduler-config.js';

function load(argv: readonly string[], env: Readonly<Record<string, string>> = {}): SchedulerConfig {
  return loadConfig(SchedulerConfig, { argv, env, program: 'scheduler' });
}

describe('configuration of the scheduler', () => {
  it('has the defaults of the scheduler itself', () => {
    expect(defaultSchedulerOptions).toMatchObject(schedulerOptionsOf(load([])));
  });

  it('reaches scheduler and bus', () => {
    const config = load(['--max-queued-requests', '5', '--nats=a:1,b:2', '--max-queue-delay-ms', '1.5'], {
      MSERVE_SUBJECT_PREFIX: 'x',
      MSERVE_MAX_ATTEMPTS: '3',
    });
    expect(schedulerOptionsOf(config)).toMatchObject({
      maxQueuedRequests: 5,
      maxQueueDelayMs: 1.5,
      maxAttempts: 3,
      maxQueuedInstances: 100_000,
    });
    expect(busOptionsOf(config, 'scheduler')).toMatchObject({ servers: ['a:1', 'b:2'], role: 'scheduler', prefix: 'x' });
  });

  it.each([
    [['--max-attempts', '0'], /max-attempts: maxAttempts must not be less than 1, but is 0/],
    [['--worker-lost', '1000'], /unknown flag '--worker-lost', did you mean '--worker-lost-ms'\?/],
  ])('refuses %j', (argv, text) => {
    expect(() => load(argv)).toThrow(text);
  });

  it('says which credentials cannot be read', () => {
    expect(() => busOptionsOf(load(['--nats-creds', '/nowhere/x.creds']), 'scheduler')).toThrow(ConfigError);
  });
});
