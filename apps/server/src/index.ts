export { startServer, type FailedServable, type RunningServable, type RunningServer, type ServerOptions } from './server.js';
export { openModel, formatOf, type ModelFileFormat, type ModelKey } from './model-file.js';
export { readNpy, writeNpy } from './npy.js';
export { startServables, ServablesServer, type ServablesServerOptions } from './start-servables.js';
export { ServableStartConfig, SSLConfig, type DeviceType, type ServableStartParameters, type SSLParameters } from './start-config.js';
export type {
  ChangeOptions,
  ListedReplica,
  ListedServable,
  ListedVersion,
  ListedWorker,
  LoadChangeOptions,
  ModelChange,
  ModelList,
  WorkerResult,
} from '@mserve/gateway';
export { distributed, type RunningAgents } from './distributed/distributed-api.js';
