import { isUtf8 } from 'node:buffer';
import { ServingError } from '@mserve/wire';
import { utf8Text } from '../json/json-reader.js';

/** Bytes that are not the protobuf message they should be. Over gRPC a status of its own, in every protocol. */
export class MalformedMessage extends ServingError {
  constructor(what: string) {
    super('INVALID_ARGUMENT', `malformed protobuf message: ${what}`);
  }
}

/** Groups that may be open in a field that is skipped. */
const maxGroups = 64;

/**
 * A cursor over one protobuf message, or over a message inside one: `end` is where it ends. Views, no copies; every length is checked
 * against what is there. Throws {@link MalformedMessage}.
 */
export class WireReader {
  at: number;
  end: number;

  constructor(
    readonly bytes: Uint8Array,
    from = 0,
    to = bytes.byteLength,
  ) {
    this.at = from;
    this.end = to;
  }

  /** Field number * 8 + wire type of the next field; 0 at the end of the message. */
  tag(): number {
    if (this.at >= this.end) return 0;
    const tag = this.varint();
    if (tag < 8 || tag > 0xffffffff) throw new MalformedMessage('a field number is out of range');
    return tag;
  }

  /** A varint as a number: exact up to 2^53, above it rounded. 64 bit negative ones come out as numbers near 2^64. */
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
      if (at >= end) throw new MalformedMessage('it ends inside a number');
      byte = bytes[at++] as number;
      // The tenth byte holds the 64th bit: what is above it is cut, as protobuf does.
      value += (size === 9 ? byte & 1 : byte & 0x7f) * scale;
      if (byte < 0x80) {
        this.at = at;
        return value;
      }
      scale *= 128;
    }
    throw new MalformedMessage('a number has more than 10 bytes');
  }

  /** A varint of a signed field (int32, int64): as {@link varint}, negative ones negative. Rounded from 2^53 on. */
  signed(): number {
    const begin = this.at;
    const value = this.varint();
    if (this.at - begin < 10) return value;
    this.at = begin;
    return Number(BigInt.asIntN(64, this.varint64()));
  }

  /** A varint, all its 64 bits. */
  varint64(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      if (this.at >= this.end) throw new MalformedMessage('it ends inside a number');
      const byte = this.bytes[this.at++] as number;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new MalformedMessage('a number has more than 10 bytes');
  }

  /** The length of a field of wire type 2; the cursor is then on its first byte, and the field is known to be whole. */
  length(): number {
    const length = this.varint();
    if (length > this.end - this.at) throw new MalformedMessage('a field is longer than the message');
    return length;
  }

  /** A bytes field, as a view. */
  view(): Uint8Array {
    const length = this.length();
    const begin = this.at;
    this.at = begin + length;
    return this.bytes.subarray(begin, begin + length);
  }

  /** A string field, as a view that is known to be UTF-8. */
  textView(): Uint8Array {
    const view = this.view();
    for (let i = 0; i < view.byteLength; i++) {
      if ((view[i] as number) < 0x80) continue;
      if (isUtf8(view)) break;
      throw new MalformedMessage('a string is not UTF-8');
    }
    return view;
  }

  /** A string field. */
  text(): string {
    return utf8Text(this.textView());
  }

  /** Passes over the field whose tag was just read. */
  skip(tag: number): void {
    const open: number[] = [];
    let next = tag;
    do {
      const field = next >>> 3;
      switch (next & 7) {
        case 0:
          this.varint();
          break;
        case 1:
          this.#pass(8);
          break;
        case 2: {
          const length = this.length();
          this.at += length;
          break;
        }
        case 3:
          if (open.length === maxGroups) throw new MalformedMessage(`more than ${maxGroups} groups are nested`);
          open.push(field);
          break;
        case 4:
          if (open.pop() !== field) throw new MalformedMessage('a group ends that did not begin');
          break;
        case 5:
          this.#pass(4);
          break;
        default:
          throw new MalformedMessage('a field has an unknown wire type');
      }
      if (open.length > 0) {
        next = this.tag();
        if (next === 0) throw new MalformedMessage('it ends inside a group');
      }
    } while (open.length > 0);
  }

  #pass(size: number): void {
    if (size > this.end - this.at) throw new MalformedMessage('it ends inside a number');
    this.at += size;
  }
}
