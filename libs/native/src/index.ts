export * from './crash-note.js';
export * from './library-path.js';
export * from './machine.js';
export * from './native-error.js';
export * from './session.js';
export * from './session-options.js';
export * from './tensor.js';
export { loadRank } from './rank.js';
export * from './rank-contract.js';
