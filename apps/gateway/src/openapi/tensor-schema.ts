import { dtypeEntry, dtypeTable, isVariableSize, type DType, type TensorSignature } from '@mserve/wire';
import { givenExample, maxNestedElements, msGivenValue, oipGivenInput } from './given-example.js';
import type { SchemaObject } from './schema.js';

/** Examples of more elements than this are left out: nobody reads them, and the document would be mostly examples. */
const maxExampleElements = 16_384;
/** Bytes that most functions take for bytes are images: a white pixel as PNG, and one as text, because JSON of the Open Inference Protocol has no other bytes. */
const examplePng = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mP4DwABAQEAHLCMmQAAAABJRU5ErkJggg==';
const exampleSvg = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"><rect width="1" height="1" fill="white"/></svg>';

/** What `type` of a base64 object calls the dtypes; bfloat16 has no name there. */
function base64Types(dtype: DType): string[] {
  if (dtype === 'string') return ['str'];
  return dtype.startsWith('float') ? [dtype.replace('float', 'fp'), dtype] : [dtype];
}

const integerBounds = new Map<DType, SchemaObject>(
  ([8, 16, 32] as const).flatMap((bits) => [
    [`int${bits}`, { minimum: -(2 ** (bits - 1)), maximum: 2 ** (bits - 1) - 1 }],
    [`uint${bits}`, { minimum: 0, maximum: 2 ** bits - 1 }],
  ]),
);

/** One element as JSON has it, bounds included where a JSON number can say them. Floats that are not finite are not among it. */
function elementSchema(dtype: DType): SchemaObject {
  if (isVariableSize(dtype)) return { type: 'string' };
  if (dtype === 'bool') return { type: 'boolean' };
  if (dtype.includes('float')) return { type: 'number' };
  return { type: 'integer', format: dtype, ...(dtype === 'uint64' ? { minimum: 0 } : integerBounds.get(dtype)) };
}

/** A shape whose dims are given; -1 = any size. */
function shapeSchema(dims: readonly number[]): SchemaObject {
  const count = { minItems: dims.length, maxItems: dims.length };
  if (dims.length === 0) return { type: 'array', ...count };
  const prefixItems = dims.map((dim): SchemaObject => (dim < 0 ? { type: 'integer', minimum: 0 } : { const: dim }));
  return { type: 'array', prefixItems, ...count };
}

const anyShape: SchemaObject = { type: 'array', items: { type: 'integer', minimum: 0 } };

/** `{"b64": ..., "type": ..., "shape": ...}` of a tensor of one instance. */
function base64Schema(dtype: DType, shape: readonly number[] | undefined): SchemaObject {
  return {
    type: 'object',
    description: 'elements in C order, little-endian; bool is one byte each',
    required: dtype === 'bytes' ? ['b64'] : ['b64', 'type'],
    additionalProperties: false,
    properties: {
      b64: { type: 'string', contentEncoding: 'base64' },
      type: { enum: base64Types(dtype) },
      shape: shape === undefined || isVariableSize(dtype) ? anyShape : shapeSchema(shape),
    },
  };
}

/** The dtypes that have schemas of their elements in the Open Inference Protocol, by the names there. */
function dataSchemaName(dtype: DType): string {
  return `${dtypeEntry(dtype).oipName}Data`;
}

