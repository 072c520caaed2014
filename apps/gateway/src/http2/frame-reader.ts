import {
  clientPreface,
  ConnectionError,
  defaultFrameBytes,
  errorCode,
  frameFlag,
  frameHeadBytes,
  frameType,
  maxWindowBytes,
  settingId,
} from './frames.js';

/** The most bytes of one header block as it travels; our limit on its fields is far lower, and what is over that one ends only its stream. */
const maxBlockBytes = 256 * 1024;

/** The most frames of one header block: a block of {@link maxBlockBytes} needs a quarter of them. */
const maxBlockFrames = 64;

/** What a connection is told of what its client sent, in order. May throw a {@link ConnectionError}. */
export interface FrameHandler {
  /** A whole header block; the bytes are the handler's until it returns. */
  onHeaders(stream: number, block: Buffer, endsStream: boolean): void;
  /**
   * A piece of a DATA frame, the handler's until it returns: `windowBytes` of its payload have come, `piece` is what of them is no padding. A frame comes in one or more pieces;
   * `endsStream` is told with the last one.
   */
  onData(stream: number, piece: Buffer, windowBytes: number, isLast: boolean, endsStream: boolean): void;
  onReset(stream: number, code: number): void;
  /** `values`: pairs of id and value, one after the other. */
  onSettings(values: readonly number[]): void;
  onSettingsAck(): void;
  onPing(payload: Buffer, isAck: boolean): void;
  onGoaway(): void;
  onWindowUpdate(stream: number, increment: number): void;
  /** A frame that is wrong, but of one stream only. */
  onStreamError(stream: number, code: number): void;
}

function wrongSize(what: string): ConnectionError {
  return new ConnectionError(errorCode.frameSizeError, `a ${what} frame of the wrong size`);
}

function wrongStream(what: string): ConnectionError {
  return new ConnectionError(errorCode.protocolError, `a ${what} frame on the wrong stream`);
}

/** Cuts what a client sends into frames. Payloads of DATA are handed on as they come, all others when they are whole. */
export class FrameReader {
  /** Of the preface, as far as it has come. */
  private prefaceBytes = 0;
  private hadSettings = false;
  /** The part of a frame that came: its head, then its payload; undefined where a frame begins with the next byte. */
  private partial: Buffer | undefined;
  /** Of the DATA frame that is coming in. */
  private dataStream = 0;
  private dataFlags = 0;
  /** Bytes of its payload that are still to come, padding included. */
  private dataLeft = 0;
  private paddingLeft = 0;
  private isPaddingKnown = true;
  /** Of the header block that is coming in; 0: none. */
  private blockStream = 0;
  private blockEndsStream = false;
  private blockBytes = 0;
  private blockParts: Buffer[] = [];

  constructor(private readonly handler: FrameHandler) {}

  /** Takes what came next. Throws a ConnectionError when it is no HTTP/2; nothing may be pushed after that. */
  push(bytes: Buffer): void {
    let at = this.prefaceBytes < clientPreface.length ? this.takePreface(bytes) : 0;
    if (this.partial !== undefined) at = this.completePartial(this.partial, bytes, at);
    while (at < bytes.length) at = this.takeFrame(bytes, at);
  }

  private takePreface(bytes: Buffer): number {
    const come = Math.min(bytes.length, clientPreface.length - this.prefaceBytes);
    if (clientPreface.compare(bytes, 0, come, this.prefaceBytes, this.prefaceBytes + come) !== 0)
      throw new ConnectionError(errorCode.protocolError, 'no HTTP/2 preface');
    this.prefaceBytes += come;
    return come;
  }

  /** One frame that begins at `at`, or as much of it as is here; gives back where the next one begins. */
  private takeFrame(bytes: Buffer, at: number): number {
    if (this.dataLeft > 0) return this.takeData(bytes, at);
    if (bytes.length - at < frameHeadBytes) return this.keep(bytes, at);
    const length = ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
    const type = bytes[at + 3] as number;
    if (length > defaultFrameBytes) throw new ConnectionError(errorCode.frameSizeError, `a frame of ${length} bytes`);
    const stream = bytes.readUInt32BE(at + 5) & 0x7fffffff;
    if (this.blockStream !== 0 && (type !== frameType.continuation || stream !== this.blockStream))
      throw new ConnectionError(errorCode.protocolError, 'a header block that is interrupted');
    if (!this.hadSettings && type !== frameType.settings)
      throw new ConnectionError(errorCode.protocolError, 'the first frame is no SETTINGS');
    const payload = at + frameHeadBytes;
    if (type === frameType.data) return this.beginData(bytes, payload, length, bytes[at + 4] as number, stream);
    if (bytes.length - payload < length) return this.keep(bytes, at);
    this.takeWhole(type, bytes[at + 4] as number, stream, bytes.subarray(payload, payload + length));
    return payload + length;
  }

