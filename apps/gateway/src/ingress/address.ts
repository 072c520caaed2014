import { AddressError, parseAddress, type Address, type AddressProblem } from '@mserve/config';
import { ServingError } from '@mserve/wire';

/** Which public server an address is for; the original's error texts call it so. */
export type ServerTag = 'Serving gRPC' | 'RESTful server';

const texts: Readonly<Record<AddressProblem, (tag: ServerTag, text: string) => string>> = {
  'no-port': (tag, text) => `The format of the ${tag} address '${text}' is illegal`,
  host: (tag, text) => `The format of the ${tag} address '${text}' is illegal`,
  'empty-part': (tag, text) => `Missing ip or port of the ${tag} address '${text}'`,
  'port-not-a-number': (tag, text) => `The type of ${tag} address '${text}' port is not a number`,
  'port-range': (tag, text) => `The port of the ${tag} address '${text}' is out of legal range [1 ~ 65535]`,
  'empty-path': () => 'Empty grpc server unix domain socket address',
};

/**
 * Where a public port listens: `host:port`, `[ipv6]:port` or (gRPC only) `unix:path`.
 * Port 0 is allowed, unlike in the original: the system chooses one, which is then reported.
 * Throws ServingError INVALID_ARGUMENT with the original's texts.
 */
export function listenAddressOf(tag: ServerTag, text: string): Address {
  if (tag === 'RESTful server' && text.startsWith('unix:')) throw illegal('RESTful server does not support binding to unix domain socket');
  try {
    return parseAddress(text);
  } catch (error) {
    if (error instanceof AddressError) throw illegal(texts[error.problem](tag, text));
    throw error;
  }
}

function illegal(text: string): ServingError {
  return new ServingError('INVALID_ARGUMENT', `Serving Error: ${text}`);
}
