import { isIP } from 'node:net';
import { ServingError } from '@mserve/wire';

/** Which public server an address is for; the original's texts (SPEC 4.1, 10) name it so. */
export type ServerTag = 'Serving gRPC' | 'RESTful server';

/** Where a public port listens. */
export type ListenAddress =
  { readonly kind: 'tcp'; readonly host: string; readonly port: number } | { readonly kind: 'unix'; readonly path: string };

function illegal(text: string): ServingError {
  return new ServingError('INVALID_ARGUMENT', `Serving Error: ${text}`);
}

/**
 * Reads `host:port`, `[ipv6]:port` or (gRPC only) `unix:path`.
 * Port 0 is allowed, unlike in the original: the system chooses one, which is then reported.
 * Throws ServingError INVALID_ARGUMENT with the original's texts.
 */
export function parseAddress(tag: ServerTag, text: string): ListenAddress {
  if (text.startsWith('unix:')) return unixAddress(tag, text.slice('unix:'.length));
  const colon = text.lastIndexOf(':');
  if (colon < 0) throw illegal(`The format of the ${tag} address '${text}' is illegal`);
  const host = text.slice(0, colon);
  const portText = text.slice(colon + 1);
  if (host === '' || portText === '') throw illegal(`Missing ip or port of the ${tag} address '${text}'`);
  if (!/^[+-]?\d+$/.test(portText)) throw illegal(`The type of ${tag} address '${text}' port is not a number`);
  const port = Number(portText);
  if (port < 0 || port > 65535) throw illegal(`The port of the ${tag} address '${text}' is out of legal range [1 ~ 65535]`);
  return { kind: 'tcp', host: host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host, port };
}

function unixAddress(tag: ServerTag, path: string): ListenAddress {
  if (tag === 'RESTful server') throw illegal('RESTful server does not support binding to unix domain socket');
  if (path === '') throw illegal('Empty grpc server unix domain socket address');
  return { kind: 'unix', path };
}

/** The address as text again, with the port that was really bound. */
export function formatAddress(address: ListenAddress, boundPort?: number): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  const host = isIP(address.host) === 6 ? `[${address.host}]` : address.host;
  return `${host}:${boundPort ?? address.port}`;
}
