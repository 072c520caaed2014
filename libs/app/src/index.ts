export { runApp, type AppOptions, type HostProcess } from './app-process.js';
export { busOptionsOf, connectFleetBus, logBusStates, untilEnd } from './fleet-bus.js';
export { LiveSettings, type LeveledLog, type LiveLogin } from './live-settings.js';
export { createLog, NestLog, silentLog, type AppLog, type LogLevel } from './log.js';
