export * from './agent-dtos.js';
export * from './bus-client.js';
export * from './bus-tokens.js';
export * from './bus-server.js';
export * from './control-dtos.js';
export * from './control-messages.js';
export * from './json.js';
export { describeInvalid, parseControl, validateControl } from './parse-control.js';
export * from './replica-list.js';
