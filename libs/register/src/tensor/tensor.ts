import { alignedBytes, dtypeEntry, elementCount } from '@mserve/wire';
import { elementwise, type Operation } from './arithmetic.js';
import { arrayClass, checkElement, dtypeOfArray, elementReader, elementWriter, isInteger, isNumericDType } from './element.js';
import type { ElementArray, ElementArrays, ElementOf, ElementValue, NumericDType } from './element.js';
import { promote, promoteDivision, promoteWeak } from './promotion.js';

/** Numbers in nested arrays, as {@link Tensor.toArray} gives and {@link Tensor.of} takes them: `1`, `[1, 2]`, `[[1, 2], [3, 4]]`. */
export type Nested = ElementValue | readonly Nested[];

/**
 * A tensor as a servable's functions see and return it: element type, shape (rank 0 = []), and the elements in C order.
 *
 * Operations give new tensors; `at`, `slice` and `reshape` give views on the same elements. A tensor that a function received belongs
 * to it alone: writing to its `data` changes no request.
 */
export class Tensor<D extends NumericDType = NumericDType> {
  /** Element type. */
  readonly dtype: D;
  /** Sizes of the axes; [] for a single number, [0] or [3, 0] where there are no elements. */
  readonly shape: readonly number[];
  /** The elements in C order; {@link ElementArrays} tells what holds which type. */
  readonly data: ElementArrays[D];

  /** Throws TypeError when `data` is not the TypedArray of `dtype`, RangeError when its length isn't the product of `shape`. Keeps `data`, does not copy it. */
  constructor(dtype: D, shape: readonly number[], data: ElementArrays[D]) {
    if (!(data instanceof arrayClass(dtype)))
      throw new TypeError(`the elements of a ${dtype} tensor should be ${(arrayClass(dtype) as unknown as { name: string }).name}`);
    if (elementCount(shape) !== data.length)
      throw new RangeError(`shape [${shape.join(', ')}] has ${elementCount(shape)} elements, but ${data.length} are given`);
    this.dtype = dtype;
    this.shape = [...shape];
    this.data = data;
  }

  /**
   * A tensor from numbers: one (rank 0), or (nested) arrays of equal lengths. With `shape`, a flat array is laid out in it.
   * Floats are rounded to the nearest (float16 and float32 beyond their range become infinite); for bool, 0 and false are false.
   * Throws RangeError for a number that `dtype` cannot hold (out of range, or with a fraction for an integer type), for arrays of unequal lengths,
   * and for a shape with another count of elements; TypeError for what is no number and for an unknown `dtype`.
   */
  static of<D extends NumericDType>(dtype: D, values: Nested | ElementArray, shape?: readonly number[]): Tensor<D> {
    const flat: unknown[] = [];
    const found = flatten(ArrayBuffer.isView(values) ? Array.from(values as Float64Array) : values, flat);
    const data = new (arrayClass(dtype))(flat.length) as ElementArrays[D];
    const write = elementWriter(dtype, data);
    flat.forEach((value, index) => write(index, checkElement(dtype, value)));
    return new Tensor(dtype, shape ?? found, data);
  }

  /**
   * A 1-D tensor on a TypedArray's elements (not copied); with `shape`, of that shape. The dtype is the array's: int8 for Int8Array, ..., uint16 for
   * Uint16Array (float16 needs the constructor, or a Float16Array). Throws TypeError for anything else, RangeError when `shape` has another count.
   */
  static from(array: ElementArray, shape?: readonly number[]): Tensor {
    const dtype = dtypeOfArray(array);
    if (dtype === undefined) throw new TypeError('Tensor.from takes a TypedArray');
    return new Tensor(dtype, shape ?? [array.length], asElements(dtype, array));
  }

  /** One number, of rank 0. Throws like {@link Tensor.of}. */
  static scalar<D extends NumericDType>(dtype: D, value: ElementValue): Tensor<D> {
    return Tensor.of(dtype, value);
  }

