import { isUtf8 } from 'node:buffer';
import { ProtobufError } from './protobuf-error.js';
import type { TextCache } from './text-cache.js';

/** Groups that may be open in a field that is skipped. */
const maxGroups = 64;

/** Texts up to here are made without a call into the runtime. */
const shortText = 32;

/**
 * A cursor over one protobuf message (https://protobuf.dev/programming-guides/encoding). `at` is the next byte, `end` is where the message ends;
 * {@link open} and {@link close} move `end` for a message inside it. Nothing is copied: byte fields are views. Every length is checked against
 * what is there, so bytes from anywhere can be read. Whatever does not fit throws {@link ProtobufError}.
 *
 * A field is read by its tag: `for (let tag = reader.tag(); tag !== 0; tag = reader.tag())`, with `field number * 8 + wire type` as the cases
 * and {@link skip} for all other tags.
 */
export class ProtobufReader {
  at: number;
  end: number;
  readonly bytes: Buffer;

  /** Reads `bytes` from `from` up to `to`. `texts`: where {@link string} looks for texts that it made before. */
  constructor(
    bytes: Uint8Array,
    from = 0,
    to = bytes.byteLength,
    private readonly texts?: TextCache | undefined,
  ) {
    this.bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = from;
    this.end = to;
  }

  /** There is more in the message that is open. */
  get more(): boolean {
    return this.at < this.end;
  }

  /** Field number * 8 + wire type of the next field; 0 at the end of the message that is open. */
  tag(): number {
    if (this.at >= this.end) return 0;
    const tag = this.varint();
    if (tag < 8 || tag > 0xffffffff) throw this.fault('a field number is out of range');
    return tag;
  }

  /** Enters the message whose length comes next. Give the returned end to {@link close}. */
  open(): number {
    return this.openBytes(this.length());
  }

  /** Enters the next `length` bytes as if they were a message inside this one. */
  openBytes(length: number): number {
    const outer = this.end;
    if (length > outer - this.at) throw this.fault('it ends inside a field');
    this.end = this.at + length;
    return outer;
  }

  /** Leaves a message that {@link open} entered, at its end. */
  close(outer: number): void {
    this.at = this.end;
    this.end = outer;
  }

  /** A varint as a number: exact up to 2^53, rounded above. Negative int64 come out as numbers near 2^64: see {@link signed}. */
  varint(): number {
    const { bytes, end } = this;
    let at = this.at;
    let byte = at < end ? (bytes[at++] as number) : 0x80;
    if (byte < 0x80) {
      this.at = at;
      return byte;
    }
    let value = byte & 0x7f;
    let scale = 128;
    for (let size = 1; size < 10; size++) {
      if (at >= end) throw this.fault('it ends inside a number');
      byte = bytes[at++] as number;
      // The tenth byte holds the 64th bit: what is above it is cut, as protobuf does.
      value += (size === 9 ? byte & 1 : byte & 0x7f) * scale;
      if (byte < 0x80) {
        this.at = at;
        return value;
      }
      scale *= 128;
    }
    throw this.fault('a number has more than 10 bytes');
  }

  /** A uint64 that must be exact as a number. */
  uint(): number {
    const value = this.varint();
    if (value > Number.MAX_SAFE_INTEGER) throw this.fault('a number is too large');
    return value;
  }

  /** A uint32; larger values are refused, not cut. */
  uint32(): number {
    const value = this.varint();
    if (value > 0xffffffff) throw this.fault('a number is out of range');
    return value;
  }

  /** An int32: the lower 32 bits of the varint. */
  int32(): number {
    const begin = this.at;
    const value = this.varint();
    if (value <= Number.MAX_SAFE_INTEGER) return value | 0;
    // A negative one has ten bytes, and is rounded as a number.
    this.at = begin;
    return Number(BigInt.asIntN(32, this.varint64()));
  }

  /** A varint of a signed field (int32, int64) as a number, rounded from 2^53 on. */
  signed(): number {
    const begin = this.at;
    const value = this.varint();
    if (this.at - begin < 10) return value;
    this.at = begin;
    return Number(BigInt.asIntN(64, this.varint64()));
  }

  /** A varint, all its 64 bits, as an unsigned number. For int64: BigInt.asIntN(64, value). */
  varint64(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      if (this.at >= this.end) throw this.fault('it ends inside a number');
      const byte = this.bytes[this.at++] as number;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw this.fault('a number has more than 10 bytes');
  }

  /** A float (wire type 5). */
  float(): number {
    return this.bytes.readFloatLE(this.pass(4));
  }

  /** A double (wire type 1). */
  double(): number {
    return this.bytes.readDoubleLE(this.pass(8));
  }

