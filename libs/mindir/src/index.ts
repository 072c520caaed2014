export { inspectMindir, loadMindir, type MindirOptions, type MindirSource } from './load.js';
export type { DecryptionMode } from './container/encryption.js';
export { MindirError, type MindirErrorKind } from './mindir-error.js';
export type { ModelPort } from './model-port.js';
export type { NamedTensor, OnnxModel } from './onnx-model.js';
export type { ModelReport } from './report.js';
export type { Refusal } from './trace/tracer.js';
export { opFamilies } from './ops/index.js';
export { writeOnnx, writeSplitOnnx, type SplitOnnxModel } from './write-onnx.js';
