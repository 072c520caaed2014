import 'reflect-metadata';
import { type Bus, subjects, topics } from '@mserve/bus';
import { pino } from 'pino';
import { HelloMessage } from './control/worker-messages.js';
import { checkedJson } from './control/wire-checks.js';
import type { SchedulerLog, SchedulerOptions } from './scheduler-options.js';
import { SchedulerService } from './scheduler.service.js';

export interface StartOptions extends Partial<SchedulerOptions> {
  /** Default: a pino logger on stdout. */
  readonly log?: SchedulerLog | undefined;
}

export interface RunningScheduler {
  readonly address: string;
  readonly service: SchedulerService;
  /** See {@link SchedulerService.close}; resolves with the number of instances left unfinished. The bus stays open. */
  close(graceMs?: number): Promise<number>;
}

/** Starts a scheduler on a bus that the caller owns. */
export async function startScheduler(bus: Bus, options: StartOptions = {}): Promise<RunningScheduler> {
  const service = new SchedulerService(bus, options, options.log ?? pino({ name: 'scheduler' }));
  const json = (message: unknown): Promise<Uint8Array> => Promise.resolve(Buffer.from(JSON.stringify(message)));
  const subscriptions = [
    bus.listen(topics.workersHello, (body) => service.hearWorker(checkedJson(HelloMessage, body))),
    bus.listen(topics.schedulersHello, (body) => service.hearScheduler(checkedJson(HelloMessage, body))),
    bus.respond(subjects.catalogList, () => json(service.listCatalog())),
    bus.respond('scheduler.stats', () => json(service.stats())),
  ];
  service.start();
  return {
    address: bus.address,
    service,
    close: async (graceMs = 30_000) => {
      const left = await service.close(graceMs);
      for (const subscription of subscriptions) subscription.unsubscribe();
      return left;
    },
  };
}
