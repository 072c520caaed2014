export type { FunctionRunner, FunctionRunOptions, ModelCaller } from './functions/function-runner.js';
export { launchDeviceWorker, startDeviceWorker, type RunningWorker } from './start-device-worker.js';
export { silentLog, type DeviceWorkerOptions, type ServableOptions, type WorkerLog } from './replica/worker-options.js';
export type { ModelProgress } from './replica/load-models.js';
export type { DecryptionKey } from './replica/model-loader.js';
export type { WorkerStats } from './replica/device-worker.js';
export { DeviceWorkerModule, type WorkerParts } from './device-worker.module.js';
export { checkServable, checkServableNames, checkServables, ConfigError, listServables, type ServableReport } from './servable/index.js';
export { checkModels, type CheckModelsOptions } from './replica/check-models.js';
