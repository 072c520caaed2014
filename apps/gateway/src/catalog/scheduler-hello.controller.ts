import { Controller, Inject } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { topics } from '@mserve/bus';
import { ControlMessages, SchedulerHelloDto } from '@mserve/bus/nest';
import { gatewayBus } from '../edge/tokens.js';
import { CatalogFeed } from './catalog-feed.js';
import { SchedulerWatch } from './scheduler-watch.js';

/** Beacons of the schedulers. */
@Controller()
@ControlMessages()
export class SchedulerHelloController {
  constructor(
    @Inject(SchedulerWatch) private readonly schedulers: SchedulerWatch,
    @Inject(CatalogFeed) private readonly feed: CatalogFeed,
  ) {}

  @EventPattern(topics.schedulersHello, gatewayBus)
  hear(@Payload() hello: SchedulerHelloDto): void {
    this.schedulers.heard(hello);
    this.feed.heard(hello);
  }
}
