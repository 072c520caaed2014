export { runApp, type AppOptions, type HostProcess } from './app-process.js';
export { busOptionsOf, connectFleetBus, settingFile, untilEnd } from './fleet-bus.js';
export { createLog, NestLog, type AppLog, type LogLevel } from './log.js';
