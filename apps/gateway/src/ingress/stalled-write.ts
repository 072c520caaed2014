import type { Http2Stream } from '../http2/stream.js';

/** How often, in its time, a client that takes nothing is looked at. */
const looks = 4;

/** A response or stream of node's, whose timer runs out when nothing was written to the client for so long. */
interface Written {
  setTimeout(ms: number, onTimeout?: () => void): unknown;
  on(event: 'timeout', listener: () => void): unknown;
}

/**
 * Calls `cut` when nothing is written for `timeoutMs` on end, or up to a quarter longer. One timer of node's would take up to twice as long: it sees that
 * something was written only when it runs out, and then runs once more. A `cut` that does nothing is called again while nothing is written.
 */
export function cutStalledWrite(written: Written, timeoutMs: number, cut: () => void): void {
  const spanMs = Math.max(1, timeoutMs / looks);
  let quiet = 0;
  let lastAt = performance.now();
  written.on('timeout', () => {
    const now = performance.now();
    // Later than a span after the last time: something was written in between, and node began again by itself
    quiet = now - lastAt < spanMs * 1.5 ? quiet + 1 : 1;
    lastAt = now;
    if (quiet >= looks) cut();
    written.setTimeout(spanMs);
  });
  written.setTimeout(spanMs);
}

/** As {@link cutStalledWrite}, for an answer over HTTP/2. Ends by itself when the stream is closed. */
export function cutStalledStream(stream: Http2Stream, timeoutMs: number, cut: () => void): void {
  let quiet = 0;
  let before = stream.sentBytes;
  const timer = setInterval(
    () => {
      if (stream.isClosed) return clearInterval(timer);
      quiet = stream.sentBytes === before ? quiet + 1 : 0;
      before = stream.sentBytes;
      if (quiet >= looks) cut();
    },
    Math.max(1, timeoutMs / looks),
  ).unref();
}
