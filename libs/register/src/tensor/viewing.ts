import { elementCount } from '@mserve/wire';
import { axisOf, type Elements } from './axes.js';
import type { NumericDType } from './element.js';

/** Views: other shapes and parts of the same elements; nothing is copied. */

/** What lies at these leading indexes; negative ones count from the end. Throws RangeError outside the shape, and for more indexes than there are axes. */
export function blockAt<D extends NumericDType>({ dtype, shape, data }: Elements<D>, indexes: readonly number[]): Elements<D> {
  if (indexes.length > shape.length) throw new RangeError(`a tensor of rank ${shape.length} has no ${indexes.length} indexes`);
  let offset = 0;
  let block = data.length;
  indexes.forEach((given, axis) => {
    const dim = shape[axis] ?? 0;
    const index = given < 0 ? given + dim : given;
    if (!Number.isInteger(index) || index < 0 || index >= dim)
      throw new RangeError(`index ${given} is out of bounds for axis ${axis} with size ${dim}`);
    block /= dim;
    offset += index * block;
  });
  return { dtype, shape: shape.slice(indexes.length), data: data.subarray(offset, offset + block) };
}

/** Entries [begin, end) along the first axis, like Array.slice. Throws RangeError for rank 0 and for positions that are no whole numbers. */
export function sliced<D extends NumericDType>({ dtype, shape, data }: Elements<D>, begin: number, end: number | undefined): Elements<D> {
  const [length, ...rest] = shape;
  if (Math.trunc(begin) !== begin || (end !== undefined && Math.trunc(end) !== end))
    throw new RangeError(`slice takes whole numbers, but got ${begin} and ${end}`);
  if (length === undefined) throw new RangeError('a tensor of rank 0 cannot be sliced');
  const block = length === 0 ? 0 : data.length / length;
  const from = position(begin, length);
  const to = Math.max(from, position(end ?? length, length));
  return { dtype, shape: [to - from, ...rest], data: data.subarray(from * block, to * block) };
}

/** The same elements in another shape, in which one dim may be -1: what the others leave over. Throws RangeError when the counts cannot agree. */
export function reshaped<D extends NumericDType>({ dtype, data }: Elements<D>, given: readonly number[]): Elements<D> {
  const known = elementCount(given.filter((dim) => dim !== -1));
  const open = given.length - given.filter((dim) => dim !== -1).length;
  if (open > 1) throw new RangeError(`only one dim of a shape can be -1, but [${given.join(', ')}] is given`);
  if (open === 1 && (known === 0 || data.length % known !== 0))
    throw new RangeError(`${data.length} elements cannot have the shape [${given.join(', ')}]`);
  return { dtype, shape: given.map((dim) => (dim === -1 ? data.length / known : dim)), data };
}

/** The shape without axes of size 1: all of them, or the one named. Throws RangeError for an axis of another size. */
export function squeezedShape(shape: readonly number[], axis: number | undefined): number[] {
  if (axis === undefined) return shape.filter((dim) => dim !== 1);
  const at = axisOf(axis, shape.length);
  if (shape[at] !== 1) throw new RangeError(`axis ${axis} has size ${shape[at]}, only axes of size 1 can be squeezed`);
  return shape.toSpliced(at, 1);
}

function position(at: number, length: number): number {
  return Math.min(length, Math.max(0, at < 0 ? at + length : at));
}