  /** The length of a field of wire type 2. The cursor is then on its first byte, and the field is known to be whole. */
  length(): number {
    const length = this.varint();
    if (length > this.end - this.at) throw this.fault('a field is longer than the message');
    return length;
  }

  /** A bytes field, as a view: a plain Uint8Array, because Buffer.slice does not copy. */
  view(): Uint8Array {
    const length = this.length();
    const { bytes } = this;
    const view = new Uint8Array(bytes.buffer, bytes.byteOffset + this.at, length);
    this.at += length;
    return view;
  }

  /** A string field, as a view that is known to be UTF-8. */
  textView(): Uint8Array {
    const view = this.view();
    for (let i = 0; i < view.byteLength; i++) {
      if ((view[i] as number) < 0x80) continue;
      if (isUtf8(view)) break;
      throw this.fault('a string is not UTF-8');
    }
    return view;
  }

  /** A string field. */
  string(): string {
    const length = this.length();
    const from = this.at;
    const to = (this.at = from + length);
    if (length === 0) return '';
    const { bytes } = this;
    if (this.texts !== undefined) {
      const text = this.texts.read(bytes, from, to);
      if (text !== undefined) return text;
    } else if (length <= shortText) {
      let text = '';
      let at = from;
      for (let byte; at < to && (byte = bytes[at] as number) < 0x80; at++) text += String.fromCharCode(byte);
      if (at === to) return text;
    }
    if (!isUtf8(bytes.subarray(from, to))) throw this.fault('a string is not UTF-8');
    return bytes.toString('utf8', from, to);
  }

  /** A repeated field of {@link uint}s, packed (wire type 2) or not: appends to `values`. Throws when they would be more than `maxCount`. */
  uints(tag: number, values: number[], maxCount: number): void {
    if ((tag & 7) !== 2) return this.append(values, this.uint(), maxCount);
    const outer = this.open();
    while (this.at < this.end) this.append(values, this.uint(), maxCount);
    this.close(outer);
  }

  /** A repeated field of {@link signed} integers, as {@link uints}. */
  ints(tag: number, values: number[], maxCount: number): void {
    if ((tag & 7) !== 2) return this.append(values, this.signed(), maxCount);
    const outer = this.open();
    while (this.at < this.end) this.append(values, this.signed(), maxCount);
    this.close(outer);
  }

  /** A repeated field of floats, as {@link uints}. */
  floats(tag: number, values: number[], maxCount: number): void {
    if ((tag & 7) !== 2) return this.append(values, this.float(), maxCount);
    const outer = this.open();
    while (this.at < this.end) this.append(values, this.float(), maxCount);
    this.close(outer);
  }

  /** A repeated field of doubles, as {@link uints}. */
  doubles(tag: number, values: number[], maxCount: number): void {
    if ((tag & 7) !== 2) return this.append(values, this.double(), maxCount);
    const outer = this.open();
    while (this.at < this.end) this.append(values, this.double(), maxCount);
    this.close(outer);
  }

  /** Passes over the field whose tag was just read. */
  skip(tag: number): void {
    switch (tag & 7) {
      case 0:
        this.varint();
        break;
      case 1:
        this.pass(8);
        break;
      case 2:
        this.pass(this.length());
        break;
      case 3:
        this.skipGroup(tag >>> 3);
        break;
      case 4:
        throw this.fault('a group ends that did not begin');
      case 5:
        this.pass(4);
        break;
      default:
        throw this.fault('a field has an unknown wire type');
    }
  }

  /** Steps over `size` bytes and returns where they begin. */
  pass(size: number): number {
    const begin = this.at;
    if (size > this.end - begin) throw this.fault('it ends inside a field');
    this.at = begin + size;
    return begin;
  }

  /** An error about what is at the cursor, to be thrown. */
  fault(what: string): ProtobufError {
    return new ProtobufError(what, this.at);
  }

  /** Groups nest, but no stack grows with them. */
  private skipGroup(field: number): void {
    const groups = [field];
    while (groups.length > 0) {
      const tag = this.tag();
      if (tag === 0) throw this.fault('it ends inside a group');
      if ((tag & 7) === 3) {
        if (groups.length === maxGroups) throw this.fault(`more than ${maxGroups} groups are nested`);
        groups.push(tag >>> 3);
      } else if ((tag & 7) === 4) {
        if (groups.pop() !== tag >>> 3) throw this.fault('a group ends that did not begin');
      } else this.skip(tag);
    }
  }

  private append(values: number[], value: number, maxCount: number): void {
    if (values.length >= maxCount) throw this.fault(`more than ${maxCount} numbers in one list`);
    values.push(value);
  }
}
