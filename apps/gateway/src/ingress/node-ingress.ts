import type { RequestListener } from 'node:http';
import type { Server } from '@grpc/grpc-js';
import { ServingError } from '@mserve/wire';
import { GrpcFront } from './grpc-front.js';
import { HttpFront } from './http-front.js';
import type { Ingress, IngressAnswer, IngressListener } from '../edge/ingress.js';
import { ingressLimitsOf, type IngressLimits, type Refuse, type TlsOptions } from '../edge/ingress-options.js';
import { checkTls } from './tls-check.js';
import { TurnGather } from './turn-gather.js';

export interface NodeIngressOptions {
  readonly listener: IngressListener;
  readonly refuse: Refuse;
  /** What is no infer route of the REST port: Nest's Fastify. */
  readonly fallback: RequestListener;
  /** Adds what is no infer rpc to the gRPC port. */
  readonly addServices: (server: Server) => void;
}

export interface ListenOptions {
  readonly address: string;
  readonly limits?: Partial<IngressLimits> | undefined;
  readonly tls?: TlsOptions | undefined;
}

/** The Ingress in pure TypeScript: node:http and node:http2. Ports are opened one by one, at any time, each at most once. */
export class NodeIngress implements Ingress {
  private readonly gather: TurnGather;
  private http: HttpFront | undefined;
  private grpc: GrpcFront | undefined;

  constructor(private readonly options: NodeIngressOptions) {
    this.gather = new TurnGather(options.listener);
  }

  /** Resolves with the address bound. Rejects with ServingError in the original's words; the port is then free to be tried again. */
  async listenRest(listen: ListenOptions): Promise<string> {
    if (this.http !== undefined) throw new ServingError('INVALID_ARGUMENT', 'Serving Error: RESTful server is already running');
    if (listen.tls !== undefined) checkTls(listen.tls);
    const { refuse, fallback } = this.options;
    const http = new HttpFront(ingressLimitsOf(listen.limits), this.gather, refuse, fallback, listen.tls);
    this.http = http;
    try {
      return await http.listen(listen.address);
    } catch (error) {
      this.http = undefined;
      throw error;
    }
  }

  /** As {@link listenRest}, for the gRPC port. */
  async listenGrpc(listen: ListenOptions): Promise<string> {
    if (this.grpc !== undefined) throw new ServingError('INVALID_ARGUMENT', 'Serving Error: Serving gRPC server is already running');
    if (listen.tls !== undefined) checkTls(listen.tls);
    const { refuse, addServices } = this.options;
    const grpc = new GrpcFront(ingressLimitsOf(listen.limits), this.gather, refuse, addServices, listen.tls);
    this.grpc = grpc;
    try {
      return await grpc.listen(listen.address);
    } catch (error) {
      this.grpc = undefined;
      throw error;
    }
  }

  answer(answers: readonly IngressAnswer[]): void {
    for (const answer of answers) {
      if (answer.kind === 'http') this.http?.answer(answer);
      else this.grpc?.answer(answer);
    }
  }

  get inFlight(): number {
    return (this.http?.inFlight ?? 0) + (this.grpc?.inFlight ?? 0);
  }

  /** Takes nothing new; resolves when what is in hand is answered and all connections are closed. */
  async drain(): Promise<void> {
    await Promise.all([this.http?.drain(), this.grpc?.drain()]);
  }

  /** Ends all connections now. */
  async close(): Promise<void> {
    this.http?.close();
    await this.grpc?.close();
  }
}
