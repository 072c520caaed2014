import { EndOfTurn } from '@mserve/event-loop';
import type { Report } from '../report.js';
import { tellUndelivered, type OnUndelivered } from '../undelivered.js';

/**
 * What one address receives on one channel. Messages pushed in one event-loop turn wait in a list and are handed over in one microtask.
 * A push allocates nothing but its places in two lists.
 */
export class ChannelInbox {
  private messages: unknown[] = [];
  private undelivered: OnUndelivered[] = [];
  private readonly end = new EndOfTurn(() => this.handOver());

  constructor(
    private handler: ((messages: readonly unknown[]) => void) | undefined,
    private readonly report: Report,
    private readonly channelName: string,
  ) {}

  push(message: unknown, onUndelivered: OnUndelivered): void {
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
      tellUndelivered(undelivered, this.report);
      return;
    }
    try {
      this.handler(messages);
    } catch (error) {
      this.report(`the handler of channel ${this.channelName} threw`, error);
    }
  }
}