  /** Zeros, or false. Throws for a shape with a dim that is negative or no integer. */
  static zeros<D extends NumericDType>(dtype: D, shape: readonly number[]): Tensor<D> {
    return new Tensor(dtype, shape, new (arrayClass(dtype))(elementCount(shape)) as ElementArrays[D]);
  }

  /** The same value everywhere. Throws like {@link Tensor.of} and {@link Tensor.zeros}. */
  static full<D extends NumericDType>(dtype: D, shape: readonly number[], value: ElementValue): Tensor<D> {
    const tensor = Tensor.zeros(dtype, shape);
    const one = Tensor.of(dtype, value).data[0];
    (tensor.data as { fill(value: unknown): unknown }).fill(one);
    return tensor;
  }

  /** A tensor on raw little-endian bytes (copied only when they are not aligned). Throws RangeError when their length isn't that of dtype and shape. */
  static fromBytes<D extends NumericDType>(dtype: D, shape: readonly number[], bytes: Uint8Array): Tensor<D> {
    const { elementBytes } = dtypeEntry(dtype);
    const aligned = alignedBytes(bytes, elementBytes);
    if (bytes.byteLength !== elementCount(shape) * elementBytes)
      throw new RangeError(
        `a ${dtype} tensor of shape [${shape.join(', ')}] has ${elementCount(shape) * elementBytes} bytes, but ${bytes.byteLength} are given`,
      );
    return new Tensor(
      dtype,
      shape,
      new (arrayClass(dtype))(aligned.buffer, aligned.byteOffset, bytes.byteLength / elementBytes) as ElementArrays[D],
    );
  }

  /** Number of elements: the product of the shape, 1 for rank 0. */
  get size(): number {
    return this.data.length;
  }

  /** Number of axes. */
  get rank(): number {
    return this.shape.length;
  }

  /** The raw little-endian bytes, as a view. */
  get bytes(): Uint8Array {
    return new Uint8Array(this.data.buffer, this.data.byteOffset, this.data.byteLength);
  }

  /** One element as a JavaScript value, by its index per axis; negative ones count from the end. Throws RangeError outside the shape. */
  get(...indexes: number[]): ElementOf<D> {
    if (indexes.length !== this.rank) throw new RangeError(`get needs ${this.rank} indexes, but got ${indexes.length}`);
    return this.at(...indexes).item();
  }

  /**
   * What lies at these leading indexes: a view with the rest of the dims (`m.at(2)` is row 2). Negative ones count from the end.
   * Throws RangeError outside the shape, and for more indexes than there are axes.
   */
  at(...indexes: number[]): Tensor<D> {
    if (indexes.length > this.rank) throw new RangeError(`a tensor of rank ${this.rank} has no ${indexes.length} indexes`);
    let offset = 0;
    let block = this.size;
    indexes.forEach((given, axis) => {
      const dim = this.shape[axis] as number;
      const index = given < 0 ? given + dim : given;
      if (!Number.isInteger(index) || index < 0 || index >= dim)
        throw new RangeError(`index ${given} is out of bounds for axis ${axis} with size ${dim}`);
      block /= dim;
      offset += index * block;
    });
    return new Tensor(this.dtype, this.shape.slice(indexes.length), this.data.subarray(offset, offset + block) as ElementArrays[D]);
  }

  /**
   * Entries [begin, end) along the first axis, as a view; like Array.slice, negative positions count from the end and what is beyond it is left out.
   * Throws RangeError for rank 0 and for positions that are no whole numbers.
   */
  slice(begin = 0, end?: number): Tensor<D> {
    const [length, ...rest] = this.shape;
    if (Math.trunc(begin) !== begin || (end !== undefined && Math.trunc(end) !== end))
      throw new RangeError(`slice takes whole numbers, but got ${begin} and ${end}`);
    if (length === undefined) throw new RangeError('a tensor of rank 0 cannot be sliced');
    const block = length === 0 ? 0 : this.size / length;
    const from = position(begin, length);
    const to = Math.max(from, position(end ?? length, length));
    return new Tensor(this.dtype, [to - from, ...rest], this.data.subarray(from * block, to * block) as ElementArrays[D]);
  }

