import type { SchedulerOptions } from '../scheduler-options.js';
import type { SchedulerConfig } from './scheduler-config.js';

export function schedulerOptionsOf(config: SchedulerConfig): Partial<SchedulerOptions> {
  const { maxQueuedRequests, maxQueuedInstances, maxQueueDelayMs, maxAttempts, workerLostMs } = config;
  return { maxQueuedRequests, maxQueuedInstances, maxQueueDelayMs, maxAttempts, workerLostMs };
}
