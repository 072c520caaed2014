export type { Environment, RunningTracing } from './running-tracing.js';
export { startTracing, tracesAreWanted, withTracing } from './tracing.js';
