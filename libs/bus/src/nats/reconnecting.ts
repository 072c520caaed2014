import { AuthorizationError, UserAuthenticationExpiredError } from '@nats-io/transport-node';
import type { Report } from '../report.js';

const firstDelayMs = 100;
const jitterMs = 50;
/** A server that is restarting is tried often at first. */
const eagerTries = 10;
const maxDelayMs = 1_000;
const maxRefusedDelayMs = 5_000;

/** The server knows the client and does not let it in, or not any more. */
export function isRefusal(thrown: unknown): boolean {
  return thrown instanceof AuthorizationError || thrown instanceof UserAuthenticationExpiredError;
}

/** How often a lost connection is tried again: less and less often, and least often where the server refuses the credentials. Reports each error once per outage. */
export class Reconnecting {
  private tries = 0;
  private refused = false;
  private readonly reported = new Set<string>();

  /** Between two tries of one server. */
  delayMs(): number {
    const doublings = this.refused ? this.tries : this.tries - eagerTries;
    const max = this.refused ? maxRefusedDelayMs : maxDelayMs;
    return Math.min(firstDelayMs * 2 ** Math.min(Math.max(doublings, 0), 16), max) + Math.random() * jitterMs;
  }

  /** One more try begins. */
  tried(): void {
    this.tries++;
  }

  /** The connection is there again. */
  succeeded(): void {
    this.tries = 0;
    this.refused = false;
    this.reported.clear();
  }

  /** Reports an error of the server; while the connection is down, each one once. */
  reportOnce(error: Error, isDown: boolean, report: Report): void {
    const isRefused = isRefusal(error);
    this.refused ||= isRefused;
    const kind = isRefused ? 'refused' : `${error.name}: ${error.message}`;
    if ((isDown || isRefused) && this.reported.has(kind)) return;
    this.reported.add(kind);
    if (isRefused) report('the bus server refuses the credentials; they are read again before each try', error);
    else report('the bus server reports an error', error);
  }
}
