import { pickSettings, readTokenFile, settingError, type SettingsOf } from '@mserve/config';
import { AccessFileError } from '../access/access-list.js';
import { readAccessFile } from '../access/client-access.js';
import type { AccessOptions } from '../edge/access.js';
import type { AdminOptions } from '../edge/admin-options.js';
import { limitSettings, type TlsFiles } from '../edge/ingress-options.js';
import { sameSettings, type GatewayOptions } from '../gateway-options.js';
import { checkTls, TlsError, type TlsPart } from '../tls/checked-tls.js';

const mebibyte = 1024 * 1024;

/** The settings of a gateway as its options. Throws ConfigError for files that cannot be read or used. */
export function gatewayOptionsOf(settings: SettingsOf<'gateway'>): GatewayOptions {
  return {
    ...pickSettings(settings, sameSettings),
    restAddress: settings.rest === '' ? undefined : settings.rest,
    grpcAddress: settings.grpc === '' ? undefined : settings.grpc,
    maxMessageBytes: settings.maxMsgMbSize * mebibyte,
    limits: { ...pickSettings(settings, limitSettings), maxBufferedBytes: settings.maxBufferedMb * mebibyte },
    tls: tlsOf(settings),
    admin: adminOf(settings),
    access: accessOf(settings),
    corsOrigins: settings.corsOrigins?.split(','),
    docsHosts: settings.docsHosts?.split(','),
  };
}

function adminOf({ admin, adminToken, adminTokenFile, adminHosts }: SettingsOf<'gateway'>): AdminOptions | undefined {
  if (admin === undefined || admin === '') return undefined;
  // That there is one of the two is a rule of the settings
  const token = (): string => (adminTokenFile === undefined ? (adminToken as string) : readTokenFile('adminTokenFile', adminTokenFile));
  token();
  return { address: admin, token, hosts: adminHosts?.split(',') };
}

function accessOf({ accessFile, accessOpen }: SettingsOf<'gateway'>): AccessOptions | undefined {
  if (accessFile === undefined) return undefined;
  try {
    readAccessFile(accessFile);
  } catch (error) {
    throw error instanceof AccessFileError ? settingError('accessFile', error.message) : error;
  }
  return { file: accessFile, open: accessOpen };
}

const tlsKeys = {
  certificate: 'tlsCertificate',
  privateKey: 'tlsPrivateKey',
  customCa: 'tlsCustomCa',
} as const satisfies Readonly<Record<TlsPart, string>>;

function tlsOf({ tlsCertificate, tlsPrivateKey, tlsCustomCa, tlsVerifyClient }: SettingsOf<'gateway'>): TlsFiles | undefined {
  // That they go together is a rule of the settings
  if (tlsCertificate === undefined || tlsPrivateKey === undefined) return undefined;
  const tls = { certificateFile: tlsCertificate, privateKeyFile: tlsPrivateKey, customCaFile: tlsCustomCa, verifyClient: tlsVerifyClient };
  try {
    checkTls(tls);
  } catch (error) {
    throw error instanceof TlsError ? settingError(tlsKeys[error.part], error.problem) : error;
  }
  return tls;
}
