import { Module, type DynamicModule, type Provider } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { subjects, type Bus, type TensorStore } from '@mserve/bus';
import { BUS, CatalogReader, TENSOR_STORE } from '@mserve/bus/nest';
import { pickSettings } from '@mserve/config';
import type { AppLog } from '@mserve/app';
import { MetricRegistry } from '@mserve/metrics';
import { accessToken, ClientAccess } from './access/client-access.js';
import { AdminController } from './admin/admin.controller.js';
import { AdminPort, adminPortToken } from './admin/admin-port.js';
import { CatalogFeed, type FetchCatalog } from './catalog/catalog-feed.js';
import { MethodCatalog } from './catalog/method-catalog.js';
import { SchedulerHelloController } from './catalog/scheduler-hello.controller.js';
import { SchedulerWatch } from './catalog/scheduler-watch.js';
import { AdminRequests } from './edge/admin-requests.js';
import { Audit } from './edge/audit.js';
import { Ingress } from './edge/ingress.js';
import { logToken, modelControlToken, tracerToken } from './edge/tokens.js';
import { Gateway, gatewayOptionsToken } from './gateway.js';
import { inferOptionsOf, maxMessageBytesOf, workerWatchOptionsOf, type GatewayOptions } from './gateway-options.js';
import { GrpcServices } from './health/grpc-services.js';
import { HealthController } from './health/health.controller.js';
import { ModelDirectory } from './health/model-directory.js';
import { ModelRepository } from './health/model-repository.js';
import { ModelStatistics } from './health/model-statistics.js';
import { OipController } from './health/oip.controller.js';
import { Readiness } from './health/readiness.js';
import { RouteVerbs } from './health/route-verbs.js';
import { UnroutedFilter } from './health/serving-error.filter.js';
import { FailureLog } from './infer/failure-log.js';
import { inferOptionsToken, InferPath, protocolsToken } from './infer/infer-path.js';
import { EdgeMetrics } from './ingress/edge-metrics.js';
import { RequestLog } from './infer/request-log.js';
import { NodeIngress } from './ingress/node-ingress.js';
import { Models, workerWatchToken } from './models/models.js';
import { ApiDocs, docsOptionsToken } from './openapi/api-docs.js';
import { OpenApiController } from './openapi/open-api.controller.js';
import { SwaggerUiController } from './openapi/swagger-ui.controller.js';
import { StateFeed } from './state/state-feed.js';
import { CertificateWatch } from './tls/certificate-watch.js';
import { HandshakeFailures } from './tls/handshake-failures.js';
import { createProtocols, decodeLimitSettings } from './protocols/index.js';

/** A new scheduler has heard from every worker by then. */
const leastTakeoverMs = 2_000;

/** What a gateway runs on. All of it stays the caller's to close. */
export interface GatewayParts {
  readonly bus: Bus;
  readonly store: TensorStore;
  readonly options: GatewayOptions;
  readonly log: AppLog;
}

/**
 * A gateway as a Nest module, to be served by a BusServer on the same bus and created with {@link createHttpAdapter}. Nest's lifecycle hooks run it:
 * its ports are open when the application is initialised, and closing the application drains them ({@link Gateway}). Of Nest's HTTP pipeline only
 * what is no infer request comes by.
 */
@Module({})
export class GatewayModule {
  /** Throws RangeError for a message limit out of range. */
  static register({ bus, store, options, log }: GatewayParts): DynamicModule {
    const maxMessageBytes = maxMessageBytesOf(options);
    const providers: Provider[] = [
      { provide: BUS, useValue: bus },
      { provide: TENSOR_STORE, useValue: store },
      { provide: logToken, useValue: log },
      { provide: MetricRegistry, useValue: options.metrics ?? new MetricRegistry() },
      { provide: tracerToken, useFactory: () => options.tracer },
      { provide: gatewayOptionsToken, useValue: options },
      { provide: inferOptionsToken, useValue: inferOptionsOf(options) },
      { provide: workerWatchToken, useValue: workerWatchOptionsOf(options) },
      { provide: modelControlToken, useValue: options.modelControlMode ?? 'none' },
      { provide: adminPortToken, useFactory: () => options.admin && { ...options.admin, tls: options.tls } },
      { provide: docsOptionsToken, useValue: { isOn: options.docs, hosts: options.docsHosts ?? [] } },
      {
        provide: protocolsToken,
        useFactory: () =>
          createProtocols({
            legacyStatus200: options.legacyStatus200 === true,
            legacyJsonNumbers: options.legacyJsonNumbers === true,
            ...pickSettings(options, decodeLimitSettings),
            maxMessageBytes,
          }),
      },
      {
        provide: accessToken,
        inject: [MetricRegistry],
        useFactory: (metrics: MetricRegistry) => options.access && new ClientAccess(options.access, log, metrics),
      },
      CertificateWatch,
      HandshakeFailures,
      EdgeMetrics,
      { provide: Ingress, useClass: NodeIngress },
      SchedulerWatch,
      MethodCatalog,
      {
        provide: CatalogFeed,
        inject: [SchedulerWatch, MethodCatalog],
        useFactory: (schedulers: SchedulerWatch, catalog: MethodCatalog) => {
          const { unavailableGraceMs } = inferOptionsOf(options);
          const onProblem = (text: string, error: unknown): void => log.warn({ err: error }, text);
          const takeoverMs = Math.max(leastTakeoverMs, unavailableGraceMs);
          return new CatalogFeed(schedulers, catalog, catalogFetcher(bus), onProblem, takeoverMs, unavailableGraceMs);
        },
      },
      Readiness,
      Models,
      Audit,
      AdminRequests,
      ModelDirectory,
      ModelRepository,
      ModelStatistics,
      GrpcServices,
      FailureLog,
      { provide: RequestLog, useFactory: () => new RequestLog(log, options) },
      InferPath,
      StateFeed,
      ApiDocs,
      RouteVerbs,
      // For paths that nobody has and bodies that cannot be read, too: those errors begin outside of any controller
      { provide: APP_FILTER, useClass: UnroutedFilter },
      AdminPort,
      Gateway,
    ];
    return {
      module: GatewayModule,
      controllers: [OipController, HealthController, AdminController, OpenApiController, SwaggerUiController, SchedulerHelloController],
      providers,
      exports: [Gateway, ApiDocs, Models],
    };
  }
}

function catalogFetcher(bus: Bus): FetchCatalog {
  const reader = new CatalogReader();
  return async (scheduler) => reader.read(await bus.request(scheduler, subjects.catalogList, Buffer.from('{}')));
}
