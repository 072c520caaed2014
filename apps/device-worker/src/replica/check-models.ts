import { silentLog } from '@mserve/app';
import { resolve } from 'node:path';
import type { ModelDeclaration, ServableDeclaration } from '@mserve/register';
import { planMethod } from '../execution/method-plan.js';
import type { ModelPlan } from '../execution/model-plan.js';
import { ServableConfigError } from '../servable/servable-config-error.js';
import { modelFiles } from '../servable/servable-directory.js';
import { workerDefaults } from './worker-defaults.js';
import { loadModels, planOfModel } from './load-models.js';
import type { DecryptionKey, ModelOpeners } from './model-loader.js';
import { signatureOf } from './signature.js';

export interface CheckModelsOptions {
  /** For encrypted MindIR files. */
  readonly decryption?: DecryptionKey | undefined;
  /** For specs: other ways to open models. */
  readonly openers?: ModelOpeners | undefined;
}

/**
 * The second half of a check, after checkServable: opens the model files of one version as a replica would, one at a time, without running them, and
 * compares them with the declaration. Files that checkServable refuses (missing, empty, links) are left out. Resolves with everything that is wrong.
 */
export async function checkModels(
  directory: string,
  declaration: ServableDeclaration,
  version: number,
  options: CheckModelsOptions = {},
): Promise<ServableConfigError[]> {
  const { servable } = declaration;
  const problems: ServableConfigError[] = [];
  const add = (thrown: unknown, where = ''): undefined => {
    problems.push(
      new ServableConfigError(servable, `version ${version}${where}: ${thrown instanceof Error ? thrown.message : String(thrown)}`),
    );
  };
  const plans: (ModelPlan | undefined)[] = [];
  for (const model of declaration.models) {
    const paths = pathsOf(resolve(directory), declaration, model, version);
    plans.push(paths && (await planOf(model, paths, options).catch((thrown: unknown) => add(thrown))));
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
  return problems;
}

function pathsOf(
  directory: string,
  declaration: ServableDeclaration,
  model: ModelDeclaration,
  version: number,
): readonly string[] | undefined {
  try {
    return modelFiles(directory, declaration.servable, version, { ...declaration, models: [model] }).modelPaths[0];
  } catch {
    return undefined; // checkServable has told it
  }
}

/** The plan of subgraph 0; every subgraph is opened and compared. Rejects with the reason, which names the file. */
async function planOf(model: ModelDeclaration, paths: readonly string[], options: CheckModelsOptions): Promise<ModelPlan> {
  const loaded = await loadModels([model], {
    openers: options.openers ?? workerDefaults(silentLog).openers,
    paths: [paths],
    session: { intraOpThreads: 1 },
    decryption: options.decryption,
    warmUp: false,
    onProgress: () => undefined,
    onWarning: () => undefined,
  });
  await loaded.close();
  return planOfModel(loaded.models[0]);
}
