import { basename, resolve } from 'node:path';
import type { FunctionRunner, ModelCaller } from '../functions/function-runner.js';
import { createFunctionRunner } from '../functions/thread-function-runner.js';
import type { HostOptions } from '../functions/function-host.js';
import { declaredIsolation, type FunctionIsolation } from '../servable/declared-isolation.js';
import { ServableConfigError } from '../servable/servable-config-error.js';
import { findConfig, hasOwnConfig, listVersions, modelFiles, passedOverVersions, resolveVersion } from '../servable/servable-directory.js';
import { sourceCache } from '../servable/source-cache.js';

/** How a servable is opened. All have defaults. */
export interface OpenServableOptions {
  /** 0 (default): the highest version directory. */
  readonly version?: number;
  /** Threads for the servable's functions. Default 1, at most 64. */
  readonly numParallelWorkers?: number;
  /** Runs models for functions (Model.call). Default: such calls fail. */
  readonly models?: ModelCaller;
  /** A folder that links may lead into, besides the servable's own. Default: none. */
  readonly linkRoot?: string | undefined;
  /** Longest time that loading servable_config may take. Default 30 000. */
  readonly loadTimeoutMs?: number | undefined;
  /** Longest time of one call of a function for which nobody set a deadline. Default 60 000. */
  readonly functionTimeoutMs?: number;
  /** When a call takes longer than this, another thread stands in for its thread. Default 20. */
  readonly stuckAfterMs?: number;
  /** How long a thread whose callers are all gone may take to come back before it is replaced. Default 100. */
  readonly cutGraceMs?: number;
  /** How long a thread may leave a batch untouched, when nothing that it awaits is wanted, before it is replaced. Default 5000. */
  readonly deafAfterMs?: number;
  /** Heap of each thread, in MiB. Default 2048. */
  readonly threadHeapMb?: number;
  /** Set in the threads' environment before servable_config is loaded, like SERVING_DEVICE_ID. */
  readonly environment?: Readonly<Record<string, string>>;
  /**
   * What functions run in where the config does not say it (`export const functionIsolation = 'process'`). Default: threads.
   */
  readonly functionIsolation?: FunctionIsolation | undefined;
  /** Warnings of the config (deprecated calls), threads that ended, what functions log. Default: nowhere. */
  readonly log?: HostOptions['log'];
  /** Gets each line that functions in threads print; those of processes are in the log. Default: it is on stderr alone. */
  readonly onPrinted?: ((line: string, version: number) => void) | undefined;
}

/** A servable as found in the directory, its config loaded. The caller owns the runner. */
export interface OpenedServable {
  /** Runs its functions; `runner.declaration` is what the config declares. */
  readonly runner: FunctionRunner;
  /** >= 1: the one asked for, the highest there is for 0, 1 for a servable without models. */
  readonly version: number;
  /** Of the model files: by model in the declaration, one per subgraph. */
  readonly modelPaths: readonly (readonly string[])[];
  /** Real paths of the folders in which links of model files may lead. Default: links are not followed. */
  readonly linkRoots?: readonly string[];
}

/** Finds a servable and loads its config in `threads` worker threads. Rejects with an Error for the operator (with the original's texts). */
export type ServableOpener = (request: {
  /** That holds one folder per servable. */
  readonly directory: string;
  readonly servable: string;
  /** 0 = the highest there is. */
  readonly version: number;
  readonly deviceId: number;
  readonly threads: number;
  /** What Model.call goes to. */
  readonly models: ModelCaller;
}) => Promise<OpenedServable>;

const noModels: ModelCaller = {
  call: () => Promise.reject(new Error('models cannot be called here')),
};

/**
 * Opens servable `name` of a servable directory: its servable_config in worker threads, its version, the paths of its model files.
 * Rejects with ServableConfigError (its text is for operators); nothing is left running then.
 */
export async function openServable(directory: string, name: string, options: OpenServableOptions = {}): Promise<OpenedServable> {
  const root = resolve(directory);
  const log = options.log ?? (() => undefined);
  const wanted = options.version ?? 0;
  // Its config says whether it needs version folders at all; where it has some, each may have a config of its own
  const version = wanted === 0 ? highestVersion(root, name) : wanted;
  const runner = await openRunner(root, name, { ...options, version });
  try {
    const { declaration } = runner;
    const files = declaration.models.flatMap((model) => model.files);
    const resolved = resolveVersion(root, name, version, files);
    if (files.length > 0) for (const text of passedOverVersions(root, name, files)) log('warn', `servable ${name}: ${text}`);
    return { runner, version: resolved, ...modelFiles(root, name, resolved, declaration, { linkRoot: options.linkRoot }) };
  } catch (thrown) {
    await runner.close();
    throw thrown;
  }
}

/** 0 when there is none, or no servable of this name. */
function highestVersion(directory: string, name: string): number {
  try {
    return listVersions(directory, name).at(-1) ?? 0;
  } catch {
    return 0; // findConfig says what is wrong
  }
}

/** The first half of {@link openServable}: the config alone, without a look at model files. `version` 0 or absent: the config of the servable itself. */
export async function openRunner(directory: string, name: string, options: OpenServableOptions): Promise<FunctionRunner> {
  const { version = 0 } = options;
  const locateConfig = (): string => findConfig(directory, name, options.linkRoot, version === 0 ? undefined : version);
  const configFile = locateConfig();
  // A servable without version folders runs as version 1
  const known = Math.max(1, version);
  const numParallelWorkers = options.numParallelWorkers ?? 1;
  if (!Number.isSafeInteger(numParallelWorkers) || numParallelWorkers < 1 || numParallelWorkers > 64) {
    throw new ServableConfigError(name, `Parameter 'numParallelWorkers' should be in range [1,64]`);
  }
  const loading = createFunctionRunner(
    {
      servable: name,
      configFile,
      locateConfig,
      isolation: declaredIsolation(configFile) ?? options.functionIsolation ?? 'thread',
      cacheDirectory: sourceCache(),
      numParallelWorkers,
      environment: options.environment ?? {},
      loadTimeoutMs: options.loadTimeoutMs ?? 30_000,
      functionTimeoutMs: options.functionTimeoutMs ?? 60_000,
      stuckAfterMs: options.stuckAfterMs ?? 20,
      cutGraceMs: options.cutGraceMs ?? 100,
      deafAfterMs: options.deafAfterMs ?? 5_000,
      heapMb: options.threadHeapMb ?? 2048,
      log: options.log === undefined ? () => undefined : (level, text, facts) => options.log?.(level, text, { version: known, ...facts }),
      onPrinted: options.onPrinted && ((line) => options.onPrinted?.(line, known)),
    },
    options.models ?? noModels,
  );
  return loading.catch((thrown: unknown) => {
    if (!(thrown instanceof ServableConfigError)) throw thrown;
    const placed = thrown.inFile(basename(configFile));
    throw version !== 0 && hasOwnConfig(directory, name, version) ? placed.below(String(version)) : placed;
  });
}
