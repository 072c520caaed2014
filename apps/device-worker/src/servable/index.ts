export { ConfigError } from './config-error.js';
export {
  checkServableNames,
  configNames,
  findConfig,
  isServableName,
  listServables,
  listVersions,
  modelFiles,
  resolveVersion,
  type VersionFiles,
} from './servable-directory.js';
export { loadServable, type LoadedServable, type LoadServableOptions } from './load-servable.js';
export { checkServable, checkServables, type ServableReport } from './check-servable.js';
