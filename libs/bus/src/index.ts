export * from './channel.js';
export * from './bus.js';
export * from './tensor-store.js';
export * from './control/messages.js';
