import type { ServerHttp2Session } from 'node:http2';

/** So many looks in a row a connection may be silent after it was asked. */
const mostLooks = 2;

interface Asked {
  readonly bytesRead: number;
  looks: number;
  answered: boolean;
}

/**
 * Ends connections that say nothing for `timeoutMs` when they are asked (PING), until `stop` is called: their clients are gone without a word, or node has
 * given them up. After a flood of resets it says GOAWAY, reads nothing more, not even the end of the connection, and leaves it open.
 */
export function watchSilentConnections(sessions: ReadonlySet<ServerHttp2Session>, timeoutMs: number): { readonly stop: () => void } {
  const known = new WeakMap<ServerHttp2Session, Asked>();
  const look = (session: ServerHttp2Session): void => {
    const bytesRead = session.socket.bytesRead;
    const before = known.get(session);
    if (before?.answered === false && before.bytesRead === bytesRead) {
      if (++before.looks >= mostLooks) session.destroy();
      return;
    }
    const asked: Asked = { bytesRead, looks: 0, answered: false };
    known.set(session, asked);
    session.ping((error) => (asked.answered = error === null));
  };
  const timer = setInterval(
    () => {
      for (const session of sessions) if (!session.destroyed) look(session);
    },
    Math.max(1, timeoutMs / mostLooks),
  ).unref();
  return { stop: () => clearInterval(timer) };
}
