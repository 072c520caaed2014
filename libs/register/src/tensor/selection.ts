import { elementCount } from '@mserve/wire';
import { broadcastShape, indexer } from './arithmetic.js';
import type { Elements } from './axes.js';
import { arrayClass, elementReader, elementWriter, type ElementValue, type NumericDType } from './element.js';

/** How two tensors can be compared, element by element. */
export type Comparison = 'equal' | 'notEqual' | 'less' | 'lessEqual' | 'greater' | 'greaterEqual';

/** NaN equals nothing, not even itself. bigint and number are compared by value. */
const comparisons: Readonly<Record<Comparison, (a: ElementValue, b: ElementValue) => boolean>> = {
  // Not ===: 1n and 1 are the same value
  equal: (a, b) => a >= b && a <= b,
  notEqual: (a, b) => !(a >= b && a <= b),
  less: (a, b) => a < b,
  lessEqual: (a, b) => a <= b,
  greater: (a, b) => a > b,
  greaterEqual: (a, b) => a >= b,
};

/** Element by element with broadcasting, exact whatever the two types are. Throws RangeError when the shapes do not fit. */
export function compared(comparison: Comparison, a: Elements, b: Elements): Elements<'bool'> {
  const shape = broadcastShape(a.shape, b.shape);
  const data = new Uint8Array(elementCount(shape));
  const holds = comparisons[comparison];
  const [readA, readB] = [elementReader(a.dtype, a.data), elementReader(b.dtype, b.data)];
  const [indexA, indexB] = [indexer(a.shape, shape, a.data.length), indexer(b.shape, shape, b.data.length)];
  for (let i = 0; i < data.length; i++) data[i] = holds(readA(indexA(i)), readB(indexB(i))) ? 1 : 0;
  return { dtype: 'bool', shape, data };
}

/** `a` where `condition` is not 0, else `b`; all three are broadcast, `a` and `b` are of `dtype` already. Throws RangeError when the shapes do not fit. */
export function selected<D extends NumericDType>(dtype: D, condition: Elements, a: Elements, b: Elements): Elements<D> {
  const shape = broadcastShape(condition.shape, broadcastShape(a.shape, b.shape));
  const data = new (arrayClass(dtype))(elementCount(shape));
  const [test, readA, readB] = [elementReader(condition.dtype, condition.data), elementReader(dtype, a.data), elementReader(dtype, b.data)];
  const [indexC, indexA, indexB] = [condition, a, b].map((part) => indexer(part.shape, shape, part.data.length));
  const write = elementWriter(dtype, data);
  if (indexC === undefined || indexA === undefined || indexB === undefined) return { dtype, shape, data };
  for (let i = 0; i < data.length; i++) write(i, Number(test(indexC(i))) !== 0 ? readA(indexA(i)) : readB(indexB(i)));
  return { dtype, shape, data };
}
