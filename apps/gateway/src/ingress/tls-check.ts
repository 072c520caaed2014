import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { ServingError } from '@mserve/wire';
import type { TlsOptions } from '../edge/ingress-options.js';

function load<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new ServingError('INVALID_ARGUMENT', `Serving Error: load ${what} failed`, { cause: error });
  }
}

/** Throws ServingError INVALID_ARGUMENT, in the original's words, for texts that are no PEM or do not belong together. */
export function checkTls(tls: TlsOptions): void {
  const key: KeyObject = load('private_key', () => createPrivateKey(tls.privateKey));
  const certificate = load('certificate_chain', () => new X509Certificate(tls.certificate));
  const { customCa } = tls;
  if (customCa !== undefined) load('root certificate', () => new X509Certificate(customCa));
  if (!certificate.checkPrivateKey(key))
    throw new ServingError('INVALID_ARGUMENT', 'Serving Error: private_key is not consistent with certificate');
}
