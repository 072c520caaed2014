/** Frames of HTTP/2, as bytes. Source: RFC 9113, 4 to 7. */

/** What a client sends first (3.4). */
export const clientPreface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** Length (24 bits), type, flags, stream (31 bits). */
export const frameHeadBytes = 9;

/** The largest payload that each side takes unless it has said otherwise (6.5.2). */
export const defaultFrameBytes = 16_384;

/** What may be on its way of a stream, and of a connection, until somebody says otherwise (6.9.2). */
export const defaultWindowBytes = 65_535;

/** No window may grow beyond it (6.9.1). */
export const maxWindowBytes = 2 ** 31 - 1;

/** The highest stream id: a GOAWAY that names it refuses nothing that the client has sent meanwhile. */
export const highestStreamId = 2 ** 31 - 1;

export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const frameFlag = { endStream: 0x1, ack: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

export const settingId = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

/** Why a stream or a connection ends (7). */
export const errorCode = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  settingsTimeout: 4,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  connectError: 10,
  enhanceYourCalm: 11,
} as const;

/** What the client did ends the whole connection. */
export class ConnectionError extends Error {
  constructor(
    /** One of {@link errorCode}. */
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

/** Writes the head of a frame at `at`; gives back where its payload begins. */
export function writeFrameHead(out: Uint8Array, at: number, length: number, type: number, flags: number, stream: number): number {
  out[at] = length >>> 16;
  out[at + 1] = length >>> 8;
  out[at + 2] = length;
  out[at + 3] = type;
  out[at + 4] = flags;
  return writeUint32(out, at + 5, stream);
}

/** Big-endian; gives back where the next byte goes. */
export function writeUint32(out: Uint8Array, at: number, value: number): number {
  out[at] = value >>> 24;
  out[at + 1] = value >>> 16;
  out[at + 2] = value >>> 8;
  out[at + 3] = value;
  return at + 4;
}

/** A SETTINGS frame of these values. */
export function settingsFrame(values: readonly (readonly [id: number, value: number])[]): Buffer {
  const frame = Buffer.alloc(frameHeadBytes + 6 * values.length);
  let at = writeFrameHead(frame, 0, 6 * values.length, frameType.settings, 0, 0);
  for (const [id, value] of values) {
    at = frame.writeUInt16BE(id, at);
    at = writeUint32(frame, at, value);
  }
  return frame;
}
