export { runApp, type AppOptions, type HostProcess } from './app-process.js';
export { busOptionsOf, connectFleetBus, logBusStates, untilEnd } from './fleet-bus.js';
export { HostCheck, type HostDenial } from './host-check.js';
export { LiveSettings, type LeveledLog, type LiveLogin } from './live-settings.js';
export { listenForOperators } from './operator-port.js';
export { askOfApp, reportToParent, type AppFacts, type AppReport, type ReplicaReport, type ReportMessage } from './parent.js';
export { createLog, logWith, NestLog, silentLog, warnEach, type AppLog, type LogLevel } from './log.js';
export { listenForTensors } from './tensor-port.js';
