import { readFileSync } from 'node:fs';
import { ConfigError } from '@mserve/config';
import type { NatsBusOptions } from '@mserve/bus';
import type { GatewayOptions } from '../gateway-options.js';
import type { TlsOptions } from '../ingress/ingress-options.js';
import type { GatewayConfig } from './gateway-config.js';

/** Throws ConfigError for files that cannot be read. */
export function gatewayOptionsOf(config: GatewayConfig): GatewayOptions {
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

export function busOptionsOf(config: GatewayConfig): NatsBusOptions {
  return {
    servers: config.nats.split(','),
    role: 'gateway',
    prefix: config.subjectPrefix,
    user: config.natsUser,
    password: config.natsPassword,
    token: config.natsToken,
    credentials: config.natsCreds === undefined ? undefined : fileOf('--nats-creds', config.natsCreds),
  };
}

function tlsOf(config: GatewayConfig): TlsOptions | undefined {
  const { tlsCertificate, tlsPrivateKey, tlsCustomCa, tlsVerifyClient } = config;
  if (tlsCertificate === undefined && tlsPrivateKey === undefined) {
    if (tlsCustomCa !== undefined || tlsVerifyClient) throw new ConfigError('--tls-custom-ca and --tls-verify-client need --tls-certificate and --tls-private-key');
    return undefined;
  }
  if (tlsCertificate === undefined || tlsPrivateKey === undefined) throw new ConfigError('--tls-certificate and --tls-private-key go together');
  if (tlsVerifyClient && tlsCustomCa === undefined) throw new ConfigError('--tls-verify-client needs --tls-custom-ca');
  return {
    certificate: fileOf('--tls-certificate', tlsCertificate),
    privateKey: fileOf('--tls-private-key', tlsPrivateKey),
    customCa: tlsCustomCa === undefined ? undefined : fileOf('--tls-custom-ca', tlsCustomCa),
    verifyClient: tlsVerifyClient,
  };
}

function fileOf(flag: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError(`${flag}: cannot read ${path}: ${(error as Error).message}`);
  }
}
