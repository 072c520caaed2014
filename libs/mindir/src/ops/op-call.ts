import type { DType } from '@mserve/wire';
import type { Annotation } from '../graph/constant.js';
import { dtypeFromTypeId } from '../graph/dtypes.js';
import type { GraphBuilder } from '../graph/graph-builder.js';
import { knownInts } from '../graph/infer.js';
import type { OnnxAttribute } from '../graph/onnx-graph.js';
import { numbersOfBytes } from '../graph/dtypes.js';
import { flatten, intScalar, type ScalarValue, type Shape, type TensorValue, type Value } from '../graph/value.js';

/** Thrown by an emitter that cannot translate this use of its operator. The tracer collects them all into one error. */
export class Untranslatable extends Error {
  override readonly name = 'Untranslatable';
}

/** What is known of one output: from the file. */
export interface OutputType {
  readonly dtype: DType | undefined;
  readonly shape: Shape | undefined;
}

/**
 * One use of an operator, as its emitter sees it. Parameters are asked for by name and found wherever the file's dialect
 * keeps them: as a trailing input (in the order of the table entry's `args`) or as an attribute. `a|b` means either name.
 */
export class OpCall {
  constructor(
    readonly graph: GraphBuilder,
    /** The operator's name in the file. */
    readonly op: string,
    private readonly argNames: readonly string[],
    readonly inputs: readonly Value[],
    private readonly attributes: ReadonlyMap<string, Value>,
    private readonly annotation: Annotation | undefined,
    /** Name of the node in the file; '' where the file has none. */
    readonly nodeName = '',
  ) {}

  /** Undefined when absent or None. */
  find(names: string): Value | undefined {
    for (const name of names.split('|')) {
      const index = this.argNames.indexOf(name);
      const input = index >= 0 ? this.inputs[index] : undefined;
      const value = input !== undefined && input.kind !== 'monad' ? input : this.attributes.get(name);
      if (value !== undefined && !(value.kind === 'scalar' && value.type === 'none')) return value;
    }
    return undefined;
  }

  /** The input at `index`, of any kind; throws when it is absent. */
  input(index: number): Value {
    const value = this.inputs[index];
    if (value === undefined) throw new Untranslatable(`operand ${index} is missing`);
    return value;
  }

  /** The value under this name; throws when it is absent. */
  need(names: string): Value {
    const value = this.find(names);
    if (value === undefined) throw new Untranslatable(`parameter '${names}' is missing`);
    return value;
  }

  /** An operand as a tensor. Python numbers become scalars of `dtype` (default: int64, float32, bool by their type). */
  tensor(names: string, dtype?: DType): TensorValue {
    return this.toTensor(this.need(names), dtype);
  }

  optionalTensor(names: string, dtype?: DType): TensorValue | undefined {
    const value = this.find(names);
    return value === undefined ? undefined : this.toTensor(value, dtype);
  }

  /** The elements of a tuple operand as tensors; a single tensor counts as a tuple of one. */
  tensors(names: string): TensorValue[] {
    const value = this.need(names);
    return (value.kind === 'tuple' ? value.items : [value]).map((item) => this.toTensor(item));
  }

  toTensor(value: Value, dtype?: DType): TensorValue {
    return toTensor(this.graph, value, dtype);
  }

  number(names: string, fallback?: number): number {
    const value = this.find(names);
    if (value === undefined) {
      if (fallback === undefined) throw new Untranslatable(`parameter '${names}' is missing`);
      return fallback;
    }
    const number = numberOf(value);
    if (number === undefined) throw new Untranslatable(`parameter '${names}' is not known before the run`);
    return number;
  }

  bool(names: string, fallback = false): boolean {
    return this.number(names, fallback ? 1 : 0) !== 0;
  }

  text(names: string, fallback: string): string {
    const value = this.find(names);
    if (value === undefined) return fallback;
    if (value.kind !== 'scalar') throw new Untranslatable(`parameter '${names}' is not a string`);
    return String(value.value);
  }

  /** Numbers of a tuple, of a tensor known at load time, or a single one. */
  numbers(names: string): number[] {
    const numbers = this.numbersOr(names);
    if (numbers === undefined) throw new Untranslatable(`parameter '${names}' is missing or not known before the run`);
    return numbers;
  }

  /** As {@link numbers}; undefined when the parameter is absent or not known before the run. */
  numbersOr(names: string): number[] | undefined {
    const value = this.find(names);
    return value === undefined ? undefined : numbersOf(value);
  }

  /** A shape, axes or other list of integers as a 1-D int64 tensor; elements may be decided at run time. */
  intTensor(names: string): TensorValue {
    return intTensorOf(this.graph, this.need(names));
  }

  dtype(names: string): DType | undefined {
    const value = this.find(names);
    if (value === undefined) return undefined;
    if (value.kind === 'dtype') return value.dtype;
    const id = numberOf(value);
    const dtype = id === undefined ? undefined : dtypeFromTypeId(id);
    if (dtype === undefined) throw new Untranslatable(`parameter '${names}' is not a dtype that has a translation`);
    return dtype;
  }

