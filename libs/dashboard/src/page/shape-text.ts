/** A shape as people write it: `[2, any]`. */
export function shapeText(shape: readonly number[] | undefined): string {
  if (shape === undefined) return 'any shape';
  return shape.length === 0 ? 'one value' : `[${shape.map((dim) => (dim < 0 ? 'any' : dim)).join(', ')}]`;
}
