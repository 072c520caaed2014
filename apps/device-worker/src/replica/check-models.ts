import { silentLog } from '@mserve/app';
import { resolve } from 'node:path';
import type { ModelDeclaration, ServableDeclaration } from '@mserve/register';
import { planMethod } from '../execution/method-plan.js';
import type { ModelPlan } from '../execution/model-plan.js';
import { ServableConfigError } from '../servable/servable-config-error.js';
import { modelFiles, type VersionFiles } from '../servable/servable-directory.js';
import { workerDefaults } from './worker-defaults.js';
import type { BatchingVerdict } from './batching-verdict.js';
import { loadModels, planOfModel, type LoadModelsOptions } from './load-models.js';
import { useOf } from './model-use.js';
import type { DecryptionKey, ModelOpeners } from './model-loader.js';
import { signatureOf } from './signature.js';

export interface CheckModelsOptions {
  /** For encrypted MindIR files. */
  readonly decryption?: DecryptionKey | undefined;
  /** A folder that links of model files may lead into, besides the servable's own. */
  readonly linkRoot?: string | undefined;
  /** Shared libraries with operators that ONNX Runtime does not have. Default: none. */
  readonly operatorLibraries?: readonly string[] | undefined;
}

/** What a look at the models of one version found. */
export interface ModelsReport {
  /** Why it could not be served. */
  readonly problems: readonly ServableConfigError[];
  /** What an author should know, but nothing that keeps it from being served. */
  readonly remarks: readonly string[];
  /** By model file: whether instances share its runs. */
  readonly batching: readonly { readonly model: string; readonly outcome: BatchingVerdict['outcome']; readonly text: string }[];
}

/** Time for the probe of one model: nobody waits for a check as for a server. */
const probeBudgetMs = 3000;

/**
 * The second half of a check, after checkServable: opens the model files of one version as a replica would, one at a time, runs a few made-up rows, and
 * compares them with the declaration. Files that checkServable refuses (missing, empty, links) are left out. Resolves with everything that was found.
 */
export async function checkModels(
  directory: string,
  declaration: ServableDeclaration,
  version: number,
  options: CheckModelsOptions = {},
  openers: ModelOpeners = workerDefaults(silentLog, { operatorLibraries: options.operatorLibraries }).openers,
): Promise<ModelsReport> {
  const { servable } = declaration;
  const remarks: string[] = [];
  const batching: { model: string; outcome: BatchingVerdict['outcome']; text: string }[] = [];
  const problems: ServableConfigError[] = [];
  const add = (thrown: unknown, where = ''): undefined => {
    problems.push(
      new ServableConfigError(servable, `version ${version}${where}: ${thrown instanceof Error ? thrown.message : String(thrown)}`),
    );
  };
  const plans: (ModelPlan | undefined)[] = [];
  for (const [i, model] of declaration.models.entries()) {
    if (model.distributed !== undefined) {
      plans.push(undefined);
      continue;
    }
    const found = filesOf(resolve(directory), declaration, model, version, options.linkRoot);
    const paths = found?.modelPaths[0];
    if (found === undefined || paths === undefined) {
      plans.push(undefined);
      continue;
    }
    const loading: LoadModelsOptions = {
      openers,
      paths: [paths],
      session: { intraOpThreads: 1, linkRoots: found.linkRoots },
      decryption: options.decryption,
      warmUp: true,
      probeBudgetMs,
      uses: [useOf(declaration.methods, i)],
      onProgress: () => undefined,
      onWarning: (text) => remarks.push(`version ${version}: ${text}`),
      onVerdict: (file, { outcome, text }) => batching.push({ model: file, outcome, text }),
    };
    plans.push(await planOf(model, loading).catch((thrown: unknown) => add(thrown)));
  }
  const readable = plans.find((plan) => plan !== undefined);
  // Stands for models that could not be read, which no method that is looked at uses.
  const known = readable === undefined ? [] : plans.map((plan) => plan ?? readable);
  for (const method of declaration.methods) {
    if (method.stages.some(({ kind, index }) => kind === 'model' && plans[index] === undefined)) continue;
    try {
      planMethod(declaration, method, known);
      signatureOf({ ...declaration, methods: [method] }, version, known);
    } catch (thrown) {
      add(thrown, `, method '${method.name}'`);
    }
  }
  // What is not batched is reported with the batching of its model.
  const told = new Set(batching.map(({ text }) => `version ${version}: ${text}`));
  return { problems, remarks: remarks.filter((remark) => !told.has(remark)), batching };
}

function filesOf(
  directory: string,
  declaration: ServableDeclaration,
  model: ModelDeclaration,
  version: number,
  linkRoot: string | undefined,
): VersionFiles | undefined {
  try {
    return modelFiles(directory, declaration.servable, version, { ...declaration, models: [model] }, { linkRoot });
  } catch {
    return undefined; // checkServable has told it
  }
}

/** The plan of subgraph 0; every subgraph is opened and compared. Rejects with the reason, which names the file. */
async function planOf(model: ModelDeclaration, options: LoadModelsOptions): Promise<ModelPlan> {
  const loaded = await loadModels([model], options);
  await loaded.close();
  return planOfModel(loaded.models[0]);
}
