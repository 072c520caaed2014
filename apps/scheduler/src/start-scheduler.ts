import 'reflect-metadata';
import type { Bus } from '@mserve/bus';
import { BusServer } from '@mserve/bus/nest';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import type { DispatchStats } from './dispatch/dispatch-stats.js';
import { createLog, NestLog, type AppLog } from '@mserve/app';
import type { DispatchObservers } from './dispatch/dispatch-options.js';
import type { SchedulerOptions } from './scheduler-options.js';
import { schedulerBus } from './control/scheduler-bus.js';
import { SchedulerModule } from './scheduler.module.js';
import { SchedulerService } from './scheduler.service.js';

/** What a scheduler is started with. */
export interface StartOptions extends Partial<SchedulerOptions>, DispatchObservers {
  /** Default: warnings as JSON lines on stderr. */
  readonly log?: AppLog | undefined;
}

/** A scheduler that runs. */
export interface RunningScheduler {
  /** Its address on the bus. */
  readonly address: string;
  stats(): DispatchStats;
  /** Bus addresses of the workers whose replicas it knows as they are now; none of them leaves, or is loading. */
  readonly knownWorkers: readonly string[];
  /** See {@link SchedulerService.limitQueue}. */
  limitQueue(maxQueuedRequests: number, maxQueuedInstances?: number): void;
  /**
   * Leaves: see {@link SchedulerService.close}. Default grace 30 000 ms. Resolves with the number of instances left unfinished;
   * the bus stays open, it is the caller's.
   */
  close(graceMs?: number): Promise<number>;
}

/** Starts a scheduler on a bus. Resolves when it takes tickets; workers and gateways may come before or after. */
export async function startScheduler(bus: Bus, options: StartOptions = {}): Promise<RunningScheduler> {
  const { log = createLog('warn', 'scheduler'), metrics, tracer, ...rest } = options;
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(
    SchedulerModule.register({ bus, options: rest, log, metrics, tracer }),
    {
      strategy: new BusServer(bus, schedulerBus),
      logger: new NestLog(log),
      abortOnError: false,
    },
  );
  await app.listen();
  const service = app.get(SchedulerService);
  service.start();
  let closing: Promise<number> | undefined;
  const end = async (graceMs: number): Promise<number> => {
    const unfinished = await service.close(graceMs);
    await app.close();
    return unfinished;
  };
  return {
    address: bus.address,
    stats: () => service.stats(),
    get knownWorkers() {
      return service.knownWorkers;
    },
    limitQueue: (maxQueuedRequests, maxQueuedInstances) => service.limitQueue(maxQueuedRequests, maxQueuedInstances),
    close: (graceMs = 30_000) => (closing ??= end(graceMs)),
  };
}
