import 'reflect-metadata';
import { connectFleetBus, runApp, untilEnd, type LiveSettings } from '@mserve/app';
import type { SettingsOf } from '@mserve/config';
import type { Logger } from 'pino';
import { schedulerOptionsOf } from './config/options-of-settings.js';
import { liveSchedulerKeys } from './scheduler-options.js';
import { startScheduler } from './start-scheduler.js';

/** Schedules until asked to end; resolves with the exit code: 1 when instances were left unfinished, or when the bus is gone for good. */
async function schedule(
  settings: SettingsOf<'scheduler'>,
  log: Logger,
  asked: AbortSignal,
  live: LiveSettings<SettingsOf<'scheduler'>>,
): Promise<number> {
  const bus = await connectFleetBus(settings, 'scheduler', log, asked, live);
  try {
    const scheduler = await startScheduler(bus, { ...schedulerOptionsOf(settings), log });
    live.take(liveSchedulerKeys, ({ maxQueuedRequests, maxQueuedInstances }) =>
      scheduler.limitQueue(maxQueuedRequests, maxQueuedInstances),
    );
    log.info({ address: scheduler.address }, 'scheduling');
    const reason = await untilEnd(bus, log, asked);
    const unfinished = await scheduler.close(reason === 'asked' ? settings.graceMs : 0);
    return reason === 'asked' && unfinished === 0 ? 0 : 1;
  } finally {
    await bus.close();
  }
}

process.exit(await runApp(process, { name: 'scheduler', work: schedule }));
