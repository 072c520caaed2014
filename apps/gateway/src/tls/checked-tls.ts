import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { ServingError } from '@mserve/wire';
import type { TlsFiles, TlsOptions } from '../edge/ingress-options.js';
import { contextOf } from './tls-context.js';

/** The parts of TLS options, by the name of their setting and parameter. */
export type TlsPart = 'certificate' | 'privateKey' | 'customCa';

/** The original's words for the parts. */
const servingNames: Readonly<Record<TlsPart, string>> = {
  certificate: 'certificate_chain',
  privateKey: 'private_key',
  customCa: 'root certificate',
};

/** INVALID_ARGUMENT: the message is in the original's words, `problem` is one sentence without them. Both name the file. */
export class TlsError extends ServingError {
  constructor(
    readonly part: TlsPart,
    readonly problem: string,
    message: string,
    cause?: unknown,
  ) {
    super('INVALID_ARGUMENT', message, { cause });
  }
}

/** When a certificate ends. */
export interface CertificateEnd {
  /** What it is called in messages: its file, or how it was given. */
  readonly source: string;
  readonly subject: string;
  readonly at: Date;
}

/** TLS options that a port can use now. */
export interface CheckedTls {
  readonly texts: TlsOptions;
  /** The server's own certificate first, then those of its chain, then the authority that ends last. */
  readonly ends: readonly CertificateEnd[];
}

interface Pem {
  readonly part: TlsPart;
  /** undefined: the text was given itself. */
  readonly file: string | undefined;
  readonly text: string;
}

const sourceOf = ({ part, file }: Omit<Pem, 'text'>): string => file ?? `the text given as ${part}`;

function refuse(pem: Omit<Pem, 'text'>, reason: string, cause?: unknown): never {
  const from = pem.file === undefined ? '' : ` from ${pem.file}`;
  throw new TlsError(pem.part, reason, `Serving Error: load ${servingNames[pem.part]}${from} failed: ${reason}`, cause);
}

function read(part: TlsPart, file: string): Pem {
  try {
    return { part, file, text: readFileSync(file, 'utf8') };
  } catch (error) {
    return refuse({ part, file }, `cannot read ${file}: ${(error as Error).message}`, error);
  }
}

function certificatesOf(pem: Pem): readonly [X509Certificate, ...X509Certificate[]] {
  const marks = pem.text.match(/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/g)?.length ?? 0;
  const blocks = pem.text.match(/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]*-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g) ?? [];
  if (marks === 0) refuse(pem, `${sourceOf(pem)} holds no certificate in PEM form`);
  if (marks !== blocks.length) refuse(pem, `${sourceOf(pem)} is cut off within a certificate`);
  const [first, ...others] = blocks.map((block, at) => {
    try {
      return new X509Certificate(block);
    } catch (error) {
      return refuse(pem, `certificate ${at + 1} in ${sourceOf(pem)} cannot be read: ${(error as Error).message}`, error);
    }
  });
  return [first as X509Certificate, ...others];
}

function keyOf(pem: Pem): KeyObject {
  try {
    return createPrivateKey(pem.text);
  } catch (error) {
    if (/^(?:-----BEGIN |Proc-Type: .*)ENCRYPTED/m.test(pem.text))
      refuse(pem, `the key in ${sourceOf(pem)} is encrypted with a passphrase: write it without one`, error);
    return refuse(pem, `${sourceOf(pem)} holds no private key in PEM form`, error);
  }
}

const endOf = (certificate: X509Certificate): number => Date.parse(certificate.validTo);
const beginOf = (certificate: X509Certificate): number => Date.parse(certificate.validFrom);
const dateText = (at: number): string => new Date(at).toISOString();

function checkDates(pem: Pem, certificate: X509Certificate): void {
  const [begin, end, now] = [beginOf(certificate), endOf(certificate), Date.now()];
  if (now > end) refuse(pem, `the certificate in ${sourceOf(pem)} has expired: it ended at ${dateText(end)}`);
  if (now < begin) refuse(pem, `the certificate in ${sourceOf(pem)} is not valid yet: it begins at ${dateText(begin)}`);
}

/** The authority that ends last. One of several may have ended: bundles have such. */
function checkAuthorities(pem: Pem): CertificateEnd {
  const last = certificatesOf(pem).reduce((found, one) => (endOf(one) > endOf(found) ? one : found));
  checkDates(pem, last);
  return describeEnd(pem, last);
}

function describeEnd(pem: Pem, certificate: X509Certificate): CertificateEnd {
  return { source: sourceOf(pem), subject: certificate.subject.replaceAll('\n', ', '), at: new Date(endOf(certificate)) };
}

function pemsOf(tls: TlsOptions | TlsFiles): { readonly certificate: Pem; readonly key: Pem; readonly ca: Pem | undefined } {
  if ('certificateFile' in tls) {
    const { certificateFile, privateKeyFile, customCaFile } = tls;
    return {
      certificate: read('certificate', certificateFile),
      key: read('privateKey', privateKeyFile),
      ca: customCaFile === undefined ? undefined : read('customCa', customCaFile),
    };
  }
  const given = (part: TlsPart, text: string): Pem => ({ part, file: undefined, text });
  return {
    certificate: given('certificate', tls.certificate),
    key: given('privateKey', tls.privateKey),
    ca: tls.customCa === undefined ? undefined : given('customCa', tls.customCa),
  };
}

/**
 * Reads what a TLS port is to use, and checks it. Throws TlsError for a file that cannot be read, a text that is no PEM or is cut off, a certificate that has
 * expired or is not valid yet, a key that does not belong to the certificate, verifyClient without customCa, and what OpenSSL does not take.
 */
export function checkTls(tls: TlsOptions | TlsFiles): CheckedTls {
  const { certificate, key, ca } = pemsOf(tls);
  if (tls.verifyClient === true && ca === undefined)
    refuse({ part: 'customCa', file: undefined }, 'verifyClient needs customCa: the authority of client certificates');
  const [own, ...chain] = certificatesOf(certificate);
  checkDates(certificate, own);
  const privateKey = keyOf(key);
  if (!own.checkPrivateKey(privateKey))
    throw new TlsError(
      'privateKey',
      `the key in ${sourceOf(key)} does not belong to the certificate in ${sourceOf(certificate)}`,
      `Serving Error: private_key is not consistent with certificate${certificate.file === undefined ? '' : ` ${certificate.file}`}`,
    );
  const authority = ca === undefined ? undefined : checkAuthorities(ca);
  const texts = { certificate: certificate.text, privateKey: key.text, customCa: ca?.text, verifyClient: tls.verifyClient };
  try {
    createSecureContext(contextOf(texts));
  } catch (error) {
    refuse(certificate, `OpenSSL does not take the certificate in ${sourceOf(certificate)}: ${(error as Error).message}`, error);
  }
  const ends = [own, ...chain].map((one) => describeEnd(certificate, one));
  return { texts, ends: authority === undefined ? ends : [...ends, authority] };
}
