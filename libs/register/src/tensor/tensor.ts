import { elementCount } from '@mserve/wire';
import type { Operation } from './arithmetic.js';
import { axisOf, type Elements } from './axes.js';
import { chosen, clipped, combined, joined, multiplied } from './combining.js';
import { arrayClass, checkElement, elementReader, elementWriter } from './element.js';
import type { ElementArray, ElementArrays, ElementOf, ElementValue, NumericDType } from './element.js';
import { converted, elementsOfArray, elementsOfBytes, elementsOfNested, filled, plainScalar, zeros, type Nested } from './making.js';
import { padded, rangeAlong, splitRanges, transposed, type PadWidths } from './movement.js';
import { extremeAlong, extremeIndexAlong, meanAlong, orderedAlong, softmaxAlong, sumAlong } from './reduction.js';
import { compared, type Comparison } from './selection.js';
import { tensorText } from './text.js';
import { unary } from './unary.js';
import { blockAt, reshaped, sliced, squeezedShape } from './viewing.js';

export type { Nested } from './making.js';

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
    return tensorOf(elementsOfNested(dtype, values, shape));
  }

  /**
   * A 1-D tensor on a TypedArray's elements (not copied); with `shape`, of that shape. The dtype is the array's: int8 for Int8Array, ..., uint16 for
   * Uint16Array (float16 needs the constructor, or a Float16Array). Throws TypeError for anything else, RangeError when `shape` has another count.
   */
  static from(array: ElementArray, shape?: readonly number[]): Tensor {
    return tensorOf(elementsOfArray(array, shape));
  }

  /** One number, of rank 0. Throws like {@link Tensor.of}. */
  static scalar<D extends NumericDType>(dtype: D, value: ElementValue): Tensor<D> {
    return Tensor.of(dtype, value);
  }

  /** Zeros, or false. Throws for a shape with a dim that is negative or no integer. */
  static zeros<D extends NumericDType>(dtype: D, shape: readonly number[]): Tensor<D> {
    return tensorOf(zeros(dtype, shape));
  }

  /** The same value everywhere. Throws like {@link Tensor.of} and {@link Tensor.zeros}. */
  static full<D extends NumericDType>(dtype: D, shape: readonly number[], value: ElementValue): Tensor<D> {
    return tensorOf(filled(dtype, shape, value));
  }

  /** A tensor on raw little-endian bytes (copied only when they are not aligned). Throws RangeError when their length isn't that of dtype and shape. */
  static fromBytes<D extends NumericDType>(dtype: D, shape: readonly number[], bytes: Uint8Array): Tensor<D> {
    return tensorOf(elementsOfBytes(dtype, shape, bytes));
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
    return tensorOf(blockAt(this, indexes));
  }

  /**
   * Entries [begin, end) along the first axis, as a view; like Array.slice, negative positions count from the end and what is beyond it is left out.
   * Throws RangeError for rank 0 and for positions that are no whole numbers.
   */
  slice(begin = 0, end?: number): Tensor<D> {
    return tensorOf(sliced(this, begin, end));
  }

  /**
   * The same elements in another shape, as a view: `reshape(2, -1)` or `reshape([2, -1])`. One dim may be -1: what the others leave over.
   * Throws RangeError when the counts differ.
   */
  reshape(...shape: number[] | [readonly number[]]): Tensor<D> {
    const [first] = shape;
    const given = Array.isArray(first) ? (first as readonly number[]) : (shape as readonly number[]);
    return tensorOf(reshaped(this, given));
  }

  /**
   * Converted to another element type like numpy's astype: integers wrap, fractions are cut, floats are rounded to the nearest (ties to even), NaN and
   * infinities become 0 in integers, everything but 0 is true. Always a copy. Throws TypeError for an unknown type.
   */
  astype<To extends NumericDType>(dtype: To): Tensor<To> {
    return tensorOf(converted(this, dtype));
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
    return Array.from({ length: this.shape[0] ?? 0 }, (_, index) => this.at(index).toArray());
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

  /**
   * Sum of all elements: bigint for int64 and uint64, else a number (added up in double precision). Along an axis: a tensor of sums, bool and integers as
   * int64 or uint64 (wrapping around), floats in their own type; the axis goes, or stays with size 1 (`keepDims`).
   * Throws RangeError for an axis that the tensor does not have.
   */
  sum(): number | bigint;
  sum(axis: number, keepDims?: boolean): Tensor;
  sum(axis?: number, keepDims = false): number | bigint | Tensor {
    if (axis !== undefined) return tensorOf(sumAlong(this, axisOf(axis, this.rank), keepDims));
    if (this.dtype === 'int64' || this.dtype === 'uint64') {
      let whole = 0n;
      for (const value of this.values()) whole += BigInt(value);
      return whole;
    }
    let total = 0;
    for (const value of this.values()) total += Number(value);
    return total;
  }

  /** Mean of all elements as a number (NaN for none); along an axis a tensor: floats in their own type, bool and integers as float64. */
  mean(): number;
  mean(axis: number, keepDims?: boolean): Tensor;
  mean(axis?: number, keepDims = false): number | Tensor {
    if (axis !== undefined) return tensorOf(meanAlong(this, axisOf(axis, this.rank), keepDims));
    return Number(this.sum()) / this.size;
  }

  /** The greatest element, NaN if there is one; along an axis a tensor of them. Throws RangeError where there are no elements. */
  max(): ElementOf<D>;
  max(axis: number, keepDims?: boolean): Tensor<D>;
  max(axis?: number, keepDims = false): ElementOf<D> | Tensor<D> {
    return this.#extreme('max', axis, keepDims);
  }

  /** The least element, NaN if there is one; along an axis a tensor of them. Throws RangeError where there are no elements. */
  min(): ElementOf<D>;
  min(axis: number, keepDims?: boolean): Tensor<D>;
  min(axis?: number, keepDims = false): ElementOf<D> | Tensor<D> {
    return this.#extreme('min', axis, keepDims);
  }

  #extreme(which: 'max' | 'min', axis: number | undefined, keepDims: boolean): ElementOf<D> | Tensor<D> {
    if (axis !== undefined) return tensorOf(extremeAlong(this, which, axisOf(axis, this.rank), keepDims));
    return tensorOf(extremeAlong(this.reshape(this.size), which, 0, false)).item();
  }

  /**
   * Index, in C order, of the first greatest element (of the first NaN if there is one); along an axis an int64 tensor of positions.
   * Throws RangeError where there are no elements.
   */
  argMax(): number;
  argMax(axis: number, keepDims?: boolean): Tensor<'int64'>;
  argMax(axis?: number, keepDims = false): number | Tensor<'int64'> {
    return this.#extremeIndex('argMax', axis, keepDims);
  }

  /** Like {@link Tensor.argMax}, of the least element. */
  argMin(): number;
  argMin(axis: number, keepDims?: boolean): Tensor<'int64'>;
  argMin(axis?: number, keepDims = false): number | Tensor<'int64'> {
    return this.#extremeIndex('argMin', axis, keepDims);
  }

  #extremeIndex(which: 'argMax' | 'argMin', axis: number | undefined, keepDims: boolean): number | Tensor<'int64'> {
    if (axis !== undefined) return tensorOf(extremeIndexAlong(this, which, axisOf(axis, this.rank), keepDims));
    if (this.size === 0) throw new RangeError(`${which} of an empty tensor`);
    return Number(tensorOf(extremeIndexAlong(this.reshape(this.size), which, 0, false)).item());
  }

  /** Sorted along an axis (default the last), NaNs last. Throws RangeError for rank 0. */
  sort(axis = -1, options: { readonly descending?: boolean } = {}): Tensor<D> {
    return this.#ordered(axis, undefined, options.descending === true).values;
  }

  /** The positions (int64) that sort along an axis (default the last): equal elements keep their order, NaNs come last. Throws RangeError for rank 0. */
  argSort(axis = -1, options: { readonly descending?: boolean } = {}): Tensor<'int64'> {
    return this.#ordered(axis, undefined, options.descending === true).indexes;
  }

  /**
   * The k greatest elements along an axis (default the last), greatest first, and their positions (int64); of equal ones the first comes first.
   * Throws RangeError for rank 0 and for a k that is negative, no whole number or beyond the axis.
   */
  topK(k: number, axis = -1): { values: Tensor<D>; indexes: Tensor<'int64'> } {
    return this.#ordered(axis, k, true);
  }

  #ordered(axis: number, count: number | undefined, descending: boolean): { values: Tensor<D>; indexes: Tensor<'int64'> } {
    const along = axisOf(axis, this.rank);
    const length = this.shape[along] ?? 0;
    if (count !== undefined && (!Number.isInteger(count) || count < 0 || count > length))
      throw new RangeError(`topK takes a whole number from 0 to ${length} for axis ${axis}, but got ${count}`);
    const { values, indexes } = orderedAlong(this, along, count ?? length, descending);
    return { values: tensorOf(values), indexes: tensorOf(indexes) };
  }

  /** exp(x) / sum(exp(x)) along an axis (default the last). Bool and integers give float64, floats keep their type. Throws RangeError for rank 0. */
  softmax(axis = -1): Tensor {
    return tensorOf(softmaxAlong(this, axisOf(axis, this.rank)));
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
    return tensorOf(combined(operation, this, other));
  }

  /** Whether elements are equal, as a bool tensor; with broadcasting, exact for any two types. NaN equals nothing. Throws RangeError for shapes that don't fit. */
  equal(other: Tensor | ElementValue): Tensor<'bool'> {
    return this.#compare('equal', other);
  }

  /** Not {@link Tensor.equal}. */
  notEqual(other: Tensor | ElementValue): Tensor<'bool'> {
    return this.#compare('notEqual', other);
  }

  /** this < other; see {@link Tensor.equal}. */
  less(other: Tensor | ElementValue): Tensor<'bool'> {
    return this.#compare('less', other);
  }

  /** this <= other; see {@link Tensor.equal}. */
  lessEqual(other: Tensor | ElementValue): Tensor<'bool'> {
    return this.#compare('lessEqual', other);
  }

  /** this > other; see {@link Tensor.equal}. */
  greater(other: Tensor | ElementValue): Tensor<'bool'> {
    return this.#compare('greater', other);
  }

  /** this >= other; see {@link Tensor.equal}. */
  greaterEqual(other: Tensor | ElementValue): Tensor<'bool'> {
    return this.#compare('greaterEqual', other);
  }

  #compare(comparison: Comparison, other: Tensor | ElementValue): Tensor<'bool'> {
    return tensorOf(compared(comparison, this, typeof other === 'object' ? other : plainScalar(other)));
  }

  /** Each element held between two bounds (`undefined` for none); NaN stays. Types as in {@link Tensor.add}: a bound with a fraction makes integers float64. */
  clip(min: ElementValue | undefined, max: ElementValue | undefined): Tensor {
    return tensorOf(clipped(this, min, max));
  }

  /** Matrix product as numpy's matmul: the last two axes are matrices, leading axes broadcast, rank 1 is a row or a column. For small matrices. */
  matmul(other: Tensor): Tensor {
    return tensorOf(multiplied(this, other));
  }

  /** Absolute values; an integer type's least value stays. Throws TypeError for bool, like the next seven. */
  abs(): Tensor {
    return tensorOf(unary('abs', this));
  }

  /** -x; unsigned integers wrap around. */
  neg(): Tensor {
    return tensorOf(unary('neg', this));
  }

  /** e to the power of x; integers give float64. */
  exp(): Tensor {
    return tensorOf(unary('exp', this));
  }

  /** Natural logarithm; integers give float64. */
  log(): Tensor {
    return tensorOf(unary('log', this));
  }

  /** Square root; integers give float64. */
  sqrt(): Tensor {
    return tensorOf(unary('sqrt', this));
  }

  /** The whole number at or below x. */
  floor(): Tensor {
    return tensorOf(unary('floor', this));
  }

  /** The whole number at or above x. */
  ceil(): Tensor {
    return tensorOf(unary('ceil', this));
  }

  /** The nearest whole number, halves to the even one. */
  round(): Tensor {
    return tensorOf(unary('round', this));
  }

  /** The axes in another order, copied: axis k of the result is axis `axes[k]` of this; without arguments they are reversed. Throws RangeError unless each is named once. */
  transpose(...axes: number[]): Tensor<D> {
    return tensorOf(transposed(this, axes.length === 0 ? this.shape.map((_, axis) => this.rank - 1 - axis) : axes));
  }

  /** {@link Tensor.transpose} with all axes named. */
  permute(...axes: number[]): Tensor<D> {
    return tensorOf(transposed(this, axes));
  }

  /** Without axes of size 1 (all of them, or the one named), as a view. Throws RangeError for an axis of another size. */
  squeeze(axis?: number): Tensor<D> {
    return this.reshape(squeezedShape(this.shape, axis));
  }

  /** With an axis of size 1 put in at `axis` (of the result), as a view. Throws RangeError for one that the result would not have. */
  expandDims(axis: number): Tensor<D> {
    return this.reshape(this.shape.toSpliced(axisOf(axis, this.rank + 1), 0, 1));
  }

  /**
   * Parts along an axis, copied: `split(3)` gives three equal ones, `split([2, 5])` those before position 2, from 2 to 5, and from 5 on.
   * Throws RangeError for an axis that the tensor does not have and for a count that does not divide it.
   */
  split(parts: number | readonly number[], axis = 0): Tensor<D>[] {
    const along = axisOf(axis, this.rank);
    return splitRanges(this.shape[along] ?? 0, parts).map(([begin, end]) => tensorOf(rangeAlong(this, along, begin, end)));
  }

  /** With a border of `value` (default 0): [before, after] for each axis, or one pair for all. Throws RangeError for negative widths and for a value that the type cannot hold. */
  pad(widths: PadWidths | readonly [before: number, after: number], value: ElementValue = 0): Tensor<D> {
    const each = isPair(widths) ? this.shape.map(() => widths) : widths;
    return tensorOf(padded(this, each, checkElement(this.dtype, value)));
  }

  /** Tensors joined along an axis that they have (numpy's concatenate); types are promoted. Throws RangeError when other dims differ, for none and for rank 0. */
  static concat(tensors: readonly Tensor[], axis = 0): Tensor {
    return tensorOf(joined(tensors, axis));
  }

  /** Tensors of one shape along a new axis; types are promoted. Throws RangeError when shapes differ and for none. */
  static stack(tensors: readonly Tensor[], axis = 0): Tensor {
    const [first] = tensors;
    if (first === undefined) throw new RangeError('stack needs at least one tensor');
    for (const { shape } of tensors)
      if (shape.join() !== first.shape.join())
        throw new RangeError(`stack needs tensors of one shape, but got [${first.shape.join(', ')}] and [${shape.join(', ')}]`);
    const at = axisOf(axis, first.rank + 1);
    return Tensor.concat(
      tensors.map((tensor) => tensor.expandDims(at)),
      at,
    );
  }

  /** `a` where the condition holds (is not 0), else `b`, with broadcasting; types as in {@link Tensor.add}. Throws RangeError for shapes that don't fit. */
  static where(condition: Tensor, a: Tensor | ElementValue, b: Tensor | ElementValue): Tensor {
    return tensorOf(chosen(condition, a, b));
  }

  /** dtype, shape and values, long axes shortened: `Tensor<float32>[2, 2] [[1, 2], [3, 4]]`. */
  toString(): string {
    return tensorText(this);
  }

  /** What console.log shows: {@link Tensor.toString}. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return tensorText(this);
  }
}

/** A tensor of elements that a function of this folder made. */
function tensorOf<D extends NumericDType>({ dtype, shape, data }: Elements<D>): Tensor<D> {
  return new Tensor(dtype, shape, data as ElementArrays[D]); // the constructor checks that data is the dtype's array
}

function isPair(widths: PadWidths | readonly [number, number]): widths is readonly [number, number] {
  return widths.length === 2 && typeof widths[0] === 'number';
}
