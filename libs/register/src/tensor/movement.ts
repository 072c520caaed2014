import { elementCount } from '@mserve/wire';
import { axisOf, stridesOf, viewAlong, type Elements } from './axes.js';
import { arrayClass, elementWriter, type ElementArray, type ElementValue, type NumericDType } from './element.js';

/** Elements that change their place: nothing here looks at a value, so bits (NaNs too) stay as they are. */

function bytesOf(data: ElementArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/**
 * The elements with their axes in another order: axis k of the result is axis `axes[k]` of the tensor (negative ones count from the end).
 * Throws RangeError unless every axis is named once.
 */
export function transposed<D extends NumericDType>({ dtype, shape, data }: Elements<D>, axes: readonly number[]): Elements<D> {
  const order = axes.map((axis) => axisOf(axis, shape.length));
  if (order.length !== shape.length || new Set(order).size !== shape.length)
    throw new RangeError(`the axes of a transposition should name each of ${shape.length} axes once, but are [${axes.join(', ')}]`);
  const from = stridesOf(shape);
  const to = order.map((axis) => shape[axis] ?? 1);
  const out = new (arrayClass(dtype))(data.length);
  copyStrided(
    data,
    out,
    to,
    order.map((axis) => from[axis] ?? 1),
  );
  return { dtype, shape: to, data: out };
}

/** Fills `out` (C order, of shape `dims`) with elements of `data` that lie `strides` apart. */
function copyStrided(data: ElementArray, out: ElementArray, dims: readonly number[], strides: readonly number[]): void {
  if (out.length === 0) return;
  const [source, target] = [bitsOf(data), bitsOf(out)];
  const inner = dims.at(-1) ?? 1;
  const step = strides.at(-1) ?? 1;
  const counters = new Array<number>(Math.max(0, dims.length - 1)).fill(0);
  let base = 0;
  for (let at = 0; at < out.length; at += inner) {
    copyRow(source, base, step, target, at, inner);
    for (let axis = counters.length - 1; axis >= 0; axis--) {
      const count = (counters[axis] ?? 0) + 1;
      const stride = strides[axis] ?? 0;
      if (count < (dims[axis] ?? 1)) {
        counters[axis] = count;
        base += stride;
        break;
      }
      counters[axis] = 0;
      base -= stride * (count - 1);
    }
  }
}

type Bits = Uint8Array | Uint16Array | Uint32Array | BigUint64Array;

/** The elements as unsigned integers of their size: copied as they are, without a NaN losing its bits. */
function bitsOf(data: ElementArray): Bits {
  const { buffer, byteOffset, length, BYTES_PER_ELEMENT: size } = data;
  if (size === 1) return new Uint8Array(buffer, byteOffset, length);
  if (size === 2) return new Uint16Array(buffer, byteOffset, length);
  if (size === 4) return new Uint32Array(buffer, byteOffset, length);
  return new BigUint64Array(buffer, byteOffset, length);
}

function copyRow(source: Bits, base: number, step: number, target: Bits, at: number, count: number): void {
  if (source instanceof BigUint64Array || target instanceof BigUint64Array) {
    if (source instanceof BigUint64Array && target instanceof BigUint64Array)
      for (let i = 0; i < count; i++) target[at + i] = source[base + i * step] ?? 0n;
    return;
  }
  for (let i = 0; i < count; i++) target[at + i] = source[base + i * step] ?? 0;
}

/**
 * Tensors of one dtype joined along an axis that they have; all other dims equal.
 * Throws RangeError for none, for shapes that do not fit and for rank 0.
 */
export function concatenated<D extends NumericDType>(dtype: D, parts: readonly Elements[], axis: number): Elements<D> {
  const [first] = parts;
  if (first === undefined) throw new RangeError('concat needs at least one tensor');
  if (first.shape.length === 0) throw new RangeError('tensors of rank 0 cannot be concatenated (stack them)');
  const along = axisOf(axis, first.shape.length);
  for (const { shape } of parts)
    if (shape.length !== first.shape.length || shape.some((dim, at) => at !== along && dim !== first.shape[at]))
      throw new RangeError(
        `tensors of shapes [${first.shape.join(', ')}] and [${shape.join(', ')}] cannot be concatenated along axis ${axis}: all other dims should be equal`,
      );
  const length = parts.reduce((sum, { shape }) => sum + (shape[along] ?? 0), 0);
  const shape = first.shape.map((dim, at) => (at === along ? length : dim));
  const data = new (arrayClass(dtype))(elementCount(shape));
  const target = bytesOf(data);
  const { outer } = viewAlong(shape, along);
  let offset = 0;
  for (const part of parts) {
    const source = bytesOf(part.data);
    const block = outer === 0 ? 0 : source.byteLength / outer;
    for (let o = 0; o < outer; o++) target.set(source.subarray(o * block, (o + 1) * block), offset + (o * target.byteLength) / outer);
    offset += block;
  }
  return { dtype, shape, data };
}

/** The entries [begin, end) of an axis (0 or greater), copied. */
export function rangeAlong<D extends NumericDType>(
  { dtype, shape, data }: Elements<D>,
  axis: number,
  begin: number,
  end: number,
): Elements<D> {
  const { outer, length, inner } = viewAlong(shape, axis);
  const to = shape.map((dim, at) => (at === axis ? end - begin : dim));
  const out = new (arrayClass(dtype))(elementCount(to));
  const [source, target] = [bytesOf(data), bytesOf(out)];
  const unit = inner * data.BYTES_PER_ELEMENT;
  for (let o = 0; o < outer; o++)
    target.set(source.subarray((o * length + begin) * unit, (o * length + end) * unit), o * (end - begin) * unit);
  return { dtype, shape: to, data: out };
}

/**
 * Where numpy's split cuts an axis of `length` entries: into a number of equal parts, or before each of the given positions.
 * Gives [begin, end) per part. Throws RangeError for a count that does not divide the axis.
 */
export function splitRanges(length: number, parts: number | readonly number[]): (readonly [number, number])[] {
  if (typeof parts !== 'number') {
    const clamp = (at: number): number => Math.min(length, Math.max(0, at < 0 ? at + length : at));
    const cuts = [0, ...parts.map(clamp), length];
    return cuts.slice(1).map((end, index) => [cuts[index] ?? 0, Math.max(end, cuts[index] ?? 0)] as const);
  }
  if (!Number.isInteger(parts) || parts < 1 || length % parts !== 0)
    throw new RangeError(`an axis of ${length} entries cannot be split into ${parts} equal parts`);
  const size = length / parts;
  return Array.from({ length: parts }, (_, index) => [index * size, (index + 1) * size] as const);
}

/** Entries put before and after each axis: one [before, after] pair per axis. */
export type PadWidths = readonly (readonly [before: number, after: number])[];

/** The tensor with a border of one value. Throws RangeError for widths that are negative, no whole numbers or not one pair per axis. */
export function padded<D extends NumericDType>({ dtype, shape, data }: Elements<D>, widths: PadWidths, value: ElementValue): Elements<D> {
  if (widths.length !== shape.length || widths.flat().some((width) => !Number.isInteger(width) || width < 0))
    throw new RangeError(`pad needs [before, after] for each of ${shape.length} axes, whole numbers of 0 or more`);
  const to = shape.map((dim, axis) => (widths[axis]?.[0] ?? 0) + dim + (widths[axis]?.[1] ?? 0));
  const out = new (arrayClass(dtype))(elementCount(to));
  const write = elementWriter(dtype, out);
  for (let i = 0; i < out.length; i++) write(i, value);
  const strides = stridesOf(to);
  const row = shape.at(-1) ?? 1;
  const [source, target] = [bytesOf(data), bytesOf(out)];
  const size = data.BYTES_PER_ELEMENT;
  for (let at = 0; row > 0 && at < data.length; at += row) {
    let rest = at / row;
    let place = (widths.at(-1)?.[0] ?? 0) * (strides.at(-1) ?? 1);
    for (let axis = shape.length - 2; axis >= 0; axis--) {
      const dim = shape[axis] ?? 1;
      place += ((rest % dim) + (widths[axis]?.[0] ?? 0)) * (strides[axis] ?? 1);
      rest = Math.floor(rest / dim);
    }
    target.set(source.subarray(at * size, (at + row) * size), place * size);
  }
  return { dtype, shape: to, data: out };
}
