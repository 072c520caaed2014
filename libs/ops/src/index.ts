export { busMetrics, channelMetrics, showBus, type BusRole } from './bus-metrics.js';
export { defaultOpsAddress, Operations, withOperations } from './operations.js';
export { OpsPort, sendJson, type OpsHandler, type OpsOptions } from './ops-port.js';
export { ProcessWatch } from './process-watch.js';
export { ProcessMetrics, processMetrics } from './process-metrics.js';
export { reloadMetrics, showReloads } from './reload-metrics.js';
export { prometheusContentType, prometheusText, type MetricsCompat } from './prometheus-text.js';
export * from './state.js';
export { fleetStore, tensorMetrics } from './tensor-metrics.js';
