import type { SettingsOf } from '@mserve/config';
import type { SchedulerOptions } from '../scheduler-options.js';

/** The settings of a scheduler as its options. */
export function schedulerOptionsOf(settings: SettingsOf<'scheduler'>): Partial<SchedulerOptions> {
  const { maxQueuedRequests, maxQueuedInstances, maxQueueDelayMs, maxAttempts, maxUndelivered, receiptGraceMs } = settings;
  const { workerLostMs, suspectLostMs, busReturnMs } = settings;
  return {
    maxQueuedRequests,
    maxQueuedInstances,
    maxQueueDelayMs,
    maxAttempts,
    maxUndelivered,
    receiptGraceMs,
    workerLostMs,
    suspectLostMs,
    busReturnMs,
  };
}
