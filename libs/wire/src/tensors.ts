/** What a browser needs of this room, `@mserve/wire/tensors`: nothing behind it is Node's. */
export * from './dtype.js';
export * from './half.js';
export * from './tensor.js';
