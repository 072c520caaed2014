import { copiedBytes } from './frame-output.js';
import { PieceList } from './piece-list.js';
import type { RequestHeaders } from './request-headers.js';

/** The connection that a stream is one of, as the stream sees it. */
export interface StreamCarrier {
  sendHeaders(stream: Http2Stream, block: Uint8Array, endsStream: boolean): void;
  /** Sends what the stream has to say, as far as that is allowed. */
  send(stream: Http2Stream): void;
  resetStream(stream: Http2Stream, code: number): void;
  /** The listener has taken so many bytes: the client may send as many more. */
  consumed(stream: Http2Stream, bytes: number): void;
  /** So many bytes more (or, below 0, fewer) wait for listeners. May reset the stream. */
  holds(stream: Http2Stream, bytes: number): void;
  /** Calls `listener` when the system has taken all that was handed to the socket so far. */
  whenFlushed(listener: () => void): void;
}

/** Who takes what comes of a stream. Nothing is told after onClose. */
export interface StreamListener {
  /** The next bytes of the request, the listener's until it returns. Never while the stream is paused. */
  onData(piece: Buffer): void;
  /** The client has said all. */
  onEnd(): void;
  /** The stream is over: all is said on both sides and taken by the system, or it was reset, or its connection is gone. `code`: an error code of HTTP/2. */
  onClose(code: number): void;
  /** {@link Http2Stream.needsDrain} was true, and is false now. */
  onDrain?(): void;
}

/** What a stream has still to say; sent as far as the client's windows and the socket allow. */
export interface Unsent {
  readonly bytes: Uint8Array;
  readonly onWritten: (() => void) | undefined;
}

/** Above it a stream that is written to should wait. */
const highWaterBytes = 64 * 1024;

/** One request of a connection, and its answer. */
export class Http2Stream {
  listener: StreamListener | undefined = undefined;
  /** Why it is closed; undefined while it is open. */
  closedWith: number | undefined = undefined;
  /** The client has ended its side. */
  isRemoteEnded = false;
  /** We have ended ours: nothing more is to be said. */
  isEnded = false;
  hasResponded = false;
  /** Bytes of the answer that were handed to the socket. */
  sentBytes = 0;
  /** Bytes were written that are not copied. */
  hasLarge = false;

  // For the connection:
  /** What the client sent since it was last allowed more. */
  uncredited = 0;
  /** Of the body, where the client announced its length; -1 where it did not. */
  bodyLeft = -1;
  readonly unsent: Unsent[] = [];
  /** Of the first of them, what has been sent. */
  unsentAt = 0;
  unsentBytes = 0;
  /** Header block of the trailers; undefined: none yet, null: the stream ends without. */
  trailers: Uint8Array | null | undefined = undefined;
  private wantsDrain = false;
  private isHeld = false;
  private readonly held = new PieceList(true);
  private heldEnd = false;
  private isReleasing = false;

  constructor(
    readonly carrier: StreamCarrier,
    readonly id: number,
    readonly headers: RequestHeaders,
    public sendWindow: number,
    /** What the client may still send. */
    public receiveWindow: number,
  ) {}

  get isClosed(): boolean {
    return this.closedWith !== undefined;
  }

  /** Whether nothing can be said any more. */
  get isUnwritable(): boolean {
    return this.isClosed || this.isEnded;
  }

  /** All of the answer was handed to the socket. */
  get isSent(): boolean {
    return this.isEnded && this.trailers === undefined && this.unsent.length === 0;
  }

  get isPaused(): boolean {
    return this.isHeld;
  }

  /** More is waiting to be sent than should. */
  get needsDrain(): boolean {
    return this.wantsDrain;
  }

  /** The answer's header block ({@link encodeFields}); `endsStream`: it is all of the answer. Does nothing when the stream is closed or has one. */
  respond(block: Uint8Array, endsStream = false): void {
    if (this.isUnwritable || this.hasResponded) return;
    this.hasResponded = true;
    this.carrier.sendHeaders(this, block, endsStream);
  }

  /**
   * Bytes of the answer. More than 4 KiB are not copied: they must not change until `onWritten`, which is told when the system has taken them, or when the
   * stream has been closed. false: wait for onDrain before writing more.
   */
  write(bytes: Uint8Array, onWritten?: () => void): boolean {
    if (this.isUnwritable) {
      onWritten?.();
      return true;
    }
    if (bytes.length > copiedBytes) this.hasLarge = true;
    this.unsent.push({ bytes, onWritten });
    this.unsentBytes += bytes.length;
    this.carrier.send(this);
    if (this.unsentBytes > highWaterBytes) this.wantsDrain = true;
    return !this.wantsDrain;
  }

  /** Ends the answer, with these trailers if any. */
  end(trailers: Uint8Array | null = null): void {
    if (this.isUnwritable) return;
    this.isEnded = true;
    this.trailers = trailers;
    this.carrier.send(this);
  }

  /** Ends both sides at once. */
  reset(code: number): void {
    if (!this.isClosed) this.carrier.resetStream(this, code);
  }

  /** Nothing is told of the request until resume(); its client may go on for as much as the stream's window has room. */
  pause(): void {
    this.isHeld = true;
  }

  resume(): void {
    this.isHeld = false;
    // What is held is being told: that goes on when the listener returns
    if (!this.isReleasing) this.release();
  }

  // What follows is the connection's.

  received(piece: Buffer): void {
    if (this.isHeld || this.isReleasing) this.hold(piece);
    else this.tell(piece);
  }

  receivedEnd(): void {
    this.isRemoteEnded = true;
    if (this.isHeld || this.isReleasing) this.heldEnd = true;
    else if (!this.isClosed) this.listener?.onEnd();
  }

  drained(): void {
    if (!this.wantsDrain || this.unsentBytes > 0) return;
    this.wantsDrain = false;
    this.listener?.onDrain?.();
  }

  closed(code: number): void {
    this.dropHeld();
    this.wantsDrain = false;
    // Of the first of them a part may wait in the socket
    if (this.unsentAt > 0) this.carrier.whenFlushed(() => this.dropUnsent());
    else this.dropUnsent();
    const { listener } = this;
    this.listener = undefined;
    listener?.onClose(code);
  }

  private dropUnsent(): void {
    for (const { onWritten } of this.unsent.splice(0)) onWritten?.();
    this.unsentBytes = 0;
  }

  private hold(piece: Buffer): void {
    this.held.add(piece);
    this.carrier.holds(this, piece.length);
  }

  private dropHeld(): void {
    if (this.held.bytes > 0) this.carrier.holds(this, -this.held.bytes);
    this.held.take();
  }

  /** Tells what is held, and the end behind it, until the listener pauses the stream again. */
  private release(): void {
    this.isReleasing = true;
    while (!this.isHeld && this.held.bytes > 0) {
      this.carrier.holds(this, -this.held.bytes);
      const pieces = this.held.take();
      let next = 0;
      while (next < pieces.length && !this.isHeld) this.tell(pieces[next++] as Buffer);
      if (!this.isClosed) for (; next < pieces.length; next++) this.hold(pieces[next] as Buffer);
    }
    this.isReleasing = false;
    if (!this.heldEnd || this.isHeld) return;
    this.heldEnd = false;
    if (!this.isClosed) this.listener?.onEnd();
  }

  private tell(piece: Buffer): void {
    if (this.isClosed) return;
    this.listener?.onData(piece);
    this.carrier.consumed(this, piece.length);
  }
}
