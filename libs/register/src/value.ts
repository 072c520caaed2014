import { dtypeEntry, elementCount, isVariableSize, packElements, unpackElements, type Tensor as WireTensor } from '@mserve/wire';
import { typeName } from './register-error.js';
import { dtypeOfArray, isNumericDType, type ElementArray } from './tensor/element.js';
import { Tensor } from './tensor/tensor.js';

/**
 * What a function gets for one input: a string for a string, a uint8 tensor of rank 1 for bytes, else a tensor of the request's
 * dtype and shape (rank 0 stays rank 0). A string or bytes tensor of several elements arrives as an array.
 */
export type InputValue = Tensor | string | readonly string[] | readonly Tensor[];

/**
 * What a function may give for one output: a tensor as it is, another TypedArray as a tensor of rank 1, a Uint8Array (a Buffer too) or
 * ArrayBuffer as bytes, a string, a boolean as bool, a bigint or whole number (within 2^53) as int64, another number as float64.
 */
export type OutputValue = Tensor | ElementArray | Uint8Array | ArrayBuffer | string | boolean | number | bigint;

/** See {@link OutputValue}. */
export const outputKinds = 'a Tensor, a TypedArray, an ArrayBuffer, a string, a boolean, a number or a bigint';

/** A byte order mark is part of a string: without ignoreBOM it would be lost. */
const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const utf8Encoder = new TextEncoder();

/** A request's tensor as functions see it. Views on the tensor's bytes, no copy when they are aligned. Throws TypeError for a string that is not UTF-8. */
export function inputValue(tensor: WireTensor): InputValue {
  const { dtype, shape, bytes } = tensor;
  if (!isVariableSize(dtype)) return Tensor.fromBytes(dtype, shape, bytes);
  const elements = unpackElements(tensor);
  const values = dtype === 'string' ? elements.map(textOf) : elements.map((element) => new Tensor('uint8', [element.byteLength], element));
  return values.length === 1 ? (values[0] as string | Tensor) : (values as string[] | Tensor[]);
}

function textOf(element: Uint8Array): string {
  try {
    return utf8Decoder.decode(element);
  } catch (thrown) {
    throw new TypeError('a string is not valid UTF-8', { cause: thrown });
  }
}

/** A value that a function returned, as a tensor. Throws OutputKindError for what is no value: undefined, null, objects, arrays; TypeError or RangeError for a tensor that was tampered with. */
export function outputTensor(value: unknown): WireTensor {
  switch (typeof value) {
    case 'string':
      return { dtype: 'string', shape: [], bytes: packElements([utf8Encoder.encode(value)]) };
    case 'boolean':
      return Tensor.scalar('bool', value);
    case 'bigint':
      return Tensor.scalar('int64', value);
    case 'number':
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? Tensor.scalar('int64', value) : Tensor.scalar('float64', value);
    case 'object':
      return objectTensor(value);
    default:
      throw new OutputKindError(value);
  }
}

function objectTensor(value: object | null): WireTensor {
  if (value instanceof Tensor) return checkedTensor(value);
  if (ArrayBuffer.isView(value)) {
    if (value instanceof Uint8Array) return { dtype: 'bytes', shape: [], bytes: packElements([value]) };
    if (dtypeOfArray(value) === undefined) throw new OutputKindError(value);
    return checkedTensor(Tensor.from(value as unknown as ElementArray));
  }
  if (value instanceof ArrayBuffer) return { dtype: 'bytes', shape: [], bytes: packElements([new Uint8Array(value)]) };
  // A Tensor of another copy of this package: known by its parts.
  const { dtype, shape, data } = (value ?? {}) as { dtype?: unknown; shape?: unknown; data?: unknown };
  if (isNumericDType(dtype) && Array.isArray(shape) && ArrayBuffer.isView(data))
    return checkedTensor(new Tensor(dtype, shape as number[], data as ElementArray));
  throw new OutputKindError(value);
}

/**
 * As it is now, apart from the author's object, which may change: its buffer may have been given away or shrunk, its fields overwritten, other bytes than
 * 0 and 1 written to a bool.
 */
function checkedTensor({ dtype, shape, data }: Tensor): WireTensor {
  if (!isNumericDType(dtype))
    throw new TypeError(`a tensor has the unknown dtype ${typeof dtype === 'string' ? `'${dtype as string}'` : typeName(dtype)}`);
  const dims = [...shape];
  const size = elementCount(dims) * dtypeEntry(dtype).elementBytes;
  if (data.byteLength !== size) throw new RangeError(`the elements of a tensor of shape [${dims.join(', ')}] are gone`);
  const bytes = new Uint8Array(data.buffer, data.byteOffset, size);
  const isMadeBool = dtype === 'bool' && bytes.some((byte) => byte > 1);
  return { dtype, shape: dims, bytes: isMadeBool ? bytes.map((byte) => (byte === 0 ? 0 : 1)) : bytes };
}

/** For a value of this type: what its author has most likely forgotten. */
export function awaitHint(given: string): string {
  return given === 'Promise' ? ' (is an await missing?)' : '';
}

/** A function returned what cannot become a tensor. */
export class OutputKindError extends TypeError {
  override readonly name = 'OutputKindError';
  /** Name of the value's type. */
  readonly given: string;

  constructor(value: unknown) {
    const given = typeName(value);
    super(`a value of type ${given} was given where ${outputKinds} is expected${awaitHint(given)}`);
    this.given = given;
  }
}
