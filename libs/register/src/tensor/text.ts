import type { Elements } from './axes.js';
import { elementReader, type ElementValue } from './element.js';

/** Up to this many elements are shown whole; beyond it each axis shows its first and last three entries, as numpy prints. */
const wholeLimit = 1000;
const edge = 3;

/** `Tensor<float32>[2, 3] [[1, 2, 3], [4, 5, 6]]`: dtype, shape and values, long axes shortened. Floats have up to 8 significant digits. */
export function tensorText({ dtype, shape, data }: Elements): string {
  const read = elementReader(dtype, data);
  const shortens = data.length > wholeLimit;
  const textOf = (axis: number, begin: number, size: number): string => {
    if (axis === shape.length) return elementText(read(begin));
    const length = shape[axis] ?? 0;
    const block = length === 0 ? 0 : size / length;
    const entry = (k: number): string => textOf(axis + 1, begin + k * block, block);
    const range = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, k) => entry(from + k));
    const entries = shortens && length > 2 * edge ? [...range(0, edge), '...', ...range(length - edge, length)] : range(0, length);
    return `[${entries.join(', ')}]`;
  };
  return `Tensor<${dtype}>[${shape.join(', ')}] ${textOf(0, 0, data.length)}`;
}

function elementText(value: ElementValue): string {
  if (typeof value !== 'number' || Number.isInteger(value)) return Object.is(value, -0) ? '-0' : String(value);
  return String(Number(value.toPrecision(8)));
}
