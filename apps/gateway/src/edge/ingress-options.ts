import type { ServingError } from '@mserve/wire';
import type { IngressAnswer, IngressRequest } from './ingress.js';

/** Limits of the public ports. All times in milliseconds, all sizes in bytes. */
export interface IngressLimits {
  /** The largest request body or gRPC message. Default 100 MiB, 1 to 512 MiB. */
  readonly maxMessageBytes: number;
  /** The most pieces of a chunked body. Default 65 536. */
  readonly maxBodyChunks: number;
  /** Bodies held at a time, all requests of one port together; over it requests are refused. Never less than one message; one that came compressed counts in both forms while it is inflated. Default 1 GiB. */
  readonly maxBufferedBytes: number;
  /** From the first byte of a request (or of the connection) to the end of its headers, over gRPC to the end of the HTTP/2 preface; then 408, or the connection's end. Default 10 s. */
  readonly headersTimeoutMs: number;
  /** From the first byte of a request to its last; then 408, over gRPC DEADLINE_EXCEEDED. As long again for inflating it, at most; then DEADLINE_EXCEEDED. Default 30 s. */
  readonly requestTimeoutMs: number;
  /** How long an idle connection is kept. Default 65 s. */
  readonly keepAliveTimeoutMs: number;
  /** A client that takes nothing of its answer for this long is cut off. Default 30 s. */
  readonly writeTimeoutMs: number;
  /** How long the rest of a refused body is read and dropped, so that the client sees the refusal and not a reset. Default 2 s. */
  readonly lingerMs: number;
  /** How long a request may still take to come in when the port has begun to drain; then UNAVAILABLE (503). Default 5 s. */
  readonly drainReceiveMs: number;
  /** Connections of one port at a time; further ones are closed at once. Default 10 000. */
  readonly maxConnections: number;
  /** gRPC calls at a time on one connection. Default 4096. */
  readonly maxConcurrentStreams: number;
}

export const defaultIngressLimits: IngressLimits = {
  maxMessageBytes: 100 * 1024 * 1024,
  maxBodyChunks: 65_536,
  maxBufferedBytes: 1024 * 1024 * 1024,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  keepAliveTimeoutMs: 65_000,
  writeTimeoutMs: 30_000,
  lingerMs: 2_000,
  drainReceiveMs: 5_000,
  maxConnections: 10_000,
  maxConcurrentStreams: 4_096,
};

/** PEM texts for a TLS port. TLS 1.2 at least. */
export interface TlsOptions {
  readonly certificate: string;
  readonly privateKey: string;
  /** Authority of client certificates. */
  readonly customCa?: string | undefined;
  /** Require and verify a client certificate. Default false. */
  readonly verifyClient?: boolean | undefined;
}

/** Shapes a refusal that an ingress makes by itself as the request's own protocol would. */
export type Refuse = (request: IngressRequest, error: ServingError) => IngressAnswer;
