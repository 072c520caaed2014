import type { Server, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import { loadPublicProtos } from './proto-files.js';
import type { Readiness } from './readiness.js';
import { reflectedProtos } from './reflected-protos.js';

/** '' is the whole server. */
const healthNames = ['', 'mindspore.serving.proto.MSService', 'inference.GRPCInferenceService'];

/** By the name of the rpc, those of the Open Inference Protocol that are no infer rpcs. */
export type OipHandlers = UntypedServiceImplementation;

/** Adds the rpcs of the Open Inference Protocol that are no infer rpcs, grpc.health.v1 and reflection to a server. To be called once per server. */
export function addRpcs(server: Server, handlers: OipHandlers, readiness: Readiness): void {
  const { oip, ms, health } = loadPublicProtos();
  const {
    ModelInfer: _modelInfer,
    ModelStreamInfer: _modelStreamInfer,
    ...service
  } = oip['inference.GRPCInferenceService'] as ServiceDefinition;
  server.addService(service, handlers);
  addHealth(server, readiness);
  new ReflectionService(reflectedProtos({ ...oip, ...ms, ...health })).addToServer(server);
}

function addHealth(server: Server, readiness: Readiness): void {
  const health = new HealthImplementation();
  const tell = (ready: boolean): void => {
    for (const name of healthNames) health.setStatus(name, ready ? 'SERVING' : 'NOT_SERVING');
  };
  tell(readiness.isReady);
  readiness.onChange(tell);
  health.addToServer(server);
}
