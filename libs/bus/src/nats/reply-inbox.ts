import type { Msg, MsgHdrs, NatsConnection } from '@nats-io/transport-node';
import { timerMs } from '@mserve/event-loop';
import { ServingError } from '@mserve/wire';
import type { Report } from '../report.js';
import type { Deliveries } from './deliveries.js';
import { isNoResponders } from './frame.js';

interface Asked {
  resolve(answer: Msg): void;
  reject(error: ServingError): void;
}

/**
 * The private subject that answers come to: `r{n}` for requests, `u{n}` for "no responders" of channel messages.
 * Unlike the client's own request(), what is asked fails at once when the connection is lost, and can be cancelled.
 */
export class ReplyInbox {
  private readonly asked = new Map<string, Asked>();
  private nextNumber = 1;

  constructor(
    private readonly connection: NatsConnection,
    private readonly subject: string,
    private readonly deliveries: Deliveries,
    report: Report,
    /** Called before each answer is looked at. */
    before: () => void,
  ) {
    connection.subscribe(`${subject}.*`, {
      callback: (error, message) => {
        if (error !== null) return report('the bus server does not let this participant have an inbox', error);
        try {
          before();
          this.accept(message);
        } catch (thrown) {
          report('an answer on the bus could not be taken', thrown);
        }
      },
    });
  }

  /** The reply subject of a channel message. */
  deliveryReply(number: number): string {
    return `${this.subject}.u${number}`;
  }

  /** The first reply. UNAVAILABLE when nobody listens there, DEADLINE_EXCEEDED after timeoutMs, CANCELLED by `signal`. */
  ask(
    subject: string,
    body: Uint8Array,
    options: { timeoutMs: number; headers?: MsgHdrs | undefined; signal?: AbortSignal | undefined },
  ): Promise<Msg> {
    const { signal, timeoutMs } = options;
    return new Promise<Msg>((resolve, reject) => {
      if (signal?.aborted === true) return reject(cancelled());
      const token = `r${this.nextNumber++}`;
      const settle = (): void => {
        this.asked.delete(token);
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
      };
      const fail = (error: ServingError): void => {
        settle();
        reject(error);
      };
      const onAbort = (): void => fail(cancelled());
      const timer = setTimeout(() => fail(new ServingError('DEADLINE_EXCEEDED', `no answer within ${timeoutMs} ms`)), timerMs(timeoutMs));
      signal?.addEventListener('abort', onAbort);
      this.asked.set(token, {
        resolve: (answer) => {
          settle();
          resolve(answer);
        },
        reject: fail,
      });
      try {
        this.connection.publish(subject, body, {
          reply: `${this.subject}.${token}`,
          ...(options.headers === undefined ? {} : { headers: options.headers }),
        });
      } catch (thrown) {
        fail(new ServingError('UNAVAILABLE', 'the bus does not take requests now', { cause: thrown }));
      }
    });
  }

  /** Rejects all that is asked and not answered. */
  failAll(error: ServingError): void {
    for (const asked of [...this.asked.values()]) asked.reject(error);
  }

  private accept(message: Msg): void {
    const token = message.subject.slice(this.subject.length + 1);
    if (token.startsWith('u')) {
      if (isNoResponders(message)) this.deliveries.fail(Number(token.slice(1)));
      return;
    }
    const asked = this.asked.get(token);
    if (asked === undefined) return;
    if (isNoResponders(message)) asked.reject(new ServingError('UNAVAILABLE', 'nobody answers this now'));
    else asked.resolve(message);
  }
}

function cancelled(): ServingError {
  return new ServingError('CANCELLED', 'cancelled');
}
