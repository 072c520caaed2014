import { Inject, Injectable } from '@nestjs/common';
import { status, type sendUnaryData, type Server, type ServerUnaryCall, type ServiceDefinition } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { ServingError } from '@mserve/wire';
import { HealthImplementation } from 'grpc-health-check';
import type { AppLog } from '@mserve/app';
import { grpcStatusOf } from '../edge/status.js';
import { oipText } from '../edge/words.js';
import { logToken } from '../edge/tokens.js';
import { ModelDirectory } from './model-directory.js';
import { loadPublicProtos } from './proto-files.js';
import { Readiness } from './readiness.js';
import { reflectedProtos } from './reflected-protos.js';

interface NamedModel {
  readonly name: string;
  readonly version: string;
}

type Handler = (call: ServerUnaryCall<NamedModel, object>, callback: sendUnaryData<object>) => void;

/** '' is the whole server. */
const healthNames = ['', 'mindspore.serving.proto.MSService', 'inference.GRPCInferenceService'];

/** What the gRPC port serves besides infer: the other rpcs of the Open Inference Protocol, grpc.health.v1 and reflection. */
@Injectable()
export class GrpcServices {
  private readonly health = new HealthImplementation();

  constructor(
    @Inject(ModelDirectory) private readonly models: ModelDirectory,
    @Inject(Readiness) private readonly readiness: Readiness,
    @Inject(logToken) private readonly log: AppLog,
  ) {
    this.setHealth(readiness.isReady);
    readiness.onChange((ready) => this.setHealth(ready));
  }

  addTo(server: Server): void {
    const { oip, ms, health } = loadPublicProtos();
    // ModelInfer is the ingress' own
    const { ModelInfer: _modelInfer, ...service } = oip['inference.GRPCInferenceService'] as ServiceDefinition;
    server.addService(service, {
      ServerLive: this.unary(() => ({ live: true })),
      ServerReady: this.unary(() => ({ ready: this.readiness.isReady })),
      ModelReady: this.unary(({ name, version }) => ({ ready: this.isModelReady(name, version) })),
      ServerMetadata: this.unary(() => this.models.server()),
      ModelMetadata: this.unary(({ name, version }) => this.models.model(name, version)),
    });
    this.health.addToServer(server);
    new ReflectionService(reflectedProtos({ ...oip, ...ms, ...health })).addToServer(server);
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

  private setHealth(ready: boolean): void {
    for (const name of healthNames) this.health.setStatus(name, ready ? 'SERVING' : 'NOT_SERVING');
  }

  private unary(answer: (request: NamedModel) => object): Handler {
    return (call, callback) => {
      try {
        callback(null, answer(call.request));
      } catch (thrown) {
        if (!(thrown instanceof ServingError)) this.log.error({ err: thrown }, 'an rpc failed');
        const error = ServingError.from(thrown);
        callback({ code: grpcStatusOf(error) as status, details: oipText(error) });
      }
    };
  }
}
