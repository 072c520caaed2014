import { IdTable } from '@mserve/bus';
import { refusal, type ServingError } from '@mserve/wire';
import { BodyPool } from './body-pool.js';
import type { Exchange } from './exchange.js';
import type { IngressLimits } from '../edge/ingress-options.js';
import type { InFlight } from './in-flight.js';
import type { TurnGather } from './turn-gather.js';

/** How often, at least, bodies that do not arrive are looked for. */
const maxLookMs = 1_000;

/** Bytes of buffers that wait for the next body, at most. */
const maxPooledBytes = 32 * 1024 * 1024;

/** The exchanges of one port: which of them are unanswered, and how many bytes they hold. */
export class ExchangeBook<E extends Exchange> {
  private readonly unanswered = new IdTable<E>();
  private readonly pool: BodyPool;
  private heldBytes = 0;

  constructor(
    private readonly gather: TurnGather,
    private readonly maxHeldBytes: number,
    private readonly inFlight: InFlight,
  ) {
    this.pool = new BodyPool(Math.min(maxPooledBytes, maxHeldBytes));
  }

  /** Bytes that all exchanges hold. */
  get bytes(): number {
    return this.heldBytes;
  }

  begin(exchange: E): void {
    exchange.pool = this.pool;
    this.inFlight.begin();
    this.unanswered.set(exchange.token, exchange);
  }

  /** Those that are not answered. */
  list(): E[] {
    return this.unanswered.list();
  }

  /**
   * For a port that drains: after `receiveMs`, `refuse` is told of each exchange that is still being received, and answers it. A client that stops in the
   * middle of a body would else keep the port until its grace is over. Resolves, and looks no more, when `closed` does.
   */
  async endReceiving(receiveMs: number, closed: Promise<void>, refuse: (exchange: E, error: ServingError) => void): Promise<void> {
    const timer = setInterval(() => {
      for (const exchange of this.list()) if (exchange.state === 'receiving') refuse(exchange, refusal('shutting-down'));
    }, receiveMs);
    await closed;
    clearInterval(timer);
  }

  /**
   * Looks until `stop` is called for bodies that do not arrive: slower than the limits allow, or later than their client waits. `refuse` answers them.
   */
  watchReceiving(limits: IngressLimits, refuse: (exchange: E, error: ServingError) => void): { readonly stop: () => void } {
    const { requestTimeoutMs, minBodyBytesPerSecond } = limits;
    const minBytes = Math.max(1, (minBodyBytesPerSecond * requestTimeoutMs) / 1000);
    const look = (): void => {
      const now = performance.now();
      for (const exchange of this.list()) {
        if (exchange.state !== 'receiving') continue;
        if (now > exchange.deadlineAt) refuse(exchange, refusal('late-on-arrival'));
        else if (!exchange.isArriving(now, requestTimeoutMs, minBytes)) {
          const detail = `the body came in too slowly: at least ${minBodyBytesPerSecond} bytes per second over ${requestTimeoutMs} ms are expected`;
          refuse(exchange, refusal('request-too-slow', { detail }));
        }
      }
    };
    const timer = setInterval(look, Math.max(1, Math.min(maxLookMs, requestTimeoutMs / 4))).unref();
    return { stop: () => clearInterval(timer) };
  }

  /** Takes one more piece of a body; false, and nothing is taken, when the bytes of all exchanges would be too many. */
  take(exchange: E, piece: Buffer): boolean {
    if (!this.reserve(piece.length)) return false;
    exchange.take(piece);
    return true;
  }

  /** Counts so many bytes more as held for an exchange whose body is complete; false, and nothing is counted, when it would be too many. */
  hold(exchange: E, bytes: number): boolean {
    if (!this.reserve(bytes)) return false;
    exchange.receivedBytes += bytes;
    return true;
  }

  private reserve(bytes: number): boolean {
    if (this.heldBytes + bytes > this.maxHeldBytes) return false;
    this.heldBytes += bytes;
    return true;
  }

  /** So many bytes are not held any more for an exchange that is not over. */
  giveBack(exchange: E, bytes: number): void {
    this.heldBytes -= bytes;
    exchange.receivedBytes -= bytes;
  }

  /** The exchange that an answer is for, answered from now on; undefined when it is none of this port, or not there any more. */
  answered(token: number): E | undefined {
    const exchange = this.unanswered.get(token);
    if (exchange === undefined) return undefined;
    this.unanswered.delete(token);
    exchange.state = 'answered';
    return exchange;
  }

  /** Its body is not wanted any more: the caller answers it now. */
  refused(exchange: E): void {
    exchange.state = 'refused';
    exchange.forgetBody();
    this.unanswered.delete(exchange.token);
  }

  /** The exchange is over. The listener is told of one that it waits for no longer. To be called once. */
  close(exchange: E): void {
    const { state } = exchange;
    this.inFlight.end(exchange.receivedBytes);
    this.heldBytes -= exchange.receivedBytes;
    if (state === 'answered' || state === 'refused') return;
    this.unanswered.delete(exchange.token);
    exchange.state = 'gone';
    exchange.forgetBody();
    if (state === 'waiting') this.gather.addGone(exchange.token);
  }
}
