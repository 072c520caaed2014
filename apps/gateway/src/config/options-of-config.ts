import { settingFile } from '@mserve/app';
import { ConfigError } from '@mserve/config';
import type { GatewayOptions } from '../gateway-options.js';
import { parseAddress, type ServerTag } from '../ingress/address.js';
import type { TlsOptions } from '../edge/ingress-options.js';
import type { GatewayConfig } from './gateway-config.js';

function checkAddress(flag: string, tag: ServerTag, text: string): void {
  try {
    parseAddress(tag, text);
  } catch (error) {
    throw new ConfigError(
      `${flag}: ${(error as Error).message}; ${tag === 'Serving gRPC' ? 'HOST:PORT or unix:PATH' : 'HOST:PORT'} is expected, or nothing for none`,
    );
  }
}

/** Throws ConfigError for addresses that are none and files that cannot be read. */
export function gatewayOptionsOf(config: GatewayConfig): GatewayOptions {
  if (config.rest !== '') checkAddress('--rest', 'RESTful server', config.rest);
  if (config.grpc !== '') checkAddress('--grpc', 'Serving gRPC', config.grpc);
  return {
    restAddress: config.rest === '' ? undefined : config.rest,
    grpcAddress: config.grpc === '' ? undefined : config.grpc,
    maxMessageBytes: config.maxMessageMb * 1024 * 1024,
    maxInFlight: config.maxInFlight,
    defaultDeadlineMs: config.defaultDeadlineMs,
    legacyStatus200: config.legacyStatus200,
    docs: config.docs,
    limits: {
      maxConnections: config.maxConnections,
      headersTimeoutMs: config.headersTimeoutMs,
      requestTimeoutMs: config.requestTimeoutMs,
      writeTimeoutMs: config.writeTimeoutMs,
    },
    tls: tlsOf(config),
  };
}

function tlsOf(config: GatewayConfig): TlsOptions | undefined {
  const { tlsCertificate, tlsPrivateKey, tlsCustomCa, tlsVerifyClient } = config;
  if (tlsCertificate === undefined && tlsPrivateKey === undefined) {
    if (tlsCustomCa !== undefined || tlsVerifyClient)
      throw new ConfigError('--tls-custom-ca and --tls-verify-client need --tls-certificate and --tls-private-key');
    return undefined;
  }
  if (tlsCertificate === undefined || tlsPrivateKey === undefined)
    throw new ConfigError('--tls-certificate and --tls-private-key go together');
  if (tlsVerifyClient && tlsCustomCa === undefined) throw new ConfigError('--tls-verify-client needs --tls-custom-ca');
  return {
    certificate: settingFile('--tls-certificate', tlsCertificate),
    privateKey: settingFile('--tls-private-key', tlsPrivateKey),
    customCa: tlsCustomCa === undefined ? undefined : settingFile('--tls-custom-ca', tlsCustomCa),
    verifyClient: tlsVerifyClient,
  };
}
