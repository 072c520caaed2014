import type { ContextSignature } from '@mserve/wire';
import { checkInteger, checkString, checkStringOrList, isPlainObject, refuseUnknown } from './argument.js';
import type { ValueSource } from './declaration.js';
import { modelIndexOf, type Model } from './model.js';
import { parametersOf } from './parameter.js';
import { isPlaceholder, maxOutputs, Placeholder, sourceOf } from './placeholder.js';
import { RegisterError, typeName } from './register-error.js';
import { openRegistry, type OpenMethod, type OpenStage, type Registry, type StageFunction } from './registry.js';

/** Options of a stage, as the last argument of addStage. */
export interface StageOptions {
  /** How many values the stage gives per instance, 1 to 1024. Default 1. */
  readonly outputsCount?: number | undefined;
  /**
   * For functions. Not given: the function is called per instance with its values. 0: with an array of instances, at most the batch size
   * that fits the method's models. n >= 1: with an array of at most n instances.
   */
  readonly batchSize?: number | undefined;
  /** Names the stage in error texts, instead of the function's name. Not empty. */
  readonly tag?: string | undefined;
  /**
   * For functions: the function gets a `CallContext` as one argument more, a batch function an array with one for each instance. As an object: with these
   * HTTP headers or gRPC metadata of the request; none otherwise. Default: false.
   */
  readonly context?: boolean | { readonly headers: string | readonly string[] } | undefined;
}

/** What addStage gives: a `Placeholder` for one output, a tuple of `Count` placeholders for several, an array where the count is not known to the compiler. */
export type StageOutputs<Count extends number> = number extends Count
  ? Placeholder[]
  : Count extends 1
    ? Placeholder
    : PlaceholderTuple<Count>;
type PlaceholderTuple<Count extends number, List extends Placeholder[] = []> = List['length'] extends Count
  ? List
  : List['length'] extends 64
    ? Placeholder[]
    : PlaceholderTuple<Count, [...List, Placeholder]>;

/**
 * Adds a stage to the method whose body runs: a function, or a model from declareModel (its first subgraph). `inputs` are placeholders: inputs of the method
 * or outputs of its earlier stages. The last argument may be {@link StageOptions}.
 *
 * Gives one placeholder, or with `outputsCount` > 1 an array of as many. Throws RegisterError outside of a method's body, for inputs that are no
 * placeholders of this method, for a function that takes another count of values, and when a function or model is used with other counts (or a function
 * with and without `batchSize`) than before.
 */
export function addStage(stage: StageFunction | Model, ...inputs: Placeholder[]): Placeholder;
export function addStage<const Count extends number>(
  stage: StageFunction | Model,
  ...inputs: [...Placeholder[], Omit<StageOptions, 'outputsCount'> & { readonly outputsCount: Count }]
): StageOutputs<Count>;
export function addStage(stage: StageFunction | Model, ...inputs: [...Placeholder[], StageOptions]): Placeholder;
export function addStage(stage: StageFunction | Model, ...args: unknown[]): Placeholder | Placeholder[] {
  const registry = openRegistry('addStage');
  const method = openMethodOf(registry, 'addStage');
  method.usesAddStage = true;
  const last = args.at(-1);
  const options = isPlainObject(last) ? checkOptions(last) : noOptions;
  const inputs = isPlainObject(last) ? args.slice(0, -1) : args;
  const number = openStage(registry, method, stage, inputs, options);
  const outputs = Array.from(
    { length: options.outputsCount },
    (_, output) => new Placeholder(method, { from: 'stage', stage: number, output }),
  );
  return outputs.length === 1 ? (outputs[0] as Placeholder) : outputs;
}

/** The method whose body runs now. Throws RegisterError outside of one. */
export function openMethodOf(registry: Registry, call: string): OpenMethod {
  if (registry.openMethod === undefined)
    throw new RegisterError(`${call} can only be called in the body of a method, the function given to registerMethod`);
  return registry.openMethod;
}

interface CheckedOptions {
  readonly outputsCount: number;
  readonly batchSize: number | undefined;
  readonly tag: string | undefined;
  readonly context: ContextSignature | undefined;
}

const noOptions: CheckedOptions = { outputsCount: 1, batchSize: undefined, tag: undefined, context: undefined };

function checkOptions(given: Record<string, unknown>): CheckedOptions {
  refuseUnknown('addStage has no option', given, ['outputsCount', 'batchSize', 'tag', 'context']);
  const { outputsCount = 1, batchSize, tag, context } = given;
  return {
    outputsCount: checkInteger('outputsCount', outputsCount, 1, maxOutputs),
    batchSize: batchSize === undefined ? undefined : checkInteger('batchSize', batchSize, 0),
    tag: tag === undefined ? undefined : checkString('tag', tag),
    context: checkContext(context),
  };
}