  /**
   * The same elements in another shape, as a view: `reshape(2, -1)` or `reshape([2, -1])`. One dim may be -1: what the others leave over.
   * Throws RangeError when the counts differ.
   */
  reshape(...shape: number[] | [readonly number[]]): Tensor<D> {
    const [first] = shape;
    const given = Array.isArray(first) ? (first as readonly number[]) : (shape as readonly number[]);
    const known = elementCount(given.filter((dim) => dim !== -1));
    const open = given.length - given.filter((dim) => dim !== -1).length;
    if (open > 1) throw new RangeError(`only one dim of a shape can be -1, but [${given.join(', ')}] is given`);
    if (open === 1 && (known === 0 || this.size % known !== 0))
      throw new RangeError(`${this.size} elements cannot have the shape [${given.join(', ')}]`);
    return new Tensor(
      this.dtype,
      given.map((dim) => (dim === -1 ? this.size / known : dim)),
      this.data,
    );
  }

  /**
   * Converted to another element type like numpy's astype: integers wrap, fractions are cut, floats are rounded to the nearest (ties to even), NaN and
   * infinities become 0 in integers, everything but 0 is true. Always a copy. Throws TypeError for an unknown type.
   */
  astype<To extends NumericDType>(dtype: To): Tensor<To> {
    if (!isNumericDType(dtype)) throw new TypeError(`data type '${String(dtype)}' not understood`);
    if ((dtype as NumericDType) === this.dtype) return new Tensor(dtype, this.shape, this.data.slice() as ElementArrays[To]);
    const tensor = Tensor.zeros(dtype, this.shape);
    const read = elementReader(this.dtype, this.data);
    const write = elementWriter(dtype, tensor.data);
    for (let i = 0; i < this.size; i++) write(i, read(i));
    return tensor;
  }

  /** The values in single precision: the elements themselves when they are float32 already, else a copy. */
  toFloat32(): Float32Array {
    return (this.dtype === 'float32' ? this.data : this.astype('float32').data) as Float32Array;
  }

  /** The only element as a JavaScript value, whatever the rank. Throws RangeError when there are more or none. */
  item(): ElementOf<D> {
    if (this.size !== 1) throw new RangeError(`item() is for tensors of one element, this one has ${this.size}`);
    return elementReader(this.dtype, this.data)(0);
  }

  /** Nested arrays of JavaScript values (boolean for bool, bigint for int64 and uint64, else number); the element itself for rank 0. */
  toArray(): Nested {
    if (this.rank === 0) return this.item();
    if (this.rank === 1) return Array.from({ length: this.size }, (_, index) => elementReader(this.dtype, this.data)(index));
    return Array.from({ length: this.shape[0] as number }, (_, index) => this.at(index).toArray());
  }

  /** All elements in C order, as JavaScript values. */
  *values(): IterableIterator<ElementOf<D>> {
    const read = elementReader(this.dtype, this.data);
    for (let i = 0; i < this.size; i++) yield read(i);
  }

  /** `fn` of every element (and its index in C order), same type and shape; what it gives is converted like {@link Tensor.astype} does. */
  map(fn: (value: ElementOf<D>, index: number) => ElementValue): Tensor<D> {
    const tensor = Tensor.zeros(this.dtype, this.shape);
    const read = elementReader(this.dtype, this.data);
    const write = elementWriter(this.dtype, tensor.data);
    for (let i = 0; i < this.size; i++) write(i, fn(read(i), i));
    return tensor;
  }

  /** Whether `test` holds for any element. */
  some(test: (value: ElementOf<D>) => boolean): boolean {
    for (const value of this.values()) if (test(value)) return true;
    return false;
  }

