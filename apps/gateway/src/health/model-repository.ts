import { Inject, Injectable } from '@nestjs/common';
import { ServingError } from '@mserve/wire';
import type { ModelControlMode } from '../edge/admin-options.js';
import { clip } from '../edge/clip.js';
import { modelControlToken } from '../edge/tokens.js';
import { wantedOfParameters } from '../models/model-parameters.js';
import { codeOfChange, errorsOf, workersWith, type ListedServable, type ListedVersion, type ModelChange } from '../models/model-change.js';
import { Models } from '../models/models.js';
import { ModelDirectory, type RepositoryEntry, type RepositoryState } from './model-directory.js';

const stateOf: Readonly<Record<ListedVersion['state'], RepositoryState>> = {
  ready: 'READY',
  loading: 'LOADING',
  draining: 'UNLOADING',
  failed: 'UNAVAILABLE',
  unloaded: 'UNAVAILABLE',
};

/**
 * The repository calls of the Open Inference Protocol. At the public ports they change something only in the mode `explicit`; operators, who come by the
 * admin port, may always, and are told why a model failed: such texts can name files.
 */
@Injectable()
export class ModelRepository {
  constructor(
    @Inject(Models) private readonly models: Models,
    @Inject(ModelDirectory) private readonly directory: ModelDirectory,
    @Inject(modelControlToken) private readonly mode: ModelControlMode,
  ) {}

  /**
   * Every method of every version that is ready; where models may be loaded also the versions that are not, by their servable's name. `readyOnly` leaves
   * those out.
   */
  async index(readyOnly: boolean, isOperator: boolean): Promise<RepositoryEntry[]> {
    const ready = this.directory.index(readyOnly);
    if (readyOnly || !this.mayChange(isOperator)) return ready;
    const { servables } = await this.models.list();
    const others = servables.flatMap((listed) =>
      listed.versions.filter(({ state }) => state !== 'ready').map((version) => entryOf(listed, version, isOperator)),
    );
    return [...ready, ...others].sort((a, b) => (a.name === b.name ? Number(a.version) - Number(b.version) : a.name < b.name ? -1 : 1));
  }

  /**
   * Loads what the version policy (of the request, else of the servers) asks for, anew where its files changed, and unloads the other versions.
   * Throws ServingError UNIMPLEMENTED where loading is not allowed, INVALID_ARGUMENT for parameters, NOT_FOUND for an unknown model, INTERNAL when
   * a version could not be loaded, UNAVAILABLE when a worker is silent or lost: what served before goes on then.
   */
  async load(model: string, parameters: Readonly<Record<string, unknown>>, isOperator: boolean): Promise<ModelChange> {
    this.checkMayChange(isOperator);
    const wanted = wantedOfParameters(parameters);
    const servable = await this.servableOf(model);
    if (servable === undefined) throw new ServingError('NOT_FOUND', `failed to load '${clip(model)}', no worker has it in its directory`);
    const change = await this.models.bringInLine(servable, wanted);
    const failure = failureOf(`failed to load '${clip(model)}'`, change, isOperator);
    if (failure !== undefined) throw failure;
    return change;
  }

  /**
   * Unloads all versions. A model that is not loaded, or that nobody knows, is no error, as with Triton; then there is no change. Throws ServingError as
   * {@link load} does.
   */
  async unload(model: string, isOperator: boolean): Promise<ModelChange | undefined> {
    this.checkMayChange(isOperator);
    const servable = await this.servableOf(model);
    if (servable === undefined) return undefined;
    const change = await this.models.unload(servable).catch((error: unknown) => {
      if (error instanceof ServingError && error.code === 'NOT_FOUND') return undefined;
      throw error;
    });
    const failure = change && failureOf(`failed to unload '${clip(model)}'`, change, isOperator);
    if (failure !== undefined) throw failure;
    return change;
  }

  private mayChange(isOperator: boolean): boolean {
    return isOperator || this.mode === 'explicit';
  }

  private checkMayChange(isOperator: boolean): void {
    if (this.mayChange(isOperator)) return;
    throw new ServingError('UNIMPLEMENTED', 'explicit model load / unload is not allowed here (--model-control-mode explicit allows it)');
  }

  /**
   * A model's name is that of a servable, or `servable.method`; both may have dots in them. Throws ServingError UNAVAILABLE for one that nobody knows while
   * a worker does not say what it has.
   */
  private async servableOf(model: string): Promise<string | undefined> {
    const { servables, workers } = await this.models.list();
    const known = new Set(servables.map(({ servable }) => servable));
    for (let name = model; name !== ''; name = name.slice(0, Math.max(0, name.lastIndexOf('.'))))
      if (known.has(name) || this.models.missing(name).length > 0) return name;
    if (workers.length === 0) throw new ServingError('UNAVAILABLE', 'no worker is heard');
    const silent = workers.find(({ host, leaving }) => host === undefined && !leaving);
    if (silent !== undefined)
      throw new ServingError('UNAVAILABLE', `worker '${silent.worker}' does not answer; it may have '${clip(model)}'`);
    return undefined;
  }
}

function entryOf({ servable }: ListedServable, { version, state, replicas }: ListedVersion, isOperator: boolean): RepositoryEntry {
  const error = replicas.find((replica) => replica.error !== undefined)?.error;
  const failed = isOperator && error !== undefined ? error : 'it could not be loaded';
  const reason = { ready: '', loading: '', draining: '', failed, unloaded: 'unloaded' }[state];
  return { name: servable, version: String(version), state: stateOf[state], reason };
}

/** A change that was not carried out, as an error. What its workers say is for operators; which of them are away, for everybody. */
function failureOf(what: string, change: ModelChange, isOperator: boolean): ServingError | undefined {
  const code = codeOfChange(change);
  if (code === undefined) return undefined;
  if (isOperator) return new ServingError(code, `${what}, ${errorsOf(change)}`);
  const why = {
    INTERNAL: 'the log of its worker says why',
    DEADLINE_EXCEEDED: 'it takes longer than is waited for, and goes on',
    UNAVAILABLE: `not available now: ${workersWith(change, 'UNAVAILABLE')
      .map((worker) => `worker '${worker}'`)
      .join(', ')}`,
  }[code];
  return new ServingError(code, `${what}, ${why}`);
}