  /** Keeps the begin of a frame until more comes. */
  private keep(bytes: Buffer, at: number): number {
    this.partial = Buffer.from(bytes.subarray(at));
    return bytes.length;
  }

  /** Adds as much as the frame that has begun still needs; gives back where what follows it begins. */
  private completePartial(partial: Buffer, bytes: Buffer, at: number): number {
    let frame = partial;
    let next = at;
    for (;;) {
      const wanted = frame.length < frameHeadBytes ? frameHeadBytes : frameHeadBytes + frame.readUIntBE(0, 3);
      if (
        frame.length >= frameHeadBytes &&
        (frame[3] === frameType.data || wanted > frameHeadBytes + defaultFrameBytes || frame.length >= wanted)
      ) {
        break;
      }
      const more = bytes.subarray(next, next + wanted - frame.length);
      if (more.length === 0) {
        this.partial = frame;
        return next;
      }
      frame = Buffer.concat([frame, more]);
      next += more.length;
    }
    this.partial = undefined;
    this.takeFrame(frame, 0);
    return next;
  }

  private beginData(bytes: Buffer, at: number, length: number, flags: number, stream: number): number {
    if (stream === 0) throw wrongStream('DATA');
    this.dataStream = stream;
    this.dataFlags = flags;
    this.dataLeft = length;
    this.paddingLeft = 0;
    this.isPaddingKnown = (flags & frameFlag.padded) === 0;
    if (!this.isPaddingKnown && length === 0) throw wrongSize('DATA');
    if (length > 0) return at < bytes.length ? this.takeData(bytes, at) : at;
    this.handler.onData(stream, bytes.subarray(at, at), 0, true, (flags & frameFlag.endStream) !== 0);
    return at;
  }

  private takeData(bytes: Buffer, begin: number): number {
    const end = Math.min(bytes.length, begin + this.dataLeft);
    let at = begin;
    if (!this.isPaddingKnown) {
      this.isPaddingKnown = true;
      this.paddingLeft = bytes[at++] as number;
      if (this.paddingLeft >= this.dataLeft) throw new ConnectionError(errorCode.protocolError, 'more padding than payload');
    }
    this.dataLeft -= end - begin;
    // What is left of the frame ends with the padding
    const content = Math.max(0, Math.min(end - at, end - at + this.dataLeft - this.paddingLeft));
    this.paddingLeft = Math.min(this.paddingLeft, this.dataLeft);
    const isLast = this.dataLeft === 0;
    const endsStream = isLast && (this.dataFlags & frameFlag.endStream) !== 0;
    this.handler.onData(this.dataStream, bytes.subarray(at, at + content), end - begin, isLast, endsStream);
    return end;
  }

  private takeWhole(type: number, flags: number, stream: number, payload: Buffer): void {
    switch (type) {
      case frameType.headers:
        return this.takeHeaders(flags, stream, payload);
      case frameType.continuation:
        return this.takeContinuation(flags, stream, payload);
      case frameType.windowUpdate:
        return this.takeWindowUpdate(stream, payload);
      case frameType.rstStream:
        if (stream === 0) throw wrongStream('RST_STREAM');
        if (payload.length !== 4) throw wrongSize('RST_STREAM');
        return this.handler.onReset(stream, payload.readUInt32BE(0));
      case frameType.settings:
        return this.takeSettings(flags, stream, payload);
      case frameType.ping:
        if (stream !== 0) throw wrongStream('PING');
        if (payload.length !== 8) throw wrongSize('PING');
        return this.handler.onPing(payload, (flags & frameFlag.ack) !== 0);
      case frameType.goaway:
        if (stream !== 0) throw wrongStream('GOAWAY');
        if (payload.length < 8) throw wrongSize('GOAWAY');
        return this.handler.onGoaway();
      case frameType.priority:
        return this.takePriority(stream, payload);
      case frameType.pushPromise:
        throw new ConnectionError(errorCode.protocolError, 'a client that pushes');
      default:
      // Of an extension that was not asked for (4.1)
    }
  }

