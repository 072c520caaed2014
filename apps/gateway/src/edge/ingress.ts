import type { RequestListener } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Server } from '@grpc/grpc-js';
import type { BeforeApplicationShutdown } from '@nestjs/common';
import type { TraceContext } from '@mserve/metrics';
import type { ServingError } from '@mserve/wire';
import type { Access, Client } from './access.js';
import type { IngressLimits, TlsOptions } from './ingress-options.js';

/** The infer routes that an ingress recognises by itself; everything else on the ports goes on to Nest. */
export type InferRoute =
  /** POST /model/{servable}[/version/{n}]:{method} */
  | 'ms-rest'
  /** /mindspore.serving.proto.MSService/Predict */
  | 'ms-grpc'
  /** POST /v2/models/{model}[/versions/{n}]/infer */
  | 'oip-rest'
  /** /inference.GRPCInferenceService/ModelInfer */
  | 'oip-grpc';

/** One raw infer request: bytes and where they came in, nothing decoded. */
export interface IngressRequest extends RequestMemory {
  /** Names the request until it is answered; unique in its ingress. */
  readonly token: number;
  readonly route: InferRoute;
  /** Request path as sent, with query, not decoded; '' for gRPC. */
  readonly path: string;
  /** HTTP method; 'POST' for gRPC. */
  readonly verb: string;
  /** Lower-case header names; for gRPC the metadata, binary ones in base64 as they were sent. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Whole body, or whole gRPC message, inflated if it came compressed; never over the size limit (the ingress refuses those itself). */
  readonly body: Uint8Array;
  /** performance.now() clock; Infinity when the client gave none (header `x-request-timeout-ms`, or grpc-timeout). */
  readonly deadlineAt: number;
  /** Who asks, where the port asks for that. */
  readonly client?: Client | undefined;
  /**
   * Nobody reads the body and what was taken of {@link RequestMemory}, or a view of them, any more, but for buffers that are `inUse`: they may be written to. Called once
   * at most, and only where that is sure; what is not released is left to the garbage collector.
   */
  release(inUse: (buffer: ArrayBufferLike) => boolean): void;
}

/** Memory that is a request's until it is released, and is used again by others then: V8 marks its whole heap for every 64 MB that are made anew. */
export interface RequestMemory {
  /** A whole buffer of at least so many bytes, with whatever was in it. */
  takeBuffer(bytes: number): Buffer;
  /** One that {@link takeBuffer} gave and nobody reads any more, before the request is released. */
  giveBuffer(buffer: Buffer): void;
}

/** The answer to one infer request. */
export type IngressAnswer =
  | {
      readonly token: number;
      readonly kind: 'http';
      readonly status: number;
      readonly headers: Readonly<Record<string, string>>;
      /** Written one after the other; content-length is their sum. */
      readonly body: readonly (Uint8Array | string)[];
      /** Called once at most, when the system has taken all of the body and nobody reads it here any more. Not where the client left. */
      readonly onWritten?: (() => void) | undefined;
    }
  | {
      readonly token: number;
      readonly kind: 'grpc';
      /** Of one message, one after the other. */
      readonly message: readonly Uint8Array[];
      /** Of the request's span, when it is traced. */
      readonly trace?: TraceContext | undefined;
      /** Of the message, as of an HTTP answer's body. */
      readonly onWritten?: (() => void) | undefined;
    }
  | {
      readonly token: number;
      readonly kind: 'grpc-error';
      /** gRPC status code number, not 0. */
      readonly status: number;
      readonly message: string;
      /** Of the request's span, when it is traced. */
      readonly trace?: TraceContext | undefined;
    };

/** Who takes the infer requests of a port. */
export interface IngressListener {
  /** Everything that one event-loop turn brought, in order. Must not throw. Each request gets one answer, unless its client leaves first. */
  onRequests(requests: readonly IngressRequest[]): void;
  /** The clients of these requests are gone; answers for them are dropped. Must not throw. */
  onGone(tokens: readonly number[]): void;
  /** The answer for a request that the ingress refuses by itself, in the request's own protocol. Must not throw. */
  refusalOf(request: IngressRequest, error: ServingError): IngressAnswer;
}

/** Why a connection was ended before it brought a request, or with one that never was. */
export const connectionRefusals = ['too-many-connections', 'head-too-large', 'head-too-slow', 'malformed'] as const;

