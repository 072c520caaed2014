export * from './dispatch/dispatch-options.js';
export * from './dispatch/dispatch-stats.js';
export { Dispatcher } from './dispatch/dispatcher.js';
export type { ReadyReplica } from './dispatch/replica-set.js';
export { type SchedulerOptions, defaultSchedulerOptions } from './scheduler-options.js';
export { type RunningScheduler, type StartOptions, startScheduler } from './start-scheduler.js';
export { SchedulerModule, type SchedulerModuleOptions } from './scheduler.module.js';
export { schedulerOptionsOf } from './config/options-of-settings.js';
export { SchedulerService } from './scheduler.service.js';
