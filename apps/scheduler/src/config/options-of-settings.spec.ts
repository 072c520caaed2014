import { describe, expect, it } from '@jest/globals';
import { busOptionsOf } from '@mserve/app';
import { ConfigError, loadSettings, type SettingsOf } from '@mserve/config';
import { defaultSchedulerOptions } from '../scheduler-options.js';
import { schedulerOptionsOf } from './options-of-settings.js';

async function load(argv: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<SettingsOf<'scheduler'>> {
  return (await loadSettings({ program: 'scheduler', usage: 'scheduler', argv, env })).settings;
}

describe('settings of the scheduler', () => {
  it('are its options, with its defaults', async () => {
    const { helloMs, ...options } = defaultSchedulerOptions;
    expect(schedulerOptionsOf(await load([]))).toEqual(options);
    expect(helloMs).toBe(250);
  });

  it('reach scheduler and bus', async () => {
    const settings = await load(['--max-queued-requests', '5', '--nats=a:1,b:2', '--insecure-bus', '--max-queue-delay-ms', '1.5'], {
      MSERVE_SUBJECT_PREFIX: 'x',
      MSERVE_MAX_ATTEMPTS: '3',
    });
    expect(schedulerOptionsOf(settings)).toMatchObject({
      maxQueuedRequests: 5,
      maxQueueDelayMs: 1.5,
      maxAttempts: 3,
      maxQueuedInstances: 100_000,
    });
    expect(busOptionsOf(settings, 'scheduler')).toMatchObject({ servers: ['a:1', 'b:2'], role: 'scheduler', prefix: 'x' });
  });

  it('say which credentials cannot be read', async () => {
    const settings = await load(['--nats-creds', '/nowhere/x.creds']);
    expect(() => busOptionsOf(settings, 'scheduler')).toThrow(ConfigError);
    expect(() => busOptionsOf(settings, 'scheduler')).toThrow('--nats-creds: cannot read /nowhere/x.creds');
  });
});
