import { dtypeEntry, isVariableSize, type DType, type TensorSignature } from '@mserve/wire';
import { givenExample, maxNestedElements, msGivenValue, oipGivenInput } from './given-example.js';
import type { SchemaObject } from './schema.js';

/** Examples of more elements than this are left out: nobody reads them, and the document would be mostly examples. */
const maxExampleElements = 16_384;
/** Bytes that most functions take for bytes are images: a white pixel as PNG, and one as text, because JSON of the Open Inference Protocol has no other bytes. */
const examplePng = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mP4DwABAQEAHLCMmQAAAABJRU5ErkJggg==';
const exampleSvg = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"><rect width="1" height="1" fill="white"/></svg>';

/** The dtypes that the original's JSON can say with plain values; the others need base64. */
const plainDtypes = new Map<string, SchemaObject>([
  ['int32', { type: 'integer', minimum: -2147483648, maximum: 2147483647 }],
  ['float32', { type: 'number', description: 'with a fraction or an exponent: 1.0, not 1' }],
  ['bool', { type: 'boolean' }],
  ['string', { type: 'string' }],
]);

const b64Schema: SchemaObject = { $ref: '#/components/schemas/Base64Tensor' };

/** `leaf` nested in arrays of the given dims; -1 = any size. */
function nested(leaf: SchemaObject, dims: readonly number[]): SchemaObject {
  return dims.reduceRight<SchemaObject>(
    (items, dim) => (dim < 0 ? { type: 'array', items } : { type: 'array', items, minItems: dim, maxItems: dim }),
    leaf,
  );
}

function nestedExample(leaf: unknown, dims: readonly number[]): unknown {
  return dims.reduceRight<unknown>((item, dim) => Array.from({ length: dim }, () => item), leaf);
}

/** The dims an example has: 1 where any size goes. */
function exampleDims(shape: readonly number[]): number[] {
  return shape.map((dim) => (dim < 0 ? 1 : dim));
}

/** Number of elements, or undefined when it is too many for an example. */
function exampleElements(dims: readonly number[]): number | undefined {
  const count = dims.reduce((product, dim) => product * dim, 1);
  return count <= maxExampleElements ? count : undefined;
}

/** What `/model/...` takes for a tensor of one instance. */
export function msValueSchema({ dtype, shape, doc }: TensorSignature): SchemaObject {
  const described = doc === undefined ? {} : { description: doc };
  if (dtype === undefined) return { ...described, title: 'any tensor' };
  const title = `${dtype}${shape === undefined ? '' : `[${shape.join(', ')}]`}`;
  const plain = plainDtypes.get(dtype);
  if (plain === undefined) return { ...described, title, ...b64Schema };
  if (shape === undefined) return { ...described, title, anyOf: [plain, { type: 'array' }, b64Schema] };
  return { ...described, title, anyOf: [dtype === 'string' ? plain : nested(plain, shape), b64Schema] };
}

/** A value that `/model/...` accepts, the author's or a guess; undefined when there is none or it would be too large to show. */
export function msValueExample(signature: TensorSignature): unknown {
  const given = givenExample(signature);
  if (given !== undefined) return msGivenValue(given, signature.dtype);
  const { dtype = 'float32', shape } = signature;
  // The original has no name for it
  if (dtype === 'bfloat16') return undefined;
  const dims = exampleDims(shape ?? []);
  const count = exampleElements(dims);
  if (count === undefined) return undefined;
  if (dtype === 'string') return 'text';
  if (dtype === 'bytes') return { b64: examplePng };
  if (plainDtypes.has(dtype) && count <= maxNestedElements && !dims.includes(0))
    return nestedExample(dtype === 'bool' ? true : dtype === 'int32' ? 1 : 0.5, dims);
  const bytes = Buffer.alloc(count * dtypeEntry(dtype).elementBytes);
  return { b64: bytes.toString('base64'), type: dtype, shape: dims };
}

/** What `/model/...` answers for a tensor of one instance. */
export function msOutputSchema({ dtype, shape, doc }: TensorSignature): SchemaObject {
  const described = doc === undefined ? {} : { description: doc };
  if (dtype === undefined) return { ...described, title: 'any value' };
  if (dtype === 'bytes') return { ...described, title: dtype, ...b64Schema };
  const leaf: SchemaObject = {
    type:
      dtype === 'string'
        ? 'string'
        : dtype === 'bool'
          ? 'boolean'
          : dtype.startsWith('float') || dtype === 'bfloat16'
            ? 'number'
            : 'integer',
  };
  if (shape === undefined) return { ...described, title: dtype };
  return { ...described, title: `${dtype}[${shape.join(', ')}]`, ...nested(leaf, dtype === 'string' ? [] : shape) };
}

/** float16 and bfloat16 have no JSON form in the Open Inference Protocol: they go as binary tensors. */
export function hasOipJson({ dtype }: TensorSignature): boolean {
  return dtype !== 'float16' && dtype !== 'bfloat16';
}

function oipShape({ dtype, shape }: TensorSignature, batched: boolean): number[] {
  if (shape !== undefined) return batched ? [-1, ...shape] : [...shape];
  return batched && dtype !== undefined && !isVariableSize(dtype) ? [-1, -1] : [-1];
}

/** A tensor of the Open Inference Protocol, in a request or in a response. */
export function oipTensorSchema(signature: TensorSignature, batched: boolean): SchemaObject {
  const { name, dtype, doc } = signature;
  const shape = oipShape(signature, batched);
  const items = shape.map((dim) => (dim < 0 ? { type: 'integer', minimum: 0 } : { const: dim }));
  return {
    type: 'object',
    ...(doc === undefined ? {} : { description: doc }),
    required: ['name', 'shape', 'datatype'],
    properties: {
      name: { const: name },
      datatype: dtype === undefined ? { type: 'string' } : { const: dtypeEntry(dtype).oipName },
      shape:
        signature.shape === undefined
          ? { type: 'array', items: { type: 'integer', minimum: 0 } }
          : { type: 'array', prefixItems: items, minItems: items.length, maxItems: items.length },
      parameters: { type: 'object' },
      data: { type: 'array', description: 'row-major, flat or nested; absent when the tensor follows in binary' },
    },
  };
}

function exampleElement(dtype: DType): string | boolean | number {
  switch (dtype) {
    case 'bytes':
      return exampleSvg;
    case 'string':
      return 'text';
    case 'bool':
      return true;
    default:
      return dtype.startsWith('float') ? 0.5 : 1;
  }
}

/** An input that the Open Inference Protocol's JSON accepts, the author's or a guess; undefined when there is none to show. */
export function oipInputExample(signature: TensorSignature, batched: boolean): unknown {
  const { name, dtype = 'float32' } = signature;
  if (!hasOipJson(signature)) return undefined;
  const given = givenExample(signature);
  const input = given && oipGivenInput(name, given, batched);
  // Bytes that JSON cannot say are most often an image, as the guess is
  if (given !== undefined && (input !== undefined || dtype !== 'bytes')) return input;
  const shape = exampleDims(oipShape(signature, batched));
  const count = exampleElements(shape);
  if (count === undefined) return undefined;
  return { name, shape, datatype: dtypeEntry(dtype).oipName, data: Array.from({ length: count }, () => exampleElement(dtype)) };
}
