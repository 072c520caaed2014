import { type Catalog, subjects } from '@mserve/bus';
import { ControlMessages } from '@mserve/bus/nest';
import { Controller, Inject } from '@nestjs/common';
import { MessagePattern } from '@nestjs/microservices';
import type { DispatchStats } from '../dispatch/dispatch-stats.js';
import { SchedulerService } from '../scheduler.service.js';
import { schedulerBus } from './scheduler-bus.js';

/** What others ask a scheduler. */
@Controller()
@ControlMessages()
export class CatalogController {
  constructor(@Inject(SchedulerService) private readonly scheduler: SchedulerService) {}

  @MessagePattern(subjects.catalogList, schedulerBus)
  list(): Catalog {
    return this.scheduler.listCatalog();
  }

  @MessagePattern('scheduler.stats', schedulerBus)
  stats(): DispatchStats {
    return this.scheduler.stats();
  }
}
