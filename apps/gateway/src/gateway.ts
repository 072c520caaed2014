import { setTimeout } from 'node:timers/promises';
import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { defaults } from '@mserve/config';
import { mountDashboard } from '@mserve/dashboard';
import type { FastifyInstance } from 'fastify';
import { accessToken } from './access/client-access.js';
import { AdminPort } from './admin/admin-port.js';
import { MethodCatalog } from './catalog/method-catalog.js';
import { SchedulerWatch } from './catalog/scheduler-watch.js';
import type { Access } from './edge/access.js';
import { Ingress, type GrpcPort, type RestPort } from './edge/ingress.js';
import type { TlsFiles, TlsOptions } from './edge/ingress-options.js';
import { maxMessageBytesOf, type GatewayOptions } from './gateway-options.js';
import { GrpcServices } from './health/grpc-services.js';
import { Readiness } from './health/readiness.js';
import type { InferStats } from './infer/counters.js';
import { InferPath, type InferOptions } from './infer/infer-path.js';
import { EdgeMetrics } from './ingress/edge-metrics.js';
import { ApiDocs } from './openapi/api-docs.js';
import { StateFeed } from './state/state-feed.js';
import { CertificateWatch } from './tls/certificate-watch.js';
import { HandshakeFailures } from './tls/handshake-failures.js';

/** A public port to be opened. What is left out is as in the gateway's own options. */
export interface PortOptions {
  readonly address: string;
  readonly maxMessageBytes?: number | undefined;
  readonly tls?: TlsOptions | TlsFiles | undefined;
}

/** Injection token of the GatewayOptions. */
export const gatewayOptionsToken = Symbol('gateway options');

/**
 * A gateway that runs: opens the ports that its options name when the application starts, and drains them when it ends. Then it is not ready any
 * more, ends each connection with its next answer, after drainDelayMs takes no new connections, and answers what is in hand.
 */
