import 'reflect-metadata';
import { connectFleetBus, untilEnd, type AppOptions, type LiveSettings } from '@mserve/app';
import type { SettingsOf } from '@mserve/config';
import type { Tracer } from '@mserve/metrics';
import { openSharedRings } from '@mserve/native/shared-memory';
import { showBus, withOperations, type Operations } from '@mserve/ops';
import { withTracing, type Environment } from '@mserve/tracing';
import type { Logger } from 'pino';
import { schedulerOptionsOf } from './config/options-of-settings.js';
import { liveSchedulerKeys } from './scheduler-options.js';
import { startScheduler } from './start-scheduler.js';

/** Who is told what this process does. */
interface Observers {
  readonly operations: Operations;
  readonly tracer: Tracer | undefined;
}

/** Schedules until asked to end; resolves with the exit code: 1 when instances were left unfinished, or when the bus is gone for good. */
async function schedule(
  settings: SettingsOf<'scheduler'>,
  log: Logger,
  asked: AbortSignal,
  live: LiveSettings<SettingsOf<'scheduler'>>,
  { operations, tracer }: Observers,
): Promise<number> {
  const rings = openSharedRings(settings.sharedRings, (text) => log.warn(text));
  const bus = await connectFleetBus(settings, 'scheduler', log, asked, { live, rings });
  showBus(operations.metrics, 'scheduler', bus);
  try {
    const scheduler = await startScheduler(bus, { ...schedulerOptionsOf(settings), log, metrics: operations.metrics, tracer });
    operations.isReady = () => bus.state === 'up';
    operations.facts = () => ({ address: bus.address, knows: scheduler.knownWorkers });
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

/** What the process of a scheduler consists of: `main.ts`, and `mserve app scheduler`. `env`: its OTEL_ variables say whether it is traced. */
export function schedulerApp(env: Environment): AppOptions<'scheduler'> {
  return {
    name: 'scheduler',
    work: (settings, log, asked, live) =>
      withOperations(settings, log, live, (operations) =>
        withTracing(env, 'scheduler', log, (tracer) => schedule(settings, log, asked, live, { operations, tracer })),
      ),
  };
}
