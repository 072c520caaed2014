import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { FloodGuard } from './flood-guard.js';
import { FrameOutput } from './frame-output.js';
import { FrameReader, type FrameHandler } from './frame-reader.js';
import {
  ConnectionError,
  defaultFrameBytes,
  defaultWindowBytes,
  errorCode,
  frameFlag,
  frameType,
  maxWindowBytes,
  settingId,
  settingsFrame,
} from './frames.js';
import { HeaderReader } from './header-reader.js';
import { PingBook } from './ping-book.js';
import type { FieldLimits, RequestHeaders } from './request-headers.js';
import { Http2Stream, type StreamCarrier } from './stream.js';
import { StreamSender } from './stream-sender.js';

/** What a connection of a client may do. */
export interface ConnectionLimits extends FieldLimits {
  readonly maxConcurrentStreams: number;
  /** What one stream may have on its way to us. */
  readonly streamWindowBytes: number;
  /** What all streams of the connection together may have on their way to us; at least 65535. */
  readonly connectionWindowBytes: number;
  /** What all streams together may have waiting for their listeners, which the windows of all of them may be far above; the stream that is over it is reset. */
  readonly maxHeldBytes: number;
}

/** Who takes the streams of a connection. */
export interface ConnectionOwner {
  /** A request has begun. It is to get a listener before this returns, or to be reset. */
  onStream(stream: Http2Stream, connection: Connection): void;
}

/** Answers to pings and settings are owed to clients that do not read them up to so many bytes. */
const mostOwedBytes = 2 * 1024 * 1024;

/** DATA frames without content are allowed, and of no use. */
const mostEmptyFrames = 10_000;

/** Streams that we have reset, of which frames may still be on their way. */
const mostResetStreams = 1_000;

/** A connection that has ended is still read for so long, so that what was said last reaches the client. */
const lingerMs = 1_000;

/** And for so long where the client goes on taking what was said: it sends windows meanwhile. */
const longestLingerMs = 30_000;

/**
 * The server's side of one HTTP/2 connection (RFC 9113). Whoever makes it reads the socket, and gives it what comes ({@link receive}). Says `settings` when the client's first SETTINGS is here, and `close` when the socket is closed.
 */
export class Connection extends EventEmitter<{ settings: []; close: [] }> implements FrameHandler, StreamCarrier {
  /** close() was called, or the connection has ended: no more streams begin. */
  isClosing = false;
  /** The connection has ended, or has failed: nothing is said any more. */
  isDestroyed = false;
  private readonly reader = new FrameReader(this);
  private readonly output: FrameOutput;
  private readonly sender: StreamSender;
  private readonly headerReader: HeaderReader;
  private readonly guard = new FloodGuard(performance.now());
  private readonly settingsGuard = new FloodGuard(performance.now());
  private readonly pings: PingBook;
  private readonly streams = new Map<number, Http2Stream>();
  private readonly resetByUs = new Set<number>();
  private lastStreamId = 0;
  private initialSendWindow = defaultWindowBytes;
  private uncredited = 0;
  private heldBytes = 0;
  private emptyFrames = 0;
  private hasSettings = false;
  /** The next header block begins with a table size: the client has said how large its table may be (RFC 7541, 4.2). */
  private owesTableSize = true;

  constructor(
    readonly socket: Socket,
    private readonly owner: ConnectionOwner,
    private readonly limits: ConnectionLimits,
  ) {
    super();
    this.output = new FrameOutput(socket);
    this.sender = new StreamSender(this.output, (stream) => this.finishIfDone(stream));
    this.headerReader = new HeaderReader(limits);
    this.pings = new PingBook(this.output);
    socket.setNoDelay(true);
    socket.on('drain', () => this.sender.pump());
    socket.on('end', () => this.destroy());
    // 'close' follows
    socket.on('error', () => undefined);
    socket.once('close', () => {
      this.destroy();
      this.emit('close');
    });
    this.greet();
  }

  /** Takes what the client sent next; the bytes are the caller's again afterwards. */
  receive(bytes: Buffer): void {
    if (this.isDestroyed) return;
    try {
      this.reader.push(bytes);
    } catch (thrown) {
      if (!(thrown instanceof ConnectionError)) throw thrown;
      this.fail(thrown.code);
    }
  }

  /** Streams that are open. */
  get openStreams(): number {
    return this.streams.size;
  }

  /** Asks the client for an answer. `onAnswer` is told true when it comes, false when the connection ends first. */
  ping(onAnswer: (isAnswered: boolean) => void): void {
    if (this.isDestroyed) onAnswer(false);
    else this.pings.send(onAnswer);
  }

