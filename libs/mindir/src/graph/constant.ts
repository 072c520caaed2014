import type { DType } from '@mserve/wire';
import { attributeType as type, type MindirAttribute, type MindirTensor } from '../proto/mindir-schema.js';
import { bytesOfNumbers, dtypeOfMindir, knownDtypeOfMindir } from './dtypes.js';
import type { GraphBuilder } from './graph-builder.js';
import { boolScalar, floatScalar, intScalar, monad, noneScalar, tupleOf, type Shape, type Value } from './value.js';
import { checkedTensorBytes } from './tensor-bytes.js';

const integerTypes = new Set<number>([type.uint8, type.int8, type.uint16, type.int16, type.int32, type.int64, type.uint32, type.uint64]);
const dtypeOfAttributeType = new Map<number, DType>([
  [type.float, 'float32'],
  [type.uint8, 'uint8'],
  [type.int8, 'int8'],
  [type.uint16, 'uint16'],
  [type.int16, 'int16'],
  [type.int32, 'int32'],
  [type.int64, 'int64'],
  [type.bool, 'bool'],
  [type.float16, 'float16'],
  [type.double, 'float64'],
  [type.uint32, 'uint32'],
  [type.uint64, 'uint64'],
  [type.bfloat16, 'bfloat16'],
]);

/**
 * The value of a constant or of an attribute. Scalars at the top level use the fields i, f, d, s; elements of tuples the
 * repeated ones; a tensor without bytes stands for its dtype.
 */
export function valueOfAttribute(attribute: MindirAttribute, builder: GraphBuilder): Value {
  const { type: kind } = attribute;
  if (kind === type.tuple || kind === type.list || kind === type.dict) return tupleOf(elementsOf(attribute, builder));
  if (kind === type.tensor || kind === type.tensors) return tensorConstant(attribute.tensors[0], builder);
  if (kind === type.string) return { kind: 'scalar', type: 'string', value: attribute.s ?? attribute.strings[0] ?? '' };
  if (kind === type.uMonad || kind === type.ioMonad) return monad;
  if (kind === type.none || kind === type.typeNull) return noneScalar;
  const number =
    attribute.i ?? attribute.f ?? attribute.d ?? single(attribute.ints) ?? single(attribute.floats) ?? single(attribute.doubles);
  if (number === undefined) {
    const dtype = dtypeOfAttributeType.get(kind);
    return dtype === undefined ? noneScalar : listOr(attribute, { kind: 'dtype', dtype });
  }
  if (kind === type.bool) return boolScalar(number !== 0);
  return integerTypes.has(kind) ? intScalar(number) : floatScalar(number);
}

function single(list: readonly number[]): number | undefined {
  return list.length === 1 ? list[0] : undefined;
}

/** Lists of numbers may stand under a scalar type. */
function listOr(attribute: MindirAttribute, otherwise: Value): Value {
  const lists = numberLists(attribute);
  return lists.length === 0 ? otherwise : tupleOf(lists);
}

function numberLists(attribute: MindirAttribute): Value[] {
  return [...attribute.ints.map(intScalar), ...attribute.floats.map(floatScalar), ...attribute.doubles.map(floatScalar)];
}

function elementsOf(attribute: MindirAttribute, builder: GraphBuilder): Value[] {
  if (attribute.values.length > 0) return attribute.values.map((value) => valueOfAttribute(value, builder));
  const numbers = numberLists(attribute);
  if (numbers.length > 0) return numbers;
  if (attribute.strings.length > 0) return attribute.strings.map((value) => ({ kind: 'scalar', type: 'string', value }));
  return attribute.tensors.map((tensor) => tensorConstant(tensor, builder));
}

function tensorConstant(tensor: MindirTensor | undefined, builder: GraphBuilder): Value {
  if (tensor === undefined) return noneScalar;
  const isDtype = tensor.raw === undefined && tensor.numbers.length === 0 && !tensor.dims.includes(0);
  const dtype = dtypeOfMindir(tensor.dataType, 'a constant');
  if (isDtype) return { kind: 'dtype', dtype };
  const bytes = tensor.raw ?? bytesOfNumbers(dtype, tensor.numbers);
  return builder.constantBytes(dtype, tensor.dims, checkedTensorBytes(dtype, tensor.dims, bytes, 'a constant'));
}

/** What a node's attribute "shape" says of its outputs. */
export type Annotation = { readonly dtype: DType | undefined; readonly shape: Shape | undefined } | readonly Annotation[];

/** Reads the "shape" attribute; undefined where it says nothing of tensors. */
export function annotationOf(attribute: MindirAttribute): Annotation | undefined {
  if (attribute.values.length > 0) return attribute.values.map((value) => annotationOf(value) ?? []);
  if (attribute.tensors.length === 0) return undefined;
  const leaves = attribute.tensors.map((tensor) => ({ dtype: knownDtypeOfMindir(tensor.dataType), shape: shapeOf(tensor.dims) }));
  const isTuple = attribute.type === type.tuple || attribute.type === type.list || leaves.length > 1;
  return isTuple ? leaves : leaves[0];
}

/** [-2] is MindSpore's way to say that the rank is unknown. */
export function shapeOf(dims: readonly number[]): Shape | undefined {
  return dims.includes(-2) ? undefined : dims.map((dim) => (dim < 0 ? -1 : dim));
}
