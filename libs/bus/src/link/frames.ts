import type { Socket } from 'node:net';
import { ServingError, servingErrorCodes, type ServingErrorCode } from '@mserve/wire';

/** What goes over a link: `kind` and its fields as JSON, and a body. */
export interface Frame {
  readonly kind:
    'hello' | 'welcome' | 'request' | 'ask' | 'reply' | 'error' | 'respond' | 'unrespond' | 'listen' | 'unlisten' | 'broadcast';
  /** Subject or topic; for welcome the address. */
  readonly name?: string;
  /** Of the request that a reply or an error answers. */
  readonly id?: number;
  /** Address that a request is for. */
  readonly to?: string | undefined;
  readonly timeoutMs?: number | undefined;
  /** Of an error. */
  readonly code?: string;
  readonly body: Uint8Array;
}

const kinds: readonly string[] = [
  'hello',
  'welcome',
  'request',
  'ask',
  'reply',
  'error',
  'respond',
  'unrespond',
  'listen',
  'unlisten',
  'broadcast',
] satisfies Frame['kind'][];
const lengthBytes = 8;
const maxHeadBytes = 64 * 1024;
/** Larger than any message of the gateway. */
const maxBodyBytes = 2 ** 30;
/** What a peer may leave unread before it is cut off. */
const maxBufferedBytes = 2 ** 31;

/** Frames over a socket: head length and body length (uint32, little-endian), head, body. */
export class FrameSocket {
  private chunks: Buffer[] = [];
  private buffered = 0;

  /** `onFrame` may throw: the socket is then destroyed. */
  constructor(
    private readonly socket: Socket,
    private readonly onFrame: (frame: Frame) => void,
  ) {
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.take(chunk));
  }

  send({ body, ...head }: Frame): void {
    if (this.socket.destroyed) return;
    const json = Buffer.from(JSON.stringify(head));
    const lengths = Buffer.alloc(lengthBytes);
    lengths.writeUInt32LE(json.byteLength, 0);
    lengths.writeUInt32LE(body.byteLength, 4);
    this.socket.cork();
    this.socket.write(Buffer.concat([lengths, json]));
    if (body.byteLength > 0) this.socket.write(body);
    this.socket.uncork();
    if (this.socket.writableLength > maxBufferedBytes) this.socket.destroy(new Error('the peer takes nothing'));
  }

  close(): void {
    this.socket.destroy();
  }

  private take(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.buffered += chunk.byteLength;
    try {
      for (let frame = this.next(); frame !== undefined; frame = this.next()) this.onFrame(frame);
    } catch (thrown) {
      this.socket.destroy(thrown instanceof Error ? thrown : new Error(String(thrown)));
    }
  }

  private next(): Frame | undefined {
    if (this.buffered < lengthBytes) return undefined;
    const first = this.chunks[0] as Buffer;
    const lengths = first.byteLength >= lengthBytes ? first : this.joined();
    const [headBytes, bodyBytes] = [lengths.readUInt32LE(0), lengths.readUInt32LE(4)];
    if (headBytes > maxHeadBytes || bodyBytes > maxBodyBytes) throw new RangeError('a frame of a link is too large');
    const end = lengthBytes + headBytes + bodyBytes;
    if (this.buffered < end) return undefined;
    const whole = this.joined();
    const rest = whole.subarray(end);
    this.chunks = rest.byteLength === 0 ? [] : [rest];
    this.buffered = rest.byteLength;
    const body = whole.subarray(lengthBytes + headBytes, end);
    return frameOf(
      JSON.parse(whole.toString('utf8', lengthBytes, lengthBytes + headBytes)) as unknown,
      new Uint8Array(body.buffer, body.byteOffset, body.byteLength),
    );
  }

  private joined(): Buffer {
    if (this.chunks.length > 1) this.chunks = [Buffer.concat(this.chunks)];
    return this.chunks[0] as Buffer;
  }
}

function frameOf(head: unknown, body: Uint8Array): Frame {
  if (typeof head !== 'object' || head === null) throw new TypeError('the head of a frame is no object');
  const { kind, name, id, to, timeoutMs, code } = head as Record<string, unknown>;
  if (typeof kind !== 'string' || !kinds.includes(kind)) throw new TypeError('a frame of unknown kind');
  return {
    kind: kind as Frame['kind'],
    ...(typeof name === 'string' && { name }),
    ...(typeof id === 'number' && { id }),
    ...(typeof to === 'string' && { to }),
    ...(typeof timeoutMs === 'number' && { timeoutMs }),
    ...(typeof code === 'string' && { code }),
    body,
  };
}

/** A ServingError as the frame that answers request `id`. */
export function errorFrame(id: number, thrown: unknown): Frame {
  const { code, message } = ServingError.from(thrown);
  return { kind: 'error', id, code, body: Buffer.from(message.slice(0, 16_384)) };
}

/** The ServingError in an error frame. */
export function errorOf({ code, body }: Frame): ServingError {
  const known = servingErrorCodes.find((one) => one === code) ?? 'INTERNAL';
  return new ServingError(known satisfies ServingErrorCode, new TextDecoder().decode(body));
}
