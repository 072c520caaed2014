import { checkBoolean, checkInteger, checkIntegerOrList, isPlainObject, refuseUnknown } from './argument.js';
import type { BatchingChoice, ModelDeclaration } from './declaration.js';
import { checkBatching, Model, undeclared } from './model.js';
import { RegisterError } from './register-error.js';
import { collected, openRegistry, type Registry } from './registry.js';

/** {@link distributed}.declareServable with named parameters. */
export interface DistributedParameters {
  /** How many ranks the model has, each with a file and an agent of its own; >= 1. */
  rankSize: number;
  /** In how many stages of a pipeline, >= 1; divides rankSize: stage s has the ranks s * rankSize / stageSize and following. */
  stageSize: number;
  /** As of {@link declareModel}. Default true. */
  withBatchDim?: boolean | undefined;
  /** As of {@link declareModel}. Default: none. */
  withoutBatchDimInputs?: number | readonly number[] | undefined;
  /** For models whose batch dim has no fixed size: most instances in one run, >= 1. Default 32. */
  maxBatchSize?: number | undefined;
  /**
   * As of {@link declareModel}. What a set of ranks computes cannot be proven from one graph: without 'trust', instances run one at a time. Default 'proven'.
   */
  batching?: BatchingChoice | undefined;
}

const parameterNames = ['rankSize', 'stageSize', 'withBatchDim', 'withoutBatchDimInputs', 'maxBatchSize', 'batching'];
const defaultMaxBatchSize = 32;

/**
 * Declares that the servable's model is distributed: one file per rank, run by one agent each (`mserve distributed`). Gives the model, to be used as a
 * stage or called by functions; its key is the servable's name. Its files are named where the agents are started.
 *
 * Throws RegisterError for parameters that are not allowed, when called twice or beside declareModel, and once the config is loaded. In a server the error is kept
 * and the load fails in the end.
 */
function declareServable(parameters: DistributedParameters): Model;
/** The same with the original's order of parameters. */
function declareServable(
  rankSize: number,
  stageSize: number,
  withBatchDim?: boolean,
  withoutBatchDimInputs?: number | readonly number[],
): Model;
function declareServable(
  first: DistributedParameters | number,
  stageSize?: unknown,
  withBatchDim?: unknown,
  withoutBatchDimInputs?: unknown,
): Model {
  const registry = openRegistry('distributed.declareServable');
  const given: Record<string, unknown> = isPlainObject(first) ? first : { rankSize: first, stageSize, withBatchDim, withoutBatchDimInputs };
  const declaration = collected(
    registry,
    () => distributedDeclaration(registry, given),
    () => undeclared,
  );
  registry.models.push(declaration);
  return new Model(registry.models.length - 1, declaration.key);
}

/** Declarations of distributed models. */
export const distributed = Object.freeze({ declareServable });

function distributedDeclaration(registry: Registry, given: Record<string, unknown>): ModelDeclaration {
  refuseUnknown('distributed.declareServable has no parameter', given, parameterNames);
  if (registry.models.length > 0)
    throw new RegisterError(
      registry.models.some((model) => model.distributed !== undefined)
        ? 'distributed.declareServable can only be called once in a servable_config'
        : 'distributed.declareServable cannot be used together with declareModel',
    );
  const rankSize = checkInteger('rankSize', given['rankSize'], 1);
  const stageSize = checkInteger('stageSize', given['stageSize'], 1);
  if (rankSize % stageSize !== 0)
    throw new RegisterError(`'rankSize' must be a multiple of 'stageSize', ${rankSize} is none of ${stageSize}`);
  const { withBatchDim = true, withoutBatchDimInputs = [], maxBatchSize = defaultMaxBatchSize, batching = 'proven' } = given;
  return {
    key: registry.servable,
    files: [],
    format: 'MindIR',
    withBatchDim: checkBoolean('withBatchDim', withBatchDim),
    withoutBatchDimInputs: checkIntegerOrList('withoutBatchDimInputs', withoutBatchDimInputs),
    maxBatchSize: checkInteger('maxBatchSize', maxBatchSize, 1),
    batching: checkBatching(batching),
    distributed: { rankSize, stageSize },
  };
}
