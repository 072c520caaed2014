import { tooLarge } from '../../edge/status.js';
import type { RequestMemory } from '../../edge/ingress.js';
import type { JsonReader } from './json-reader.js';

/** What elements are gathered in. */
export type Store =
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | BigInt64Array<ArrayBuffer>
  | Int8Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>
  | Int16Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>;

const firstCapacity = 256;
/** Elements beyond which a store is let go after its tensor was taken, not kept for the next one. */
export const keptCapacity = 65_536;
/** Stores from this size on lie in the request's memory. */
const leasedFromBytes = 128 * 1024;

/** A store never grows by more than this at a time: not all of a text need belong to its tensor. */
const mostGrowth = 8;

/**
 * How large a store is to be that is full. A large one gets what the rest of the text needs if it is written as densely as since it grew last: memory that is
 * not written to costs nothing, and whenever a store grows, its copy is in memory beside it.
 */
export class Growth {
  private at = 0;
  private used = 0;

  /** `used`: of the store, in its own units; `kept`: from there on it is a large one. */
  next(used: number, kept: number, { at, bytes }: JsonReader): number {
    const isKnown = used >= kept && this.used > 0;
    const perByte = (used - this.used) / Math.max(1, at - this.at);
    const needed = used + Math.ceil((bytes.length - at) * perByte * 1.02) + firstCapacity;
    this.at = at;
    this.used = used;
    return isKnown ? Math.min(Math.max(needed, Math.ceil(used * 1.25)), used * mostGrowth) : used * 2;
  }

  clear(): void {
    this.used = 0;
  }
}

/** Makes a store of so many elements, in this memory from its begin. */
export type MakeStore<S extends Store> = (buffer: ArrayBuffer, elements: number) => S;

/** The elements gathered so far, in a store that grows when it is full. */
export class Elements<S extends Store> {
  values: S;
  count = 0;
  private bytes: Uint8Array;
  /** What the store is, where it is a request's memory. */
  private leased: { readonly buffer: Buffer; readonly memory: RequestMemory } | undefined = undefined;
  private readonly growth = new Growth();

  constructor(private readonly make: MakeStore<S>) {
    this.values = make(new ArrayBuffer(firstCapacity * 8), firstCapacity);
    this.bytes = new Uint8Array(this.values.buffer);
  }

  /** Room for one more. What passes the limit is refused: a body of `1,1,1` grows fourfold as int64. */
  grow(reader: JsonReader): void {
    const { count, values, leased } = this;
    const { maxTensorBytes, memory } = reader;
    const width = values.BYTES_PER_ELEMENT;
    const most = Math.floor(maxTensorBytes / width);
    if (count >= most) throw tooLarge(`a tensor of the request is bigger than ${maxTensorBytes} bytes`);
    const wanted = Math.min(this.growth.next(count, keptCapacity, reader), most);
    const buffer = wanted * width < leasedFromBytes ? undefined : memory?.takeBuffer(wanted * width);
    const room = buffer === undefined ? wanted : Math.min(Math.floor(buffer.byteLength / width), most);
    const grown = this.make((buffer?.buffer as ArrayBuffer | undefined) ?? new ArrayBuffer(wanted * width), room);
    (grown as Uint8Array).set(values as Uint8Array);
    this.use(grown);
    this.leased = buffer && memory && { buffer, memory };
    leased?.memory.giveBuffer(leased.buffer);
  }

  clear(): void {
    this.count = 0;
    this.growth.clear();
    const { leased } = this;
    if (leased === undefined && this.values.length <= keptCapacity) return;
    this.leased = undefined;
    // Of a tensor that was not taken: its request may need the memory for finding out what is wrong
    leased?.memory.giveBuffer(leased.buffer);
    this.use(this.make(new ArrayBuffer(firstCapacity * 8), firstCapacity));
  }

  /** The elements as bytes of their own, or of the request's memory. */
  take(): Uint8Array {
    const { values, leased } = this;
    const size = this.count * values.BYTES_PER_ELEMENT;
    let bytes: Uint8Array;
    // A large store is not kept: where it is nearly full it becomes the tensor itself.
    if (leased !== undefined || (values.length > keptCapacity && size * 4 >= values.byteLength * 3)) {
      bytes = new Uint8Array(values.buffer, 0, size);
      this.leased = undefined;
      this.use(this.make(new ArrayBuffer(firstCapacity * 8), firstCapacity));
    } else if (size > 1024) bytes = new Uint8Array(values.buffer.slice(0, size));
    else {
      bytes = Buffer.allocUnsafe(size);
      // Byte by byte while that is cheaper than making a view
      if (size <= 64) for (let i = 0; i < size; i++) bytes[i] = this.bytes[i] as number;
      else bytes.set(this.bytes.subarray(0, size));
    }
    this.clear();
    return bytes;
  }

  private use(values: S): void {
    this.values = values;
    this.bytes = new Uint8Array(values.buffer);
  }
}
