import { setTimeout as delay } from 'node:timers/promises';
import { abortedError } from './status.js';
import { NotBegun } from './transport.js';

const firstPauseMs = 50;
const longestPauseMs = 1_000;

/**
 * Calls `attempt` until it succeeds, at most `retries` times more, after a pause that doubles (or that the server asked for), and never past the signal.
 * Only what the server refused to begin ({@link NotBegun}) is tried again. Rejects with the last error.
 */
export async function withRetries<T>(attempt: () => Promise<T>, retries: number, signal: AbortSignal): Promise<T> {
  for (let tried = 0; ; tried++) {
    try {
      return await attempt();
    } catch (thrown) {
      if (!(thrown instanceof NotBegun)) throw thrown;
      if (tried >= retries) throw thrown.cause;
      const doubled = Math.min(firstPauseMs * 2 ** tried, longestPauseMs);
      const pauseMs = thrown.afterMs ?? doubled * (0.5 + Math.random() / 2);
      await delay(pauseMs, undefined, { signal }).catch(() => {
        throw signal.reason instanceof Error && signal.reason.name === 'TimeoutError' ? thrown.cause : abortedError(signal);
      });
    }
  }
}
