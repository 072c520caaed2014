import { codeOf, elementSizeOf } from './element-types.js';
import { NativeError } from './native-error.js';
import { maxRank } from './native-link.js';
import type { NativeTensor, SessionDescription, ValueDescription } from './tensor.js';

/** Number of elements; NaN when a dim is no count or the product is beyond exact numbers. */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  let isZero = false;
  for (const dim of shape) {
    if (!Number.isSafeInteger(dim) || dim < 0) return NaN;
    if (dim === 0) isZero = true;
    else count *= dim;
  }
  if (count > Number.MAX_SAFE_INTEGER) return NaN;
  return isZero ? 0 : count;
}

function refuse(name: string, text: string): never {
  throw new NativeError('input', `input "${name}": ${text}`);
}

function shapeText(shape: readonly number[]): string {
  return `[${shape
    .slice(0, 16)
    .map((dim) => (dim === -1 ? '?' : String(dim)))
    .join(', ')}${shape.length > 16 ? ', ...' : ''}]`;
}

function fits(expected: readonly number[], given: readonly number[]): boolean {
  if (expected.length !== given.length) return false;
  for (let axis = 0; axis < expected.length; axis++) {
    const dim = expected[axis]!;
    if (dim !== -1 && dim !== given[axis]) return false;
  }
  return true;
}

/** Throws a NativeError of kind 'input' unless the tensor's dtype, rank, dims and byte length are what the model declares. */
export function checkInput(expected: ValueDescription, tensor: NativeTensor | undefined): asserts tensor is NativeTensor {
  if (tensor === undefined) refuse(expected.name, 'it is missing');
  const { dtype, shape, bytes } = tensor;
  if (dtype !== expected.dtype) refuse(expected.name, `expected ${expected.dtype}, got ${String(dtype)}`);
  const wanted = expected.shape;
  if (wanted === undefined) {
    if (shape.length > maxRank) refuse(expected.name, `rank ${shape.length} is over ${maxRank}`);
  } else if (!fits(wanted, shape)) {
    refuse(expected.name, `expected shape ${shapeText(wanted)}, got ${shapeText(shape)}`);
  }
  checkBytes(expected.name, tensor);
  if (!ArrayBuffer.isView(bytes)) refuse(expected.name, 'bytes is not a Uint8Array');
}

function checkBytes(name: string, { dtype, shape, bytes }: NativeTensor): void {
  const elements = elementCount(shape);
  if (Number.isNaN(elements))
    refuse(name, `shape ${shapeText(shape)} is not allowed: dims are whole numbers >= 0 with a product below 2^53`);
  const size = elementSizeOf(dtype);
  const isShort = size === 0 ? bytes.byteLength < elements * 4 : bytes.byteLength !== elements * size;
  if (!isShort) return;
  const wanted = size === 0 ? `at least ${elements * 4}` : String(elements * size);
  refuse(name, `${dtype} ${shapeText(shape)} needs ${wanted} bytes, got ${bytes.byteLength}`);
}

/** Throws a NativeError of kind 'input' unless so many tensors can be the inputs of a run. */
export function checkInputCount({ inputs, defaults = [] }: SessionDescription, given: number): void {
  if (given >= inputs.length && given <= inputs.length + defaults.length) return;
  const names = inputs.map((input) => input.name).join(', ');
  const most = defaults.length === 0 ? '' : ` to ${inputs.length + defaults.length}`;
  throw new NativeError('input', `the model takes ${inputs.length}${most} inputs (${names.slice(0, 300)}), got ${given}`);
}

/** As checkInput, for a weight given by reference, whose declaration only the model knows. Kind 'load'. */
export function checkInitializer(name: string, tensor: NativeTensor): void {
  if (codeOf(tensor.dtype) === undefined || tensor.dtype === 'string') {
    throw new NativeError('load', `initializer "${name}": element type ${String(tensor.dtype)} is not allowed`);
  }
  const elements = elementCount(tensor.shape);
  if (elements * elementSizeOf(tensor.dtype) !== tensor.bytes.byteLength) {
    throw new NativeError(
      'load',
      `initializer "${name}": ${tensor.dtype} ${shapeText(tensor.shape)} does not need ${tensor.bytes.byteLength} bytes`,
    );
  }
}