  /** Tells the client which streams are still taken, and why no others are. */
  goaway(lastStreamId: number, code: number = errorCode.noError): void {
    if (this.isDestroyed) return;
    const payload = Buffer.alloc(8);
    payload.writeUInt32BE(lastStreamId, 0);
    payload.writeUInt32BE(code, 4);
    this.output.frame(frameType.goaway, 0, 0, payload);
  }

  /** Takes no more streams; ends when those that are open are over. */
  close(): void {
    if (this.isClosing) return;
    this.isClosing = true;
    this.goaway(this.lastStreamId);
    if (this.streams.size === 0) this.end();
  }

  /** Ends the connection now. Its streams are closed. */
  destroy(): void {
    if (!this.socket.destroyed && !this.isDestroyed) this.output.flush();
    this.abandon(errorCode.cancel);
    this.socket.destroy();
  }

  // FrameHandler

  onHeaders(id: number, block: Buffer, endsStream: boolean): void {
    if (id % 2 === 0) throw new ConnectionError(errorCode.protocolError, 'a stream with an even id');
    const stream = this.streams.get(id);
    const fields = this.headerReader.read(block, stream !== undefined);
    if (stream !== undefined) return this.onTrailers(stream, fields === 'malformed', endsStream);
    if (id <= this.lastStreamId) return this.onFrameOfClosed(id, 'headers');
    if (this.isClosing) return;
    this.checkOwed();
    this.lastStreamId = id;
    if (this.streams.size >= this.limits.maxConcurrentStreams) return this.sendReset(id, errorCode.refusedStream);
    if (fields === 'malformed') return this.refuse(id, errorCode.protocolError);
    if (fields === 'too-large') return this.refuse(id, errorCode.enhanceYourCalm);
    this.begin(id, fields, endsStream);
  }

  onData(id: number, piece: Buffer, windowBytes: number, isLast: boolean, endsStream: boolean): void {
    this.takeWindow(windowBytes);
    if (windowBytes === 0 && !endsStream && ++this.emptyFrames > mostEmptyFrames)
      throw new ConnectionError(errorCode.enhanceYourCalm, 'empty frames');
    const stream = this.streams.get(id);
    if (stream === undefined) return isLast ? this.onFrameOfClosed(id, 'data') : undefined;
    if (stream.isRemoteEnded) return this.resetStream(stream, errorCode.streamClosed);
    stream.receiveWindow -= windowBytes;
    if (stream.receiveWindow < 0) return this.resetStream(stream, errorCode.flowControlError);
    if (stream.bodyLeft >= 0) {
      stream.bodyLeft -= piece.length;
      if (stream.bodyLeft < 0 || (endsStream && stream.bodyLeft > 0)) return this.refuseOpen(stream, errorCode.protocolError);
    }
    if (windowBytes > piece.length) this.consumed(stream, windowBytes - piece.length);
    if (piece.length > 0) stream.received(piece);
    if (endsStream) this.endRemote(stream);
  }

  onReset(id: number, code: number): void {
    const stream = this.streams.get(id);
    if (stream === undefined) return this.checkNotIdle(id, 'RST_STREAM');
    this.countFlood();
    this.forget(stream, code);
  }

  onSettings(values: readonly number[]): void {
    if (!this.settingsGuard.allows(performance.now())) throw new ConnectionError(errorCode.enhanceYourCalm, 'settings without end');
    // The last one of a frame counts: each change is one of all streams
    let window = this.initialSendWindow;
    for (let at = 0; at < values.length; at += 2) {
      if (values[at] === settingId.initialWindowSize) window = values[at + 1] as number;
      else this.takeSetting(values[at] as number, values[at + 1] as number);
    }
    if (window !== this.initialSendWindow) this.resizeWindows(window);
    this.checkOwed();
    this.output.frame(frameType.settings, frameFlag.ack, 0, noBytes);
    this.sender.pump();
    if (this.hasSettings) return;
    this.hasSettings = true;
    this.emit('settings');
  }

  onSettingsAck(): void {}

  onPing(payload: Buffer, isAck: boolean): void {
    if (isAck) return this.pings.answered(payload);
    this.checkOwed();
    this.output.frame(frameType.ping, frameFlag.ack, 0, payload);
  }

  /** It opens no more streams by itself; those that are open go on. */
  onGoaway(): void {}

  onWindowUpdate(id: number, increment: number): void {
    if (id === 0) {
      if (!this.sender.widen(increment)) throw new ConnectionError(errorCode.flowControlError, 'a window over its bound');
      return;
    }
    const stream = this.streams.get(id);
    if (stream === undefined) return this.checkNotIdle(id, 'WINDOW_UPDATE');
    stream.sendWindow += increment;
    if (stream.sendWindow > maxWindowBytes) return this.resetStream(stream, errorCode.flowControlError);
    this.sender.send(stream);
  }

