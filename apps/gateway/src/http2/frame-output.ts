import type { Duplex } from 'node:stream';
import { frameHeadBytes, frameType, frameFlag, writeFrameHead } from './frames.js';

/** Small frames are put together in blocks: the first is small, for connections that say little, each next one four times as large, up to the largest. */
const smallestBlockBytes = 256;
const largestBlockBytes = 16 * 1024;

/** Content up to this size is copied beside the head of its frame; what is larger is written as it is. */
export const copiedBytes = 4 * 1024;

/** Gathers the frames of a turn, and writes them at its end as few pieces. */
export class FrameOutput {
  private pieces: Uint8Array[] = [];
  private block: Buffer = Buffer.alloc(0);
  private nextBlockBytes = smallestBlockBytes;
  /** Where in the block what is not among the pieces begins, and ends. */
  private from = 0;
  private at = 0;
  private gathered = 0;
  private isScheduled = false;
  private onFlushed: (() => void)[] = [];

  constructor(private readonly socket: Duplex) {}

  /** Bytes that the socket has not taken yet. */
  get backlog(): number {
    return this.gathered + this.socket.writableLength;
  }

  /** A frame with a content that may be used again at once: it is copied. */
  frame(type: number, flags: number, stream: number, content: Uint8Array): void {
    const size = frameHeadBytes + content.length;
    this.reserve(size);
    const { block } = this;
    const payload = writeFrameHead(block, this.at, content.length, type, flags, stream);
    block.set(content, payload);
    this.add(size);
  }

  /** Whole frames. */
  raw(frames: Uint8Array): void {
    this.reserve(frames.length);
    this.block.set(frames, this.at);
    this.add(frames.length);
  }

  /** A frame of one number. */
  frameOfNumber(type: number, stream: number, value: number): void {
    this.reserve(frameHeadBytes + 4);
    const { block } = this;
    block.writeUInt32BE(value, writeFrameHead(block, this.at, 4, type, 0, stream));
    this.add(frameHeadBytes + 4);
  }

  /** A header block, in as many frames as it needs. */
  headers(stream: number, content: Uint8Array, endsStream: boolean, maxFrameBytes: number): void {
    const end = endsStream ? frameFlag.endStream : 0;
    if (content.length <= maxFrameBytes) return this.frame(frameType.headers, frameFlag.endHeaders | end, stream, content);
    this.frame(frameType.headers, end, stream, content.subarray(0, maxFrameBytes));
    for (let at = maxFrameBytes; at < content.length; at += maxFrameBytes) {
      const part = content.subarray(at, at + maxFrameBytes);
      this.frame(frameType.continuation, at + maxFrameBytes >= content.length ? frameFlag.endHeaders : 0, stream, part);
    }
  }

  /** A DATA frame. Large content is not copied: it must not change until it is written. */
  data(stream: number, content: Uint8Array): void {
    if (content.length <= copiedBytes) return this.frame(frameType.data, 0, stream, content);
    this.reserve(frameHeadBytes);
    writeFrameHead(this.block, this.at, content.length, frameType.data, 0, stream);
    this.add(frameHeadBytes);
    this.cut();
    this.pieces.push(content);
    this.gathered += content.length;
  }

  /** Calls `listener` when all that was gathered so far has been taken by the system, or never will be. */
  whenFlushed(listener: () => void): void {
    this.onFlushed.push(listener);
    this.schedule();
  }

  /** Writes what has been gathered, now. */
  flush(): void {
    this.isScheduled = false;
    this.cut();
    const { pieces, socket, onFlushed } = this;
    this.pieces = [];
    this.gathered = 0;
    const told = onFlushed.length === 0 ? undefined : onFlushed;
    if (told !== undefined) this.onFlushed = [];
    const done = told && ((): void => told.forEach((listener) => listener()));
    if (socket.destroyed || !socket.writable) {
      done?.();
      return;
    }
    if (pieces.length === 0) {
      // What was written before may still wait
      if (done !== undefined && socket.writableLength > 0) socket.write(noBytes, done);
      else done?.();
      return;
    }
    if (pieces.length === 1) {
      socket.write(pieces[0], done);
      return;
    }
    socket.cork();
    const last = pieces.length - 1;
    for (let i = 0; i < last; i++) socket.write(pieces[i]);
    socket.write(pieces[last], done);
    socket.uncork();
  }

  private reserve(bytes: number): void {
    if (this.block.length - this.at >= bytes) return;
    this.cut();
    // Not the pool's: these bytes are written while others are added behind them
    this.block = Buffer.allocUnsafeSlow(Math.max(this.nextBlockBytes, bytes));
    this.nextBlockBytes = Math.min(largestBlockBytes, this.nextBlockBytes * 4);
    this.from = 0;
    this.at = 0;
  }

  private add(bytes: number): void {
    this.at += bytes;
    this.gathered += bytes;
    this.schedule();
  }

  private cut(): void {
    if (this.at > this.from) this.pieces.push(this.block.subarray(this.from, this.at));
    this.from = this.at;
  }

  private schedule(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    process.nextTick(flushOutput, this);
  }
}

const noBytes = new Uint8Array(0);

function flushOutput(output: FrameOutput): void {
  output.flush();
}
