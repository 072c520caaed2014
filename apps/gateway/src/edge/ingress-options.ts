import { defaults } from '@mserve/config';

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
  /**
   * A body must end, or bring what minBodyBytesPerSecond asks for, in each such span from the end of its headers on; else 408, over gRPC
   * DEADLINE_EXCEEDED. As long again for inflating it, at most; then DEADLINE_EXCEEDED. Default 30 s.
   */
  readonly requestTimeoutMs: number;
  /** The slowest that a body may arrive, on average over requestTimeoutMs. Default 1024. */
  readonly minBodyBytesPerSecond: number;
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

const mebibyte = 1024 * 1024;
const declared = defaults.gateway;

/** What the settings of a gateway are when nobody gives them. */
export const defaultIngressLimits: IngressLimits = {
  maxMessageBytes: declared.maxMsgMbSize * mebibyte,
  maxBodyChunks: declared.maxBodyChunks,
  maxBufferedBytes: declared.maxBufferedMb * mebibyte,
  headersTimeoutMs: declared.headersTimeoutMs,
  requestTimeoutMs: declared.requestTimeoutMs,
  minBodyBytesPerSecond: declared.minBodyBytesPerSecond,
  keepAliveTimeoutMs: declared.keepAliveTimeoutMs,
  writeTimeoutMs: declared.writeTimeoutMs,
  lingerMs: declared.lingerMs,
  drainReceiveMs: declared.drainReceiveMs,
  maxConnections: declared.maxConnections,
  maxConcurrentStreams: declared.maxConcurrentStreams,
};

/** The limits in force. Headers have no longer than the whole request, which Node's HTTP server requires. */
export function ingressLimitsOf(limits: Partial<IngressLimits> | undefined): IngressLimits {
  const all = { ...defaultIngressLimits, ...limits };
  return { ...all, headersTimeoutMs: Math.min(all.headersTimeoutMs, all.requestTimeoutMs) };
}

/** PEM texts for a TLS port. TLS 1.2 at least. */
export interface TlsOptions {
  readonly certificate: string;
  readonly privateKey: string;
  /** Authority of client certificates. */
  readonly customCa?: string | undefined;
  /** Require and verify a client certificate. Default false. */
  readonly verifyClient?: boolean | undefined;
}
