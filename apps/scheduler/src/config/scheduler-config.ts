import { FleetConfig, Setting } from '@mserve/config';
import { IsInt, IsNumber, Max, Min } from 'class-validator';

/** What `nx serve scheduler` can be told. */
export class SchedulerConfig extends FleetConfig {
  @Setting({ kind: 'number', doc: 'requests that may wait, over all servables; further ones are refused' })
  @IsInt()
  @Min(1)
  maxQueuedRequests = 10_000;

  @Setting({ kind: 'number', doc: 'instances that may wait, over all servables; also the most one request may have' })
  @IsInt()
  @Min(1)
  maxQueuedInstances = 100_000;

  @Setting({ kind: 'number', doc: 'how long a free replica may be left idle for a batch to fill, in ms' })
  @IsNumber()
  @Min(0)
  @Max(60_000)
  maxQueueDelayMs = 0;

  @Setting({ kind: 'number', doc: 'how often a request is given to a worker when workers are lost, the first time included' })
  @IsInt()
  @Min(1)
  @Max(10)
  maxAttempts = 2;

  @Setting({ kind: 'number', doc: 'a worker that is silent for longer is lost, in ms' })
  @IsInt()
  @Min(500)
  @Max(60_000)
  workerLostMs = 1_000;
}
