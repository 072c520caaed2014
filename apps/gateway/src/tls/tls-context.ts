import type { SecureContextOptions, TlsOptions as ServerTlsOptions } from 'node:tls';
import type { TlsOptions } from '../edge/ingress-options.js';

/** What a new handshake uses: it may change while the port is open. */
export function contextOf({ certificate, privateKey, customCa }: TlsOptions): SecureContextOptions {
  return { cert: certificate, key: privateKey, ...(customCa === undefined ? {} : { ca: customCa }), minVersion: 'TLSv1.2' };
}

/** Who has to show a certificate: it stays as it is while the port is open. */
export function verificationOf({ verifyClient = false }: { readonly verifyClient?: boolean | undefined }): ServerTlsOptions {
  return { requestCert: verifyClient, rejectUnauthorized: verifyClient };
}

/** What a port that speaks TLS is created with. Which protocols it offers by ALPN is the port's: `h2` or `http/1.1`. */
export function serverTlsOf(tls: TlsOptions): ServerTlsOptions {
  return { ...contextOf(tls), ...verificationOf(tls) };
}