/** For `components`: an element of a tensor in JSON of the Open Inference Protocol, or elements nested as the shape has it. */
export const dataSchemas: Readonly<Record<string, SchemaObject>> = Object.fromEntries(
  dtypeTable.map(({ dtype }) => {
    const name = dataSchemaName(dtype);
    const notFinite: SchemaObject[] = dtype.includes('float') ? [{ enum: ['NaN', 'Infinity', '-Infinity'] }] : [];
    const nestedData: SchemaObject = { type: 'array', items: { $ref: `#/components/schemas/${name}` } };
    return [name, { anyOf: [elementSchema(dtype), ...notFinite, nestedData] }];
  }),
);

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
  if (dtype === undefined) return { ...described, title: 'any tensor', $ref: '#/components/schemas/AnyTensor' };
  const title = `${dtype}${shape === undefined ? '' : `[${shape.join(', ')}]`}`;
  if (dtype === 'bytes') return { title, ...base64Schema(dtype, shape), ...described };
  // Its bytes have no name in this interface
  const base64 = dtype === 'bfloat16' ? [] : [base64Schema(dtype, shape)];
  const element = elementSchema(dtype);
  const plain: SchemaObject[] =
    dtype === 'string'
      ? [element, { type: 'array', items: element, minItems: 1, maxItems: 1 }]
      : shape === undefined
        ? [element, { type: 'array', items: { $ref: `#/components/schemas/${dataSchemaName(dtype)}` } }]
        : [nested(element, shape)];
  return { ...described, title, anyOf: [...plain, ...base64] };
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
  if ((dtype === 'int32' || dtype === 'float32' || dtype === 'bool') && count <= maxNestedElements && !dims.includes(0))
    return nestedExample(dtype === 'bool' ? true : dtype === 'int32' ? 1 : 0.5, dims);
  const bytes = Buffer.alloc(count * dtypeEntry(dtype).elementBytes);
  return { b64: bytes.toString('base64'), type: dtype, shape: dims };
}

/** What `/model/...` answers for a tensor of one instance. */
export function msOutputSchema({ dtype, shape, doc }: TensorSignature): SchemaObject {
  const described = doc === undefined ? {} : { description: doc };
  if (dtype === undefined) return { ...described, title: 'any value' };
  if (dtype === 'bytes') return { ...described, title: dtype, $ref: '#/components/schemas/Base64Tensor' };
  const element = elementSchema(dtype);
  const leaf: SchemaObject = dtype.includes('float') ? { type: ['number', 'null'], description: 'null: NaN or an infinity' } : element;
  if (shape === undefined) return { ...described, title: dtype };
  return { ...described, title: `${dtype}[${shape.join(', ')}]`, ...nested(leaf, dtype === 'string' ? [] : shape) };
}

function oipShape({ dtype, shape }: TensorSignature, batched: boolean): number[] {
  if (shape !== undefined) return batched ? [-1, ...shape] : [...shape];
  return batched && dtype !== undefined && !isVariableSize(dtype) ? [-1, -1] : [-1];
}

/** An input or output of the Open Inference Protocol. */
export function oipTensorSchema(signature: TensorSignature, batched: boolean, role: 'input' | 'output'): SchemaObject {
  const { name, dtype, doc } = signature;
  const items: SchemaObject = dtype === undefined ? {} : { $ref: `#/components/schemas/${dataSchemaName(dtype)}` };
  return {
    type: 'object',
    ...(doc === undefined ? {} : { description: doc }),
    required: role === 'input' ? ['name', 'shape', 'datatype'] : ['name', 'shape', 'datatype', 'data'],
    properties: {
      name: { const: name },
      datatype: dtype === undefined ? { type: 'string' } : { const: dtypeEntry(dtype).oipName },
      shape: signature.shape === undefined ? anyShape : shapeSchema(oipShape(signature, batched)),
      parameters: { type: ['object', 'null'] },
      data: {
        type: 'array',
        items,
        description: role === 'input' ? 'row-major, flat or nested; absent when the tensor follows in binary' : 'row-major and flat',
      },
    },
  };
}

/** Whether `classification` may be asked of an output. */
export function hasClasses({ dtype }: TensorSignature): boolean {
  return dtype === undefined || !(isVariableSize(dtype) || dtype === 'bool');
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
      return dtype.includes('float') ? 0.5 : 1;
  }
}

/** An input that the Open Inference Protocol's JSON accepts, the author's or a guess; undefined when there is none to show. */
export function oipInputExample(signature: TensorSignature, batched: boolean): unknown {
  const { name, dtype = 'float32' } = signature;
  const given = givenExample(signature);
  const input = given && oipGivenInput(name, given, batched);
  // Bytes that JSON cannot say are most often an image, as the guess is
  if (given !== undefined && (input !== undefined || dtype !== 'bytes')) return input;
  const shape = exampleDims(oipShape(signature, batched));
  const count = exampleElements(shape);
  if (count === undefined) return undefined;
  return { name, shape, datatype: dtypeEntry(dtype).oipName, data: Array.from({ length: count }, () => exampleElement(dtype)) };
}