  /** What the file says of output `index`. */
  output(index = 0): OutputType | undefined {
    const { annotation } = this;
    if (annotation === undefined) return undefined;
    const leaf = isLeaf(annotation) ? (index === 0 ? annotation : undefined) : annotation[index];
    return leaf !== undefined && isLeaf(leaf) ? leaf : undefined;
  }

  /** Number of outputs that the file announces; undefined when it says nothing. */
  get outputCount(): number | undefined {
    return this.annotation === undefined || isLeaf(this.annotation) ? undefined : this.annotation.length;
  }

  /** Throws when the rank is not known at load time. */
  rank(tensor: TensorValue): number {
    if (tensor.shape === undefined) throw new Untranslatable('needs a rank that is not known before the run');
    return tensor.shape.length;
  }

  /** One size; throws when it is not known at load time. */
  dim(tensor: TensorValue, axis: number): number {
    const size = tensor.shape?.at(axis);
    if (size === undefined || size < 0) throw new Untranslatable(`needs the size of dim ${axis}, which is not known before the run`);
    return size;
  }

  node(opType: string, inputs: readonly (TensorValue | undefined)[], attributes?: Readonly<Record<string, OnnxAttribute>>): TensorValue {
    return this.graph.node(opType, inputs, attributes);
  }

  /** A scalar constant of the tensor's dtype. */
  like(tensor: TensorValue, value: number): TensorValue {
    return this.graph.scalar(tensor.dtype, value);
  }

  /** `count`, when lists of that length may be built at load time; throws otherwise. */
  bounded(count: number, most = 2 ** 20): number {
    if (!(count >= 0 && count <= most)) throw new Untranslatable(`would need a table of ${count} entries`);
    return count;
  }

  refuse(reason: string): never {
    throw new Untranslatable(reason);
  }
}

function isLeaf(annotation: Annotation): annotation is OutputType {
  return !Array.isArray(annotation);
}

/** A value as a tensor: numbers and tuples of numbers become constants (of `dtype`, or int64, float32, bool as Python has them). Throws Untranslatable for what is no tensor. */
export function toTensor(graph: GraphBuilder, value: Value, dtype?: DType): TensorValue {
  switch (value.kind) {
    case 'tensor':
      return value;
    case 'scalar':
      if (typeof value.value !== 'number')
        throw new Untranslatable(value.type === 'none' ? 'an operand is None' : 'an operand is a string');
      return graph.scalar(dtype ?? scalarDtype(value), value.value);
    case 'tuple': {
      const numbers = numbersOf(value);
      if (numbers !== undefined && value.items.every((item) => item.kind === 'scalar')) {
        const isReal = value.items.some((item) => item.kind === 'scalar' && item.type === 'float');
        return graph.constant(dtype ?? (isReal ? 'float32' : 'int64'), [numbers.length], numbers);
      }
      return intTensorOf(graph, value);
    }
    case 'tail':
      throw new Untranslatable('uses the result of a function that calls itself: general recursion has no translation');
    default:
      throw new Untranslatable(`an operand is a ${value.kind}, not a tensor`);
  }
}

function scalarDtype(value: ScalarValue): DType {
  return value.type === 'float' ? 'float32' : value.type === 'bool' ? 'bool' : 'int64';
}

/** A value as an int64 tensor of rank 1, for example a shape or axes. Throws Untranslatable for what is no tensor. */
export function intTensorOf(graph: GraphBuilder, value: Value): TensorValue {
  const numbers = numbersOf(value);
  if (numbers !== undefined) return graph.ints(numbers);
  if (value.kind === 'tensor') {
    const int64 = graph.cast(value, 'int64');
    return value.shape?.length === 1 ? int64 : graph.node('Reshape', [int64, graph.ints([-1])]);
  }
  const items = flatten(value).map((item) =>
    graph.node('Reshape', [graph.cast(toTensor(graph, item, 'int64'), 'int64'), graph.ints([-1])]),
  );
  return items.length === 1 ? (items[0] as TensorValue) : graph.node('Concat', items, { axis: 0 });
}

/** The number behind a scalar or a one-element tensor that is known at load time. */
export function numberOf(value: Value): number | undefined {
  if (value.kind === 'scalar') return typeof value.value === 'number' ? value.value : undefined;
  if (value.kind === 'tuple') return value.items.length === 1 ? numberOf(value.items[0] as Value) : undefined;
  if (value.kind !== 'tensor' || value.bytes === undefined || value.bytes.byteLength > 8) return undefined;
  const numbers = numbersOfBytes(value.dtype, value.bytes);
  return numbers.length === 1 ? numbers[0] : undefined;
}

/** All numbers of a (nested) tuple, scalar or small known tensor; undefined when one is not known at load time. */
export function numbersOf(value: Value): number[] | undefined {
  if (value.kind === 'tensor') return knownInts(value);
  const numbers: number[] = [];
  for (const item of flatten(value)) {
    const number = numberOf(item);
    if (number === undefined) return undefined;
    numbers.push(number);
  }
  return numbers;
}

export { intScalar };
