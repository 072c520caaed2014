/** Values of so many bytes and more are worth a part of their own. */
const linkFromBytes = 64 * 1024;

/** Bytes of a value that a {@link ProtobufWriter} for {@link ProtobufWriter.message} links: all of them, or 0 when it is small and copied. */
export function linkedBytes(value: Uint8Array): number {
  return value.byteLength >= linkFromBytes ? value.byteLength : 0;
}

/** Bytes of a message that is in parts. */
export function messageBytes(parts: readonly Uint8Array[]): number {
  let bytes = 0;
  for (let i = 0; i < parts.length; i++) bytes += (parts[i] as Uint8Array).byteLength;
  return bytes;
}

/**
 * Writes one protobuf message into bytes of exactly the size that was worked out before (protobuf-size.ts), so that nothing is copied
 * twice. Bytes beyond the size are lost, and {@link finish} throws. Field numbers are below 16.
 */
export class ProtobufWriter {
  at = 0;
  bytes: Buffer;
  /** What was written before `from`, large values as they are. Undefined: everything goes into `bytes`. */
  private readonly parts: Uint8Array[] | undefined;
  private from = 0;
  private linked = 0;

  /**
   * `linked`: how many bytes of the `size` are those of large values (the sum of their {@link linkedBytes}), which are not copied. `into`: where to write,
   * `size` bytes; by default new ones.
   */
  constructor(
    private readonly size: number,
    linked = 0,
    into?: Buffer,
  ) {
    this.bytes = into ?? Buffer.allocUnsafe(size - linked);
    this.parts = linked > 0 ? [] : undefined;
  }

  /** All that was written, to be sent one after the other. RangeError (a bug) unless that is exactly the size which was given. */
  message(): readonly Uint8Array[] {
    const { parts } = this;
    if (parts === undefined) return [this.finish()];
    if (this.at + this.linked !== this.size) throw new RangeError(`wrote ${this.at + this.linked} of ${this.size} measured bytes`);
    if (this.at > this.from) parts.push(this.bytes.subarray(this.from, this.at));
    return parts;
  }

  /** All that was written. RangeError (a bug) unless that is exactly the size which was given. */
  finish(): Uint8Array {
    const { bytes } = this;
    if (this.at !== bytes.byteLength) throw new RangeError(`wrote ${this.at} of ${bytes.byteLength} measured bytes`);
    return new Uint8Array(bytes.buffer, bytes.byteOffset, this.at);
  }

  byte(value: number): void {
    this.bytes[this.at++] = value;
  }

  /** A non-negative safe integer. */
  varint(value: number): void {
    const { bytes } = this;
    let rest = value;
    // Bit operations are exact below 2^31 only.
    while (rest >= 0x80000000) {
      bytes[this.at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    while (rest >= 0x80) {
      bytes[this.at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[this.at++] = rest;
  }

  /** 64 bits of a signed or unsigned integer. Negative ones take ten bytes. */
  varint64(value: bigint): void {
    let rest = BigInt.asUintN(64, value);
    while (rest >= 0x80n) {
      this.bytes[this.at++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.bytes[this.at++] = Number(rest);
  }

  /** The head of a length-delimited field; `length` bytes must follow. */
  head(field: number, length: number): void {
    this.bytes[this.at++] = (field << 3) | 2;
    this.varint(length);
  }

  /** A bytes or string field. */
  field(field: number, value: Uint8Array): void {
    this.head(field, value.byteLength);
    this.raw(value);
  }

  /** Bytes that are encoded already. */
  raw(value: Uint8Array): void {
    if (this.parts !== undefined && value.byteLength >= linkFromBytes) return this.link(this.parts, value);
    this.bytes.set(value, this.at);
    this.at += value.byteLength;
  }

  private link(parts: Uint8Array[], value: Uint8Array): void {
    if (this.at > this.from) parts.push(this.bytes.subarray(this.from, this.at));
    this.from = this.at;
    parts.push(value);
    this.linked += value.byteLength;
  }

  /** A field of a non-negative safe integer; 0 is not written. */
  uint(field: number, value: number): void {
    if (value === 0) return;
    this.bytes[this.at++] = field << 3;
    this.varint(value);
  }

  /** An int32 field; 0 is not written, negative values take eleven bytes. */
  int32(field: number, value: number): void {
    if (value >= 0) return this.uint(field, value);
    this.bytes[this.at++] = field << 3;
    this.varint64(BigInt(value));
  }

  /** A string field; '' is not written. */
  string(field: number, text: string): void {
    const { length } = text;
    if (length === 0) return;
    const { bytes } = this;
    bytes[this.at++] = (field << 3) | 2;
    if (length < 64) {
      // Names are short and ASCII: a loop is faster than a call into the runtime.
      const start = this.at;
      let at = start + 1;
      let i = 0;
      for (; i < length; i++) {
        const code = text.charCodeAt(i);
        if (code >= 0x80) break;
        bytes[at++] = code;
      }
      if (i === length) {
        bytes[start] = length;
        this.at = at;
        return;
      }
    }
    this.varint(Buffer.byteLength(text, 'utf8'));
    this.at += bytes.write(text, this.at, 'utf8');
  }

  /** A packed field of non-negative safe integers, whose packedSize is `size`. */
  packed(field: number, values: readonly number[], size: number): void {
    this.head(field, size);
    for (let i = 0; i < values.length; i++) this.varint(values[i] as number);
  }
}
