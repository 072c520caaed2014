import type { ServerHttp2Session } from 'node:http2';

/** The highest stream id of HTTP/2: a GOAWAY that names it refuses nothing that the client has sent meanwhile. */
const highestStreamId = 2 ** 31 - 1;

/** How long a client may take for its pong before the connection takes no more calls all the same. */
const longestPongMs = 1_000;

/** Ends connections of a gRPC port without refusing a call. */
export class GracefulGoaway {
  /** Those whose clients have been told. */
  private readonly told = new WeakSet<ServerHttp2Session>();

  /**
   * Tells the client to open its next call over another connection, and closes this one when its calls are done. Calls that were on their way when it was told
   * are still taken: the first GOAWAY refuses none, and the one that does follows the answer to a ping (RFC 9113, 6.8). Does nothing the second time.
   */
  send(session: ServerHttp2Session): void {
    if (this.told.has(session) || session.closed || session.destroyed) return;
    this.told.add(session);
    session.goaway(0, highestStreamId);
    const end = (): void => {
      clearTimeout(timer);
      session.close();
    };
    const timer = setTimeout(end, longestPongMs).unref();
    session.once('close', () => clearTimeout(timer));
    if (!session.ping(end)) end();
  }
}
