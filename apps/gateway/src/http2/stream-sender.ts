import { defaultFrameBytes, defaultWindowBytes, frameFlag, frameType, maxWindowBytes } from './frames.js';
import type { FrameOutput } from './frame-output.js';
import type { Http2Stream } from './stream.js';

/** What a connection may have waiting in its socket; more stays with its streams. */
const highWaterBytes = 128 * 1024;

/** What one stream sends before others of its connection have their turn. */
const turnBytes = 64 * 1024;

/** Sends what the streams of one connection have to say, as far as the client's windows and the socket allow. */
export class StreamSender {
  /** The largest payload of a frame that the client takes. */
  maxFrameBytes = defaultFrameBytes;
  private window = defaultWindowBytes;
  /** Streams that wait for the connection: for its window, or for its socket. Those that wait for their own windows are not among them. */
  private readonly waiting = new Set<Http2Stream>();

  constructor(
    private readonly output: FrameOutput,
    /** All of an answer has been sent. */
    private readonly onSent: (stream: Http2Stream) => void,
  ) {}

  /** The client takes so many bytes more; false when that is more than a window may be. */
  widen(bytes: number): boolean {
    this.window += bytes;
    if (this.window > maxWindowBytes) return false;
    this.pump();
    return true;
  }

  /** The stream has something to say, or its window is wider. */
  send(stream: Http2Stream): void {
    if (!this.waiting.has(stream) && !this.sendTurn(stream)) this.waiting.add(stream);
  }

  /** Lets the streams that wait go on, one after the other, until the connection takes no more. */
  pump(): void {
    while (this.waiting.size > 0 && this.hasRoom()) {
      for (const stream of this.waiting) {
        this.waiting.delete(stream);
        if (!this.sendTurn(stream)) this.waiting.add(stream);
        break;
      }
    }
  }

  remove(stream: Http2Stream): void {
    this.waiting.delete(stream);
  }

  private hasRoom(): boolean {
    return this.window > 0 && this.output.backlog < highWaterBytes;
  }

  /** False when the stream has more to send that its own window allows. */
  private sendTurn(stream: Http2Stream): boolean {
    let left = turnBytes;
    while (stream.unsent.length > 0) {
      const [first] = stream.unsent;
      if (first === undefined) break;
      const unsent = first.bytes.length - stream.unsentAt;
      if (unsent > 0) {
        if (stream.sendWindow <= 0) return true;
        if (left <= 0 || !this.hasRoom()) return false;
        const bytes = Math.min(unsent, left, this.maxFrameBytes, this.window, stream.sendWindow);
        this.sendBytes(stream, first.bytes, bytes);
        left -= bytes;
      }
      if (stream.unsentAt < first.bytes.length) continue;
      stream.unsent.shift();
      stream.unsentAt = 0;
      if (first.onWritten !== undefined) this.output.whenFlushed(first.onWritten);
    }
    if (stream.trailers !== undefined) this.sendEnd(stream);
    else stream.drained();
    return true;
  }

  private sendBytes(stream: Http2Stream, content: Uint8Array, bytes: number): void {
    const at = stream.unsentAt;
    this.output.data(stream.id, bytes === content.length ? content : content.subarray(at, at + bytes));
    stream.unsentAt += bytes;
    stream.unsentBytes -= bytes;
    stream.sentBytes += bytes;
    stream.sendWindow -= bytes;
    this.window -= bytes;
  }

  private sendEnd(stream: Http2Stream): void {
    const { trailers } = stream;
    stream.trailers = undefined;
    if (trailers === null || trailers === undefined) this.output.frame(frameType.data, frameFlag.endStream, stream.id, noBytes);
    else this.output.headers(stream.id, trailers, true, this.maxFrameBytes);
    this.onSent(stream);
  }
}

const noBytes = new Uint8Array(0);
