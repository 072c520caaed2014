import { topics } from '@mserve/bus';
import { ControlMessages, SchedulerHelloDto, WorkerHelloDto } from '@mserve/bus/nest';
import { Controller, Inject } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { SchedulerService } from '../scheduler.service.js';
import { schedulerBus } from './scheduler-bus.js';

/** Beacons of the others. */
@Controller()
@ControlMessages()
export class HelloController {
  constructor(@Inject(SchedulerService) private readonly scheduler: SchedulerService) {}

  @EventPattern(topics.workersHello, schedulerBus)
  hearWorker(@Payload() hello: WorkerHelloDto): void {
    this.scheduler.hearWorker(hello);
  }

  @EventPattern(topics.schedulersHello, schedulerBus)
  hearScheduler(@Payload() hello: SchedulerHelloDto): void {
    this.scheduler.hearScheduler(hello);
  }
}
