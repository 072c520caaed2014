import type { ElementArray, NumericDType } from './element.js';

/** Elements in C order with their type and shape: what a tensor is made of, and what the functions of this folder take and give. */
export interface Elements<D extends NumericDType = NumericDType> {
  readonly dtype: D;
  readonly shape: readonly number[];
  readonly data: ElementArray;
}

/** An axis counted from 0; negative ones count from the end. Throws RangeError for one that a tensor of this rank does not have. */
export function axisOf(axis: number, rank: number): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank)
    throw new RangeError(`axis ${axis} is out of bounds for a tensor of rank ${rank}`);
  return axis < 0 ? axis + rank : axis;
}

/** A shape seen from one axis: `outer` blocks of `length` entries of `inner` elements each. */
export interface AxisView {
  readonly outer: number;
  readonly length: number;
  readonly inner: number;
}

/** How the elements of a shape lie along one axis (0 or greater). */
export function viewAlong(shape: readonly number[], axis: number): AxisView {
  const product = (dims: readonly number[]): number => dims.reduce((count, dim) => count * dim, 1);
  return { outer: product(shape.slice(0, axis)), length: shape[axis] ?? 1, inner: product(shape.slice(axis + 1)) };
}

/** Elements from one entry of an axis to the next, per axis, in C order. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis] ?? 1;
  }
  return strides;
}

/** The shape after a reduction along an axis: without it, or with 1 in its place. */
export function reducedShape(shape: readonly number[], axis: number, keepDims: boolean): number[] {
  return keepDims ? shape.map((dim, at) => (at === axis ? 1 : dim)) : shape.filter((_, at) => at !== axis);
}
