import { Inject, Injectable } from '@nestjs/common';
import { ServingError } from '@mserve/wire';
import type { ModelControlMode } from '../edge/admin-options.js';
import { modelControlToken } from '../edge/tokens.js';
import { MethodCatalog } from '../catalog/method-catalog.js';
import { modelMetadata, type ModelMetadata } from '../protocols/metadata.js';
import { version } from '../edge/version.js';
import { modelConfig, type ModelConfig } from './model-config.js';

/** Body of GET /v2. Field names are those of the Open Inference Protocol. */
export interface ServerMetadata {
  readonly name: string;
  readonly version: string;
  readonly extensions: readonly string[];
}

/** Metadata of one version of a model. */
export interface VersionedModelMetadata extends ModelMetadata {
  readonly versions: readonly string[];
}

/** The states of the model repository extension. */
export const repositoryStates = ['READY', 'LOADING', 'UNLOADING', 'UNAVAILABLE'] as const;
export type RepositoryState = (typeof repositoryStates)[number];

/** One line of POST /v2/repository/index. */
export interface RepositoryEntry {
  readonly name: string;
  readonly version: string;
  readonly state: RepositoryState;
  readonly reason: string;
}

/** What the Open Inference Protocol says about the server and its models, over REST and gRPC alike. */
@Injectable()
export class ModelDirectory {
  constructor(
    @Inject(MethodCatalog) private readonly catalog: MethodCatalog,
    @Inject(modelControlToken) private readonly mode: ModelControlMode,
  ) {}

  server(): ServerMetadata {
    return {
      name: 'mserve',
      version,
      extensions: [
        'binary_tensor_data',
        'classification',
        'model_configuration',
        'statistics',
        'parameters',
        this.mode === 'explicit' ? 'model_repository' : 'model_repository(index)',
      ],
    };
  }

  /** Throws ServingError NOT_FOUND or UNAVAILABLE. `modelVersion` '' = the highest ready. */
  model(name: string, modelVersion: string): VersionedModelMetadata {
    const model = this.catalog.findModel(name, modelVersion);
    const { name: _name, ...metadata } = modelMetadata(model, name);
    return { name, versions: modelVersion === '' ? model.versions.map(String) : [modelVersion], ...metadata };
  }

  /** As {@link model}. */
  config(name: string, modelVersion: string): ModelConfig {
    const model = this.catalog.findModel(name, modelVersion);
    const running = this.catalog.ready.find(
      ({ signature }) => signature.servable === model.servable && signature.version === model.version,
    );
    return modelConfig(model, name, running?.readyReplicas ?? 0);
  }

  /** Throws ServingError NOT_FOUND for a model that nobody has. */
  isModelReady(name: string, modelVersion: string): boolean {
    try {
      this.catalog.findModel(name, modelVersion);
      return true;
    } catch (error) {
      if (error instanceof ServingError && error.code === 'UNAVAILABLE') return false;
      throw error;
    }
  }

  /** Every method of every servable version, ready or not; `readyOnly` leaves the others out. */
  index(readyOnly: boolean): RepositoryEntry[] {
    return this.catalog.all
      .filter((status) => !readyOnly || status.readyReplicas > 0)
      .flatMap(({ signature, readyReplicas }) =>
        signature.methods.map((method) => ({
          name: `${signature.servable}.${method.name}`,
          version: String(signature.version),
          state: readyReplicas > 0 ? ('READY' as const) : ('UNAVAILABLE' as const),
          reason: readyReplicas > 0 ? '' : 'no replica is ready',
        })),
      );
  }
}
