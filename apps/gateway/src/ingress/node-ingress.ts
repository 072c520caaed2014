import { Injectable } from '@nestjs/common';
import { ServingError } from '@mserve/wire';
import { Ingress, type GrpcPort, type IngressAddresses, type IngressAnswer, type RestPort } from '../edge/ingress.js';
import { ingressLimitsOf, type TlsOptions } from '../edge/ingress-options.js';
import { checkTls } from '../tls/checked-tls.js';
import { Cors } from './cors.js';
import { GrpcFront } from './grpc-front.js';
import { HttpFront } from './http-front.js';
import { InFlight } from './in-flight.js';

/** When nothing is in flight any more, a draining ingress waits this long for connections that do not end. */
const idleConnectionMs = 1_000;

/** setTimeout takes no more than this. */
const maxTimerMs = 2 ** 31 - 1;

/** The Ingress in pure TypeScript: node:http, and HTTP/2 of our own. */
@Injectable()
export class NodeIngress extends Ingress {
  private readonly flight = new InFlight();
  private http: HttpFront | undefined;
  private grpc: GrpcFront | undefined;
  private rest: string | undefined;
  private rpc: string | undefined;

  async listen(port: RestPort | GrpcPort): Promise<string> {
    return port.kind === 'rest' ? this.listenRest(port) : this.listenGrpc(port);
  }

  renewTls(kind: 'rest' | 'grpc', tls: TlsOptions): void {
    (kind === 'rest' ? this.http : this.grpc)?.renewTls(tls);
  }

  get addresses(): IngressAddresses {
    return { rest: this.rest, grpc: this.rpc };
  }

  answer(answers: readonly IngressAnswer[]): void {
    for (const answer of answers) {
      if (answer.kind === 'http') this.http?.answer(answer);
      else this.grpc?.answer(answer);
    }
  }

  get inFlight(): number {
    return this.flight.count;
  }

  get wasAsked(): boolean {
    return this.flight.hasBegun;
  }

  leave(): void {
    this.http?.leave();
    this.grpc?.leave();
  }

  get bufferedBytes(): { readonly rest: number; readonly grpc: number } {
    return { rest: this.http?.bufferedBytes ?? 0, grpc: this.grpc?.bufferedBytes ?? 0 };
  }

  drain(graceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(grace);
        endWatch();
        resolve();
      };
      const grace = setTimeout(finish, Math.min(graceMs, maxTimerMs));
      const endWatch = this.flight.watch(idleConnectionMs, finish);
      void Promise.all([this.http?.drain(), this.grpc?.drain()]).then(finish);
    });
  }

  async close(): Promise<void> {
    this.http?.close();
    await this.grpc?.close();
  }

  private async listenRest(port: RestPort): Promise<string> {
    const { address, limits, tls, listener, fallback, corsOrigins } = port;
    if (this.http !== undefined) throw new ServingError('INVALID_ARGUMENT', 'Serving Error: RESTful server is already running');
    if (tls !== undefined) checkTls(tls);
    const cors = corsOrigins === undefined || corsOrigins.length === 0 ? undefined : new Cors(corsOrigins);
    const http = new HttpFront(ingressLimitsOf(limits), listener, this.flight, fallback, cors, tls, port, port.access);
    this.http = http;
    try {
      return (this.rest = await http.listen(address));
    } catch (error) {
      this.http = undefined;
      throw error;
    }
  }

  private async listenGrpc(port: GrpcPort): Promise<string> {
    const { address, limits, tls, listener, addServices } = port;
    if (this.grpc !== undefined) throw new ServingError('INVALID_ARGUMENT', 'Serving Error: Serving gRPC server is already running');
    if (tls !== undefined) checkTls(tls);
    const grpc = new GrpcFront(ingressLimitsOf(limits), listener, this.flight, addServices, tls, port, port.access);
    this.grpc = grpc;
    try {
      return (this.rpc = await grpc.listen(address));
    } catch (error) {
      this.grpc = undefined;
      throw error;
    }
  }
}
