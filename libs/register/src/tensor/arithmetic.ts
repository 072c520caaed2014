import { elementCount } from '@mserve/wire';
import { arrayClass, elementReader, elementWriter, type ElementArray, type NumericDType } from './element.js';

/** Element-wise operations of two operands. */
export type Operation = 'add' | 'sub' | 'mul' | 'div';

/** Elements of one operand, already of the result's dtype. */
export interface Operand {
  readonly shape: readonly number[];
  readonly data: ElementArray;
}

/** numpy's broadcasting: dims are aligned at the end, 1 stretches. Throws RangeError when the shapes don't fit. */
export function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const aDim = a[axis - rank + a.length] ?? 1;
    const bDim = b[axis - rank + b.length] ?? 1;
    if (aDim !== bDim && aDim !== 1 && bDim !== 1)
      throw new RangeError(`operands could not be broadcast together with shapes [${a.join(', ')}] and [${b.join(', ')}]`);
    return aDim === 1 ? bDim : aDim;
  });
}

/** Element by element, with broadcasting; both operands and the result are of `dtype`. Integers wrap around. */
export function elementwise(operation: Operation, dtype: NumericDType, a: Operand, b: Operand): { shape: number[]; data: ElementArray } {
  const shape = broadcastShape(a.shape, b.shape);
  const data = new (arrayClass(dtype))(elementCount(shape));
  const combine = combiner(operation, dtype, a.data, b.data, data);
  const aIndex = indexer(a.shape, shape, a.data.length);
  const bIndex = indexer(b.shape, shape, b.data.length);
  for (let i = 0; i < data.length; i++) combine(i, aIndex(i), bIndex(i));
  return { shape, data };
}

type BigintArray = Extract<ElementArray, BigInt64Array | BigUint64Array>;
type NumberArray = Exclude<ElementArray, BigInt64Array | BigUint64Array>;

function holdsBigints(data: ElementArray): data is BigintArray {
  return data instanceof BigInt64Array || data instanceof BigUint64Array;
}

type Combine = (to: number, a: number, b: number) => void;

function combiner(operation: Operation, dtype: NumericDType, a: ElementArray, b: ElementArray, out: ElementArray): Combine {
  if (holdsBigints(a) && holdsBigints(b) && holdsBigints(out)) return bigintCombiner(operation, a, b, out);
  if (holdsBigints(a) || holdsBigints(b) || holdsBigints(out))
    throw new TypeError(`elements of ${dtype} tensors should all be numbers or all bigints`);
  if (dtype === 'bool') return boolCombiner(operation, a, b, out);
  if (dtype === 'float16' || dtype === 'bfloat16') {
    const [readA, readB, write] = [elementReader(dtype, a), elementReader(dtype, b), elementWriter(dtype, out)];
    return (to, i, j) => write(to, numberResult(operation, readA(i), readB(j)));
  }
  return numberCombiner(operation, dtype, a, b, out);
}

function numberResult(operation: Operation, a: number, b: number): number {
  return operation === 'add' ? a + b : operation === 'sub' ? a - b : operation === 'mul' ? a * b : a / b;
}

/** Results in double precision are rounded once by the TypedArray: the same as computing in float32, and wrapping for integers up to 32 bits. */
function numberCombiner(operation: Operation, dtype: NumericDType, a: NumberArray, b: NumberArray, out: NumberArray): Combine {
  const isWide = dtype === 'int32' || dtype === 'uint32';
  if (operation === 'add') return (to, i, j) => void (out[to] = (a[i] as number) + (b[j] as number));
  if (operation === 'sub') return (to, i, j) => void (out[to] = (a[i] as number) - (b[j] as number));
  if (operation === 'div') return (to, i, j) => void (out[to] = (a[i] as number) / (b[j] as number));
  if (isWide) return (to, i, j) => void (out[to] = Math.imul(a[i] as number, b[j] as number)); // a product of 32 bits each is not exact in a double
  return (to, i, j) => void (out[to] = (a[i] as number) * (b[j] as number));
}

function bigintCombiner(operation: Operation, a: BigintArray, b: BigintArray, out: BigintArray): Combine {
  if (operation === 'add') return (to, i, j) => void (out[to] = (a[i] as bigint) + (b[j] as bigint));
  if (operation === 'sub') return (to, i, j) => void (out[to] = (a[i] as bigint) - (b[j] as bigint));
  return (to, i, j) => void (out[to] = (a[i] as bigint) * (b[j] as bigint));
}

/** As numpy: + is "or", * is "and", - is refused. */
function boolCombiner(operation: Operation, a: NumberArray, b: NumberArray, out: NumberArray): Combine {
  if (operation === 'sub') throw new TypeError('bool tensors cannot be subtracted, use astype first');
  if (operation === 'add') return (to, i, j) => void (out[to] = (a[i] as number) | (b[j] as number));
  return (to, i, j) => void (out[to] = (a[i] as number) & (b[j] as number));
}

/** Maps an index of a result of shape `to` to one of an operand of shape `from` that is broadcast to it; `length` is the operand's element count. */
export function indexer(from: readonly number[], to: readonly number[], length: number): (index: number) => number {
  if (length === 1) return () => 0;
  const offset = to.length - from.length;
  if (offset === 0 && from.every((dim, axis) => dim === to[axis])) return (index) => index;
  const strides = new Array<number>(to.length).fill(0);
  for (let axis = from.length - 1, stride = 1; axis >= 0; axis--) {
    if (from[axis] !== 1) strides[offset + axis] = stride;
    stride *= from[axis] ?? 1;
  }
  return (index) => {
    let at = 0;
    for (let axis = to.length - 1, rest = index; axis >= 0; axis--) {
      const dim = to[axis] ?? 1;
      at += (rest % dim) * (strides[axis] ?? 0);
      rest = Math.floor(rest / dim);
    }
    return at;
  };
}
