import { requestIdOf } from '../edge/request-id.js';
import type { InferRoute } from '../edge/ingress.js';

/** A body whose length is announced gets its one buffer when this much of it is here: announcing alone costs us nothing. */
const allocateAfterBytes = 1024 * 1024;
const noBytes = new Uint8Array(0);

/**
 * receiving: its body is still coming · inflating: its body is here, its compression is being undone · waiting: handed over, not answered · answered
 * · refused: answered before its body was complete · gone: the client left
 */
export type ExchangeState = 'receiving' | 'inflating' | 'waiting' | 'answered' | 'refused' | 'gone';

/** One infer request in hand, over either port: its name, its state, and its body as it comes in. */
export abstract class Exchange {
  body: Uint8Array = noBytes;
  state: ExchangeState = 'receiving';
  /** Body bytes so far; while it is inflated, those that came and those that came of them. */
  receivedBytes = 0;
  /** Body pieces so far. */
  receivedChunks = 0;
  /** Begin of the span over which its speed is looked at, on performance.now()'s clock, and the bytes that were here then; NaN before the first look. */
  private spanBeganAt = NaN;
  private spanBeganBytes = 0;
  private whole: Buffer | undefined;
  private chunks: Buffer[] | undefined;

  /** `announcedBytes` is the length of the body, -1 while it is not known. */
  constructor(
    readonly token: number,
    readonly route: InferRoute,
    readonly deadlineAt: number,
    public announcedBytes: number,
  ) {}

  abstract get headers(): Readonly<Record<string, string | undefined>>;

  /** What names the request outside of this process. */
  get requestId(): string {
    return requestIdOf(this.headers['x-request-id'], this.token);
  }

  /** Takes one piece of the body. The caller has checked the limits, and that it is not more than was announced. */
  take(chunk: Buffer): void {
    const before = this.receivedBytes;
    this.receivedBytes += chunk.length;
    this.receivedChunks++;
    if (this.whole !== undefined) {
      chunk.copy(this.whole, before);
      return;
    }
    if (before === 0 && chunk.length === this.announcedBytes) {
      this.body = chunk;
      return;
    }
    if (this.chunks === undefined) this.chunks = [chunk];
    else this.chunks.push(chunk);
    if (this.announcedBytes >= 0 && this.receivedBytes >= Math.min(this.announcedBytes, allocateAfterBytes)) this.allocateWhole();
  }

  /** Whether the body brought `minBytes` in the last full span of `spanMs`. Begins the spans, and each next one, so it is to be called often. */
  isArriving(now: number, spanMs: number, minBytes: number): boolean {
    if (now - this.spanBeganAt < spanMs) return true;
    const isFirst = Number.isNaN(this.spanBeganAt);
    const isFast = isFirst || this.receivedBytes - this.spanBeganBytes >= minBytes;
    this.spanBeganAt = now;
    this.spanBeganBytes = isFirst ? 0 : this.receivedBytes;
    return isFast;
  }

  /** The body is complete. */
  complete(): void {
    if (this.whole !== undefined) this.body = this.whole;
    else if (this.chunks !== undefined)
      this.body = this.chunks.length === 1 ? (this.chunks[0] as Buffer) : Buffer.concat(this.chunks, this.receivedBytes);
    this.chunks = undefined;
    this.whole = undefined;
    this.state = 'waiting';
  }

  /** Lets go of what was received so far. */
  forgetBody(): void {
    this.chunks = undefined;
    this.whole = undefined;
    this.body = noBytes;
  }

  private allocateWhole(): void {
    const whole = Buffer.allocUnsafeSlow(this.announcedBytes);
    let at = 0;
    for (const chunk of this.chunks ?? []) at += chunk.copy(whole, at);
    this.chunks = undefined;
    this.whole = whole;
  }
}
