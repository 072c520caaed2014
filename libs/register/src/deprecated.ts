import { declareModel, type Model, type ModelFormatName } from './model.js';
import type { AclOptions, GpuOptions } from './model-options.js';
import { OutputsPlaceholder, type Placeholder } from './placeholder.js';
import { RegisterError, typeName } from './register-error.js';
import { openRegistry, type DeprecatedStage, type OpenMethod, type Registry, type StageFunction } from './registry.js';
import { checkArity, checkModelCounts, functionIndex, openMethodOf, stageInput } from './stage.js';

/** The calls of MindSpore Serving before 1.5. They work, and each warns once per servable. */

function warn(registry: Registry, call: string, instead: string): void {
  if (registry.warned.has(call)) return;
  registry.warned.add(call);
  registry.warn(`'${call}' is deprecated from version 1.5.0 and will be removed in a future version, use '${instead}' instead.`);
}

/**
 * Declares a model; parameters, result and errors as declareModel's.
 * @deprecated use {@link declareModel}.
 */
export function declareServable(
  servableFile: string | readonly string[],
  modelFormat: ModelFormatName,
  withBatchDim = true,
  options?: AclOptions | GpuOptions,
  withoutBatchDimInputs?: number | readonly number[],
): Model {
  warn(openRegistry('declareServable'), 'declareServable', 'declareModel');
  return declareModel(servableFile, modelFormat, withBatchDim, options, withoutBatchDimInputs);
}

/**
 * Adds a function that is called per instance, before the model. Gives its output, or when destructured (`const [a, b] = callPreprocess(f, x)`) as many as
 * are taken. Throws RegisterError when it is not the first stage of a method, or beside addStage.
 * @deprecated use {@link addStage}.
 */
export function callPreprocess(preprocess: StageFunction, ...inputs: Placeholder[]): OutputsPlaceholder {
  return addDeprecated({ kind: 'preprocess', call: 'callPreprocess', fn: preprocess }, inputs, undefined);
}

/**
 * As {@link callPreprocess}, with a function that is called with an array of instances.
 * @deprecated use {@link addStage} with batchSize 0.
 */
export function callPreprocessPipeline(preprocess: StageFunction, ...inputs: Placeholder[]): OutputsPlaceholder {
  return addDeprecated({ kind: 'preprocess', call: 'callPreprocessPipeline', fn: preprocess }, inputs, 0);
}

/**
 * Adds the servable's one model. Every method that has deprecated calls needs this one. Gives its outputs like {@link callPreprocess}. Throws RegisterError
 * when there is no model or more than one, and behind a postprocess.
 * @deprecated use {@link addStage} with the model.
 */
export function callServable(...inputs: Placeholder[]): OutputsPlaceholder {
  return addDeprecated({ kind: 'servable', call: 'callServable', fn: undefined }, inputs, undefined);
}

/**
 * Adds a function that is called per instance, after the model. Gives its outputs like {@link callPreprocess}. Throws RegisterError before
 * {@link callServable}.
 * @deprecated use {@link addStage}.
 */
export function callPostprocess(postprocess: StageFunction, ...inputs: Placeholder[]): OutputsPlaceholder {
  return addDeprecated({ kind: 'postprocess', call: 'callPostprocess', fn: postprocess }, inputs, undefined);
}

/**
 * As {@link callPostprocess}, with a function that is called with an array of instances.
 * @deprecated use {@link addStage} with batchSize 0.
 */
export function callPostprocessPipeline(postprocess: StageFunction, ...inputs: Placeholder[]): OutputsPlaceholder {
  return addDeprecated({ kind: 'postprocess', call: 'callPostprocessPipeline', fn: postprocess }, inputs, 0);
}

const kindNames = {
  preprocess: 'callPreprocess or callPreprocessPipeline',
  servable: 'callServable',
  postprocess: 'callPostprocess or callPostprocessPipeline',
};

function addDeprecated(stage: DeprecatedStage, inputs: readonly unknown[], batchSize: number | undefined): OutputsPlaceholder {
  const registry = openRegistry(stage.call);
  const method = openMethodOf(registry, stage.call);
  warn(registry, stage.call, 'addStage');
  checkOrder(method, stage);
  const sources = inputs.map((input, index) => stageInput(method, stage.call, input, index));
  if (stage.kind === 'servable') checkOneModel(registry);
  else if (typeof stage.fn !== 'function')
    throw new RegisterError(`the first argument of ${stage.call} must be a function, not ${typeName(stage.fn)}`);
  else if (batchSize === undefined) checkArity(stage.fn, inputs.length);
  method.deprecated.push(stage);
  const kind = stage.kind === 'servable' ? 'model' : 'function';
  method.stages.push({ kind, index: 0, inputs: sources, outputsCount: 1, batchSize, tag: undefined, context: undefined });
  return new OutputsPlaceholder(method, method.stages.length);
}

function checkOrder(method: OpenMethod, stage: DeprecatedStage): void {
  const seen = (kind: DeprecatedStage['kind']): boolean => method.deprecated.some((other) => other.kind === kind);
  const refuse = (text: string): never => {
    throw new RegisterError(`method '${method.name}': ${text}`);
  };
  if (method.usesAddStage) refuse(`${stage.call} and addStage cannot be used together, use addStage in its place`);
  if (seen(stage.kind)) refuse(`${kindNames[stage.kind]} can be called once only`);
  if (stage.kind === 'preprocess' && (seen('servable') || seen('postprocess'))) refuse('callPreprocess must come before callServable');
  if (stage.kind === 'servable' && seen('postprocess')) refuse(`${kindNames.postprocess} must come after callServable`);
  if (stage.kind === 'postprocess' && !seen('servable')) refuse(`${kindNames.postprocess} must come after callServable`);
}

function checkOneModel(registry: Registry): void {
  if (registry.models.length === 0) throw new RegisterError('callServable needs a model: declare one with declareModel');
  if (registry.models.length > 1) {
    throw new RegisterError('callServable is for servables of one model, and more are declared: use addStage with the model in its place');
  }
}

/** At the end of a body: the counts of outputs are known now, so functions and model counts are entered. Throws RegisterError when callServable is missing. */
export function closeDeprecated(registry: Registry, method: OpenMethod): void {
  if (method.deprecated.length === 0) return;
  if (method.usesAddStage)
    throw new RegisterError(
      `method '${method.name}': addStage and the deprecated ${method.deprecated[0]?.call} cannot be used together, use addStage in its place`,
    );
  if (!method.deprecated.some(({ kind }) => kind === 'servable'))
    throw new RegisterError(`method '${method.name}' calls ${method.deprecated[0]?.call}, but not callServable`);
  method.deprecated.forEach(({ fn }, at) => {
    const stage = method.stages[at];
    if (stage === undefined) return;
    if (fn === undefined) checkModelCounts(registry, 0, stage.inputs.length, stage.outputsCount);
    else stage.index = functionIndex(registry, method, fn, stage.inputs.length, stage);
  });
}
