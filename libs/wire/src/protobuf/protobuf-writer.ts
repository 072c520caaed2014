/**
 * Writes one protobuf message into bytes of exactly the size that was worked out before (protobuf-size.ts), so that nothing is copied
 * twice. Bytes beyond the size are lost, and {@link finish} throws. Field numbers are below 16.
 */
export class ProtobufWriter {
  at = 0;
  bytes: Buffer;

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafe(size);
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
    this.bytes.set(value, this.at);
    this.at += value.byteLength;
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
