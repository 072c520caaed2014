import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { MicroserviceOptions } from '@nestjs/microservices';
import type { FastifyReply } from 'fastify';
import type { Bus, TensorStore } from '@mserve/bus';
import { BusServer } from '@mserve/bus/nest';
import { isLoopback, parseAddress } from '@mserve/config';
import { MethodCatalog } from './catalog/method-catalog.js';
import { CatalogFeed } from './catalog/catalog-feed.js';
import { SchedulerWatch } from './catalog/scheduler-watch.js';
import { maxMessageBytesOf, type GatewayOptions } from './gateway-options.js';
import { GatewayModule } from './gateway.module.js';
import { Readiness } from './health/readiness.js';
import { RouteVerbs } from './health/route-verbs.js';
import { shortened, UnroutedFilter } from './health/serving-error.filter.js';
import type { InferCounters } from './infer/counters.js';
import { InferPath } from './infer/infer-path.js';
import type { IngressLimits, TlsOptions } from './edge/ingress-options.js';
import { NodeIngress } from './ingress/node-ingress.js';
import { serveApiDocs } from './openapi/api-docs.js';
import { createLog, NestLog } from '@mserve/app';

/** A public port to be opened. What is left out is as in the gateway's own options. */
export interface PortOptions {
  readonly address: string;
  readonly maxMessageBytes?: number | undefined;
  readonly tls?: TlsOptions | undefined;
}

/** When nothing is in hand any more, connections that still do not end are cut after this time. */
const idleConnectionMs = 1_000;
const pollMs = 20;

/** A gateway that runs. */
export class RunningGateway {
  private closing: Promise<number> | undefined;
  /** Address bound, `host:port`; undefined while there is no REST port. */
  restAddress: string | undefined;
  /** Address bound, `host:port` or `unix:path`; undefined while there is no gRPC port. */
  grpcAddress: string | undefined;

  /** Of concern to {@link startGateway} only. */
  constructor(
    private readonly app: NestFastifyApplication,
    private readonly options: GatewayOptions,
  ) {}

  /** Whether requests can be served: bus up, scheduler alive, a servable ready, not closing. */
  get isReady(): boolean {
    return this.app.get(Readiness).isReady;
  }

  /**
   * Not ready, whatever else holds, until the function given back is called (once): for who still has servables to load before requests should come.
   * Till then callers of a servable that nobody has are told to come again (503), not that there is none.
   */
  holdReadiness(): () => void {
    return this.app.get(MethodCatalog).hold();
  }

  get counters(): InferCounters {
    return this.app.get(InferPath).counters;
  }

  /** Infer requests being received, in hand, or whose answer is not written out. */
  get inFlight(): number {
    return this.app.get(NodeIngress).inFlight;
  }

  /** Resolves when {@link isReady} is true. */
  whenReady(): Promise<void> {
    const readiness = this.app.get(Readiness);
    return new Promise((resolve) => {
      if (readiness.isReady) return resolve();
      const subscription = readiness.onChange((ready) => {
        if (!ready) return;
        subscription.unsubscribe();
        resolve();
      });
    });
  }

  /** Whether /docs and /openapi.json are answered at the REST port. */
  get servesDocs(): boolean {
    return this.options.docs ?? (this.restAddress !== undefined && isLoopback(parseAddress(this.restAddress)));
  }

  /** Resolves when each of these servable versions can be called through this gateway. */
  whenServing(wanted: readonly { readonly servable: string; readonly version: number }[]): Promise<void> {
    const catalog = this.app.get(MethodCatalog);
    const serves = ({ servable, version }: (typeof wanted)[number]): boolean =>
      catalog.ready.some(({ signature }) => signature.servable === servable && signature.version === version);
    return new Promise((resolve) => {
      if (wanted.every(serves)) return resolve();
      const subscription = catalog.onUpdate(() => {
        if (!wanted.every(serves)) return;
        subscription.unsubscribe();
        resolve();
      });
    });
  }

  /** Opens the REST port; resolves with the address bound. Rejects with ServingError in the original's words; nothing else is affected. */
  async listenRest(port: PortOptions): Promise<string> {
    this.restAddress = await this.app
      .get(NodeIngress)
      .listenRest({ address: port.address, limits: this.limits(port), tls: port.tls ?? this.options.tls });
    return this.restAddress;
  }

