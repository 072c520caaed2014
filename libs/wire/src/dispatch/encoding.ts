import { ProtobufWriter, fieldSize, packedSize } from '../protobuf/index.js';

const noWriter = new ProtobufWriter(0);

/**
 * One list of messages on its way to protobuf. Messages are measured first, then written into one array of exactly the right size, so that
 * tensor bytes are copied once. The sizes of nested messages are kept, in the order in which they are opened, from one step to the other.
 */
export class Encoding {
  /** performance.now() of the whole list: deadlines travel as time that is left. */
  readonly now = performance.now();
  private readonly sizes: number[] = [];
  private opened = 0;
  /** Of use once {@link begin} was called. */
  writer: ProtobufWriter = noWriter;

  /** While measuring: a place for the size of a nested message or packed field, to be given to {@link remember}. */
  reserve(): number {
    return this.sizes.push(0) - 1;
  }

  /** While measuring: the size of the contents, which is returned. */
  remember(place: number, size: number): number {
    this.sizes[place] = size;
    return size;
  }

  /** While measuring: size of a packed field of non-negative safe integers; an empty one is not written. */
  measurePacked(values: readonly number[]): number {
    if (values.length === 0) return 0;
    const place = this.reserve();
    return fieldSize(this.remember(place, packedSize(values)));
  }

  /** Measuring is over, and came to this size. */
  begin(size: number): void {
    this.writer = new ProtobufWriter(size);
  }

  /** While writing: the head of the nested message or packed field whose place comes next. */
  open(field: number): void {
    this.writer.head(field, this.next());
  }

  /** While writing: what measurePacked measured. */
  writePacked(field: number, values: readonly number[]): void {
    if (values.length > 0) this.writer.packed(field, values, this.next());
  }

  /** All that was written. RangeError (a bug) when it is not what was measured. */
  finish(): Uint8Array {
    if (this.opened !== this.sizes.length) throw new RangeError(`wrote ${this.opened} of ${this.sizes.length} measured messages`);
    return this.writer.finish();
  }

  private next(): number {
    return this.sizes[this.opened++] as number;
  }
}
