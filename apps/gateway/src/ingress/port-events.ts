import type { EventEmitter } from 'node:events';
import type { PortEvents } from '../edge/ingress.js';

/** Tells of the connections of a server of node: what is one of net, tls, http, https or http2. */
export function tellEvents(server: EventEmitter, { onHandshakeFailed, onConnection, onConnectionRefused }: PortEvents): void {
  if (onHandshakeFailed !== undefined) server.on('tlsClientError', onHandshakeFailed);
  if (onConnection !== undefined) server.on('connection', onConnection);
  // node's own answer to more than maxConnections
  if (onConnectionRefused !== undefined) server.on('drop', () => onConnectionRefused('too-many-connections'));
}