  /** As {@link listenRest}, for the gRPC port. */
  async listenGrpc(port: PortOptions): Promise<string> {
    this.grpcAddress = await this.app
      .get(NodeIngress)
      .listenGrpc({ address: port.address, limits: this.limits(port), tls: port.tls ?? this.options.tls });
    return this.grpcAddress;
  }

  /**
   * Not ready from now on, takes no new connections, answers what is in hand (for at most `graceMs`, default 30 000), then ends.
   * Resolves with the number of requests that were cut off (they got UNAVAILABLE). Bus and store stay the caller's to close.
   */
  close(graceMs = 30_000): Promise<number> {
    this.closing ??= this.end(graceMs);
    return this.closing;
  }

  private async end(graceMs: number): Promise<number> {
    const ingress = this.app.get(NodeIngress);
    const path = this.app.get(InferPath);
    this.app.get(Readiness).leave();
    await this.drain(ingress, path, graceMs);
    const cut = path.inFlight;
    path.close();
    await ingress.close();
    this.app.get(CatalogFeed).close();
    this.app.get(SchedulerWatch).close();
    this.app.get(Readiness).close();
    await this.app.close();
    return cut;
  }

  private async drain(ingress: NodeIngress, path: InferPath, graceMs: number): Promise<void> {
    const endAt = performance.now() + graceMs;
    let drained = false;
    void ingress.drain().then(() => (drained = true));
    let idleSince = Infinity;
    while (!drained && performance.now() < endAt) {
      await new Promise((resolve) => setTimeout(resolve, pollMs));
      const idle = ingress.inFlight === 0;
      idleSince = idle ? Math.min(idleSince, performance.now()) : Infinity;
      if (performance.now() - idleSince > idleConnectionMs) return;
    }
  }

  private limits(port: PortOptions): Partial<IngressLimits> {
    const maxMessageBytes = maxMessageBytesOf({ maxMessageBytes: port.maxMessageBytes ?? this.options.maxMessageBytes });
    return { maxMessageBytes, ...this.options.limits };
  }
}

/** Fastify's own errors, which never get as far as Nest: URLs that cannot be decoded. */
function frameworkErrors(error: { readonly statusCode?: number; readonly message: string }, _request: unknown, reply: FastifyReply): void {
  void reply.status(error.statusCode ?? 400).send({ error: shortened(error.message) });
}

/** Learns the routes as they are added, so it is asked for before the first. */
function routeVerbs(app: NestFastifyApplication): RouteVerbs {
  const verbs = new RouteVerbs();
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onRoute', ({ url, method }) => verbs.add(url, typeof method === 'string' ? [method] : method));
  return verbs;
}

/**
 * Starts a gateway on a bus: opens the ports that the options name and serves as soon as a scheduler is heard.
 * Rejects (with nothing left running) when an address is wrong or taken.
 */
export async function startGateway(bus: Bus, store: TensorStore, options: GatewayOptions = {}): Promise<RunningGateway> {
  maxMessageBytesOf(options);
  const log = options.log ?? createLog('warn', 'gateway');
  const app = await NestFactory.create<NestFastifyApplication>(
    GatewayModule.register({ bus, store, options, log }),
    new FastifyAdapter({ frameworkErrors }),
    {
      logger: new NestLog(log),
      abortOnError: false,
    },
  );
  // Also for paths that nobody has and bodies that cannot be read: those errors begin outside of any controller.
  app.useGlobalFilters(new UnroutedFilter(log, routeVerbs(app)));
  const gateway = new RunningGateway(app, options);
  serveApiDocs(app, app.get(MethodCatalog), () => gateway.servesDocs);
  app.connectMicroservice<MicroserviceOptions>({ strategy: new BusServer(bus) });
  await app.startAllMicroservices();
  await app.init();
  await app.getHttpAdapter().getInstance().ready();
  try {
    if (options.restAddress !== undefined) await gateway.listenRest({ address: options.restAddress });
    if (options.grpcAddress !== undefined) await gateway.listenGrpc({ address: options.grpcAddress });
  } catch (error) {
    await gateway.close(0);
    throw error;
  }
  return gateway;
}
