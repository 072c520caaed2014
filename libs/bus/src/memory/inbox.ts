import { ServingError } from '@mserve/wire';
import type { Report } from '../report.js';
import { soon } from '../soon.js';

type Undelivered = ((error: Error) => void) | undefined;

/**
 * What one address receives on one channel. Messages pushed in one event-loop turn wait in a list and are handed over in one microtask.
 * A push allocates nothing but its places in two lists.
 */
export class Inbox {
  private messages: unknown[] = [];
  private undelivered: Undelivered[] = [];
  private scheduled = false;
  private readonly flushLater = (): void => {
    this.scheduled = false;
    this.flush();
  };

  constructor(
    private handler: ((messages: readonly unknown[]) => void) | undefined,
    private readonly report: Report,
    private readonly channelName: string,
  ) {}

  push(message: unknown, onUndelivered: Undelivered): void {
    this.messages.push(message);
    this.undelivered.push(onUndelivered);
    if (!this.scheduled) {
      this.scheduled = true;
      soon(this.flushLater);
    }
  }

  /** Hands over what is waiting, now. Senders learn of it when there is no handler any more. */
  flush(): void {
    const { messages, undelivered } = this;
    if (messages.length === 0) return;
    this.messages = [];
    this.undelivered = [];
    if (this.handler === undefined) {
      for (const onUndelivered of undelivered) if (onUndelivered !== undefined) tell(onUndelivered, this.report);
      return;
    }
    try {
      this.handler(messages);
    } catch (error) {
      this.report(`the handler of channel ${this.channelName} threw`, error);
    }
  }

  /** No handler call starts after this; what waits is told to its senders in the microtask that would have delivered it. */
  close(): void {
    this.handler = undefined;
  }
}

/** Calls `onUndelivered` with UNAVAILABLE; what it throws is reported. */
export function tell(onUndelivered: (error: Error) => void, report: Report): void {
  try {
    onUndelivered(new ServingError('UNAVAILABLE', 'the receiver is gone'));
  } catch (error) {
    report('an onUndelivered callback threw', error);
  }
}
