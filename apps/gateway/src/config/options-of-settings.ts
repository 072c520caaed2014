import { readSettingFile, type SettingsOf } from '@mserve/config';
import type { GatewayOptions } from '../gateway-options.js';
import type { TlsOptions } from '../edge/ingress-options.js';

const mebibyte = 1024 * 1024;

/** The settings of a gateway as its options. Throws ConfigError for files that cannot be read. */
export function gatewayOptionsOf(settings: SettingsOf<'gateway'>): GatewayOptions {
  const { maxConnections, maxConcurrentStreams, maxBodyChunks, headersTimeoutMs, requestTimeoutMs, keepAliveTimeoutMs } = settings;
  const { minBodyBytesPerSecond, writeTimeoutMs, lingerMs, drainReceiveMs } = settings;
  return {
    restAddress: settings.rest === '' ? undefined : settings.rest,
    grpcAddress: settings.grpc === '' ? undefined : settings.grpc,
    maxMessageBytes: settings.maxMsgMbSize * mebibyte,
    maxInFlight: settings.maxInFlight,
    defaultDeadlineMs: settings.defaultDeadlineMs,
    legacyStatus200: settings.legacyStatus200,
    legacyJsonNumbers: settings.legacyJsonNumbers,
    docs: settings.docs,
    limits: {
      maxBufferedBytes: settings.maxBufferedMb * mebibyte,
      maxConnections,
      maxConcurrentStreams,
      maxBodyChunks,
      headersTimeoutMs,
      requestTimeoutMs,
      minBodyBytesPerSecond,
      keepAliveTimeoutMs,
      writeTimeoutMs,
      lingerMs,
      drainReceiveMs,
    },
    tls: tlsOf(settings),
  };
}

function tlsOf({ tlsCertificate, tlsPrivateKey, tlsCustomCa, tlsVerifyClient }: SettingsOf<'gateway'>): TlsOptions | undefined {
  // That they go together is a rule of the settings
  if (tlsCertificate === undefined || tlsPrivateKey === undefined) return undefined;
  return {
    certificate: readSettingFile('--tls-certificate', tlsCertificate),
    privateKey: readSettingFile('--tls-private-key', tlsPrivateKey),
    customCa: tlsCustomCa === undefined ? undefined : readSettingFile('--tls-custom-ca', tlsCustomCa),
    verifyClient: tlsVerifyClient,
  };
}
