/** What the author of a servable imports. docs/servables.md is its guide. */
export * from './declaration.js';
export { declareModel, Model, type ModelFormatName, type ModelParameters } from './model.js';
export { distributed, type DistributedParameters } from './distributed.js';
export type { CallOptions } from './model-call.js';
export {
  AclOptions,
  AscendDeviceInfo,
  Context,
  CPUDeviceInfo,
  GpuOptions,
  GPUDeviceInfo,
  type AscendValues,
  type ContextValues,
  type PrecisionValues,
} from './model-options.js';
export { registerMethod, type InputDescription, type MethodBody, type MethodParameters, type ValueDescription } from './method.js';
export type { ExampleValue } from './example.js';
export { addStage, type StageOptions, type StageOutputs } from './stage.js';
export type { StageFunction, Registry } from './registry.js';
export { Placeholder } from './placeholder.js';
export {
  callPostprocess,
  callPostprocessPipeline,
  callPreprocess,
  callPreprocessPipeline,
  callServable,
  declareServable,
} from './deprecated.js';
export { RegisterError, typeName } from './register-error.js';
export { InvalidInput } from './invalid-input.js';
export { CallContext, type CallContextValues, type CallLog } from './call-context.js';
export { Tensor, type Nested } from './tensor/tensor.js';
export type { PadWidths } from './tensor/movement.js';
export { centerCropImage, chwToHwc, hwcToChw, normalizeImage, resizeImage, type Interpolation } from './tensor/image.js';
export type { ElementArray, ElementArrays, ElementOf, ElementValue, NumericDType } from './tensor/element.js';
export { doubleToHalf, halfToFloat } from '@mserve/wire';
export type { InputValue, OutputValue } from './value.js';
// For the worker's function threads, not for authors:
export { isInvalidInput } from './invalid-input.js';
export { awaitHint, inputValue, outputTensor, OutputKindError, outputKinds } from './value.js';
export { currentRegistry, declarationOf, sealRegistry, startRegistry } from './registry.js';
export { parametersOf, type Parameter } from './parameter.js';
