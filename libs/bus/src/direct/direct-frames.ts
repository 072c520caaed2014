/**
 * What goes over a stream between two participants (docs/bus.md). Numbers are little-endian.
 * Reader: magic, token (u64); then requests: 1, number (u32), id, offset, length (u64 each) · cancellations: 2, number (u32).
 * Owner: magic; then pieces: 1, number (u32), length (u32), bytes · errors: 2, number (u32), length (u32), the code of a ServingError, a line feed, its text.
 */
export const magic = Buffer.from('mserve-1');

export const helloBytes = magic.length + 8;
export const requestBytes = 29;
export const cancellationBytes = 5;
export const answerHeadBytes = 9;
/** An error is a sentence. */
export const maxErrorBytes = 64 * 1024;

export const kinds = { request: 1, cancellation: 2, piece: 1, error: 2 } as const;

export interface DirectRequest {
  readonly number: number;
  readonly id: number;
  readonly offset: number;
  readonly length: number;
}

export function helloFrame(token: number): Buffer {
  const frame = Buffer.alloc(helloBytes);
  magic.copy(frame);
  frame.writeBigUInt64LE(BigInt(token), magic.length);
  return frame;
}

export function requestFrame({ number, id, offset, length }: DirectRequest): Buffer {
  const frame = Buffer.alloc(requestBytes);
  frame[0] = kinds.request;
  frame.writeUInt32LE(number, 1);
  frame.writeBigUInt64LE(BigInt(id), 5);
  frame.writeBigUInt64LE(BigInt(offset), 13);
  frame.writeBigUInt64LE(BigInt(length), 21);
  return frame;
}

/** Undefined when a number is none that JavaScript has. */
export function readRequest(frame: Buffer): DirectRequest | undefined {
  const [id, offset, length] = [5, 13, 21].map((at) => Number(frame.readBigUInt64LE(at)));
  if (
    id === undefined ||
    offset === undefined ||
    length === undefined ||
    ![id, offset, length, offset + length].every(Number.isSafeInteger)
  )
    return undefined;
  return { number: frame.readUInt32LE(1), id, offset, length };
}

export function cancellationFrame(number: number): Buffer {
  const frame = Buffer.alloc(cancellationBytes);
  frame[0] = kinds.cancellation;
  frame.writeUInt32LE(number, 1);
  return frame;
}

export function answerHead(kind: 1 | 2, number: number, length: number): Buffer {
  const head = Buffer.alloc(answerHeadBytes);
  head[0] = kind;
  head.writeUInt32LE(number, 1);
  head.writeUInt32LE(length, 5);
  return head;
}

/** Bytes that come in pieces, taken as frames of known sizes. */
export class FrameBuffer {
  private held: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): void {
    this.held = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk]);
  }

  /** The byte that comes next. */
  get first(): number | undefined {
    return this.held[0];
  }

  /** So many bytes; undefined while they are not there. */
  take(length: number): Buffer | undefined {
    if (this.held.length < length) return undefined;
    const frame = this.held.subarray(0, length);
    this.held = this.held.subarray(length);
    return frame;
  }

  /** What is there, so many bytes at most. */
  takeUpTo(length: number): Buffer {
    const part = this.held.subarray(0, length);
    this.held = this.held.subarray(part.length);
    return part;
  }
}
