export * from './channel.js';
export * from './channels.js';
export * from './bus.js';
export * from './tensor-store.js';
export * from './local-tensor-store.js';
export * from './control/messages.js';
export { MemoryExchange } from './memory/memory-exchange.js';
export type { Report } from './report.js';
