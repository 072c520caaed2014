import type { BatchingChoice, ModelDeclaration, ModelFormat, ModelOptions } from './declaration.js';
import {
  checkBoolean,
  checkInteger,
  checkIntegerOrList,
  checkString,
  checkStringOrList,
  isPlainObject,
  refuseUnknown,
} from './argument.js';
import { modelCall, type CallOptions, type InputValue, type OutputValue } from './model-call.js';
import { optionsOf, type AclOptions, type Context, type GpuOptions } from './model-options.js';
import { RegisterError, typeName } from './register-error.js';
import { collected, openRegistry } from './registry.js';

const brand = Symbol.for('mserve.register.model');

/** A declared model: a stage of methods ({@link addStage}) and callable from function stages ({@link Model.call}). Made by {@link declareModel} alone. */
export class Model {
  /** Index among the servable's models. Known by its brand, not by its class, so that copies of this package understand each other. */
  readonly [brand]: number;
  /** The model's name in error texts: its file names joined by `;`. */
  readonly key: string;

  constructor(index: number, key: string) {
    this[brand] = index;
    this.key = key;
  }

  /**
   * Runs the model from a function stage, on one instance or on several; batching, splitting and padding are the server's affair.
   *
   * - `await model.call(x1, x2)`: one instance; gives its output, or an array of outputs when the model has several
   * - `await model.call([[x1, x2], [x1, x2]])`: instances; gives an array of outputs per instance
   * - a last argument `{subgraph: 1}` names another graph than the first
   *
   * Inputs are compared with the model's by bytes per instance and by dtype: a `Float32Array` or a float32 tensor for float32, a number is int64 or float64.
   * Outputs are tensors of the shape of one instance, without the batch dim. More instances than the batch size are run in several batches. A call may
   * take 60 s.
   *
   * Rejects with an Error whose text starts with `Model(<key>).call() failed: ` for inputs of a wrong form, count, size or dtype, for a subgraph that the
   * model does not have, and when the run fails; with a RegisterError for options that are not allowed; always while the config is loaded.
   */
  call(instances: readonly (readonly InputValue[])[], options?: CallOptions): Promise<OutputValue[][]>;
  call(...inputs: [InputValue, ...InputValue[]] | [InputValue, ...InputValue[], CallOptions]): Promise<OutputValue>;
  call(...args: unknown[]): Promise<unknown> {
    return modelCall(this.key, args);
  }
}

/** Index of a declared model; undefined for anything else. */
export function modelIndexOf(value: unknown): number | undefined {
  if (typeof value !== 'object' || value === null || !(brand in value)) return undefined;
  return (value as Model)[brand];
}

/** Case does not matter. `MindIR_Opt` and `MindIR_Lite` are read as MindIR. */
export type ModelFormatName = ModelFormat | 'MindIR_Opt' | 'MindIR_Lite' | Lowercase<ModelFormat | 'MindIR_Opt' | 'MindIR_Lite'>;

/** declareModel with named parameters. */
export interface ModelParameters {
  /** Name of the file in the version directory; several = subgraphs of one model, in order. A file belongs to one model only. */
  modelFile: string | readonly string[];
  /** What kind of file that is; all subgraphs are of one kind. */
  modelFormat: ModelFormatName;
  /**
   * true (default): the first dim of every input and output is the batch, the same for all, and instances have shapes without it. false: shapes as in the
   * model, one instance per run.
   */
  withBatchDim?: boolean | undefined;
  /** Inputs (by index, from 0) that have no batch dim although the model has one; instances share a run when their values there are equal. Default: none. */
  withoutBatchDimInputs?: number | readonly number[] | undefined;
  /** For one kind of device. Default: none. */
  options?: AclOptions | GpuOptions | undefined;
  /** For several kinds of devices; wins over `options`. Default: none. */
  context?: Context | undefined;
  /** For models whose batch dim has no fixed size: most instances in one run, >= 1. Default 32. */
  maxBatchSize?: number | undefined;
  /**
   * Whether instances may share a run, for models with a batch dim. 'proven' (default): when the server can prove at load that no row of the batch
   * depends on another; else they run one at a time. 'trust': always, the author knows that rows are independent. 'off': never.
   */
  batching?: BatchingChoice | undefined;
}

const parameterNames = [
  'modelFile',
  'modelFormat',
  'withBatchDim',
  'withoutBatchDimInputs',
  'options',
  'context',
  'maxBatchSize',
  'batching',
];
const formats: Readonly<Record<string, ModelFormat>> = {
  om: 'OM',
  mindir: 'MindIR',
  mindir_opt: 'MindIR',
  mindir_lite: 'MindIR',
  onnx: 'ONNX',
};
const defaultMaxBatchSize = 32;

/**
 * Declares a model of the servable, to be used as a stage or called by functions; its files are read when the servable is loaded.
 *
 * Throws RegisterError for parameters that are not allowed, for a file that another model has, and once the config is loaded. In a server, which wants to
 * tell everything that is wrong at once, the error is kept and the load fails in the end.
 */
