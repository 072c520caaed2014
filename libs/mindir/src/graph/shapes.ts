import type { Shape } from './value.js';
import { sequence } from './sequence.js';

/** The shape of elementwise results; undefined when a rank is unknown. A dim that cannot be told is -1. */
export function broadcastShapes(shapes: readonly (Shape | undefined)[]): Shape | undefined {
  let result: Shape = [];
  for (const shape of shapes) {
    if (shape === undefined) return undefined;
    result = broadcastTwo(result, shape);
  }
  return result;
}

function broadcastTwo(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return sequence(rank, (_, index) => {
    const left = a[index - rank + a.length] ?? 1;
    const right = b[index - rank + b.length] ?? 1;
    if (left === 1) return right;
    if (right === 1) return left;
    return left === -1 ? right : left;
  });
}

/** What two descriptions of one tensor say together; the first wins where both are known. */
export function mergeShapes(known: Shape | undefined, annotated: Shape | undefined): Shape | undefined {
  if (known === undefined) return annotated;
  if (annotated === undefined || annotated.length !== known.length) return known;
  return known.map((dim, index) => (dim === -1 ? (annotated[index] ?? -1) : dim));
}

/** What is certain of a tensor that has one shape or the other. */
export function eitherShape(a: Shape | undefined, b: Shape | undefined): Shape | undefined {
  if (a === undefined || b === undefined || a.length !== b.length) return undefined;
  return a.map((dim, index) => (dim === b[index] ? dim : -1));
}

/** -1 when a dim is not known. */
export function knownCount(shape: Shape): number {
  return shape.reduce((count, dim) => (dim === -1 || count === -1 ? -1 : count * dim), 1);
}

/** Whether a shape is known and has no dim that is decided at run time. */
export function isStatic(shape: Shape | undefined): shape is Shape {
  return shape !== undefined && !shape.includes(-1);
}

/** A possibly negative axis as 0..rank-1. */
export function positiveAxis(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}
