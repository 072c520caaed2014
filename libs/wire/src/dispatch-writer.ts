/**
 * Writes protobuf into one array of exactly the right size: messages are measured first (their sizes are remembered in order),
 * then written, so that tensor bytes are copied once. Not reentrant: one list at a time, synchronously.
 */

/** Sizes of the nested messages of the list being encoded, in the order in which they are opened. */
const sizes: number[] = [];
let measured = 0;
let written = 0;

/** Forgets the sizes of the last list. */
export function startMeasuring(): void {
  measured = 0;
  written = 0;
}

/** A place for the size of a nested message or packed list; filled by {@link remember} once its contents are measured. */
export function reserve(): number {
  return measured++;
}

export function remember(place: number, size: number): number {
  sizes[place] = size;
  return size;
}

function nextSize(): number {
  return sizes[written++] as number;
}

export function varintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x200000) return 3;
  if (value < 0x10000000) return 4;
  let size = 4;
  for (let rest = Math.floor(value / 0x10000000); rest > 0; rest = Math.floor(rest / 0x80)) size++;
  return size;
}

/** Size of a field with a one-byte tag, absent when 0. */
export function uintSize(value: number): number {
  return value === 0 ? 0 : 1 + varintSize(value);
}

/** Size of a length-delimited field with a one-byte tag around `size` bytes. */
export function delimitedSize(size: number): number {
  return 1 + varintSize(size) + size;
}

export function stringSize(text: string): number {
  return text.length === 0 ? 0 : delimitedSize(utf8Size(text));
}

function utf8Size(text: string): number {
  return Buffer.byteLength(text, 'utf8');
}

/** Size of a packed repeated field, absent when empty; remembers the size of its contents. */
export function measurePacked(values: readonly number[]): number {
  if (values.length === 0) return 0;
  const place = reserve();
  let size = 0;
  for (let i = 0; i < values.length; i++) size += varintSize(values[i] as number);
  return delimitedSize(remember(place, size));
}

export class DispatchWriter {
  private readonly buffer: Buffer;
  private at = 0;

  constructor(size: number) {
    this.buffer = Buffer.allocUnsafe(size);
  }

  /** All that was written; RangeError (a bug) unless it is exactly what was measured. */
  finish(): Uint8Array {
    if (this.at !== this.buffer.byteLength || written !== measured)
      throw new RangeError(`wrote ${this.at} of ${this.buffer.byteLength} measured bytes`);
    return new Uint8Array(this.buffer.buffer, this.buffer.byteOffset, this.at);
  }

  /** Opens the next nested message, in the order in which their places were reserved. */
  open(field: number): void {
    this.buffer[this.at++] = (field << 3) | 2;
    this.varint(nextSize());
  }

  uint(field: number, value: number): void {
    if (value === 0) return;
    this.buffer[this.at++] = field << 3;
    this.varint(value);
  }

  /** int32: negative values take ten bytes. */
  int32(field: number, value: number): void {
    if (value >= 0) return this.uint(field, value);
    this.buffer[this.at++] = field << 3;
    let low = value | 0;
    for (let i = 0; i < 4; i++) {
      this.buffer[this.at++] = (low & 0x7f) | 0x80;
      low >>= 7;
    }
    this.buffer[this.at++] = (low & 0x7f) | 0x80;
    for (let i = 0; i < 4; i++) this.buffer[this.at++] = 0xff;
    this.buffer[this.at++] = 1;
  }

  string(field: number, text: string): void {
    const { length } = text;
    if (length === 0) return;
    const { buffer } = this;
    buffer[this.at++] = (field << 3) | 2;
    if (length < 64) {
      // Names are short and ASCII: a loop is faster than a call into the runtime.
      const start = this.at;
      let at = start + 1;
      let i = 0;
      for (; i < length; i++) {
        const code = text.charCodeAt(i);
        if (code >= 0x80) break;
        buffer[at++] = code;
      }
      if (i === length) {
        buffer[start] = length;
        this.at = at;
        return;
      }
    }
    this.varint(utf8Size(text));
    this.at += buffer.write(text, this.at, 'utf8');
  }

  bytes(field: number, bytes: Uint8Array): void {
    this.buffer[this.at++] = (field << 3) | 2;
    this.varint(bytes.byteLength);
    this.buffer.set(bytes, this.at);
    this.at += bytes.byteLength;
  }

  /** A packed repeated field, absent when empty; measured by measurePacked. */
  packed(field: number, values: readonly number[]): void {
    if (values.length === 0) return;
    this.open(field);
    for (let i = 0; i < values.length; i++) this.varint(values[i] as number);
  }

  private varint(value: number): void {
    const { buffer } = this;
    let rest = value;
    while (rest >= 0x80000000) {
      buffer[this.at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    while (rest >= 0x80) {
      buffer[this.at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    buffer[this.at++] = rest;
  }
}
