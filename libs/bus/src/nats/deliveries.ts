import type { Report } from '../report.js';
import { tellUndelivered, type OnUndelivered } from '../undelivered.js';

interface Delivery {
  readonly subject: string;
  readonly callbacks: readonly OnUndelivered[];
  readonly onFailed: (() => void) | undefined;
}

const confirmEveryMs = 100;

/**
 * Messages that were published and may still come back as "no responders". The server says so on the connection that published,
 * before it answers a later PING; so what was published before a PING that got its PONG has been taken by somebody and is forgotten.
 */
export class Deliveries {
  /** In the order of their numbers. */
  private readonly pending = new Map<number, Delivery>();
  private nextNumber = 1;
  private confirming = false;

  constructor(
    private readonly ping: () => Promise<void>,
    private readonly report: Report,
  ) {}

  /** The number that the message's reply subject carries. `onFailed` runs before the callbacks. */
  add(subject: string, callbacks: readonly OnUndelivered[], onFailed?: () => void): number {
    const number = this.nextNumber++;
    this.pending.set(number, { subject, callbacks, onFailed });
    if (!this.confirming) {
      this.confirming = true;
      setTimeout(() => void this.confirm(), confirmEveryMs).unref();
    }
    return number;
  }

  /** Nobody got this message. */
  fail(number: number): void {
    const delivery = this.pending.get(number);
    if (delivery === undefined) return;
    this.pending.delete(number);
    this.settle(delivery);
  }

  /** The server refuses this subject. */
  failSubject(subject: string): void {
    for (const [number, delivery] of [...this.pending]) if (delivery.subject === subject) this.fail(number);
  }

  /** The connection is lost: nobody will say what became of these. */
  forget(): void {
    this.pending.clear();
  }

  private settle(delivery: Delivery): void {
    delivery.onFailed?.();
    tellUndelivered(delivery.callbacks, this.report);
  }

  private async confirm(): Promise<void> {
    const last = this.nextNumber - 1;
    try {
      await this.ping();
      for (const number of this.pending.keys()) {
        if (number > last) break;
        this.pending.delete(number);
      }
    } catch {
      // The connection is lost: forget() does the rest.
    }
    this.confirming = this.pending.size > 0;
    if (this.confirming) setTimeout(() => void this.confirm(), confirmEveryMs).unref();
  }
}
