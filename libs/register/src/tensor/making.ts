import { alignedBytes, dtypeEntry, elementCount } from '@mserve/wire';
import type { Elements } from './axes.js';
import { arrayClass, checkElement, dtypeOfArray, elementReader, elementWriter, isInteger, isNumericDType } from './element.js';
import type { ElementArray, ElementValue, NumericDType } from './element.js';

/** Elements made of numbers, arrays and bytes, and of elements of another type. */

/** Numbers in nested arrays, as {@link Tensor.toArray} gives and {@link Tensor.of} takes them: `1`, `[1, 2]`, `[[1, 2], [3, 4]]`. */
export type Nested = ElementValue | readonly Nested[];

/** Numbers of nested arrays, checked, in the shape found or the one given. Throws RangeError for arrays of unequal lengths and like {@link checkElement}. */
export function elementsOfNested<D extends NumericDType>(
  dtype: D,
  values: Nested | ElementArray,
  shape: readonly number[] | undefined,
): Elements<D> {
  const flat: unknown[] = [];
  const found = flatten(ArrayBuffer.isView(values) ? Array.from(values as Float64Array) : values, flat);
  const data = new (arrayClass(dtype))(flat.length);
  const write = elementWriter(dtype, data);
  flat.forEach((value, index) => write(index, checkElement(dtype, value)));
  return { dtype, shape: shape ?? found, data };
}

/** A TypedArray's elements, not copied, as the dtype that its class holds. Throws TypeError for anything else. */
export function elementsOfArray(array: ElementArray, shape: readonly number[] | undefined): Elements {
  const dtype = dtypeOfArray(array);
  if (dtype === undefined) throw new TypeError('Tensor.from takes a TypedArray');
  return { dtype, shape: shape ?? [array.length], data: asHeld(dtype, array) };
}

/** Raw little-endian bytes, copied only when they are not aligned. Throws RangeError when their length is not that of dtype and shape. */
export function elementsOfBytes<D extends NumericDType>(dtype: D, shape: readonly number[], bytes: Uint8Array): Elements<D> {
  const { elementBytes } = dtypeEntry(dtype);
  const aligned = alignedBytes(bytes, elementBytes);
  const expected = elementCount(shape) * elementBytes;
  if (bytes.byteLength !== expected)
    throw new RangeError(`a ${dtype} tensor of shape [${shape.join(', ')}] has ${expected} bytes, but ${bytes.byteLength} are given`);
  return { dtype, shape, data: new (arrayClass(dtype))(aligned.buffer, aligned.byteOffset, bytes.byteLength / elementBytes) };
}

/** Zeros, or false. Throws for a shape with a dim that is negative or no integer. */
export function zeros<D extends NumericDType>(dtype: D, shape: readonly number[]): Elements<D> {
  return { dtype, shape, data: new (arrayClass(dtype))(elementCount(shape)) };
}

/** The same value everywhere, checked. */
export function filled<D extends NumericDType>(dtype: D, shape: readonly number[], value: ElementValue): Elements<D> {
  const elements = zeros(dtype, shape);
  const [one] = elementsOfNested(dtype, value, undefined).data;
  (elements.data as { fill(value: unknown): unknown }).fill(one);
  return elements;
}

/** A copy as another element type, like numpy's astype. Throws TypeError for an unknown type. */
export function converted<To extends NumericDType>({ dtype: from, shape, data }: Elements, dtype: To): Elements<To> {
  if (!isNumericDType(dtype)) throw new TypeError(`data type '${String(dtype)}' not understood`);
  if ((dtype as NumericDType) === from) return { dtype, shape, data: data.slice() };
  const elements = zeros(dtype, shape);
  const read = elementReader(from, data);
  const write = elementWriter(dtype, elements.data);
  for (let i = 0; i < data.length; i++) write(i, read(i));
  return elements;
}

/** A plain number as a tensor of the type that holds it: bool, int64 or float64. */
export function plainScalar(value: ElementValue): Elements {
  if (typeof value === 'boolean') return elementsOfNested('bool', value, undefined);
  return elementsOfNested(typeof value === 'bigint' || Number.isSafeInteger(value) ? 'int64' : 'float64', value, undefined);
}

/** A plain number as a tensor of a type that was chosen with {@link promoteWeak}. Throws RangeError for a whole number that an integer type cannot hold. */
export function weakScalar(dtype: NumericDType, value: ElementValue): Elements {
  if (isInteger(dtype)) return elementsOfNested(dtype, typeof value === 'boolean' ? Number(value) : value, undefined);
  const elements = zeros(dtype, []);
  elementWriter(dtype, elements.data)(0, value);
  return elements;
}

/** Clamped arrays, Buffers and Float16Arrays, seen as the class that holds their dtype here; other arrays as they are. */
function asHeld(dtype: NumericDType, array: ElementArray): ElementArray {
  if (dtype === 'uint8') return array.constructor === Uint8Array ? array : new Uint8Array(array.buffer, array.byteOffset, array.length);
  return dtype === 'float16' ? new Uint16Array(array.buffer, array.byteOffset, array.length) : array;
}

/** Appends all leaves to `flat`, gives the shape. Throws RangeError for ragged arrays. */
function flatten(values: unknown, flat: unknown[]): number[] {
  if (!Array.isArray(values)) {
    flat.push(values);
    return [];
  }
  let inner: number[] | undefined;
  for (const value of values as unknown[]) {
    const shape = flatten(value, flat);
    if (inner !== undefined && inner.join() !== shape.join()) throw new RangeError('nested arrays should all have the same lengths');
    inner = shape;
  }
  return [values.length, ...(inner ?? [])];
}
