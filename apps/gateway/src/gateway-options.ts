import type { AppLog } from '@mserve/app';
import type { MetricRegistry, Tracer } from '@mserve/metrics';
import type { OpsPort } from '@mserve/ops';
import { boundsOf, defaults, settings, type OwnSettingsOf } from '@mserve/config';
import type { InferOptions } from './infer/infer-path.js';
import type { AccessOptions } from './edge/access.js';
import type { AdminOptions } from './edge/admin-options.js';
import { decodeLimitSettings } from './protocols/decode-limits.js';
import type { WorkerWatchOptions } from './models/worker-watch.js';
import type { IngressLimits, TlsFiles, TlsOptions } from './edge/ingress-options.js';

/** Settings of a gateway that are options under the same name. */
export const sameSettings = [
  'legacyStatus200',
  'legacyJsonNumbers',
  'maxInFlight',
  'defaultDeadlineMs',
  'unavailableGraceMs',
  'workerLostMs',
  'drainDelayMs',
  'docs',
  'modelControlMode',
  'accessLog',
  'accessLogEvery',
  'slowRequestMs',
  ...decodeLimitSettings,
] as const;

/** Settings that a running gateway takes anew, see {@link Gateway.limitRequests}. */
export const liveGatewayKeys = ['maxInFlight', 'defaultDeadlineMs', 'unavailableGraceMs'] as const;

/** How a gateway is to run: some of its settings (see their declarations), and what is no setting. All times in ms, all sizes in bytes. */
export interface GatewayOptions extends Partial<Pick<OwnSettingsOf<'gateway'>, (typeof sameSettings)[number]>> {
  /** `host:port`, port 0 = any free one. Undefined: no REST port until {@link RunningGateway.listenRest}. */
  readonly restAddress?: string | undefined;
  /** `host:port` or `unix:path`. Undefined: no gRPC port until {@link RunningGateway.listenGrpc}. */
  readonly grpcAddress?: string | undefined;
  /** The largest REST body and gRPC message. Default 100 MiB; 1 to 512 MiB. */
  readonly maxMessageBytes?: number | undefined;
  /** Finer limits of the ports. */
  readonly limits?: Partial<IngressLimits> | undefined;
  /** The port for operators. Default: none. */
  readonly admin?: AdminOptions | undefined;
  /** Who may come in at the public ports. Default: anybody. */
  readonly access?: AccessOptions | undefined;
  /** Origins whose pages may read the answers of the REST port, `https://app.example`; `*` = any. Default: none. */
  readonly corsOrigins?: readonly string[] | undefined;
  /** Names in the Host header by which /docs and /openapi.json are answered, beside that of the REST address and localhost. Default: none. */
  readonly docsHosts?: readonly string[] | undefined;
  /** TLS for all ports; files are read again when they change. */
  readonly tls?: TlsOptions | TlsFiles | undefined;
  /** Where the gateway counts. Default: a registry of its own. */
  readonly metrics?: MetricRegistry | undefined;
  /** Where the state of the fleet is shown (docs/observability.md). It stays the caller's to close. Default: nowhere. */
  readonly ops?: OpsPort | undefined;
  /** Default: nothing is traced. */
  readonly tracer?: Tracer | undefined;
  /** Default: JSON lines on stderr from level warn on. */
  readonly log?: AppLog | undefined;
}

const mebibyte = 1024 * 1024;

/** The option in force. Throws RangeError, in the original's words, when it is out of range. */
export function maxMessageBytesOf(options: Pick<GatewayOptions, 'maxMessageBytes'>): number {
  const { maxMsgMbSize } = settings;
  const { min, max } = boundsOf(maxMsgMbSize);
  const bytes = options.maxMessageBytes ?? maxMsgMbSize.default * mebibyte;
  if (!Number.isSafeInteger(bytes) || bytes < min * mebibyte || bytes > max * mebibyte)
    throw new RangeError(`Parameter 'max_msg_mb_size' should be in range [${min},${max}]`);
  return bytes;
}

/** The options of the infer path in force. */
export function inferOptionsOf(options: GatewayOptions): InferOptions {
  const { maxInFlight, defaultDeadlineMs, unavailableGraceMs } = defaults.gateway;
  return {
    maxInFlight: options.maxInFlight ?? maxInFlight,
    defaultDeadlineMs: options.defaultDeadlineMs ?? defaultDeadlineMs,
    unavailableGraceMs: options.unavailableGraceMs ?? unavailableGraceMs,
  };
}

/** When a worker is lost for who changes versions. */
export function workerWatchOptionsOf({ workerLostMs, unavailableGraceMs }: GatewayOptions): WorkerWatchOptions {
  return {
    workerLostMs: workerLostMs ?? defaults.gateway.workerLostMs,
    returnMs: unavailableGraceMs ?? defaults.gateway.unavailableGraceMs,
  };
}
