/** Bytes that a varint of a non-negative safe integer takes. */
export function varintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x200000) return 3;
  if (value < 0x10000000) return 4;
  let size = 5;
  for (let rest = value / 0x800000000; rest >= 1; rest /= 128) size++;
  return size;
}

/** Bytes of a length-delimited field with this many bytes in it; the field number is below 16. */
export function fieldSize(length: number): number {
  return 1 + varintSize(length) + length;
}

/** Bytes of the packed dims of a shape, without tag and length. */
export function dimsSize(shape: readonly number[]): number {
  let size = 0;
  for (const dim of shape) size += varintSize(dim);
  return size;
}

/** Writes one protobuf message into bytes whose size was worked out before. */
export class WireWriter {
  readonly bytes: Buffer;
  at = 0;

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafe(size);
  }

  byte(value: number): void {
    this.bytes[this.at++] = value;
  }

  /** A non-negative safe integer. */
  varint(value: number): void {
    const { bytes } = this;
    let rest = value;
    while (rest >= 0x80) {
      // The remainder is exact above 2^31 too, where bit operations are not.
      bytes[this.at++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    bytes[this.at++] = rest;
  }

  /** 64 bits of a signed or unsigned integer. */
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
    this.byte((field << 3) | 2);
    this.varint(length);
  }

  /** A bytes or string field. */
  field(field: number, value: Uint8Array): void {
    this.head(field, value.byteLength);
    this.raw(value);
  }

  raw(value: Uint8Array): void {
    this.bytes.set(value, this.at);
    this.at += value.byteLength;
  }

  /** A packed field of the dims of a shape. */
  dims(field: number, shape: readonly number[], size: number): void {
    this.head(field, size);
    for (const dim of shape) this.varint(dim);
  }
}
