import { requestIdOf } from '../edge/request-id.js';
import { PieceList } from '../http2/piece-list.js';
import type { BodyPool } from './body-pool.js';
import type { Client } from '../edge/access.js';
import type { InferRoute } from '../edge/ingress.js';
import { RequestBuffers } from './request-buffers.js';

/** A body whose length is announced gets a new buffer when this much of it is here: announcing alone costs us nothing. One that was used before it gets at once. */
const allocateAfterBytes = 1024 * 1024;
/** Native code takes tensors as they are when they begin at a multiple of this; others it copies. */
const tensorAlignment = 16;
/** Tensors of smaller bodies are copied more cheaply than a buffer is made for them. */
const alignedFromBytes = 4 * 1024;
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
  /** See IngressRequest. */
  client: Client | undefined = undefined;
  /** Body bytes so far; while it is inflated, those that came and those that came of them. */
  receivedBytes = 0;
  /** Body pieces so far. */
  receivedChunks = 0;
  /** Begin of the span over which its speed is looked at, on performance.now()'s clock, and the bytes that were here then; NaN before the first look. */
  private spanBeganAt = NaN;
  private spanBeganBytes = 0;
  /** Where the buffers of bodies come from, and go to. */
  pool: BodyPool | undefined = undefined;
  private whole: Buffer | undefined;
  /** What {@link whole}, or the body, is a part of, and what was decoded of it lies in. */
  private buffers: RequestBuffers | undefined = undefined;
  private pieces: PieceList | undefined;

  /** `announcedBytes` is the length of the body, -1 while it is not known. `areLent`: pieces of the body are the caller's again after {@link take}. */
  constructor(
    readonly token: number,
    readonly route: InferRoute,
    readonly deadlineAt: number,
    public announcedBytes: number,
    private readonly areLent: boolean,
  ) {}

  abstract get headers(): Readonly<Record<string, string | undefined>>;

  /** What names the request outside of this process. */
  get requestId(): string {
    return requestIdOf(this.headers['x-request-id'], this.token);
  }

  /** Where in the body the first tensor begins, as far as its first bytes tell; 0 when they do not. */
  protected abstract tensorOffset(head: Uint8Array): number;

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
      this.body = this.areLent ? this.copied(chunk) : chunk;
      return;
    }
    if (this.announcedBytes < 0 || !this.mayAllocate()) {
      this.pieces ??= new PieceList(this.areLent);
      this.pieces.add(chunk);
      return;
    }
    this.whole = this.gather([...(this.pieces?.take() ?? []), chunk], this.announcedBytes);
    this.pieces = undefined;
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
    else if (this.pieces !== undefined) this.body = this.joined(this.pieces.take());
    this.pieces = undefined;
    this.whole = undefined;
    this.state = 'waiting';
  }

  /** See RequestMemory. */
  takeBuffer(bytes: number): Buffer {
    this.buffers ??= new RequestBuffers(this.pool);
    return this.buffers.take(bytes);
  }

  /** See RequestMemory. */
  giveBuffer(buffer: Buffer): void {
    this.buffers?.give(buffer);
  }

  /** See IngressRequest. */
  release(inUse: (buffer: ArrayBufferLike) => boolean): void {
    const { buffers } = this;
    if (buffers === undefined) return;
    buffers.release(inUse);
    this.forgetBody();
  }

  /** Lets go of what was received so far. */
  forgetBody(): void {
    this.pieces = undefined;
    this.whole = undefined;
    this.buffers?.forget();
    this.body = noBytes;
  }

  private mayAllocate(): boolean {
    const { announcedBytes, receivedBytes, receivedChunks } = this;
    if (receivedBytes >= Math.min(announcedBytes, allocateAfterBytes)) return true;
    return receivedChunks === 1 && this.pool?.has(bufferBytes(announcedBytes)) === true;
  }

  /** A whole body that came in one piece. */
  private copied(chunk: Buffer): Buffer {
    return chunk.length < alignedFromBytes ? Buffer.from(chunk) : this.gather([chunk], chunk.length);
  }

  private joined(pieces: readonly Buffer[]): Buffer {
    return this.receivedChunks === 1 ? (pieces[0] as Buffer) : this.gather(pieces, this.receivedBytes);
  }

  /** Buffer of `bytes` bytes that begins with these pieces. */
  private gather(chunks: readonly Buffer[], bytes: number): Buffer {
    const offset = chunks[0] === undefined ? 0 : this.tensorOffset(chunks[0]);
    const before = (tensorAlignment - (offset % tensorAlignment)) % tensorAlignment;
    const whole = this.takeBuffer(bufferBytes(bytes)).subarray(before, before + bytes);
    let at = 0;
    for (const chunk of chunks) at += chunk.copy(whole, at);
    return whole;
  }
}

/** Of a buffer that a body of so many bytes fits in, wherever in it the first tensor begins. */
function bufferBytes(bodyBytes: number): number {
  return bodyBytes + tensorAlignment;
}
