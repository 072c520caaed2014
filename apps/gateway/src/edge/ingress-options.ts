import { defaults, pickSettings, type OwnSettingsOf } from '@mserve/config';

/** Settings of a gateway that are limits of its ports under the same name. */
export const limitSettings = [
  'maxBodyChunks',
  'headersTimeoutMs',
  'requestTimeoutMs',
  'minBodyBytesPerSecond',
  'keepAliveTimeoutMs',
  'writeTimeoutMs',
  'lingerMs',
  'drainReceiveMs',
  'maxConnectionAgeMs',
  'maxConnectionAgeGraceMs',
  'maxConnections',
  'maxConcurrentStreams',
] as const;

/**
 * Limits of the public ports: settings of the gateway (see their declarations), sizes in bytes. All times in milliseconds.
 *
 * headersTimeoutMs counts from the first byte of a request (or of the connection) to the end of its headers, over gRPC to the end of the HTTP/2 preface; then
 * 408, or the connection's end. A body that is slower than requestTimeoutMs and minBodyBytesPerSecond allow is refused with 408, over gRPC with
 * DEADLINE_EXCEEDED; inflating it may take as long again. What drainReceiveMs cuts off is refused with UNAVAILABLE (503).
 */
export interface IngressLimits extends Pick<OwnSettingsOf<'gateway'>, (typeof limitSettings)[number]> {
  /** The largest request body or gRPC message. Default 100 MiB, 1 to 512 MiB. */
  readonly maxMessageBytes: number;
  /** Bodies held at a time, all requests of one port together; over it requests are refused. Never less than one message; one that came compressed counts in both forms while it is inflated. Default 1 GiB. */
  readonly maxBufferedBytes: number;
}

const mebibyte = 1024 * 1024;
const declared = defaults.gateway;

/** What the settings of a gateway are when nobody gives them. */
export const defaultIngressLimits: IngressLimits = {
  ...pickSettings(declared, limitSettings),
  maxMessageBytes: declared.maxMsgMbSize * mebibyte,
  maxBufferedBytes: declared.maxBufferedMb * mebibyte,
};

/** The limits in force. Headers have no longer than the whole request, which Node's HTTP server requires. */
export function ingressLimitsOf(limits: Partial<IngressLimits> | undefined): IngressLimits {
  const all = { ...defaultIngressLimits, ...limits };
  return { ...all, headersTimeoutMs: Math.min(all.headersTimeoutMs, all.requestTimeoutMs) };
}

/** PEM texts for a TLS port. TLS 1.2 at least. They stay as they are: {@link TlsFiles} are read again. */
export interface TlsOptions {
  readonly certificate: string;
  readonly privateKey: string;
  /** Authority of client certificates; needed with verifyClient. */
  readonly customCa?: string | undefined;
  /** Require and verify a client certificate. Default false. */
  readonly verifyClient?: boolean | undefined;
}

/** PEM files for a TLS port. They are read again when they change (docs/tls.md). TLS 1.2 at least. */
export interface TlsFiles {
  /** Path of the certificate, followed by those between it and its authority. */
  readonly certificateFile: string;
  readonly privateKeyFile: string;
  /** Authority of client certificates; needed with verifyClient. */
  readonly customCaFile?: string | undefined;
  /** Require and verify a client certificate. Default false. */
  readonly verifyClient?: boolean | undefined;
}
