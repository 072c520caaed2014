import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { listenForOperators, type AppLog } from '@mserve/app';
import type { FastifyInstance } from 'fastify';
import type { AdminOptions } from '../edge/admin-options.js';
import { AdminRequests } from '../edge/admin-requests.js';
import type { TlsFiles, TlsOptions } from '../edge/ingress-options.js';
import { logToken } from '../edge/tokens.js';
import { Models } from '../models/models.js';
import { CertificateWatch } from '../tls/certificate-watch.js';
import { HandshakeFailures } from '../tls/handshake-failures.js';
import { contextOf, verificationOf } from '../tls/tls-context.js';
import { AdminAccess, type Denial } from './admin-access.js';

/** Injection token of the {@link AdminPortOptions}; undefined = no admin port. */
export const adminPortToken = Symbol('admin port');

export interface AdminPortOptions extends AdminOptions {
  /** As the public ports have it. */
  readonly tls?: TlsOptions | TlsFiles | undefined;
}

const maxConnections = 64;
/** Of refusals, so many lines a minute are logged: who tries tokens must not fill the disk. */
const mostRefusalLines = 10;
const minuteMs = 60_000;

/** What is answered here. Infer requests are not, nor the health of the public ports. */
const paths = /^\/(?:admin\/|v2\/repository\/)/;

/**
 * The admin port: an HTTP server of its own before Nest's routes. A request gets to them with a Host header that the operator allowed and the bearer
 * token, and is marked as an operator's ({@link AdminRequests}).
 */
@Injectable()
export class AdminPort implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private server: Server | undefined;
  private bound: string | undefined;
  private refusalLines = 0;
  private refusalsSince = 0;

  constructor(
    @Inject(adminPortToken) private readonly options: AdminPortOptions | undefined,
    @Inject(AdminRequests) private readonly requests: AdminRequests,
    @Inject(Models) private readonly models: Models,
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
    @Inject(logToken) private readonly log: AppLog,
    @Inject(CertificateWatch) private readonly certificates: CertificateWatch,
    @Inject(HandshakeFailures) private readonly failures: HandshakeFailures,
  ) {}

  /** Address bound, `host:port`; undefined when there is no admin port. */
  get address(): string | undefined {
    return this.bound;
  }

  /** Nest calls it. Rejects with ServingError UNAVAILABLE when the address cannot be had. */
  async onApplicationBootstrap(): Promise<void> {
    const { options } = this;
    if (options === undefined) return;
    const fastify = this.host.httpAdapter.getInstance<FastifyInstance>();
    await fastify.ready();
    const access = new AdminAccess(options);
    const listener = (request: IncomingMessage, response: ServerResponse): void => {
      const denial = access.denial(request.headers.host, request.headers.authorization);
      if (denial !== undefined) return this.deny(request, response, denial);
      if (request.url === '/openapi.json') request.url = '/admin/openapi.json';
      if (!paths.test(request.url ?? '')) return answer(response, 404, { error: 'not at this port: see /openapi.json' });
      this.requests.admit(request);
      fastify.routing(request, response);
    };
    const limits = { headersTimeout: 10_000, requestTimeout: 30_000, keepAliveTimeout: 5_000, maxHeaderSize: 16_384 };
    const { tls } = options;
    const server = tls === undefined ? createServer(limits, listener) : await this.createTlsServer(tls, limits, listener);
    server.maxConnections = maxConnections;
    this.bound = await listenForOperators(server, 'admin', options.address, true);
    this.server = server;
    this.models.begin();
  }

  /** Nest calls it: ends what waits for a long change, too. */
  async beforeApplicationShutdown(): Promise<void> {
    const { server } = this;
    if (server === undefined) return;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }

  private async createTlsServer(tls: TlsOptions | TlsFiles, limits: ServerOptions, listener: RequestListener): Promise<Server> {
    const server = createTlsServer({ ...limits, ...verificationOf(tls) }, listener);
    const { texts } = await this.certificates.open(tls, (renewed) => server.setSecureContext(contextOf(renewed)));
    server.setSecureContext(contextOf(texts));
    return server.on('tlsClientError', (error, socket) => this.failures.add('admin', error, socket));
  }

  private deny(request: IncomingMessage, response: ServerResponse, { status, error }: Denial): void {
    const now = performance.now();
    if (now - this.refusalsSince > minuteMs) {
      this.refusalsSince = now;
      this.refusalLines = 0;
    }
    if (this.refusalLines++ < mostRefusalLines)
      this.log.warn({ audit: true, from: request.socket.remoteAddress, status }, `admin: a request was refused: ${error}`);
    answer(response, status, { error }, status === 401 ? { 'www-authenticate': 'Bearer' } : {});
    request.resume();
  }
}

function answer(response: ServerResponse, status: number, body: object, headers: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close', ...headers }).end(JSON.stringify(body));
}
