import { ProtobufWriter } from './protobuf-writer.js';

/** Bytes of the longest tag and varint, and of the longest tag and padded length. */
const headRoom = 16;

/**
 * Writes protobuf into bytes that grow, for messages that are not on the hot path. Messages nest by callback. Field numbers up to 2^29 - 1;
 * zeros and empty texts are written. RangeError for a number that is not an integer where one belongs.
 */
export class GrowingWriter {
  #writer = new ProtobufWriter(4096);

  /** The bytes written so far (a view; the writer must not be used again). */
  finish(): Uint8Array {
    return this.#writer.bytes.subarray(0, this.#writer.at);
  }

  /** An integer field (int32, int64, uint64, bool, enum). */
  integer(field: number, value: number | bigint): void {
    const writer = this.#room(headRoom);
    writer.varint(field * 8);
    this.#signed(value);
  }

  float(field: number, value: number): void {
    const writer = this.#room(headRoom);
    writer.varint(field * 8 + 5);
    this.#float(value);
  }

  text(field: number, value: string): void {
    this.bytes(field, Buffer.from(value, 'utf8'));
  }

  bytes(field: number, value: Uint8Array): void {
    const writer = this.#room(value.byteLength + headRoom);
    writer.varint(field * 8 + 2);
    writer.varint(value.byteLength);
    writer.raw(value);
  }

  packedIntegers(field: number, values: readonly (number | bigint)[]): void {
    this.message(field, () => {
      for (const value of values) {
        this.#room(headRoom);
        this.#signed(value);
      }
    });
  }

  packedFloats(field: number, values: readonly number[]): void {
    this.message(field, () => {
      for (const value of values) {
        this.#room(4);
        this.#float(value);
      }
    });
  }

  /** An embedded message. The length is written as a padded 5-byte varint, so that nothing is moved or built twice. */
  message(field: number, write: (writer: GrowingWriter) => void): void {
    const head = this.#room(headRoom);
    head.varint(field * 8 + 2);
    const lengthAt = head.at;
    head.at += 5;
    write(this);
    const { bytes, at } = this.#writer;
    let length = at - lengthAt - 5;
    for (let i = 0; i < 4; i++) {
      bytes[lengthAt + i] = (length & 0x7f) | 0x80;
      length = Math.floor(length / 128);
    }
    bytes[lengthAt + 4] = length;
  }

  /** Bytes of fields that are already encoded. */
  encoded(bytes: Uint8Array): void {
    this.#room(bytes.byteLength).raw(bytes);
  }

  #float(value: number): void {
    const writer = this.#writer;
    writer.at = writer.bytes.writeFloatLE(value, writer.at);
  }

  #signed(value: number | bigint): void {
    if (typeof value === 'bigint') return this.#writer.varint64(value);
    if (!Number.isInteger(value)) throw new RangeError(`${value} stands where an integer is needed`);
    if (value >= 0 && Number.isSafeInteger(value)) this.#writer.varint(value);
    else this.#writer.varint64(BigInt(value));
  }

  /** The writer, with this many bytes of room. */
  #room(size: number): ProtobufWriter {
    const writer = this.#writer;
    if (writer.at + size > writer.bytes.byteLength) {
      const grown = Buffer.allocUnsafe(Math.max(writer.bytes.byteLength * 2, writer.at + size));
      grown.set(writer.bytes.subarray(0, writer.at));
      writer.bytes = grown;
    }
    return writer;
  }
}
