import { dtypeEntry, dtypeOfBusNumber, type Instance, type Tensor } from '@mserve/wire';

/**
 * Instances on their way between the loop and a function thread: one list of numbers and one buffer, because structured clone is dear per
 * object. Bytes are copied once, into the buffer, at offsets that every TypedArray can be laid on; large tensors that lie in shared memory
 * already are passed by reference.
 */
export interface Pack {
  /** What {@link PackReader} reads: dtype, rank, dims, size and offset of each tensor, and the numbers that were put between. */
  readonly numbers: readonly number[];
  readonly buffer: ArrayBuffer;
  readonly shared: readonly Uint8Array[] | undefined;
}

/** From this size on a buffer is transferred instead of cloned; below, the clone is cheaper. */
const transferBytes = 16 * 1024;
/** So that offsets stay within what `& ~7` can do (int32). */
const maxPackBytes = 2 ** 31 - 16;
/** Up to this size a second copy costs less than a message of its own. */
const borrowBytes = 64 * 1024;
/** Tensors in shared memory below this size are copied like the others. */
const shareBytes = 4 * 1024;

// As they were before an author's code could put others in their place: what is not written here is memory of anybody's.
const { apply } = Reflect;
const setBytes = Uint8Array.prototype.set;

/** Objects to hand over with a message that carries this pack. */
export function transferOf(pack: Pack): ArrayBuffer[] {
  return pack.buffer.byteLength >= transferBytes ? [pack.buffer] : [];
}

/** Whether an instance fits a pack that has `taken` bytes already. */
export function fitsPack(instance: Instance, taken = 0): boolean {
  let size = taken;
  for (const { bytes } of instance) size += bytes.byteLength + 7;
  return size <= maxPackBytes;
}

/** Puts instances into one block of bytes, for a message between threads. */
export class PackWriter {
  private readonly numbers: number[] = [];
  private readonly parts: Uint8Array[] = [];
  private readonly offsets: number[] = [];
  private shared: Uint8Array[] | undefined;
  private size = 0;
  private borrowed = false;

  /**
   * `copiesSmall`: tensors below {@link borrowBytes} are copied when they are written: for bytes that their owner may change. `sharesMemory`: false for a
   * reader in another process.
   */
  constructor(
    private readonly copiesSmall = false,
    private readonly sharesMemory = true,
  ) {}

  /** Whether there are bytes that must not change before {@link finish}. */
  get borrows(): boolean {
    return this.borrowed;
  }

  /** Bytes that {@link finish} copies. */
  get byteLength(): number {
    return this.size;
  }

  number(value: number): this {
    this.numbers.push(value);
    return this;
  }

  /** Throws RangeError, and is of no use any more, when the pack would become too large. */
  instance(instance: Instance): this {
    this.numbers.push(instance.length);
    for (const tensor of instance) this.tensor(tensor);
    return this;
  }

  private tensor(tensor: Tensor): void {
    const { bytes } = tensor;
    this.numbers.push(dtypeEntry(tensor.dtype).busNumber, tensor.shape.length, ...tensor.shape, bytes.byteLength);
    if (this.sharesMemory && bytes.byteLength >= shareBytes && bytes.buffer instanceof SharedArrayBuffer) {
      this.shared ??= [];
      this.numbers.push(-this.shared.push(bytes));
      return;
    }
    if (this.size + bytes.byteLength > maxPackBytes) throw new RangeError(`they have more than ${maxPackBytes} bytes`);
    this.numbers.push(this.size);
    const isCopied = this.copiesSmall && bytes.byteLength < borrowBytes;
    if (!isCopied) this.borrowed = true;
    this.parts.push(isCopied ? new Uint8Array(bytes) : bytes);
    this.offsets.push(this.size);
    this.size += (bytes.byteLength + 7) & ~7;
  }

  finish(): Pack {
    // Not zeroed first, where that would cost more than the detour: every tensor's bytes are written, and the gaps between them are never read.
    const buffer = this.size < transferBytes ? new ArrayBuffer(this.size) : (Buffer.allocUnsafeSlow(this.size).buffer as ArrayBuffer);
    const whole = new Uint8Array(buffer);
    this.parts.forEach((part, index) => apply(setBytes, whole, [part, this.offsets[index]]));
    return { numbers: this.numbers, buffer, shared: this.shared };
  }
}

/** Reads a pack in the order in which it was written. Tensors are views on its buffer. */
export class PackReader {
  private at = 0;
  private readonly pack: Pack;

  constructor(pack: Pack) {
    this.pack = pack;
  }

  get atEnd(): boolean {
    return this.at >= this.pack.numbers.length;
  }

  number(): number {
    return this.pack.numbers[this.at++] as number;
  }

  instance(): Instance {
    const tensors: Tensor[] = [];
    for (let left = this.number(); left > 0; left--) tensors.push(this.tensor());
    return tensors;
  }

  private tensor(): Tensor {
    const entry = dtypeOfBusNumber(this.number());
    const rank = this.number();
    const shape = this.pack.numbers.slice(this.at, this.at + rank);
    this.at += rank;
    const byteLength = this.number();
    const place = this.number();
    const bytes = place >= 0 ? new Uint8Array(this.pack.buffer, place, byteLength) : this.pack.shared?.[-place - 1];
    if (entry === undefined || bytes === undefined) throw new TypeError('not a pack of instances');
    return { dtype: entry.dtype, shape, bytes };
  }
}