/** A token of RFC 9110: what a header's name is made of. */
const headerName = /^[a-z0-9!#$%&'*+.^_`|~-]{1,256}$/;

function checkContext(given: unknown): ContextSignature | undefined {
  if (given === undefined || given === false) return undefined;
  if (given === true) return { headers: [] };
  if (!isPlainObject(given)) throw new RegisterError(`'context' must be true, false or { headers: [...] }, not ${typeName(given)}`);
  refuseUnknown(`'context' has no member`, given, ['headers']);
  const headers = checkStringOrList('context.headers', given['headers'] ?? [], false).map((name) => name.toLowerCase());
  const wrong = headers.find((name) => !headerName.test(name));
  if (wrong !== undefined) throw new RegisterError(`'context.headers' has '${wrong}', which is no name of an HTTP header`);
  return { headers: [...new Set(headers)] };
}

/** Checks and adds a stage to the open method; gives its number (from 1). Shared with the deprecated calls. */
export function openStage(
  registry: Registry,
  method: OpenMethod,
  stage: unknown,
  inputs: readonly unknown[],
  options: CheckedOptions,
): number {
  const checkedInputs = inputs.map((input, index) => stageInput(method, 'addStage', input, index));
  const modelIndex = modelIndexOf(stage);
  if (modelIndex !== undefined) addModel(registry, method, modelIndex, checkedInputs, options);
  else if (typeof stage === 'function') addFunction(registry, method, stage as StageFunction, checkedInputs, options);
  else {
    throw new RegisterError(
      `the first argument of addStage in method '${method.name}' must be a function or a model of declareModel, not ${typeName(stage)}`,
    );
  }
  return method.stages.length;
}

/** Where an input of a stage comes from. Throws RegisterError for what no instance goes through. */
export function stageInput(method: OpenMethod, call: string, input: unknown, index: number): ValueSource {
  const source = sourceOf(input, method);
  if (source !== undefined) return source;
  let what = typeName(input);
  if (isPlaceholder(input)) what = 'one of another method';
  else if (Array.isArray(input)) what = 'an array: give its entries one by one (...inputs)';
  throw new RegisterError(
    `input ${index + 1} of ${call} in method '${method.name}' must be an input of the method or an output of an earlier stage, not ${what}`,
  );
}

function addModel(registry: Registry, method: OpenMethod, index: number, inputs: readonly ValueSource[], options: CheckedOptions): void {
  if (options.batchSize !== undefined) {
    throw new RegisterError(
      `'batchSize' of addStage in method '${method.name}' is for functions: a model's batch size comes from the model`,
    );
  }
  if (options.context !== undefined)
    throw new RegisterError(`'context' of addStage in method '${method.name}' is for functions: a model has none`);
  const { outputsCount, tag } = options;
  method.stages.push({ kind: 'model', index, inputs, outputsCount, batchSize: undefined, tag, context: undefined });
  checkModelCounts(registry, index, inputs.length, options.outputsCount);
}

/** `1 input`, `2 inputs`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** A model has the same counts of inputs and outputs wherever it is used; against the model file they are checked when it is loaded. */
export function checkModelCounts(registry: Registry, index: number, inputs: number, outputs: number): void {
  const earlier = registry.modelCounts.get(index);
  const key = registry.models[index]?.key;
  if (earlier !== undefined && earlier.inputs !== inputs) {
    throw new RegisterError(`model '${key}' is used with ${counted(inputs, 'input')} here and with ${earlier.inputs} before`);
  }
  if (earlier !== undefined && earlier.outputs !== outputs) {
    throw new RegisterError(`model '${key}' is used with ${counted(outputs, 'output')} here and with ${earlier.outputs} before`);
  }
  registry.modelCounts.set(index, { inputs, outputs });
}

function addFunction(
  registry: Registry,
  method: OpenMethod,
  fn: StageFunction,
  inputs: readonly ValueSource[],
  options: CheckedOptions,
): void {
  if (options.batchSize === undefined) checkArity(fn, inputs.length + (options.context === undefined ? 0 : 1));
  const index = functionIndex(registry, method, fn, inputs.length, options);
  const stage: OpenStage = {
    kind: 'function',
    index,
    inputs,
    outputsCount: options.outputsCount,
    batchSize: options.batchSize,
    tag: options.tag,
    context: options.context,
  };
  method.stages.push(stage);
}

/** A function that is called per instance takes as many values as it is given. Defaults and rest parameters stretch what it takes. */
export function checkArity(fn: StageFunction, given: number): void {
  const parameters = parametersOf(fn);
  if (parameters === undefined) return;
  const required = parameters.filter(({ kind }) => kind === 'plain' || kind === 'destructured').length;
  const most = parameters.some(({ kind }) => kind === 'rest') ? Infinity : parameters.length;
  if (given < required || given > most) {
    throw new RegisterError(
      `function ${fn.name === '' ? '(anonymous)' : `'${fn.name}'`} has ${counted(parameters.length, 'parameter')}, the stage gives it ${counted(given, 'value')}`,
    );
  }
}

/** Enters a function: its index, a new one on first use; later uses must agree with the first. */
export function functionIndex(
  registry: Registry,
  method: OpenMethod,
  fn: StageFunction,
  inputsCount: number,
  options: CheckedOptions,
): number {
  const index = registry.functions.findIndex((known) => known.fn === fn);
  const known = registry.functions[index]?.declaration;
  if (known === undefined) {
    const name = fn.name === '' ? `${method.name}_function${registry.functions.length + 1}` : fn.name;
    const declaration = {
      index: registry.functions.length,
      name: `${registry.servable}.${name}`,
      inputsCount,
      outputsCount: options.outputsCount,
      batchSize: options.batchSize,
      takesContext: options.context !== undefined,
    };
    registry.functions.push({ fn, declaration });
    return declaration.index;
  }
  if (known.inputsCount !== inputsCount) {
    throw new RegisterError(
      `function '${known.name}' is used with ${counted(inputsCount, 'input')} in method '${method.name}' and with ${known.inputsCount} before`,
    );
  }
  if (known.outputsCount !== options.outputsCount) {
    throw new RegisterError(
      `function '${known.name}' is used with ${counted(options.outputsCount, 'output')} in method '${method.name}' and with ${known.outputsCount} before`,
    );
  }
  if ((known.batchSize === undefined) !== (options.batchSize === undefined)) {
    throw new RegisterError(`function '${known.name}' is used with and without batchSize: it must be the same wherever it is a stage`);
  }
  if (known.takesContext !== (options.context !== undefined)) {
    throw new RegisterError(`function '${known.name}' is used with and without context: it must be the same wherever it is a stage`);
  }
  return index;
}
