import { EndOfTurn } from '@mserve/event-loop';
import { ServingError } from '@mserve/wire';
import type { Report } from '../report.js';

type Undelivered = ((error: Error) => void) | undefined;

/**
 * What one address receives on one channel. Messages pushed in one event-loop turn wait in a list and are handed over in one microtask.
 * A push allocates nothing but its places in two lists.
 */
export class ChannelInbox {
  private messages: unknown[] = [];
  private undelivered: Undelivered[] = [];
  private readonly end = new EndOfTurn(() => this.handOver());

  constructor(
    private handler: ((messages: readonly unknown[]) => void) | undefined,
    private readonly report: Report,
    private readonly channelName: string,
  ) {}

  push(message: unknown, onUndelivered: Undelivered): void {
    this.messages.push(message);
    this.undelivered.push(onUndelivered);
    this.end.ask();
  }

  /** Hands over what is waiting, now. Senders learn of it when there is no handler any more. */
  flush(): void {
    this.end.flush();
  }

  /** No handler call starts after this; what waits is told to its senders in the microtask that would have delivered it. */
  close(): void {
    this.handler = undefined;
  }

  private handOver(): void {
    const { messages, undelivered } = this;
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
}

/** Calls `onUndelivered` with UNAVAILABLE; what it throws is reported. */
export function tell(onUndelivered: (error: Error) => void, report: Report): void {
  try {
    onUndelivered(new ServingError('UNAVAILABLE', 'the receiver is gone'));
  } catch (error) {
    report('an onUndelivered callback threw', error);
  }
}