export function declareModel(parameters: ModelParameters): Model;
/** The same with the original's order of parameters; {@link ModelParameters} tells what they mean. */
export function declareModel(
  modelFile: string | readonly string[],
  modelFormat: ModelFormatName,
  withBatchDim?: boolean,
  options?: AclOptions | GpuOptions,
  withoutBatchDimInputs?: number | readonly number[],
  context?: Context,
): Model;
export function declareModel(
  first: ModelParameters | string | readonly string[],
  modelFormat?: unknown,
  withBatchDim?: unknown,
  options?: unknown,
  withoutBatchDimInputs?: unknown,
  context?: unknown,
): Model {
  const registry = openRegistry('declareModel');
  const given = isPlainObject(first) ? first : { modelFile: first, modelFormat, withBatchDim, options, withoutBatchDimInputs, context };
  const usedFiles = new Set(registry.models.flatMap(({ files }) => files.map(plainName)));
  const isDistributed = registry.models.some((model) => model.distributed !== undefined);
  const declaration = collected(
    registry,
    () => modelDeclaration(given, usedFiles, isDistributed),
    () => undeclared,
  );
  registry.models.push(declaration);
  return new Model(registry.models.length - 1, declaration.key);
}

/** Stands for a model whose declaration failed, so that what comes after it can be checked. */
export const undeclared: ModelDeclaration = {
  key: '',
  files: [],
  format: 'ONNX',
  withBatchDim: true,
  withoutBatchDimInputs: [],
  maxBatchSize: 1,
  batching: 'proven',
};

function modelDeclaration(given: Record<string, unknown>, usedFiles: ReadonlySet<string>, isDistributed: boolean): ModelDeclaration {
  refuseUnknown('declareModel has no parameter', given, parameterNames);
  const files = checkStringOrList('modelFile', given['modelFile'], false);
  const formatName = checkString('modelFormat', given['modelFormat']).toLowerCase();
  const format = Object.hasOwn(formats, formatName) ? formats[formatName] : undefined;
  if (format === undefined)
    throw new RegisterError(
      `'modelFormat' must be OM, MindIR, MindIR_Opt, MindIR_Lite or ONNX (in any case), not '${String(given['modelFormat'])}'`,
    );
  if (isDistributed) throw new RegisterError('declareModel cannot be used together with distributed.declareServable');
  checkFiles(files, usedFiles);
  const { withBatchDim = true, withoutBatchDimInputs = [], maxBatchSize = defaultMaxBatchSize, batching = 'proven' } = given;
  return {
    key: files.join(';'),
    files,
    format,
    withBatchDim: checkBoolean('withBatchDim', withBatchDim),
    withoutBatchDimInputs: checkIntegerOrList('withoutBatchDimInputs', withoutBatchDimInputs),
    maxBatchSize: checkInteger('maxBatchSize', maxBatchSize, 1),
    batching: checkBatching(batching),
    options: modelOptions(given['options'], given['context']),
  };
}

const batchingChoices: readonly BatchingChoice[] = ['proven', 'trust', 'off'];

/** Throws RegisterError for what is no choice. */
export function checkBatching(value: unknown): BatchingChoice {
  const choice = batchingChoices.find((known) => known === value);
  if (choice === undefined) {
    const given = typeof value === 'string' ? `'${value}'` : typeName(value);
    throw new RegisterError(`'batching' must be 'proven', 'trust' or 'off', not ${given}`);
  }
  return choice;
}

function checkFiles(files: readonly string[], usedFiles: ReadonlySet<string>): void {
  files.forEach((file, index) => {
    if (file.includes('\0') || file.startsWith('/') || file.includes('\\') || file.split('/').includes('..')) {
      throw new RegisterError(`model file '${file}' must be a name inside the version's folder`);
    }
    if (usedFiles.has(plainName(file)) || files.findIndex((other) => plainName(other) === plainName(file)) !== index) {
      throw new RegisterError(`model file '${file}' is declared twice: use the model of the first declaration`);
    }
  });
}

/** `./a` is `a`. */
function plainName(file: string): string {
  return file
    .split('/')
    .filter((part) => part !== '.' && part !== '')
    .join('/');
}

function modelOptions(options: unknown, context: unknown): ModelOptions | undefined {
  const checked = options === undefined || options === null ? undefined : optionsOf(options, ['acl', 'gpu']);
  if (checked === undefined && options !== undefined && options !== null) {
    throw new RegisterError(`'options' must be new AclOptions(...) or new GpuOptions(...), not ${typeName(options)}`);
  }
  if (context === undefined || context === null) return checked;
  const checkedContext = optionsOf(context, ['context']);
  if (checkedContext === undefined) throw new RegisterError(`'context' must be new Context(...), not ${typeName(context)}`);
  return checkedContext;
}
