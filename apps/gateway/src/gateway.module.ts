import type { RequestListener } from 'node:http';
import { Module, type DynamicModule, type FactoryProvider } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { subjects, type Bus, type Catalog, type TensorStore } from '@mserve/bus';
import { CatalogDto, parseControl } from '@mserve/bus/nest';
import type { FastifyInstance } from 'fastify';
import type { AppLog } from '@mserve/app';
import { CatalogFeed } from './catalog/catalog-feed.js';
import { MethodCatalog } from './catalog/method-catalog.js';
import { SchedulerHelloController } from './catalog/scheduler-hello.controller.js';
import { SchedulerWatch } from './catalog/scheduler-watch.js';
import { inferOptionsOf, maxMessageBytesOf, type GatewayOptions } from './gateway-options.js';
import { GrpcServices } from './health/grpc-services.js';
import { ModelDirectory } from './health/model-directory.js';
import { OipController } from './health/oip.controller.js';
import { Readiness } from './health/readiness.js';
import { InferPath } from './infer/infer-path.js';
import { NodeIngress } from './ingress/node-ingress.js';
import { SwaggerUiController } from './openapi/swagger-ui.controller.js';
import { createProtocols } from './protocols/index.js';
import { logToken } from './tokens.js';

/** What a gateway runs on. All of it stays the caller's to close. */
export interface GatewayParts {
  readonly bus: Bus;
  readonly store: TensorStore;
  readonly options: GatewayOptions;
  readonly log: AppLog;
}

/** The gateway's rooms wired together. Of Nest's HTTP pipeline only what is no infer request comes by. */
@Module({})
export class GatewayModule {
  static register(parts: GatewayParts): DynamicModule {
    const { bus, log } = parts;
    const providers: FactoryProvider[] = [
      { provide: logToken, useFactory: () => log },
      { provide: SchedulerWatch, useFactory: () => new SchedulerWatch() },
      { provide: MethodCatalog, useFactory: () => new MethodCatalog() },
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
      {
        provide: Readiness,
        inject: [SchedulerWatch, MethodCatalog],
        useFactory: (schedulers: SchedulerWatch, catalog: MethodCatalog) => new Readiness(bus, schedulers, catalog),
      },
      { provide: ModelDirectory, inject: [MethodCatalog], useFactory: (catalog: MethodCatalog) => new ModelDirectory(catalog) },
      {
        provide: GrpcServices,
        inject: [ModelDirectory, Readiness],
        useFactory: (models: ModelDirectory, readiness: Readiness) => new GrpcServices(models, readiness, log),
      },
      {
        provide: InferPath,
        inject: [MethodCatalog, SchedulerWatch],
        useFactory: (catalog: MethodCatalog, schedulers: SchedulerWatch) => inferPath(parts, catalog, schedulers),
      },
      {
        provide: NodeIngress,
        inject: [InferPath, GrpcServices, HttpAdapterHost],
        useFactory: (path: InferPath, services: GrpcServices, host: HttpAdapterHost) => {
          const ingress = new NodeIngress({
            listener: path,
            refuse: (request, error) => path.shapeRefusal(request, error),
            fallback: nestFallback(host),
            addServices: (server) => services.addTo(server),
          });
          path.attach(ingress);
          return ingress;
        },
      },
    ];
    return { module: GatewayModule, controllers: [OipController, SwaggerUiController, SchedulerHelloController], providers };
  }
}

function inferPath({ bus, store, options, log }: GatewayParts, methods: MethodCatalog, schedulers: SchedulerWatch): InferPath {
  const protocols =
    options.protocols ??
    createProtocols({ legacyStatus200: options.legacyStatus200 === true, maxMessageBytes: maxMessageBytesOf(options) });
  return new InferPath({
    bus,
    store,
    methods,
    schedulers,
    protocols,
    options: inferOptionsOf(options),
    onFailure: (request, error) => {
      if (error.code === 'INTERNAL') log.error({ request: request.token, route: request.route, err: error.cause ?? error }, error.message);
      else log.debug({ request: request.token, route: request.route, code: error.code }, error.message);
    },
  });
}

async function fetchCatalog(bus: Bus, scheduler: string): Promise<Catalog> {
  const body = await bus.request(scheduler, subjects.catalogList, Buffer.from('{}'));
  return parseControl(CatalogDto, body);
}

/** Fastify's own router, reached without a port of its own. It answers once the application is initialised. */
function nestFallback(host: HttpAdapterHost): RequestListener {
  return (request, response) => host.httpAdapter.getInstance<FastifyInstance>().routing(request, response);
}