/** See {@link connectionRefusals}. */
export type ConnectionRefusal = (typeof connectionRefusals)[number];

/** What is told of the connections of a port. Nothing here may throw. */
export interface PortEvents {
  /** A TLS handshake failed. Its socket is as good as closed. */
  readonly onHandshakeFailed?: ((error: Error, socket: TLSSocket) => void) | undefined;
  /** A connection was accepted. */
  readonly onConnection?: ((socket: Socket) => void) | undefined;
  readonly onConnectionRefused?: ((reason: ConnectionRefusal) => void) | undefined;
}

interface Port extends PortEvents {
  /** `host:port`, `[ipv6]:port` or, for gRPC, `unix:path`. Port 0 = any free one. */
  readonly address: string;
  /** What is left out is as in `defaultIngressLimits`. */
  readonly limits?: Partial<IngressLimits> | undefined;
  /** Default: plain text. */
  readonly tls?: TlsOptions | undefined;
  readonly listener: IngressListener;
  /** Who may come in. Asked before a body is read. Default: anybody. */
  readonly access?: Access | undefined;
}

/** The public REST port. */
export interface RestPort extends Port {
  readonly kind: 'rest';
  /** Gets every request that is no infer request. */
  readonly fallback: RequestListener;
  /** Origins whose pages may read answers, `https://app.example`; `*` = any. Default: none. */
  readonly corsOrigins?: readonly string[] | undefined;
}

/** The public gRPC port. */
export interface GrpcPort extends Port {
  readonly kind: 'grpc';
  /** Adds the rpcs that are no infer rpcs to the server that gets their calls. Called when the first of them comes, and again only when it rejects. */
  readonly addServices: (server: Server) => Promise<void>;
}

/** Addresses bound, each undefined while its port is not open. */
export interface IngressAddresses {
  /** `host:port`. */
  readonly rest: string | undefined;
  /** `host:port` or `unix:path`. */
  readonly grpc: string | undefined;
}

/**
 * Owns the public REST and gRPC ports. This is the whole contract, and the class is the token to inject it by. Every implementation passes the suite
 * in `edge/ingress.contract.ts`.
 */
export abstract class Ingress implements BeforeApplicationShutdown {
  /**
   * Opens a port; each kind is opened at most once, at any time. Resolves with the address bound. Rejects with ServingError in the original's words
   * (INVALID_ARGUMENT for a wrong address, wrong TLS texts or a port that is open already; UNAVAILABLE when it cannot be bound); then nothing is left
   * open, and the port may be tried again.
   */
  abstract listen(port: RestPort | GrpcPort): Promise<string>;

  /** New connections of a port that speaks TLS get these texts, which are checked; those that are open go on. `verifyClient` stays as it was. */
  abstract renewTls(kind: 'rest' | 'grpc', tls: TlsOptions): void;

  abstract get addresses(): IngressAddresses;

  /** Takes answers in any order; those of unknown tokens (client gone) are dropped. */
  abstract answer(answers: readonly IngressAnswer[]): void;

  /** Infer requests being received, in hand, or whose answer is not written out. */
  abstract get inFlight(): number;

  /** Whether any request, also one that is no infer request, has come in yet. */
  abstract get wasAsked(): boolean;

  /**
   * From now on each REST connection ends with its next answer (`Connection: close`), and each gRPC connection with the calls that it has (GOAWAY; a call
   * that crosses it is refused unread, REFUSED_STREAM, and gRPC clients send it again by themselves). New connections are still taken. To be called some time before {@link drain}, so that nobody sends a request just when its connection is closed.
   */
  abstract leave(): void;

  /** Bytes of bodies that each port holds now, received and inflated. */
  abstract get bufferedBytes(): { readonly rest: number; readonly grpc: number };

  /**
   * Takes no new connections; requests in hand are still answered. Resolves when all connections are closed, when only idle ones have been left for
   * a second, or after `graceMs`. Never rejects.
   */
  abstract drain(graceMs: number): Promise<void>;

  /** Ends all connections now; answers given before are written out as far as the clients take them at once. Never rejects. */
  abstract close(): Promise<void>;

  /** Nest calls it after those of all that depend on the ingress. */
  beforeApplicationShutdown(): Promise<void> {
    return this.close();
  }
}
