/**
 * What is wrong with a servable's declarations, in words for its author. Thrown while the servable_config is loaded, so it carries the
 * author's line in its stack.
 */
export class RegisterError extends Error {
  override readonly name = 'RegisterError';
}

/** How a value is called in error texts, where the original prints Python's `<class '...'>`: `undefined`, `null`, `number`, `Array`, the name of its class. */
export function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value !== 'object') return typeof value;
  const { constructor } = value;
  if (typeof constructor === 'function' && constructor.name !== '') return constructor.name;
  return Object.prototype.toString.call(value).slice('[object '.length, -1);
}
