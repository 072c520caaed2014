export {
  startServer,
  type BusLogin,
  type FailedServable,
  type RunningServable,
  type RunningServer,
  type ServableChoice,
  type ServerOptions,
} from './server.js';
export { openModel, formatOf, type ModelFileFormat, type ModelKey } from './model-file.js';
export { readNpy, writeNpy } from './npy.js';
