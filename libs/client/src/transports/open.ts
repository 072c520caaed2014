import { ServingError } from '@mserve/wire';
import type { ClientOptions } from '../options.js';
import type { Transport } from '../transport.js';
import { RestTransport } from './rest-transport.js';

const schemes = 'http, https, grpc, grpcs, unix, nats and tls';

/**
 * What reaches a server at this address, opened when it is called. gRPC and NATS are loaded only then: they are the larger part of this package.
 * ServingError INVALID_ARGUMENT for an address that is none.
 */
export function openTransport(address: string, options: ClientOptions, connectTimeoutMs: number): () => Promise<Transport> {
  if (address.startsWith('unix:')) return grpc(address, false, options);
  const url = parsed(address);
  switch (url.protocol) {
    case 'http:':
    case 'https:':
      return () => Promise.resolve(new RestTransport(url, options));
    case 'grpc:':
    case 'grpcs:':
      if (url.port === '') throw new ServingError('INVALID_ARGUMENT', `the address '${address}' has no port`);
      return grpc(url.host, url.protocol === 'grpcs:', options);
    case 'nats:':
    case 'tls:':
      return async () => {
        const { NatsTransport } = await import('./nats-transport.js');
        return NatsTransport.connect(url.host, url.protocol === 'tls:', options, connectTimeoutMs);
      };
    default:
      throw new ServingError('INVALID_ARGUMENT', `the address '${address}' begins with ${url.protocol}, of ${schemes} one is expected`);
  }
}

function grpc(target: string, isTls: boolean, options: ClientOptions): () => Promise<Transport> {
  return async () => {
    const { GrpcTransport } = await import('./grpc-transport.js');
    return new GrpcTransport(target, isTls, options);
  };
}

function parsed(address: string): URL {
  try {
    const url = new URL(address);
    if (url.host === '') throw new TypeError('it has no host');
    return url;
  } catch (thrown) {
    throw new ServingError(
      'INVALID_ARGUMENT',
      `'${address}' is no address of a server: write it as http://127.0.0.1:1500, or with ${schemes}`,
      {
        cause: thrown,
      },
    );
  }
}
