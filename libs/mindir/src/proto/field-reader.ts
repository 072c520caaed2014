import { ProtobufError, ProtobufReader } from '@mserve/wire';
import { MindirError } from '../mindir-error.js';

/** Wire types of protobuf that occur in MindIR (groups do not). */
const wireVarint = 0;
/** Protobuf's wire type of eight bytes. */
const wireFixed64 = 1;
/** Protobuf's wire type of a length and bytes. */
export const wireBytes = 2;
/** Protobuf's wire type of four bytes. */
const wireFixed32 = 5;

/** Counts what is decoded, so that a small file cannot become a huge tree of objects. Shared by all readers of one file. */
export class DecodeBudget {
  private left: number;

  constructor(objects: number) {
    this.left = objects;
  }

  /** Elements that may still be decoded. */
  get rest(): number {
    return this.left;
  }

  /** Throws MindirError 'limits' when the file holds more messages and list elements than allowed. */
  spend(objects: number): void {
    this.left -= objects;
    if (this.left < 0) throw new MindirError('limits', 'the file holds too many messages or list elements');
  }
}

/**
 * Walks the fields of one protobuf message over bytes that it never copies. What does not fit throws ProtobufError, a field of another wire
 * type than its schema says MindirError of kind 'format': see {@link readingFile}.
 */
export class FieldReader {
  /** Field number and wire type of the field that {@link next} moved to. */
  field = 0;
  wire = 0;
  private tag = 0;

  constructor(
    private readonly reader: ProtobufReader,
    readonly budget: DecodeBudget,
  ) {}

  static over(bytes: Uint8Array, budget: DecodeBudget): FieldReader {
    return new FieldReader(new ProtobufReader(bytes), budget);
  }

  /** Moves to the next field; false at the end of the message. */
  next(): boolean {
    const tag = this.reader.tag();
    this.tag = tag;
    this.field = tag >>> 3;
    this.wire = tag & 7;
    return tag !== 0;
  }

  /** An int64 or uint64 as a Number: exact up to 2^53, rounded above (only sentinels such as INT64_MAX are that large). */
  integer(): number {
    this.expect(wireVarint);
    return this.reader.signed();
  }

  float(): number {
    this.expect(wireFixed32);
    return this.reader.float();
  }

  double(): number {
    this.expect(wireFixed64);
    return this.reader.double();
  }

  /** A view on the field's bytes. */
  view(): Uint8Array {
    this.expect(wireBytes);
    return this.reader.view();
  }

  /** A text. MindSpore writes names that are not UTF-8 too; what is not becomes U+FFFD. */
  text(): string {
    this.expect(wireBytes);
    const from = this.reader.pass(this.reader.length());
    return this.reader.bytes.toString('utf8', from, this.reader.at);
  }

  /** A reader over the embedded message; counts as eight list elements, since that is what its object takes. */
  message(): FieldReader {
    this.expect(wireBytes);
    this.budget.spend(8);
    const { reader } = this;
    const from = reader.pass(reader.length());
    return new FieldReader(new ProtobufReader(reader.bytes, from, reader.at), this.budget);
  }

  /** Appends the number, or the packed numbers, of a repeated integer field. */
  integersInto(list: number[]): void {
    this.repeatedInto(list, wireVarint, 'ints');
  }

  floatsInto(list: number[]): void {
    this.repeatedInto(list, wireFixed32, 'floats');
  }

  doublesInto(list: number[]): void {
    this.repeatedInto(list, wireFixed64, 'doubles');
  }

  /** Steps over a field that is not read. */
  skip(): void {
    this.reader.skip(this.tag);
  }

  private expect(wire: number): void {
    if (this.wire !== wire)
      throw new MindirError('format', `field ${this.field} has wire type ${this.wire}, ${wire} was expected, at byte ${this.reader.at}`);
  }

  /** The reader refuses one more than the budget has left, and then the budget is asked. */
  private repeatedInto(list: number[], wire: number, read: 'ints' | 'floats' | 'doubles'): void {
    if (this.wire !== wire) this.expect(wireBytes);
    const before = list.length;
    const most = before + this.budget.rest;
    try {
      this.reader[read](this.tag, list, most);
    } catch (thrown) {
      if (list.length === most) this.budget.spend(this.budget.rest + 1);
      throw thrown;
    }
    this.budget.spend(list.length - before);
  }
}

/** Runs `read`; bytes that are no protobuf become a MindirError of kind 'format'. */
export function readingFile<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (thrown) {
    if (!(thrown instanceof ProtobufError)) throw thrown;
    throw new MindirError('format', `the file is truncated or damaged at byte ${thrown.at}: ${thrown.message}`);
  }
}
