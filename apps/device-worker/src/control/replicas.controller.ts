import { subjects, type ReplicaList } from '@mserve/bus';
import { ControlMessages } from '@mserve/bus/nest';
import { Controller, Inject } from '@nestjs/common';
import { MessagePattern } from '@nestjs/microservices';
import { DeviceWorker, type WorkerStats } from '../replica/device-worker.js';
import { workerBus } from './device-worker-bus.js';

/** What others ask a worker. */
@Controller()
@ControlMessages()
export class ReplicasController {
  constructor(@Inject(DeviceWorker) private readonly worker: DeviceWorker) {}

  @MessagePattern(subjects.replicasList, workerBus)
  list(): ReplicaList {
    return this.worker.list;
  }

  @MessagePattern('worker.stats', workerBus)
  stats(): WorkerStats {
    return this.worker.stats;
  }
}
