import { Inject, Injectable } from '@nestjs/common';
import type { sendUnaryData, Server, ServerUnaryCall, status } from '@grpc/grpc-js';
import { ServingError } from '@mserve/wire';
import type { AppLog } from '@mserve/app';
import { Audit } from '../edge/audit.js';
import { grpcStatusOf } from '../edge/status.js';
import { oipText } from '../edge/words.js';
import { logToken } from '../edge/tokens.js';
import { ModelDirectory } from './model-directory.js';
import { ModelRepository } from './model-repository.js';
import { ModelStatistics } from './model-statistics.js';
import { Readiness } from './readiness.js';
import type { OipHandlers } from './served-rpcs.js';

interface NamedModel {
  readonly name: string;
  readonly version: string;
}

/** As @grpc/proto-loader gives it: the name of the member that is set, and that member. */
interface RepositoryParameter {
  readonly parameter_choice?: 'bool_param' | 'int64_param' | 'string_param' | 'bytes_param';
  readonly string_param?: string;
}

interface RepositoryRequest {
  readonly model_name: string;
  readonly parameters: Readonly<Record<string, RepositoryParameter>>;
}

type Handler<Request> = (call: ServerUnaryCall<Request, object>, callback: sendUnaryData<object>) => void;

/** What the gRPC port serves besides infer: the other rpcs of the Open Inference Protocol, grpc.health.v1 and reflection. */
@Injectable()
export class GrpcServices {
  constructor(
    @Inject(ModelDirectory) private readonly models: ModelDirectory,
    @Inject(ModelStatistics) private readonly statistics: ModelStatistics,
    @Inject(ModelRepository) private readonly repository: ModelRepository,
    @Inject(Readiness) private readonly readiness: Readiness,
    @Inject(Audit) private readonly audit: Audit,
    @Inject(logToken) private readonly log: AppLog,
  ) {}

  /** Loads the packages that these rpcs need, and their .proto files. Rejects when one of them is missing from this installation; the log says it. */
  async addTo(server: Server): Promise<void> {
    try {
      const { addRpcs } = await import('./served-rpcs.js');
      addRpcs(server, this.handlers(), this.readiness);
    } catch (thrown) {
      this.log.error({ err: thrown }, 'health, metadata and reflection cannot be served over gRPC');
      throw thrown;
    }
  }

  /** Of the Open Inference Protocol. The infer rpcs are the ingress' own. */
  private handlers(): OipHandlers {
    return {
      ServerLive: this.unary(() => ({ live: true })),
      ServerReady: this.unary(() => ({ ready: this.readiness.isReady })),
      ModelReady: this.unary<NamedModel>(({ name, version }) => ({ ready: this.isModelReady(name, version) })),
      ServerMetadata: this.unary(() => this.models.server()),
      ModelMetadata: this.unary<NamedModel>(({ name, version }) => this.models.model(name, version)),
      ModelConfig: this.unary<NamedModel>(({ name, version }) => ({ config: this.models.config(name, version) })),
      ModelStatistics: this.unary<NamedModel>(({ name, version }) => this.statistics.list(name, version)),
      RepositoryIndex: this.unary<{ ready: boolean }>(async ({ ready }) => ({ models: await this.repository.index(ready, false) })),
      RepositoryModelLoad: this.unary<RepositoryRequest>(async ({ model_name: model, parameters }, from) => {
        const load = (): Promise<object> => this.repository.load(model, parametersOf(parameters), false);
        await this.audit.of('repository load', model.slice(0, 200), from, load);
        return {};
      }),
      RepositoryModelUnload: this.unary<RepositoryRequest>(async ({ model_name: model }, from) => {
        const unload = (): Promise<object | undefined> => this.repository.unload(model, false);
        await this.audit.of('repository unload', model.slice(0, 200), from, unload);
        return {};
      }),
    };
  }

  /** Over gRPC an unknown model is one that is not ready, as with Triton. */
  private isModelReady(name: string, version: string): boolean {
    try {
      return this.models.isModelReady(name, version);
    } catch (error) {
      if (error instanceof ServingError && error.code === 'NOT_FOUND') return false;
      throw error;
    }
  }

  /** `from`: address of the client. */
  private unary<Request>(answer: (request: Request, from: string) => object | Promise<object>): Handler<Request> {
    return (call, callback) => {
      const fail = (thrown: unknown): void => {
        if (!(thrown instanceof ServingError)) this.log.error({ err: thrown }, 'an rpc failed');
        const error = ServingError.from(thrown);
        callback({ code: grpcStatusOf(error) as status, details: oipText(error) });
      };
      try {
        const answered = answer(call.request, call.getPeer());
        if (answered instanceof Promise) answered.then((value) => callback(null, value), fail);
        else callback(null, answered);
      } catch (thrown) {
        fail(thrown);
      }
    };
  }
}

/** Values of the kinds that parameters of a load can have; others are refused where they are read. */
function parametersOf(parameters: RepositoryRequest['parameters']): Record<string, unknown> {
  return Object.fromEntries(Object.entries(parameters).map(([name, { string_param: text }]) => [name, text]));
}