  /** Whether `test` holds for every element. */
  every(test: (value: ElementOf<D>) => boolean): boolean {
    return !this.some((value) => !test(value));
  }

  /** Sum of all elements: bigint for int64 and uint64, else a number (added up in double precision). */
  sum(): number | bigint {
    if (this.dtype === 'int64' || this.dtype === 'uint64') {
      let whole = 0n;
      for (const value of this.data as BigInt64Array) whole += value;
      return whole;
    }
    let total = 0;
    for (const value of this.values()) total += Number(value);
    return total;
  }

  /** Index, in C order, of the first greatest element (of the first NaN if there is one). Throws RangeError for an empty tensor. */
  argMax(): number {
    if (this.size === 0) throw new RangeError('argMax of an empty tensor');
    const read = elementReader(this.dtype, this.data);
    let best = 0;
    for (let i = 0; i < this.size; i++) {
      const value = read(i);
      if (value !== value) return i;
      if (value > read(best)) best = i;
    }
    return best;
  }

  /**
   * this + other, element by element, with numpy's broadcasting and result types; integers wrap around, bool + bool is "or". A plain number takes the
   * tensor's type (`uint8` + 1 is `uint8`), but a fraction makes integers float64, and any number makes bool int64.
   * Throws RangeError for shapes that don't fit and for a whole number that the tensor's type cannot hold.
   */
  add(other: Tensor | ElementValue): Tensor {
    return this.#combine('add', other);
  }

  /** this - other; see {@link Tensor.add}. Throws TypeError for bool minus bool. */
  sub(other: Tensor | ElementValue): Tensor {
    return this.#combine('sub', other);
  }

  /** this * other; see {@link Tensor.add}. bool * bool is "and". */
  mul(other: Tensor | ElementValue): Tensor {
    return this.#combine('mul', other);
  }

  /** this / other; see {@link Tensor.add}. Integers and bools give float64; a division by 0 gives an infinity or NaN. */
  div(other: Tensor | ElementValue): Tensor {
    return this.#combine('div', other);
  }

  #combine(operation: Operation, other: Tensor | ElementValue): Tensor {
    const common = typeof other === 'object' ? promote(this.dtype, other.dtype) : promoteWeak(this.dtype, other);
    const dtype = operation === 'div' ? promoteDivision(common) : common;
    const left = (this.dtype as NumericDType) === dtype ? this : this.astype(dtype);
    const right = typeof other !== 'object' ? weakScalar(dtype, other) : other.dtype === dtype ? other : other.astype(dtype);
    const { shape, data } = elementwise(operation, dtype, left, right);
    return new Tensor(dtype, shape, data);
  }
}

/** Clamped arrays, Buffers and Float16Arrays, seen as the class that holds their dtype here; other arrays as they are. */
function asElements(dtype: NumericDType, array: ElementArray): ElementArray {
  if (dtype === 'uint8') return array.constructor === Uint8Array ? array : new Uint8Array(array.buffer, array.byteOffset, array.length);
  return dtype === 'float16' ? new Uint16Array(array.buffer, array.byteOffset, array.length) : array;
}

function weakScalar(dtype: NumericDType, value: ElementValue): Tensor {
  return isInteger(dtype) ? Tensor.of(dtype, typeof value === 'boolean' ? Number(value) : value) : Tensor.zeros(dtype, []).map(() => value);
}

function position(at: number, length: number): number {
  return Math.min(length, Math.max(0, at < 0 ? at + length : at));
}

/** Appends all leaves to `flat`, gives the shape. Throws RangeError for ragged arrays. */
function flatten(values: unknown, flat: unknown[]): number[] {
  if (!Array.isArray(values)) {
    flat.push(values);
    return [];
  }
  let inner: number[] | undefined;
  for (const value of values as unknown[]) {
    const shape = flatten(value, flat);
    if (inner !== undefined && inner.join() !== shape.join()) throw new RangeError('nested arrays should all have the same lengths');
    inner = shape;
  }
  return [values.length, ...(inner ?? [])];
}
