import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { ServingError, decodeHeldBytes, type HeldBytes } from '@mserve/wire';
import type { HeldTable } from '../held-table.js';
import type { Report } from '../report.js';
import { bodyOf, errorFrame } from './frame.js';
import type { Subjects } from './subjects.js';

/** A message that nobody pulled from for this long has no receiver any more. */
const pullPatienceMs = 60_000;
const sweepEveryMs = 5_000;

interface AwaitedPull {
  touchedAt: number;
  readonly onFailed: () => void;
}

interface HolderOptions {
  readonly connection: NatsConnection;
  readonly subjects: Subjects;
  readonly address: string;
  readonly table: HeldTable;
  readonly report: Report;
  readonly maxBytes: () => number;
  readonly onDropped: (what: string, cause: unknown) => void;
}

/** The owner's side of held bytes: hands out pieces and takes releases. Also keeps messages that are too large to be sent until they are pulled. */
export class Holder {
  private readonly awaited = new Map<number, AwaitedPull>();
  private sweeper: NodeJS.Timeout | undefined;
  private readonly onAllPulled: (() => void)[] = [];

  constructor(private readonly options: HolderOptions) {
    const { connection, subjects, address } = options;
    this.serve(connection, subjects.held(address), (message) => this.handOut(message));
    this.serve(connection, subjects.release(address), (message) => this.release(decodeHeldBytes(bodyOf(message)).id));
  }

  /** Keeps the bytes of a message until its receiver released them; `onFailed` is called at most once, when nobody will. */
  holdUntilPulled(bytes: Uint8Array, onFailed: () => void): HeldBytes {
    const held = this.options.table.hold(bytes);
    this.awaited.set(held.id, { touchedAt: performance.now(), onFailed });
    this.sweeper ??= setInterval(() => this.sweep(), sweepEveryMs).unref();
    return held;
  }

  /** Nobody will pull this. */
  failPull(id: number): void {
    const awaited = this.awaited.get(id);
    this.release(id);
    awaited?.onFailed();
  }

  release(id: number): void {
    this.options.table.release(id);
    if (this.awaited.delete(id) && this.awaited.size === 0) this.stop();
  }

  /** Resolves when no message is kept for its receiver any more: each was pulled, or will not be. */
  allPulled(): Promise<void> {
    return new Promise((resolve) => (this.awaited.size === 0 ? resolve() : this.onAllPulled.push(resolve)));
  }

  /** Nothing is kept any more. */
  stop(): void {
    this.awaited.clear();
    clearInterval(this.sweeper);
    this.sweeper = undefined;
    for (const resolve of this.onAllPulled.splice(0)) resolve();
  }

  private serve(connection: NatsConnection, subject: string, handler: (message: Msg) => void): void {
    connection.subscribe(subject, {
      callback: (error, message) => {
        if (error !== null) return this.options.report('the bus server does not let this participant hold tensors', error);
        try {
          handler(message);
        } catch (thrown) {
          this.options.onDropped('a request for held bytes', thrown);
        }
      },
    });
  }

  private handOut(message: Msg): void {
    const { id, offset, length } = decodeHeldBytes(bodyOf(message));
    try {
      if (length > this.options.maxBytes())
        throw new ServingError('INVALID_ARGUMENT', `a piece of ${length} bytes is larger than what one message takes`);
      const piece = this.options.table.read(id, offset, length);
      const awaited = this.awaited.get(id);
      if (awaited !== undefined) awaited.touchedAt = performance.now();
      message.respond(piece);
    } catch (thrown) {
      const frame = errorFrame(ServingError.from(thrown));
      message.respond(frame.body, { headers: frame.headers });
    }
  }

  private sweep(): void {
    const oldest = performance.now() - pullPatienceMs;
    for (const [id, awaited] of [...this.awaited]) if (awaited.touchedAt < oldest) this.failPull(id);
  }
}
