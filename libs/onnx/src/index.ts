export { classNamesOf, type ClassNames } from './model/class-names.js';
export { readOnnxModel } from './model/read-model.js';
export type { OnnxAttribute, OnnxFunction, OnnxGraph, OnnxModel, OnnxNode, OnnxPort, OnnxTensor } from './model/onnx-model.js';
export { proveRows, type OutputProof, type ProveOptions, type RowProof } from './proof/prove-rows.js';
export type { Fault } from './facts/fault.js';
export { opRules } from './ops/index.js';