  onStreamError(id: number, code: number): void {
    const stream = this.streams.get(id);
    if (stream !== undefined) return this.refuseOpen(stream, code);
    if (id > this.lastStreamId) throw new ConnectionError(code, 'a frame that is wrong, of a stream that has not begun');
    if (!this.resetByUs.has(id)) this.refuse(id, code);
  }

  // Of streams

  sendHeaders(stream: Http2Stream, block: Uint8Array, endsStream: boolean): void {
    let content = block;
    if (this.owesTableSize) {
      this.owesTableSize = false;
      content = Buffer.concat([tableSizeZero, block]);
    }
    if (endsStream) stream.isEnded = true;
    this.output.headers(stream.id, content, endsStream, this.sender.maxFrameBytes);
    if (endsStream) this.finishIfDone(stream);
  }

  send(stream: Http2Stream): void {
    this.sender.send(stream);
  }

  resetStream(stream: Http2Stream, code: number): void {
    this.sendReset(stream.id, code);
    this.forget(stream, code);
  }

  consumed(stream: Http2Stream, bytes: number): void {
    if (stream.isRemoteEnded || stream.isClosed) return;
    stream.uncredited += bytes;
    if (stream.uncredited * 2 < this.limits.streamWindowBytes) return;
    stream.receiveWindow += stream.uncredited;
    this.output.frameOfNumber(frameType.windowUpdate, stream.id, stream.uncredited);
    stream.uncredited = 0;
  }

  holds(stream: Http2Stream, bytes: number): void {
    this.heldBytes += bytes;
    if (bytes > 0 && this.heldBytes > this.limits.maxHeldBytes && !stream.isClosed) this.resetStream(stream, errorCode.enhanceYourCalm);
  }

  whenFlushed(listener: () => void): void {
    this.output.whenFlushed(listener);
  }

  private greet(): void {
    const { maxConcurrentStreams, streamWindowBytes, connectionWindowBytes, maxFieldBytes } = this.limits;
    const settings = settingsFrame([
      [settingId.maxConcurrentStreams, maxConcurrentStreams],
      [settingId.initialWindowSize, streamWindowBytes],
      [settingId.maxHeaderListSize, maxFieldBytes],
    ]);
    this.output.raw(settings);
    if (connectionWindowBytes > defaultWindowBytes)
      this.output.frameOfNumber(frameType.windowUpdate, 0, connectionWindowBytes - defaultWindowBytes);
  }

  /** The client broke the rules, or took too much: says so, and ends. */
  private fail(code: number): void {
    if (this.isDestroyed) return;
    this.goaway(this.lastStreamId, code);
    this.abandon(code);
    this.end();
    this.cutAfterLinger();
  }

  /** Says what was to be said, and nothing after it. */
  private end(): void {
    this.output.flush();
    this.isClosing = true;
    this.socket.end(() => this.cutWhenSilent());
  }

  /** What the client still sends is dropped: a socket that is closed before all was read takes back what was said last. */
  private cutAfterLinger(): void {
    const { socket } = this;
    const timer = setTimeout(() => socket.destroy(), lingerMs).unref();
    socket.once('close', () => clearTimeout(timer));
  }

  /** As {@link cutAfterLinger}, for a client that has done nothing wrong: what it was told may take long to arrive, and a socket that is closed before takes it back. */
  private cutWhenSilent(): void {
    const { socket } = this;
    const cutAt = performance.now() + longestLingerMs;
    let before = socket.bytesRead;
    const look = (): void => {
      if (socket.bytesRead === before || performance.now() > cutAt) socket.destroy();
      before = socket.bytesRead;
    };
    const timer = setInterval(look, lingerMs).unref();
    socket.once('close', () => clearInterval(timer));
  }

  private abandon(code: number): void {
    if (this.isDestroyed) return;
    this.isDestroyed = true;
    this.isClosing = true;
    for (const stream of [...this.streams.values()]) this.forget(stream, code);
    this.pings.end();
  }

  private begin(id: number, headers: RequestHeaders, endsStream: boolean): void {
    const stream = new Http2Stream(this, id, headers, this.initialSendWindow, this.limits.streamWindowBytes);
    const length = headers['content-length'];
    if (length !== undefined) {
      stream.bodyLeft = /^\d{1,15}$/.test(length) ? Number(length) : -2;
      if (stream.bodyLeft === -2 || (endsStream && stream.bodyLeft > 0)) return this.refuse(id, errorCode.protocolError);
    }
    this.streams.set(id, stream);
    this.owner.onStream(stream, this);
    if (endsStream) this.endRemote(stream);
  }

