export { ConfigError, HelpRequested } from './config-error.js';
export { loadConfig, type ConfigSources } from './load-config.js';
export { Setting, type SettingKind, type SettingOptions } from './setting.js';
export { FleetConfig } from './fleet-config.js';
export { nearest } from './nearest.js';
