import type { Socket } from 'node:net';
import type { Connection } from './connection.js';

/** Gives a connection what comes over a socket in bytes that become others afterwards: who keeps them without a copy is found out. */
export function lendReads(socket: Socket, connection: Connection): Connection {
  socket.on('data', (bytes: Buffer) => {
    connection.receive(bytes);
    bytes.fill(0xee);
  });
  return connection;
}
