import { elementwise, type Operation } from './arithmetic.js';
import type { Elements } from './axes.js';
import { elementReader, elementWriter, type ElementValue, type NumericDType } from './element.js';
import { converted, plainScalar, weakScalar, zeros } from './making.js';
import { matrixProduct } from './matmul.js';
import { concatenated } from './movement.js';
import { promote, promoteDivision, promoteWeak } from './promotion.js';
import { selected } from './selection.js';

/** Tensors, and plain numbers, of several types: brought to the type of the result first (numpy's rules), then combined. */

/** The other side of an operation. */
export type Other = Elements | ElementValue;

/** These elements as another type; a copy only when they are of another. */
function as<To extends NumericDType>(elements: Elements, dtype: To): Elements<To> {
  return elements.dtype === dtype ? (elements as Elements<To>) : converted(elements, dtype);
}

function side(given: Other, dtype: NumericDType): Elements {
  return typeof given === 'object' ? as(given, dtype) : weakScalar(dtype, given);
}

/** Element by element, with broadcasting; see {@link Tensor.add}. */
export function combined(operation: Operation, left: Elements, other: Other): Elements {
  const common = typeof other === 'object' ? promote(left.dtype, other.dtype) : promoteWeak(left.dtype, other);
  const dtype = operation === 'div' ? promoteDivision(common) : common;
  return { dtype, ...elementwise(operation, dtype, as(left, dtype), side(other, dtype)) };
}

/** Each element held between two bounds; see {@link Tensor.clip}. */
export function clipped(elements: Elements, min: ElementValue | undefined, max: ElementValue | undefined): Elements {
  const dtype = [min, max].reduce<NumericDType>(
    (found, bound) => (bound === undefined ? found : promoteWeak(found, bound)),
    elements.dtype,
  );
  const result = zeros(dtype, elements.shape);
  const [read, write] = [elementReader(elements.dtype, elements.data), elementWriter(dtype, result.data)];
  for (let i = 0; i < result.data.length; i++) {
    const value = read(i);
    const raised = min !== undefined && value < min ? min : value;
    write(i, max !== undefined && raised > max ? max : raised);
  }
  return result;
}

/** Matrix product; see {@link Tensor.matmul}. */
export function multiplied(left: Elements, right: Elements): Elements {
  const dtype = promote(left.dtype, right.dtype);
  return matrixProduct(dtype, as(left, dtype), as(right, dtype));
}

/** Joined along an axis that they have; see {@link Tensor.concat}. */
export function joined(tensors: readonly Elements[], axis: number): Elements {
  const [first] = tensors;
  if (first === undefined) throw new RangeError('concat needs at least one tensor');
  const dtype = tensors.reduce<NumericDType>((found, tensor) => promote(found, tensor.dtype), first.dtype);
  return concatenated(
    dtype,
    tensors.map((tensor) => as(tensor, dtype)),
    axis,
  );
}

/** `a` where the condition holds, else `b`; see {@link Tensor.where}. */
export function chosen(condition: Elements, a: Other, b: Other): Elements {
  const dtype = choiceType(a, b);
  return selected(dtype, condition, side(a, dtype), side(b, dtype));
}

/** The type of what is chosen from two sides; plain numbers are weak, and two of them are float64, int64 or bool. */
function choiceType(a: Other, b: Other): NumericDType {
  if (typeof a === 'object') return typeof b === 'object' ? promote(a.dtype, b.dtype) : promoteWeak(a.dtype, b);
  if (typeof b === 'object') return promoteWeak(b.dtype, a);
  return promote(plainScalar(a).dtype, plainScalar(b).dtype);
}
