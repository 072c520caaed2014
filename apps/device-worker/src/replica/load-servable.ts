import { ServingError, type Instance } from '@mserve/wire';
import type { SessionOptions } from '@mserve/native';
import type { ServableDeclaration } from '@mserve/register';
import type { Executor } from '../execution/executor.js';
import type { ModelPlan } from '../execution/model-plan.js';
import type { ModelCaller } from '../functions/function-runner.js';
import { closeAll } from './close-all.js';
import { deviceOfReplica, type DeviceSettings } from '@mserve/native';
import { loadModels, planOfModel, type LoadModelsOptions } from './load-models.js';
import type { ServableOpener } from './open-servable.js';
import type { LoadedServable } from './replica.js';
import { useOf } from './model-use.js';
import { signatureOf } from './signature.js';

export interface LoadServableOptions extends Omit<LoadModelsOptions, 'paths' | 'session'> {
  readonly directory: string;
  readonly servable: string;
  readonly version: number;
  /** Kind of device, see Device.provider of @mserve/native. */
  readonly provider: string;
  readonly devices: DeviceSettings;
  /** File of ONNX Runtime's library; undefined: see SessionOptions. */
  readonly libraryPath: string | undefined;
  readonly deviceId: number;
  readonly threads: number;
  readonly open: ServableOpener;
  readonly intraOpThreads: number;
  /** Runs per model at the same time. */
  readonly concurrentRuns: number;
  /** Replicas of this version that are loaded with this one: they share its models. */
  readonly sharedBy: number;
  /** Instances to take at a time; undefined: see {@link creditsOf}. */
  readonly credits: number | undefined;
  /** The version is known, models are to be loaded. */
  readonly onVersion: (version: number) => void;
}

/** Model.call for functions of a servable that is still loading: the executor comes last. */
export class LateModelCaller implements ModelCaller {
  executor: Executor | undefined;

  async call(modelKey: string, subgraph: number, instances: readonly Instance[], deadlineAt?: number): Promise<readonly Instance[]> {
    if (this.executor === undefined)
      throw new ServingError('UNAVAILABLE', 'models can be called from stage functions only, not while the config is loaded');
    return this.executor.call(modelKey, subgraph, instances, deadlineAt);
  }
}

/**
 * Handing a run to a native thread and its outputs back costs about 50 us (two wake-ups). A run shorter than that is cheaper here, and while
 * nothing else is in hand nobody is kept waiting by one a little longer. See docs/adr/0006-short-runs-inline.md for the figures.
 */
const inlineRuns = { inlineBelowUs: 40, inlineAloneBelowUs: 400 };

/** Loads one copy of a servable: its config, its models, its signature. On failure everything opened is closed before it rejects. */
export async function loadServable(options: LoadServableOptions, caller: LateModelCaller): Promise<LoadedServable> {
  const { directory, servable, version, deviceId, threads, intraOpThreads, concurrentRuns } = options;
  const opened = await options.open({ directory, servable, version, deviceId, threads, models: caller });
  const { runner } = opened;
  const { declaration } = runner;
  try {
    options.onVersion(opened.version);
    const session: SessionOptions = {
      device: deviceOfReplica(options.provider, deviceId, options.devices),
      ...(options.libraryPath !== undefined && { libraryPath: options.libraryPath }),
      intraOpThreads,
      concurrentRuns,
      sharedBy: options.sharedBy,
      ...inlineRuns,
      ...(opened.linkRoots && { linkRoots: opened.linkRoots }),
    };
    const uses = declaration.models.map((_, i) => useOf(declaration.methods, i));
    const loaded = await loadModels(declaration.models, { ...options, paths: opened.modelPaths, session, uses });
    const plans = loaded.models.map(planOfModel);
    try {
      const usesFunctions = declaration.functions.length > 0;
      return {
        declaration,
        version: opened.version,
        models: loaded.models,
        signature: signatureOf(declaration, opened.version, plans, loaded.verdicts),
        runner: usesFunctions ? runner : undefined,
        ...creditsOf(declaration, plans, concurrentRuns, threads, options.credits),
        close: () => closeAll([loaded.close(), runner.close()]),
      };
    } catch (thrown) {
      // Here and below: the error of the load is the one to tell
      await loaded.close().catch(() => undefined);
      throw thrown;
    }
  } catch (thrown) {
    await runner.close().catch(() => undefined);
    throw thrown;
  }
}

/** Below this a replica would idle while receipts and assignments travel. */
const minCredits = 16;

/**
 * Instances to take at a time: for the models what runs and one batch that waits, so that a device never idles; for functions two
 * batches per thread. These are the least; at least 16, unless `credits` are given.
 */
function creditsOf(
  declaration: ServableDeclaration,
  plans: readonly ModelPlan[],
  concurrentRuns: number,
  threads: number,
  given: number | undefined,
): Pick<LoadedServable, 'credits' | 'leastCredits'> {
  const models = Math.max(0, ...plans.map((plan) => plan.batchSize)) * (concurrentRuns + 1);
  const functionBatches = declaration.methods.flatMap((method) =>
    method.stages.filter((stage) => stage.kind === 'function').map((stage) => Math.max(1, stage.batchSize ?? 1)),
  );
  const functions = functionBatches.length === 0 ? 0 : 2 * threads * Math.max(...functionBatches);
  const credits = given ?? Math.max(minCredits, models + functions);
  return { credits, leastCredits: Math.min(credits, Math.max(1, models + functions)) };
}
