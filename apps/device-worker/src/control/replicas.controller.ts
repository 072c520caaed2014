import { statsSubjects, subjects, type ReplicaList } from '@mserve/bus';
import { ControlMessages, StatsRequestDto } from '@mserve/bus/nest';
import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import type { WorkerStats } from '../replica/assignment-handler.js';
import { DeviceWorker } from '../replica/device-worker.js';
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

  @MessagePattern(statsSubjects.worker, workerBus)
  stats(@Payload() { methods = false }: StatsRequestDto): WorkerStats {
    return methods ? { ...this.worker.stats, methods: this.worker.methodWork } : this.worker.stats;
  }
}
