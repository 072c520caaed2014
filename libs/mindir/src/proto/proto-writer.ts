import { MindirError } from '../mindir-error.js';

/** Writes protobuf fields into a buffer that grows. Fields of messages nest by callback: their length is filled in afterwards. */
export class ProtoWriter {
  private buffer = Buffer.allocUnsafe(4096);
  private size = 0;

  /** The bytes written so far (a view; the writer must not be used again). */
  finish(): Uint8Array {
    return this.buffer.subarray(0, this.size);
  }

  integer(field: number, value: number | bigint): void {
    this.reserve(16);
    this.varint(field * 8);
    this.signedVarint(value);
  }

  float(field: number, value: number): void {
    this.reserve(16);
    this.varint(field * 8 + 5);
    this.size = this.buffer.writeFloatLE(value, this.size);
  }

  text(field: number, value: string): void {
    this.bytes(field, Buffer.from(value, 'utf8'));
  }

  bytes(field: number, value: Uint8Array): void {
    this.reserve(value.byteLength + 16);
    this.varint(field * 8 + 2);
    this.varint(value.byteLength);
    this.buffer.set(value, this.size);
    this.size += value.byteLength;
  }

  packedIntegers(field: number, values: readonly (number | bigint)[]): void {
    this.message(field, (writer) => {
      for (const value of values) {
        writer.reserve(16);
        writer.signedVarint(value);
      }
    });
  }

  packedFloats(field: number, values: readonly number[]): void {
    this.message(field, (writer) => {
      for (const value of values) {
        writer.reserve(4);
        writer.size = writer.buffer.writeFloatLE(value, writer.size);
      }
    });
  }

  /** An embedded message. The length is written as a padded 5-byte varint, so that nothing is moved or built twice. */
  message(field: number, write: (writer: ProtoWriter) => void): void {
    this.reserve(16);
    this.varint(field * 8 + 2);
    const lengthAt = this.size;
    this.size += 5;
    write(this);
    let length = this.size - lengthAt - 5;
    for (let i = 0; i < 4; i++) {
      this.buffer[lengthAt + i] = (length & 0x7f) | 0x80;
      length = Math.floor(length / 128);
    }
    this.buffer[lengthAt + 4] = length;
  }

  /** Bytes of fields that are already encoded. */
  encoded(bytes: Uint8Array): void {
    this.reserve(bytes.byteLength);
    this.buffer.set(bytes, this.size);
    this.size += bytes.byteLength;
  }

  private signedVarint(value: number | bigint): void {
    if (typeof value === 'number' && value >= 0 && Number.isSafeInteger(value)) {
      this.varint(value);
      return;
    }
    if (typeof value === 'number' && !Number.isInteger(value))
      throw new MindirError('format', `${value} stands where an integer is needed`);
    let rest = BigInt.asUintN(64, BigInt(value));
    while (rest > 127n) {
      this.buffer[this.size++] = Number(rest & 127n) | 0x80;
      rest >>= 7n;
    }
    this.buffer[this.size++] = Number(rest);
  }

  private varint(value: number): void {
    let rest = value;
    while (rest > 127) {
      this.buffer[this.size++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.buffer[this.size++] = rest;
  }

  private reserve(bytes: number): void {
    if (this.size + bytes <= this.buffer.byteLength) return;
    const grown = Buffer.allocUnsafe(Math.max(this.buffer.byteLength * 2, this.size + bytes));
    grown.set(this.buffer.subarray(0, this.size));
    this.buffer = grown;
  }
}
