import type { TLSSocket } from 'node:tls';
import { Inject, Injectable } from '@nestjs/common';
import type { AppLog } from '@mserve/app';
import { MetricRegistry, type Count, type MetricDeclaration, type Series } from '@mserve/metrics';
import { logToken } from '../edge/tokens.js';

/** Why a TLS handshake failed, with the text of the log. */
const texts = {
  'client-certificate-missing': 'the client sent no certificate',
  'client-certificate-refused': 'the certificate of the client is refused',
  'server-certificate-refused': 'the client refuses the certificate of this server',
  'protocol-version': 'the client speaks no TLS 1.2 or later',
  'no-tls': 'the client does not speak TLS',
  'no-common-protocol': 'the client asks by ALPN for a protocol that this port does not speak',
  timeout: 'the client did not finish in time',
  gone: 'the client ended the connection',
  other: 'TLS handshake error',
} as const;

export type HandshakeFailureReason = keyof typeof texts;

const reasonsByCode: Readonly<Record<string, HandshakeFailureReason | undefined>> = {
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: 'client-certificate-missing',
  ERR_SSL_HTTP_REQUEST: 'no-tls',
  ERR_SSL_WRONG_VERSION_NUMBER: 'no-tls',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'no-tls',
  ERR_SSL_RECORD_LAYER_FAILURE: 'no-tls',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'protocol-version',
  ERR_SSL_NO_APPLICATION_PROTOCOL: 'no-common-protocol',
  ERR_TLS_HANDSHAKE_TIMEOUT: 'timeout',
  ECONNRESET: 'gone',
  EPIPE: 'gone',
};

/** Decides on codes of OpenSSL and node, and on what the client's certificate was found to be. */
export function handshakeFailureOf(error: Error, socket: Pick<TLSSocket, 'authorizationError'>): HandshakeFailureReason {
  // Typed as an Error; it is a code, or null
  const refused: unknown = socket.authorizationError;
  if (typeof refused === 'string') return 'client-certificate-refused';
  const { code = '' } = error as NodeJS.ErrnoException;
  if (/ALERT_(?:UNKNOWN_CA|\w*CERTIFICATE\w*)$/.test(code)) return 'server-certificate-refused';
  return reasonsByCode[code] ?? 'other';
}

/** What is counted of TLS. */
export const tlsMetrics = {
  failed: {
    name: 'mserve_gateway_tls_handshakes_failed_total',
    help: 'TLS handshakes that failed, by port and reason.',
    labels: [
      { name: 'port', values: ['rest', 'grpc', 'admin'] },
      { name: 'reason', values: Object.keys(texts) },
    ],
  },
} as const satisfies Readonly<Record<string, MetricDeclaration>>;

/** Counts handshakes that failed, and writes them to the log at level debug: anybody can cause them. */
@Injectable()
export class HandshakeFailures {
  private readonly failed: Series<Count>;

  constructor(
    @Inject(MetricRegistry) registry: MetricRegistry,
    @Inject(logToken) private readonly log: AppLog,
  ) {
    this.failed = registry.counter(tlsMetrics.failed);
  }

  /** To be called with what node's `tlsClientError` gives. */
  readonly add = (port: 'rest' | 'grpc' | 'admin', error: Error, socket: TLSSocket): void => {
    const reason = handshakeFailureOf(error, socket);
    this.failed.of([port, reason]).add();
    const { code } = error as NodeJS.ErrnoException;
    const { remoteAddress: from } = socket;
    const verdict: unknown = socket.authorizationError ?? undefined;
    this.log.debug({ port, reason, code, from, verdict }, `a TLS handshake failed: ${texts[reason]}`);
  };
}
