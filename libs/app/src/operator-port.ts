import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { formatAddress, parseAddress } from '@mserve/config';
import { ServingError } from '@mserve/wire';

/**
 * Binds the server of a port for operators (`name`: admin, operations); resolves with the address bound, `host:port`. Rejects with ServingError
 * INVALID_ARGUMENT for an address that is not HOST:PORT, UNAVAILABLE when it cannot be had. `shared`: processes of a cluster may have it together.
 */
export async function listenForOperators(server: Server, name: string, text: string, shared = false): Promise<string> {
  const address = parseAddress(text);
  if (address.kind !== 'tcp') throw new ServingError('INVALID_ARGUMENT', `the ${name} address '${text}' is not HOST:PORT`);
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void =>
      reject(new ServingError('UNAVAILABLE', `the ${name} address '${text}' cannot be had`, { cause, facts: { given: text } }));
    server.once('error', fail);
    server.listen({ host: address.host, port: address.port, exclusive: !shared }, () => {
      server.off('error', fail);
      resolve(formatAddress(address, (server.address() as AddressInfo).port));
    });
  });
}
