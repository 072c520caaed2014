import { createGunzip, createInflate, type ZlibOptions } from 'node:zlib';
import { refusal, type ServingError } from '@mserve/wire';
import type { ExchangeBook } from './exchange-book.js';
import type { Exchange } from './exchange.js';
import type { IngressRequest } from '../edge/ingress.js';
import type { IngressLimits } from '../edge/ingress-options.js';
import type { TurnGather } from './turn-gather.js';

/** Compressions that a body can come in. */
export type Compression = 'gzip' | 'deflate';

/** What a port says of a compressed body that it cannot take, in the words and codes of its own wire. */
export interface InflateErrors {
  tooLarge(maxBytes: number): ServingError;
  broken(compression: Compression): ServingError;
}

interface Waiting<E> {
  readonly exchange: E;
  readonly compression: Compression;
  readonly lateAt: number;
}

/** Each costs a window of 32 KiB and its piece, beside what the exchanges hold. Further bodies wait as they came. */
const maxAtOnce = 64;
/** What one step of one body makes at most: steps of all bodies take turns on the system's threads. */
const maxPieceBytes = 64 * 1024;
const minPieceBytes = 1024;
/** What is put together in one turn: fresh memory costs more than the copying, 100 MiB of it would hold up everybody. */
const joinBytes = 4 * 1024 * 1024;

const inflaters: Readonly<Record<Compression, (options: ZlibOptions) => ReturnType<typeof createGunzip>>> = {
  gzip: createGunzip,
  deflate: createInflate,
};

/**
 * Undoes the compression of the bodies of one port, on other threads. What comes out is bounded and counted as it comes, piece by piece, like what
 * comes in; a client that leaves meanwhile leaves nothing behind.
 */
export class BodyInflater<E extends Exchange & IngressRequest> {
  private running = 0;
  private readonly waiting: Waiting<E>[] = [];

  /** `refuse` is told of an exchange whose body cannot be taken, and answers it; all others go on to `gather`. */
  constructor(
    private readonly exchanges: ExchangeBook<E>,
    private readonly limits: IngressLimits,
    private readonly gather: TurnGather,
    private readonly errors: InflateErrors,
    private readonly refuse: (exchange: E, error: ServingError) => void,
  ) {}

  /** Takes over an exchange that is being received and whose body has come to its end. */
  inflate(exchange: E, compression: Compression): void {
    exchange.complete();
    exchange.state = 'inflating';
    this.waiting.push({ exchange, compression, lateAt: Math.min(exchange.deadlineAt, performance.now() + this.limits.requestTimeoutMs) });
    this.startWaiting();
  }

  private startWaiting(): void {
    while (this.running < maxAtOnce) {
      const next = this.waiting.shift();
      if (next === undefined) return;
      if (next.exchange.state === 'inflating') this.start(next);
    }
  }

  private start({ exchange, compression, lateAt }: Waiting<E>): void {
    const compressed = exchange.body;
    exchange.forgetBody();
    const pieces: Buffer[] = [];
    let bytes = 0;
    const stream = inflaters[compression]({ chunkSize: Math.min(Math.max(compressed.length * 4, minPieceBytes), maxPieceBytes) });
    const refuse = (error: ServingError): void => {
      stream.destroy();
      if (exchange.state === 'inflating') this.refuse(exchange, error);
    };
    this.running++;
    stream.on('close', this.onClose);
    stream.on('error', () => refuse(this.errors.broken(compression)));
    stream.on('data', (piece: Buffer) => {
      const { maxMessageBytes } = this.limits;
      bytes += piece.length;
      if (exchange.state !== 'inflating') stream.destroy();
      else if (performance.now() >= lateAt) refuse(refusal('body-not-inflated'));
      else if (bytes > maxMessageBytes) refuse(this.errors.tooLarge(maxMessageBytes));
      else if (this.exchanges.hold(exchange, piece.length)) pieces.push(piece);
      else refuse(refusal('too-many-bytes'));
    });
    stream.on('end', () => {
      stream.destroy();
      if (exchange.state !== 'inflating') return;
      this.exchanges.giveBack(exchange, compressed.length);
      this.join(exchange, pieces, Buffer.allocUnsafeSlow(bytes), 0);
    });
    stream.end(compressed);
  }

  /** Puts the pieces together into `whole`, a part of it in each turn, and hands the exchange over. */
  private join(exchange: E, pieces: Buffer[], whole: Buffer, from: number): void {
    if (exchange.state !== 'inflating') return;
    const pause = from + joinBytes;
    let at = from;
    let joined = 0;
    while (joined < pieces.length && at < pause) at += (pieces[joined++] as Buffer).copy(whole, at);
    pieces.splice(0, joined);
    if (pieces.length > 0) {
      setImmediate(() => this.join(exchange, pieces, whole, at));
      return;
    }
    exchange.body = whole;
    exchange.state = 'waiting';
    this.gather.add(exchange);
  }

  private readonly onClose = (): void => {
    this.running--;
    this.startWaiting();
  };
}
