import { hostname } from 'node:os';
import { agentSubjects, subjects, type AcquiredRanks, type FoundServables, type ReplicaList } from '@mserve/bus';
import { AcquireRanksDto, ControlMessages, FindServablesDto, LoadServableDto, UnloadServableDto } from '@mserve/bus/nest';
import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { DeviceWorker } from '../replica/device-worker.js';
import { workerBus } from './device-worker-bus.js';

/**
 * Servable versions come and go. What cannot begin is refused. Other requests are answered when the change has begun: loading a large model takes longer
 * than a request may. The worker's promises never reject: a load that fails afterwards is in the log, and a failed replica in the lists.
 */
@Controller()
@ControlMessages()
export class ServablesController {
  constructor(@Inject(DeviceWorker) private readonly worker: DeviceWorker) {}

  @MessagePattern(subjects.servablesLoad, workerBus)
  load(@Payload() { servable: name, version, deviceIds, numParallelWorkers, reload }: LoadServableDto): ReplicaList {
    this.worker.forgive(name, version);
    void this.worker.load({ name, version, deviceIds, numParallelWorkers }, { reload });
    return this.worker.list;
  }

  @MessagePattern(agentSubjects.acquire, workerBus)
  acquire(@Payload() { servable }: AcquireRanksDto): AcquiredRanks {
    return this.worker.ranksOf(servable);
  }

  @MessagePattern(subjects.servablesUnload, workerBus)
  unload(@Payload() { servable, version, graceMs }: UnloadServableDto): ReplicaList {
    void this.worker.unload(servable, version, graceMs);
    return this.worker.list;
  }
  @MessagePattern(subjects.servablesFound, workerBus)
  async found(@Payload() { servable }: FindServablesDto): Promise<FoundServables> {
    return { host: hostname(), servables: await this.worker.found(servable) };
  }
}
