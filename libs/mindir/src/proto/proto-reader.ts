import { MindirError } from '../mindir-error.js';

/** Wire types of protobuf that occur in MindIR (groups do not). */
export const wireVarint = 0;
export const wireFixed64 = 1;
export const wireBytes = 2;
export const wireFixed32 = 5;

/** Counts what is decoded, so that a small file cannot become a huge tree of objects. Shared by all readers of one file. */
export class DecodeBudget {
  private left: number;

  constructor(objects: number) {
    this.left = objects;
  }

  /** Throws MindirError 'limits' when the file holds more messages and list elements than allowed. */
  spend(objects: number): void {
    this.left -= objects;
    if (this.left < 0) throw new MindirError('limits', 'the file holds too many messages or list elements');
  }
}

/**
 * Walks the fields of one protobuf message over bytes that it never copies. Every length is checked against the
 * message's end before it is used; what does not fit is a MindirError of kind 'format'.
 */
export class ProtoReader {
  /** Field number and wire type of the field that {@link next} moved to. */
  field = 0;
  wire = 0;
  private at: number;

  constructor(
    private readonly bytes: Buffer,
    start: number,
    private readonly end: number,
    readonly budget: DecodeBudget,
  ) {
    this.at = start;
  }

  static over(bytes: Uint8Array, budget: DecodeBudget): ProtoReader {
    return new ProtoReader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, bytes.byteLength, budget);
  }

  /** Moves to the next field; false at the end of the message. */
  next(): boolean {
    if (this.at >= this.end) return false;
    const tag = this.varint();
    this.field = Math.floor(tag / 8);
    this.wire = tag & 7;
    if (tag < 0 || tag > 0xffffffff || this.field === 0) throw new MindirError('format', `impossible field tag at byte ${this.at}`);
    return true;
  }

  /** An int64 or uint64 varint as a Number: exact up to 2^53, rounded above (only sentinels such as INT64_MAX are that large). */
  varint(): number {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.at >= this.end) throw new MindirError('format', `the file is truncated: a number runs over the end at byte ${this.at}`);
      const byte = this.bytes[this.at++] as number;
      const group = byte & 0x7f;
      if (shift < 28) low |= group << shift;
      else if (shift === 28) {
        low |= group << 28;
        high |= group >>> 4;
      } else high |= shift < 63 ? group << (shift - 32) : (group & 1) << 31;
      if (byte < 0x80) return high * 0x100000000 + (low >>> 0);
    }
    throw new MindirError('format', `impossible number at byte ${this.at}`);
  }

  expect(wire: number): void {
    if (this.wire !== wire)
      throw new MindirError('format', `field ${this.field} has wire type ${this.wire}, ${wire} was expected, at byte ${this.at}`);
  }

  integer(): number {
    this.expect(wireVarint);
    return this.varint();
  }

  float(): number {
    this.expect(wireFixed32);
    return this.bytes.readFloatLE(this.advance(4));
  }

  double(): number {
    this.expect(wireFixed64);
    return this.bytes.readDoubleLE(this.advance(8));
  }

  /** A view on the field's bytes. */
  view(): Uint8Array {
    const [start, end] = this.span();
    return this.bytes.subarray(start, end);
  }

  text(): string {
    const [start, end] = this.span();
    return this.bytes.toString('utf8', start, end);
  }

  /** A reader over the embedded message; counts as eight list elements, since that is what its object takes. */
  message(): ProtoReader {
    this.budget.spend(8);
    const [start, end] = this.span();
    return new ProtoReader(this.bytes, start, end, this.budget);
  }

  /** Appends the number, or the packed numbers, of a repeated integer field. */
  integersInto(list: number[]): void {
    this.repeatedInto(list, wireVarint, (reader) => reader.varint());
  }

  floatsInto(list: number[]): void {
    this.repeatedInto(list, wireFixed32, (reader) => reader.bytes.readFloatLE(reader.advance(4)));
  }

  doublesInto(list: number[]): void {
    this.repeatedInto(list, wireFixed64, (reader) => reader.bytes.readDoubleLE(reader.advance(8)));
  }

  /** Steps over a field that is not read. */
  skip(): void {
    if (this.wire === wireVarint) this.varint();
    else if (this.wire === wireFixed64) this.advance(8);
    else if (this.wire === wireFixed32) this.advance(4);
    else if (this.wire === wireBytes) this.span();
    else throw new MindirError('format', `impossible wire type ${this.wire} at byte ${this.at}`);
  }

  private repeatedInto(list: number[], wire: number, read: (reader: ProtoReader) => number): void {
    if (this.wire === wire) {
      this.budget.spend(1);
      list.push(read(this));
      return;
    }
    const [start, end] = this.span();
    const packed = new ProtoReader(this.bytes, start, end, this.budget);
    while (packed.at < end) {
      this.budget.spend(1);
      list.push(read(packed));
    }
  }

  private span(): [number, number] {
    this.expect(wireBytes);
    const length = this.varint();
    const start = this.advance(length);
    return [start, start + length];
  }

  private advance(length: number): number {
    const start = this.at;
    if (length < 0 || length > this.end - start)
      throw new MindirError(
        'format',
        `the file is truncated: ${length} bytes were announced at byte ${start}, ${this.end - start} are left`,
      );
    this.at = start + length;
    return start;
  }
}
