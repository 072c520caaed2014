export * from './dispatch/dispatch-options.js';
export * from './dispatch/dispatch-stats.js';
export { Dispatcher } from './dispatch/dispatcher.js';
export type { ReadyReplica } from './dispatch/replica-set.js';
