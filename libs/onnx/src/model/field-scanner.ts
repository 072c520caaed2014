import type { ModelSource } from './model-source.js';

/** Most bytes of a field's tag and its number or length. */
const headBytes = 20;

/**
 * Walks the fields of one protobuf message of a source. What a field holds is only read when it is asked for: weights of any size are passed
 * over. Throws ProtobufError or RangeError where the bytes are no message.
 */
export class FieldScanner {
  /** Number of the field that {@link next} moved to. */
  field = 0;
  private wire = 0;
  private value = 0;
  private from = 0;
  private to = 0;
  private at: number;

  constructor(
    private readonly source: ModelSource,
    start = 0,
    private readonly end = source.size,
  ) {
    this.at = start;
  }

  /** Moves to the next field; false at the end of the message. */
  next(): boolean {
    if (this.at >= this.end) return false;
    const reader = this.source.reader(this.at, Math.min(this.end, this.at + headBytes));
    const first = reader.at;
    const tag = reader.tag();
    this.field = Math.floor(tag / 8);
    this.wire = tag & 7;
    if (this.wire === 0) this.value = reader.signed();
    const length = this.wire === 2 ? reader.varint() : this.wire === 1 ? 8 : this.wire === 5 ? 4 : 0;
    if (this.wire === 3 || this.wire === 4 || this.wire > 5) throw new RangeError(`field ${this.field} has an unknown wire type`);
    this.from = this.at + reader.at - first;
    this.to = this.from + length;
    if (this.to > this.end) throw new RangeError(`field ${this.field} is longer than its message`);
    this.at = this.to;
    return true;
  }

  /** Bytes of a length-delimited field. */
  get length(): number {
    return this.to - this.from;
  }

  integer(): number {
    return this.value;
  }

  float(): number {
    return this.source.reader(this.from, this.to).float();
  }

  text(): string {
    const reader = this.source.reader(this.from, this.to);
    return reader.bytes.toString('utf8', reader.at, reader.end);
  }

  /** A copy. */
  bytes(): Uint8Array {
    const reader = this.source.reader(this.from, this.to);
    return new Uint8Array(reader.bytes.subarray(reader.at, reader.end));
  }

  /** The message inside this field. */
  inner(): FieldScanner {
    return new FieldScanner(this.source, this.from, this.to);
  }

  /** Appends the number, or the packed numbers, of a repeated integer field; no more than `most` in all. */
  integersInto(list: number[], most: number): void {
    if (this.wire !== 2) {
      if (list.length < most) list.push(this.value);
      return;
    }
    const reader = this.source.reader(this.from, Math.min(this.to, this.from + most * 10));
    while (reader.more && list.length < most) list.push(reader.signed());
  }

  /** The same for floats (`size` 4) and doubles (`size` 8). */
  floatsInto(list: number[], most: number, size: 4 | 8 = 4): void {
    const reader = this.source.reader(this.from, Math.min(this.to, this.from + most * size));
    while (reader.more && list.length < most) list.push(size === 4 ? reader.float() : reader.double());
  }
}
