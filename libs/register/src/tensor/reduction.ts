import { elementCount } from '@mserve/wire';
import { reducedShape, viewAlong, type AxisView, type Elements } from './axes.js';
import { arrayClass, elementReader, elementWriter, isInteger, type ElementValue, type NumericDType } from './element.js';
import { isFloat } from './promotion.js';

/** Reductions, order and softmax along one axis, with numpy's results and result types. Axes are 0 or greater here. */

type Reader = (index: number) => ElementValue;

/** Calls `each` once per line along the axis: where its first element is, the step to the next, and the line's number in C order of what is left. */
function forLines({ outer, length, inner }: AxisView, each: (begin: number, step: number, line: number) => void): void {
  for (let o = 0; o < outer; o++) for (let i = 0; i < inner; i++) each(o * length * inner + i, inner, o * inner + i);
}

function reduce<To extends NumericDType>(
  { dtype, shape, data }: Elements,
  axis: number,
  keepDims: boolean,
  to: To,
  ofLine: (read: Reader, begin: number, step: number, length: number) => ElementValue,
): Elements<To> {
  const view = viewAlong(shape, axis);
  const out = new (arrayClass(to))(view.outer * view.inner);
  const [read, write] = [elementReader(dtype, data), elementWriter(to, out)];
  forLines(view, (begin, step, line) => write(line, ofLine(read, begin, step, view.length)));
  return { dtype: to, shape: reducedShape(shape, axis, keepDims), data: out };
}

/** numpy's type of a sum: bool and integers give 64 bits, floats stay. */
export function sumType(dtype: NumericDType): NumericDType {
  if (isFloat(dtype)) return dtype;
  return dtype.startsWith('u') ? 'uint64' : 'int64';
}

/** Sums. Integers wrap around at 64 bits; floats are added up in double precision and rounded once. */
export function sumAlong(elements: Elements, axis: number, keepDims: boolean): Elements {
  const to = sumType(elements.dtype);
  if (isFloat(to)) return reduce(elements, axis, keepDims, to, floatSum);
  return reduce(elements, axis, keepDims, to, (read, begin, step, length) => {
    let sum = 0n;
    for (let k = 0; k < length; k++) sum += BigInt(read(begin + k * step));
    return sum;
  });
}

function floatSum(read: Reader, begin: number, step: number, length: number): number {
  let sum = 0;
  for (let k = 0; k < length; k++) sum += Number(read(begin + k * step));
  return sum;
}

/** Means: floats keep their type, bool and integers give float64. NaN for an axis without entries. */
export function meanAlong(elements: Elements, axis: number, keepDims: boolean): Elements {
  const to = isFloat(elements.dtype) ? elements.dtype : 'float64';
  return reduce(elements, axis, keepDims, to, (read, begin, step, length) => floatSum(read, begin, step, length) / length);
}

/** `true` when `a` goes before `b` on the way to the extreme; NaN wins over everything, as in numpy. */
type Beats = (a: ElementValue, b: ElementValue) => boolean;
const greater: Beats = (a, b) => b === b && (a > b || a !== a);
const less: Beats = (a, b) => b === b && (a < b || a !== a);

/** Position along the axis of the first greatest (or least) entry. Throws RangeError for an axis without entries. */
function bestOf(beats: Beats, read: Reader, begin: number, step: number, length: number): number {
  let best = 0;
  for (let k = 1; k < length; k++) if (beats(read(begin + k * step), read(begin + best * step))) best = k;
  return best;
}

function checkFilled({ shape }: Elements, axis: number, name: string): void {
  if (shape[axis] === 0) throw new RangeError(`${name} along axis ${axis}, which has no entries`);
}

/** Greatest or least values, of the same type; a line with a NaN gives NaN. Throws RangeError for an axis without entries. */
export function extremeAlong<D extends NumericDType>(
  elements: Elements<D>,
  which: 'max' | 'min',
  axis: number,
  keepDims: boolean,
): Elements<D> {
  checkFilled(elements, axis, which);
  const beats = which === 'max' ? greater : less;
  return reduce(elements, axis, keepDims, elements.dtype, (read, begin, step, length) =>
    read(begin + bestOf(beats, read, begin, step, length) * step),
  );
}

/** Positions (int64) of the first greatest or least entries, of the first NaN if there is one. Throws RangeError for an axis without entries. */
export function extremeIndexAlong(elements: Elements, which: 'argMax' | 'argMin', axis: number, keepDims: boolean): Elements<'int64'> {
  checkFilled(elements, axis, which);
  const beats = which === 'argMax' ? greater : less;
  return reduce(elements, axis, keepDims, 'int64', (read, begin, step, length) => BigInt(bestOf(beats, read, begin, step, length)));
}

/** Positions of a line's entries in ascending (or descending) order. Equal ones keep their order; NaNs come last. */
function orderOf(read: Reader, begin: number, step: number, length: number, descending: boolean): number[] {
  const sign = descending ? -1 : 1;
  return Array.from({ length }, (_, k) => k).sort((j, k) => {
    const [a, b] = [read(begin + j * step), read(begin + k * step)];
    if (a !== a || b !== b) return a === a ? -1 : b === b ? 1 : 0;
    return a < b ? -sign : a > b ? sign : 0;
  });
}

/**
 * The first `count` entries of each line in ascending or descending order: their values and their positions (int64). Equal entries keep their order,
 * NaNs come last.
 */
export function orderedAlong<D extends NumericDType>(
  { dtype, shape, data }: Elements<D>,
  axis: number,
  count: number,
  descending: boolean,
): { values: Elements<D>; indexes: Elements<'int64'> } {
  const view = viewAlong(shape, axis);
  const to = shape.map((dim, at) => (at === axis ? count : dim));
  const values = new (arrayClass(dtype))(elementCount(to));
  const indexes = new BigInt64Array(values.length);
  const [read, write] = [elementReader(dtype, data), elementWriter(dtype, values)];
  forLines(view, (begin, step, line) => {
    const order = orderOf(read, begin, step, view.length, descending);
    const outBegin = Math.floor(line / view.inner) * count * view.inner + (line % view.inner);
    for (let k = 0; k < count; k++) {
      const position = order[k] ?? 0;
      write(outBegin + k * step, read(begin + position * step));
      indexes[outBegin + k * step] = BigInt(position);
    }
  });
  return { values: { dtype, shape: to, data: values }, indexes: { dtype: 'int64', shape: to, data: indexes } };
}

/** exp(x - max) / sum along the axis. Integers and bool give float64, floats keep their type. */
export function softmaxAlong({ dtype, shape, data }: Elements, axis: number): Elements {
  const to = isInteger(dtype) || dtype === 'bool' ? 'float64' : dtype;
  const view = viewAlong(shape, axis);
  const out = new (arrayClass(to))(data.length);
  const [read, write] = [elementReader(dtype, data), elementWriter(to, out)];
  const line = new Float64Array(view.length);
  forLines(view, (begin, step) => {
    let top = -Infinity;
    for (let k = 0; k < line.length; k++) top = Math.max(top, (line[k] = Number(read(begin + k * step))));
    let sum = 0;
    line.forEach((value, k) => (sum += line[k] = Math.exp(value - top)));
    line.forEach((value, k) => write(begin + k * step, value / sum));
  });
  return { dtype: to, shape, data: out };
}
