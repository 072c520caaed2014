import { ServingError } from '@mserve/wire';
import type { SessionOptions } from '@mserve/native';
import type { ModelDeclaration } from '@mserve/register';
import type { LoadedModel } from '../execution/executor.js';
import { planModel, type ModelPlan } from '../execution/model-plan.js';
import { deviceOfModel } from './device-of-model.js';
import { ModelFileError, type DecryptionKey, type ModelOpeners, type OpenSession } from './model-loader.js';
import { warmUp } from './warm-up.js';

const warmUpTimeoutMs = 10_000;

/** Told about each model file. `ms` since the step before; `error` for state failed. */
export interface ModelProgress {
  readonly servable: string;
  readonly version: number;
  readonly deviceId: number;
  readonly model: string;
  readonly state: 'loading' | 'ready' | 'failed';
  readonly ms: number;
  readonly error?: string | undefined;
}

export interface LoadModelsOptions {
  readonly openers: ModelOpeners;
  /** By position in the declarations, one path per subgraph. */
  readonly paths: readonly (readonly string[])[];
  readonly session: SessionOptions;
  readonly decryption?: DecryptionKey | undefined;
  readonly warmUp: boolean;
  readonly onProgress: (progress: Pick<ModelProgress, 'model' | 'state' | 'ms' | 'error'>) => void;
  /** A warm-up that failed: the model is used all the same. */
  readonly onWarning: (text: string, cause: unknown) => void;
}

export interface LoadedModels {
  /** By position in the declarations; each with its subgraphs in order. */
  readonly models: readonly (readonly LoadedModel[])[];
  close(): Promise<void>;
}

/** Opens every model file of a servable, one after the other. Rejects with the first error, after closing what was open. */
export async function loadModels(declarations: readonly ModelDeclaration[], options: LoadModelsOptions): Promise<LoadedModels> {
  const open: OpenSession[] = [];
  const close = async (): Promise<void> => {
    await Promise.allSettled(open.splice(0).map((session) => session.close()));
  };
  try {
    const models: LoadedModel[][] = [];
    for (const [i, declaration] of declarations.entries()) models.push(await loadModel(declaration, options.paths[i] ?? [], options, open));
    return { models, close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

async function loadModel(
  declaration: ModelDeclaration,
  paths: readonly string[],
  options: LoadModelsOptions,
  open: OpenSession[],
): Promise<LoadedModel[]> {
  const subgraphs: LoadedModel[] = [];
  for (const [subgraph, file] of declaration.files.entries()) {
    const startedAt = performance.now();
    const tell = (state: ModelProgress['state'], error?: string): void =>
      options.onProgress({ model: file, state, ms: performance.now() - startedAt, error });
    tell('loading');
    try {
      const path = paths[subgraph];
      if (path === undefined) throw new ModelFileError('NOT_FOUND', file, 'was not found');
      const request = { path, file, session: sessionOptionsOf(declaration, options.session), decryption: options.decryption };
      const session = await options.openers[declaration.format](request);
      open.push(session);
      const loaded: LoadedModel = {
        plan: planModel(declaration, session.describe(), subgraph),
        session,
        concurrentRuns: options.session.concurrentRuns ?? 1,
      };
      checkSameBatch(loaded, subgraphs[0]);
      const isWarm = options.warmUp && (await isWarmedUp(loaded, (cause) => options.onWarning(`warm-up of model '${file}' failed`, cause)));
      subgraphs.push({ ...loaded, isWarm });
      tell('ready');
    } catch (thrown) {
      const error = namingFile(thrown, file);
      tell('failed', error.message);
      throw error;
    }
  }
  return subgraphs;
}

async function isWarmedUp(loaded: LoadedModel, onFailure: (cause: unknown) => void): Promise<boolean> {
  try {
    return await warmUp(loaded, warmUpTimeoutMs);
  } catch (cause) {
    onFailure(cause);
    return false;
  }
}

/** The plan of a model's subgraph 0, which methods use. Throws ServingError INTERNAL when there is none. */
export function planOfModel(subgraphs: readonly LoadedModel[] | undefined): ModelPlan {
  const first = subgraphs?.[0];
  if (first === undefined) throw new ServingError('INTERNAL', 'a model without files was loaded');
  return first.plan;
}

/** The error, with the file in its text: a servable may have many, and most errors come from rooms that only see bytes. */
function namingFile(thrown: unknown, file: string): ServingError {
  if (thrown instanceof ModelFileError) return thrown;
  const code = thrown instanceof ServingError ? thrown.code : 'INVALID_ARGUMENT';
  const text = `model file '${file}': ${thrown instanceof Error ? thrown.message : String(thrown)}`;
  return new ServingError(code, text, { cause: thrown });
}

/** The author's Context (SPEC 6.1) wins over what the worker would choose. */
function sessionOptionsOf(declaration: ModelDeclaration, session: SessionOptions): SessionOptions {
  const onDevice = session.device === undefined ? session : { ...session, device: deviceOfModel(session.device, declaration.options) };
  if (declaration.options?.kind !== 'context') return onDevice;
  const { threadNum, threadAffinityCoreList: cores, enableParallel } = declaration.options.values;
  const intraOpThreads = typeof threadNum === 'number' ? threadNum : session.intraOpThreads;
  return {
    ...onDevice,
    ...(intraOpThreads !== undefined && { intraOpThreads }),
    ...(enableParallel === true && { interOpThreads: Math.max(2, intraOpThreads ?? 1) }),
    ...(typeof cores === 'number' && { coreIds: [cores] }),
    ...(Array.isArray(cores) && { coreIds: cores.filter((core) => typeof core === 'number') }),
  };
}

function checkSameBatch({ plan }: LoadedModel, first: LoadedModel | undefined): void {
  if (first === undefined || (first.plan.batchSize === plan.batchSize && first.plan.batching === plan.batching)) return;
  throw new ServingError(
    'INVALID_ARGUMENT',
    `Expect batch size to be same, subgraph 0 has ${first.plan.batchSize}, subgraph ${plan.subgraph} has ${plan.batchSize}, model: ${plan.key}`,
  );
}
