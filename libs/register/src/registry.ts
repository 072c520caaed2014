import type { ContextSignature, Instance } from '@mserve/wire';
import type { FunctionDeclaration, MethodDeclaration, ModelDeclaration, ServableDeclaration, ValueSource } from './declaration.js';
import { RegisterError } from './register-error.js';

/**
 * Any function that an author uses as a stage: plain or async, or with `batchSize` also a generator or async generator. It gets an
 * {@link InputValue} per input (or an array of instances) and gives an {@link OutputValue} per output; what it gives is checked when it runs.
 */
export type StageFunction = (...args: never[]) => unknown;

/** A stage while its method's body runs; `outputs` grows for the deprecated calls, whose count is read off the destructuring. */
export interface OpenStage {
  readonly kind: 'function' | 'model';
  index: number;
  readonly inputs: readonly ValueSource[];
  outputsCount: number;
  readonly batchSize: number | undefined;
  readonly tag: string | undefined;
  readonly context: ContextSignature | undefined;
}

/** A stage that a deprecated call added; its function is entered when the count of outputs is known, at the end of the body. */
export interface DeprecatedStage {
  readonly kind: 'preprocess' | 'servable' | 'postprocess';
  readonly call: string;
  readonly fn: StageFunction | undefined;
}

/** The method whose body runs now. */
export interface OpenMethod {
  readonly name: string;
  readonly stages: OpenStage[];
  /** Deprecated calls, one per stage while addStage isn't used. */
  readonly deprecated: DeprecatedStage[];
  usesAddStage: boolean;
}

/**
 * Everything that one thread's servable_config declared. It lies at globalThis[Symbol.for('mserve.register')], so that several copies of
 * this package in one program (an author's own node_modules) fill the same one.
 */
export interface Registry {
  servable: string;
  /** true once the config is loaded: later declarations would not be seen by anybody, so they are refused. */
  sealed: boolean;
  readonly models: ModelDeclaration[];
  /** Inputs and outputs of each model as methods use it: by model index. */
  readonly modelCounts: Map<number, { inputs: number; outputs: number }>;
  readonly functions: { readonly fn: StageFunction; declaration: FunctionDeclaration }[];
  readonly methods: MethodDeclaration[];
  openMethod: OpenMethod | undefined;
  /**
   * Takes what declarations do wrong, so that the config goes on and its author sees all of it at once; the load fails in the end.
   * undefined (outside of a server): declarations throw.
   */
  collect: ((thrown: unknown) => void) | undefined;
  /** Names of deprecated calls that were warned of. */
  readonly warned: Set<string>;
  /** Where warnings for the author go; console.warn outside a server. */
  warn: (text: string) => void;
  /** Runs a model for a function stage; set by the thread that runs functions. */
  callModel: ((modelKey: string, subgraph: number, instances: readonly Instance[]) => Promise<readonly Instance[]>) | undefined;
}

const key = Symbol.for('mserve.register');
const globals = globalThis as { [key]?: Registry };

function emptyRegistry(servable: string): Registry {
  return {
    servable,
    sealed: false,
    models: [],
    modelCounts: new Map(),
    functions: [],
    methods: [],
    openMethod: undefined,
    collect: undefined,
    warned: new Set(),
    warn: (text) => console.warn(text),
    callModel: undefined,
  };
}

/** Starts collecting for `servable` from nothing, and gives the registry that declarations of this thread go to from now on. */
export function startRegistry(servable: string): Registry {
  const registry = emptyRegistry(servable);
  globals[key] = registry;
  return registry;
}

/** This thread's registry. Without a server (an author's own tests import the config) one is made on the first use. */
export function currentRegistry(): Registry {
  return (globals[key] ??= emptyRegistry('servable'));
}

/** The registry, for a call that declares something. Throws RegisterError once the config has been loaded. */
export function openRegistry(call: string): Registry {
  const registry = currentRegistry();
  if (registry.sealed) throw new RegisterError(`${call} can only be called while servable_config is being loaded`);
  return registry;
}

/** Gives what `declare` gives; what it throws goes to the registry's collector when there is one, and `instead` is given. */
export function collected<T>(registry: Registry, declare: () => T, instead: () => T): T {
  try {
    return declare();
  } catch (thrown) {
    if (registry.collect === undefined || registry.sealed) throw thrown;
    registry.collect(thrown);
    return instead();
  }
}

/** Ends the collection: what was declared, as plain data. Throws RegisterError when there is no method. */
export function sealRegistry(registry: Registry): ServableDeclaration {
  registry.sealed = true;
  if (registry.methods.length === 0) throw new RegisterError('no method is registered: call registerMethod in servable_config');
  return declarationOf(registry);
}

/** What was declared so far, as plain data. */
export function declarationOf(registry: Registry): ServableDeclaration {
  return {
    servable: registry.servable,
    models: registry.models,
    functions: registry.functions.map(({ declaration }) => declaration),
    methods: registry.methods,
  };
}
