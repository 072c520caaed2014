export { ProtobufError } from './protobuf-error.js';
export { ProtobufReader } from './protobuf-reader.js';
export * from './protobuf-size.js';
export { GrowingWriter } from './growing-writer.js';
export { linkedBytes, messageBytes, ProtobufWriter } from './protobuf-writer.js';
export { TextCache } from './text-cache.js';
