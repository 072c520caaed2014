import { type Catalog, statsSubjects, subjects } from '@mserve/bus';
import { ControlMessages, StatsRequestDto } from '@mserve/bus/nest';
import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { SchedulerService, type SchedulerStats } from '../scheduler.service.js';
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

  @MessagePattern(statsSubjects.scheduler, schedulerBus)
  stats(@Payload() { methods = false }: StatsRequestDto): SchedulerStats {
    return this.scheduler.stats(methods);
  }
}
