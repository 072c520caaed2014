import { Module, type DynamicModule, type Provider } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { subjects, type Bus, type Catalog, type TensorStore } from '@mserve/bus';
import { BUS, CatalogDto, parseControl, TENSOR_STORE } from '@mserve/bus/nest';
import type { AppLog } from '@mserve/app';
import { MetricRegistry } from '@mserve/metrics';
import { AdminController } from './admin/admin.controller.js';
import { AdminPort, adminPortToken } from './admin/admin-port.js';
import { CatalogFeed } from './catalog/catalog-feed.js';
import { MethodCatalog } from './catalog/method-catalog.js';
import { SchedulerHelloController } from './catalog/scheduler-hello.controller.js';
import { SchedulerWatch } from './catalog/scheduler-watch.js';
import { AdminRequests } from './edge/admin-requests.js';
import { Audit } from './edge/audit.js';
import { Ingress } from './edge/ingress.js';
import { logToken, modelControlToken, tracerToken } from './edge/tokens.js';
import { Gateway, gatewayOptionsToken } from './gateway.js';
import { inferOptionsOf, maxMessageBytesOf, type GatewayOptions } from './gateway-options.js';
import { GrpcServices } from './health/grpc-services.js';
import { HealthController } from './health/health.controller.js';
import { ModelDirectory } from './health/model-directory.js';
import { ModelRepository } from './health/model-repository.js';
import { ModelStatistics } from './health/model-statistics.js';
import { OipController } from './health/oip.controller.js';
import { Readiness } from './health/readiness.js';
import { RouteVerbs } from './health/route-verbs.js';
import { UnroutedFilter } from './health/serving-error.filter.js';
import { inferOptionsToken, InferPath, protocolsToken } from './infer/infer-path.js';
import { NodeIngress } from './ingress/node-ingress.js';
import { Models } from './models/models.js';
import { ApiDocs, docsSwitchToken } from './openapi/api-docs.js';
import { OpenApiController } from './openapi/open-api.controller.js';
import { SwaggerUiController } from './openapi/swagger-ui.controller.js';
import { CertificateWatch } from './tls/certificate-watch.js';
import { HandshakeFailures } from './tls/handshake-failures.js';
import { createProtocols } from './protocols/index.js';

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
      { provide: modelControlToken, useValue: options.modelControlMode ?? 'none' },
      { provide: adminPortToken, useFactory: () => options.admin && { ...options.admin, tls: options.tls } },
      { provide: docsSwitchToken, useFactory: () => options.docs },
      {
        provide: protocolsToken,
        useFactory: () =>
          createProtocols({
            legacyStatus200: options.legacyStatus200 === true,
            legacyJsonNumbers: options.legacyJsonNumbers === true,
            maxMessageBytes,
          }),
      },
      CertificateWatch,
      HandshakeFailures,
      { provide: Ingress, useClass: NodeIngress },
      SchedulerWatch,
      MethodCatalog,
      {
        provide: CatalogFeed,
        inject: [SchedulerWatch, MethodCatalog],
        useFactory: (schedulers: SchedulerWatch, catalog: MethodCatalog) =>
          new CatalogFeed(
            schedulers,
            catalog,
            (scheduler) => fetchCatalog(bus, scheduler),
            (text, error) => log.warn({ err: error }, text),
          ),
      },
      Readiness,
      Models,
      Audit,
      AdminRequests,
      ModelDirectory,
      ModelRepository,
      ModelStatistics,
      GrpcServices,
      InferPath,
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

async function fetchCatalog(bus: Bus, scheduler: string): Promise<Catalog> {
  const body = await bus.request(scheduler, subjects.catalogList, Buffer.from('{}'));
  return parseControl(CatalogDto, body);
}