  private onTrailers(stream: Http2Stream, isMalformed: boolean, endsStream: boolean): void {
    if (stream.isRemoteEnded) return this.resetStream(stream, errorCode.streamClosed);
    if (isMalformed || !endsStream || stream.bodyLeft > 0) return this.refuseOpen(stream, errorCode.protocolError);
    this.endRemote(stream);
  }

  private endRemote(stream: Http2Stream): void {
    if (stream.isClosed) return;
    stream.receivedEnd();
    this.finishIfDone(stream);
  }

  /** Closes a stream whose sides have both ended. */
  private finishIfDone(stream: Http2Stream): void {
    if (!stream.isRemoteEnded || !stream.isEnded || stream.isClosed || stream.trailers !== undefined || stream.unsent.length > 0) return;
    this.forget(stream, errorCode.noError);
  }

  private forget(stream: Http2Stream, code: number): void {
    if (stream.isClosed) return;
    stream.closedWith = code;
    this.streams.delete(stream.id);
    this.sender.remove(stream);
    // What is large may be in the process for long: its exchange is not over before
    if (code === errorCode.noError && stream.hasLarge && !this.isDestroyed) this.output.whenFlushed(() => stream.closed(code));
    else stream.closed(code);
    if (this.isClosing && !this.isDestroyed && this.streams.size === 0) this.end();
  }

  /** A stream that never begins. */
  private refuse(id: number, code: number): void {
    this.countFlood();
    this.sendReset(id, code);
  }

  /** A stream whose client broke the rules. */
  private refuseOpen(stream: Http2Stream, code: number): void {
    this.countFlood();
    this.resetStream(stream, code);
  }

  private sendReset(id: number, code: number): void {
    if (this.isDestroyed) return;
    this.output.frameOfNumber(frameType.rstStream, id, code);
    this.resetByUs.add(id);
    if (this.resetByUs.size <= mostResetStreams) return;
    for (const oldest of this.resetByUs) {
      this.resetByUs.delete(oldest);
      break;
    }
  }

  private onFrameOfClosed(id: number, what: 'headers' | 'data'): void {
    if (id > this.lastStreamId) {
      if (this.isClosing && id % 2 === 1) return;
      throw new ConnectionError(errorCode.protocolError, 'a frame of a stream that has not begun');
    }
    // It was on its way
    if (this.resetByUs.has(id)) return;
    if (what === 'headers') throw new ConnectionError(errorCode.streamClosed, 'a frame of a stream that is over');
    this.refuse(id, errorCode.streamClosed);
  }

  private checkNotIdle(id: number, what: string): void {
    if (id > this.lastStreamId && !this.isClosing)
      throw new ConnectionError(errorCode.protocolError, `a ${what} of a stream that has not begun`);
  }

  private countFlood(): void {
    if (!this.guard.allows(performance.now())) throw new ConnectionError(errorCode.enhanceYourCalm, 'too many streams that were reset');
  }

  /** A client that asks without reading the answers is not owed any number of them. */
  private checkOwed(): void {
    if (this.output.backlog > mostOwedBytes) throw new ConnectionError(errorCode.enhanceYourCalm, 'answers that are not read');
  }

  private takeSetting(id: number, value: number): void {
    if (id === settingId.headerTableSize) this.owesTableSize = true;
    else if (id === settingId.maxFrameSize) this.sender.maxFrameBytes = Math.min(value, mostFrameBytes);
  }

  private resizeWindows(bytes: number): void {
    const more = bytes - this.initialSendWindow;
    this.initialSendWindow = bytes;
    for (const stream of this.streams.values()) {
      stream.sendWindow += more;
      if (stream.sendWindow > maxWindowBytes) throw new ConnectionError(errorCode.flowControlError, 'a window over its bound');
    }
    if (more > 0) for (const stream of [...this.streams.values()]) this.sender.send(stream);
  }

  /** Bytes of DATA came: the client may send as many more over the connection, at once; what is held is bounded over all connections. */
  private takeWindow(bytes: number): void {
    this.uncredited += bytes;
    if (this.uncredited * 2 < this.limits.connectionWindowBytes) return;
    this.output.frameOfNumber(frameType.windowUpdate, 0, this.uncredited);
    this.uncredited = 0;
  }
}

const noBytes = new Uint8Array(0);

/** "The dynamic table has room for nothing" (RFC 7541, 6.3). */
const tableSizeZero = Buffer.from([0x20]);

/** No larger frames are sent, whatever the client takes: other streams wait for the end of each. */
const mostFrameBytes = 4 * defaultFrameBytes;
