import type { Connection } from '../http2/connection.js';
import { highestStreamId } from '../http2/frames.js';

/** How long a client may take for its pong before the connection takes no more calls all the same. */
const longestPongMs = 1_000;

/** Ends connections of a gRPC port without refusing a call. */
export class GracefulGoaway {
  /** Those whose clients have been told. */
  private readonly told = new WeakSet<Connection>();

  /**
   * Tells the client to open its next call over another connection, and closes this one when its calls are done. Calls that were on their way when it was told
   * are still taken: the first GOAWAY refuses none, and the one that does follows the answer to a ping (RFC 9113, 6.8). Does nothing the second time.
   */
  send(connection: Connection): void {
    if (this.told.has(connection) || connection.isClosing) return;
    this.told.add(connection);
    connection.goaway(highestStreamId);
    const timer = setTimeout(() => connection.close(), longestPongMs).unref();
    connection.ping(() => {
      clearTimeout(timer);
      connection.close();
    });
  }
}