  private takeHeaders(flags: number, stream: number, payload: Buffer): void {
    if (stream === 0) throw wrongStream('HEADERS');
    let begin = 0;
    let end = payload.length;
    if ((flags & frameFlag.padded) !== 0) {
      if (end === 0) throw wrongSize('HEADERS');
      begin = 1;
      end -= payload[0] as number;
    }
    if ((flags & frameFlag.priority) !== 0) {
      if (payload.length < begin + 5) throw wrongSize('HEADERS');
      begin += 5;
    }
    if (end < begin) throw new ConnectionError(errorCode.protocolError, 'more padding than payload');
    const endsStream = (flags & frameFlag.endStream) !== 0;
    const fragment = payload.subarray(begin, end);
    if ((flags & frameFlag.endHeaders) !== 0) return this.handler.onHeaders(stream, fragment, endsStream);
    this.blockStream = stream;
    this.blockEndsStream = endsStream;
    this.blockBytes = fragment.length;
    // A copy: the rest of the block may be long in coming
    this.blockParts = [Buffer.from(fragment)];
  }

  private takeContinuation(flags: number, stream: number, payload: Buffer): void {
    if (this.blockStream === 0) throw new ConnectionError(errorCode.protocolError, 'a CONTINUATION of nothing');
    this.blockBytes += payload.length;
    this.blockParts.push(Buffer.from(payload));
    if (this.blockBytes > maxBlockBytes || this.blockParts.length > maxBlockFrames)
      throw new ConnectionError(errorCode.enhanceYourCalm, 'a header block that does not end');
    if ((flags & frameFlag.endHeaders) === 0) return;
    const block = Buffer.concat(this.blockParts);
    this.blockStream = 0;
    this.blockParts = [];
    this.handler.onHeaders(stream, block, this.blockEndsStream);
  }

  private takeSettings(flags: number, stream: number, payload: Buffer): void {
    if (stream !== 0) throw wrongStream('SETTINGS');
    if ((flags & frameFlag.ack) !== 0) {
      if (payload.length !== 0) throw wrongSize('SETTINGS');
      if (!this.hadSettings) throw new ConnectionError(errorCode.protocolError, 'the first frame is no SETTINGS');
      return this.handler.onSettingsAck();
    }
    if (payload.length % 6 !== 0) throw wrongSize('SETTINGS');
    this.hadSettings = true;
    const values: number[] = [];
    for (let at = 0; at < payload.length; at += 6) values.push(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
    checkSettings(values);
    this.handler.onSettings(values);
  }

  private takeWindowUpdate(stream: number, payload: Buffer): void {
    if (payload.length !== 4) throw wrongSize('WINDOW_UPDATE');
    const increment = payload.readUInt32BE(0) & 0x7fffffff;
    if (increment > 0) return this.handler.onWindowUpdate(stream, increment);
    if (stream === 0) throw new ConnectionError(errorCode.protocolError, 'a WINDOW_UPDATE of 0');
    this.handler.onStreamError(stream, errorCode.protocolError);
  }

  /** Priorities are deprecated (5.3.2), and are not heeded. */
  private takePriority(stream: number, payload: Buffer): void {
    if (stream === 0) throw wrongStream('PRIORITY');
    if (payload.length !== 5) this.handler.onStreamError(stream, errorCode.frameSizeError);
  }
}

/** Bounds of settings (6.5.2). */
function checkSettings(values: readonly number[]): void {
  for (let at = 0; at < values.length; at += 2) {
    const value = values[at + 1] as number;
    switch (values[at]) {
      case settingId.enablePush:
        if (value > 1) throw new ConnectionError(errorCode.protocolError, `SETTINGS_ENABLE_PUSH ${value}`);
        break;
      case settingId.initialWindowSize:
        if (value > maxWindowBytes) throw new ConnectionError(errorCode.flowControlError, `SETTINGS_INITIAL_WINDOW_SIZE ${value}`);
        break;
      case settingId.maxFrameSize:
        if (value < 2 ** 14 || value > 2 ** 24 - 1) throw new ConnectionError(errorCode.protocolError, `SETTINGS_MAX_FRAME_SIZE ${value}`);
        break;
      default:
      // Any value, or a setting that is not known
    }
  }
}
