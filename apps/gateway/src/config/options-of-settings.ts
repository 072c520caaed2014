import { pickSettings, readSettingFile, readTokenFile, type SettingsOf } from '@mserve/config';
import type { AdminOptions } from '../edge/admin-options.js';
import { limitSettings, type TlsOptions } from '../edge/ingress-options.js';
import { sameSettings, type GatewayOptions } from '../gateway-options.js';

const mebibyte = 1024 * 1024;

/** The settings of a gateway as its options. Throws ConfigError for files that cannot be read. */
export function gatewayOptionsOf(settings: SettingsOf<'gateway'>): GatewayOptions {
  return {
    ...pickSettings(settings, sameSettings),
    restAddress: settings.rest === '' ? undefined : settings.rest,
    grpcAddress: settings.grpc === '' ? undefined : settings.grpc,
    maxMessageBytes: settings.maxMsgMbSize * mebibyte,
    limits: { ...pickSettings(settings, limitSettings), maxBufferedBytes: settings.maxBufferedMb * mebibyte },
    tls: tlsOf(settings),
    admin: adminOf(settings),
  };
}

function adminOf({ admin, adminToken, adminTokenFile, adminHosts }: SettingsOf<'gateway'>): AdminOptions | undefined {
  if (admin === undefined || admin === '') return undefined;
  // That there is one of the two is a rule of the settings
  const token = (): string => (adminTokenFile === undefined ? (adminToken as string) : readTokenFile('--admin-token-file', adminTokenFile));
  token();
  return { address: admin, token, hosts: adminHosts?.split(',') };
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
