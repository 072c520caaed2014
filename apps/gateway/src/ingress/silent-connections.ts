import type { Connection } from '../http2/connection.js';

/** So many looks in a row a connection may be silent after it was asked. */
const mostLooks = 2;

interface Asked {
  readonly bytesRead: number;
  looks: number;
  answered: boolean;
}

/**
 * Ends connections that say nothing for `timeoutMs` when they are asked (PING), until `stop` is called: their clients are gone without a word, or take nothing
 * of what they are sent.
 */
export function watchSilentConnections(connections: ReadonlySet<Connection>, timeoutMs: number): { readonly stop: () => void } {
  const known = new WeakMap<Connection, Asked>();
  const look = (connection: Connection): void => {
    const bytesRead = connection.socket.bytesRead;
    const before = known.get(connection);
    if (before?.answered === false && before.bytesRead === bytesRead) {
      if (++before.looks >= mostLooks) connection.destroy();
      return;
    }
    const asked: Asked = { bytesRead, looks: 0, answered: false };
    known.set(connection, asked);
    connection.ping((isAnswered) => (asked.answered = isAnswered));
  };
  const timer = setInterval(
    () => {
      for (const connection of connections) if (!connection.isDestroyed) look(connection);
    },
    Math.max(1, timeoutMs / mostLooks),
  ).unref();
  return { stop: () => clearInterval(timer) };
}
