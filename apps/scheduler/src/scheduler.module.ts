import type { Bus } from '@mserve/bus';
import { BUS, BusClient } from '@mserve/bus/nest';
import { type DynamicModule, Module } from '@nestjs/common';
import { CatalogController } from './control/catalog.controller.js';
import { HelloController } from './control/hello.controller.js';
import { createLog, type AppLog } from '@mserve/app';
import type { DispatchObservers } from './dispatch/dispatch-options.js';
import type { SchedulerOptions } from './scheduler-options.js';
import { SchedulerService } from './scheduler.service.js';

/** What the scheduler's module is made of. */
export interface SchedulerModuleOptions extends DispatchObservers {
  /** The caller's to close. */
  readonly bus: Bus;
  readonly options?: Partial<SchedulerOptions> | undefined;
  /** Default: warnings as JSON lines on stderr. */
  readonly log?: AppLog | undefined;
}

/** A scheduler as a Nest module; to be served by a BusServer on the same bus. {@link SchedulerService.start} begins. */
@Module({})
export class SchedulerModule {
  static register({ bus, options = {}, log = createLog('warn', 'scheduler'), metrics, tracer }: SchedulerModuleOptions): DynamicModule {
    const client = new BusClient(bus);
    return {
      module: SchedulerModule,
      controllers: [CatalogController, HelloController],
      providers: [
        { provide: BUS, useValue: bus },
        { provide: BusClient, useValue: client },
        { provide: SchedulerService, useFactory: () => new SchedulerService(bus, client, options, log, { metrics, tracer }) },
      ],
      exports: [SchedulerService],
    };
  }
}