@Injectable()
export class Gateway implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private graceMs = 30_000;

  constructor(
    @Inject(Ingress) private readonly ingress: Ingress,
    @Inject(InferPath) private readonly path: InferPath,
    @Inject(GrpcServices) private readonly services: GrpcServices,
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
    @Inject(Readiness) private readonly readiness: Readiness,
    @Inject(MethodCatalog) private readonly catalog: MethodCatalog,
    @Inject(SchedulerWatch) private readonly schedulers: SchedulerWatch,
    @Inject(ApiDocs) private readonly docs: ApiDocs,
    @Inject(AdminPort) private readonly admin: AdminPort,
    @Inject(CertificateWatch) private readonly certificates: CertificateWatch,
    @Inject(HandshakeFailures) private readonly failures: HandshakeFailures,
    @Inject(StateFeed) private readonly state: StateFeed,
    @Inject(EdgeMetrics) private readonly edge: EdgeMetrics,
    @Inject(accessToken) private readonly access: Access | undefined,
    @Inject(gatewayOptionsToken) private readonly options: GatewayOptions,
  ) {}

  /** Nest calls it. Rejects with ServingError when an address is wrong or taken. */
  async onApplicationBootstrap(): Promise<void> {
    await this.fastify.ready();
    const { restAddress, grpcAddress, ops, tls } = this.options;
    const addresses = () => ({ rest: this.restAddress, grpc: this.grpcAddress, admin: this.adminAddress, tls: tls !== undefined });
    if (ops !== undefined) {
      this.state.begin(ops, addresses);
      const isTls = tls !== undefined;
      mountDashboard(ops, {
        rest: () => ({ address: this.restAddress, isTls }),
        admin: () => ({ address: this.adminAddress, isTls }),
      });
    }
    if (restAddress !== undefined) await this.listenRest({ address: restAddress });
    if (grpcAddress !== undefined) await this.listenGrpc({ address: grpcAddress });
  }

  /** To be called before the application is closed: not ready from now on. Requests in hand may take `graceMs` more; without this call, 30 s. */
  leave(graceMs: number): void {
    this.graceMs = graceMs;
    this.readiness.leave();
  }

  /** For infer requests that come from now on. What is left out stays as it is. */
  limitRequests(limits: Partial<InferOptions>): void {
    this.path.limit(limits);
  }

  /**
   * Reads the TLS files of all ports again, now, and says in the log what came of it: new connections get what is right, and what is wrong leaves the
   * certificate in use. Without this call the files are read again when they change. Never rejects.
   */
  reloadCertificates(): Promise<void> {
    return this.certificates.reload();
  }

  /** As {@link reloadCertificates}, and the file of clients, too. */
  async reloadFiles(): Promise<void> {
    this.access?.reload();
    await this.certificates.reload();
  }

  /**
   * Nest calls it, before it ends what requests are answered with. A gateway that was asked for something goes on taking requests for drainDelayMs:
   * whoever sends them here has to see first that it is not ready, and clients that their connections end.
   */
  async beforeApplicationShutdown(): Promise<void> {
    this.readiness.leave();
    const delayMs = this.ingress.wasAsked ? Math.min(this.options.drainDelayMs ?? defaults.gateway.drainDelayMs, this.graceMs) : 0;
    if (delayMs > 0) {
      this.ingress.leave();
      await setTimeout(delayMs);
    }
    await this.ingress.drain(this.graceMs - delayMs);
  }

  /** Address bound, `host:port`; undefined while there is no REST port. */
  get restAddress(): string | undefined {
    return this.ingress.addresses.rest;
  }

  /** Address bound, `host:port` or `unix:path`; undefined while there is no gRPC port. */
  get grpcAddress(): string | undefined {
    return this.ingress.addresses.grpc;
  }

  /** Address bound of the admin port, `host:port`; undefined when there is none. */
  get adminAddress(): string | undefined {
    return this.admin.address;
  }

  /** Whether requests can be served: bus up, scheduler alive, a servable ready, not closing. */
  get isReady(): boolean {
    return this.readiness.isReady;
  }

  /** Bus addresses of the schedulers that are heard. */
  get knownSchedulers(): readonly string[] {
    return this.schedulers.alive;
  }

  /** What was counted since the start. */
  get stats(): InferStats {
    return this.path.stats;
  }

  /** Infer requests being received, in hand, or whose answer is not written out. */
  get inFlight(): number {
    return this.ingress.inFlight;
  }

  /** Requests that were refused because the application ended before they were answered. */
  get cutOff(): number {
    return this.path.cutOff;
  }

  /** Whether /docs and /openapi.json are answered at the REST port. */
  get servesDocs(): boolean {
    return this.docs.isOn;
  }

  /**
   * Not ready, whatever else holds, until the function given back is called (once): for who still has servables to load before requests should come.
   * Until then callers of a servable that nobody has get 503 (try again), not 404.
   */
  holdReadiness(): () => void {
    return this.catalog.hold();
  }

  /** Resolves when {@link isReady} is true. */
  whenReady(): Promise<void> {
    return new Promise((resolve) => {
      if (this.isReady) return resolve();
      const subscription = this.readiness.onChange((ready) => {
        if (!ready) return;
        subscription.unsubscribe();
        resolve();
      });
    });
  }

  /** Resolves when each of these servable versions can be called through this gateway. */
  whenServing(wanted: readonly { readonly servable: string; readonly version: number }[]): Promise<void> {
    const { catalog } = this;
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
    const { fastify } = this;
    // Fastify's own router, reached without a port of its own
    const { corsOrigins } = this.options;
    return this.listen(port, { kind: 'rest', corsOrigins, fallback: (request, response) => fastify.routing(request, response) });
  }

  /** As {@link listenRest}, for the gRPC port. */
  async listenGrpc(port: PortOptions): Promise<string> {
    return this.listen(port, { kind: 'grpc', addServices: (server) => this.services.addTo(server) });
  }

  private async listen(
    { address, maxMessageBytes = this.options.maxMessageBytes, tls = this.options.tls }: PortOptions,
    own: Pick<RestPort, 'kind' | 'fallback' | 'corsOrigins'> | Pick<GrpcPort, 'kind' | 'addServices'>,
  ): Promise<string> {
    const { kind } = own;
    const limits = { maxMessageBytes: maxMessageBytesOf({ maxMessageBytes }), ...this.options.limits };
    const opened = tls === undefined ? undefined : await this.certificates.open(tls, (texts) => this.ingress.renewTls(kind, texts));
    try {
      return await this.ingress.listen({
        ...own,
        address,
        limits,
        tls: opened?.texts,
        ...this.edge.of(kind),
        onHandshakeFailed: (error, socket) => this.failures.add(kind, error, socket),
        listener: this.path,
        access: this.access,
      });
    } catch (error) {
      opened?.close();
      throw error;
    }
  }

  private get fastify(): FastifyInstance {
    return this.host.httpAdapter.getInstance<FastifyInstance>();
  }
}
