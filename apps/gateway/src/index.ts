export { Gateway, type PortOptions } from './gateway.js';
export { createHttpAdapter, startGateway, type RunningGateway } from './start-gateway.js';
export { gatewayOptionsOf } from './config/options-of-settings.js';
export { liveGatewayKeys, type GatewayOptions } from './gateway-options.js';
export { edgeMetrics } from './ingress/edge-metrics.js';
export { tlsMetrics } from './tls/handshake-failures.js';
export { GatewayModule, type GatewayParts } from './gateway.module.js';
export { modelMetrics } from './infer/model-counters.js';
export { inferMetrics, type InferStats } from './infer/counters.js';
export type { IngressLimits, TlsFiles, TlsOptions } from './edge/ingress-options.js';
export type { AdminOptions, ModelControlMode } from './edge/admin-options.js';
export { Models } from './models/models.js';
export type {
  ChangeOptions,
  ListedReplica,
  ListedServable,
  ListedVersion,
  ListedWorker,
  LoadChangeOptions,
  ModelChange,
  ModelList,
  WorkerResult,
} from './models/model-change.js';
export { gatewayBus } from './edge/tokens.js';
export { ApiDocs } from './openapi/api-docs.js';
export { protoDirectory } from './health/proto-directory.js';
export { gatewayApp } from './gateway-app.js';
