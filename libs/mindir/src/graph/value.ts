import type { DType } from '@mserve/wire';
import { MindirError } from '../mindir-error.js';

/** Sizes by dimension; -1 = not known before the run. An undefined shape means that not even the rank is known. */
export type Shape = readonly number[];

/** A tensor in the ONNX graph that is being built. */
export interface TensorValue {
  readonly kind: 'tensor';
  /** Unique in the ONNX model. */
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape | undefined;
  /** Bytes of a tensor that is known at load time (C-order, little-endian). */
  readonly bytes?: Uint8Array | undefined;
  /** Of a tensor that was changed in place: the name of what was changed. */
  readonly variable?: string | undefined;
}

/** A Python constant. Integers beyond 2^53 are rounded: only sentinels (INT64_MAX) are that large. */
export interface ScalarValue {
  readonly kind: 'scalar';
  readonly type: 'int' | 'float' | 'bool' | 'string' | 'none';
  readonly value: number | string | null;
}

/** A Python tuple or list. */
export interface TupleValue {
  readonly kind: 'tuple';
  readonly items: readonly Value[];
}

/** A dtype as a constant, for example the target of Cast. */
export interface DtypeValue {
  readonly kind: 'dtype';
  readonly dtype: DType;
}

/** Order of side effects: carries nothing. */
export interface MonadValue {
  readonly kind: 'monad';
}

/** A func graph as a value. */
export interface FunctionValue {
  readonly kind: 'function';
  readonly graph: string;
}

/** A callable with its first arguments given. */
export interface PartialValue {
  readonly kind: 'partial';
  readonly callee: Value;
  readonly args: readonly Value[];
}

/** The result of Switch (condition, 2 branches: true, false) or SwitchLayer (index, n branches) over callables. */
export interface SwitchValue {
  readonly kind: 'switch';
  readonly condition: Value;
  readonly byIndex: boolean;
  readonly branches: readonly Value[];
}

/** What a function returns that ends in a call of a loop's header: see control-flow.ts. */
export interface TailValue {
  readonly kind: 'tail';
  /** Which target is taken: index into `targets`, an int64 scalar; undefined when there is only one. */
  readonly selector: TensorValue | undefined;
  readonly targets: readonly TailTarget[];
}

/** One of the ways in which a function can end. */
export interface TailTarget {
  /** Name of the header that is called with `values`; undefined = plain return of `values[0]`. */
  readonly header: string | undefined;
  readonly values: readonly Value[];
}

/** What a name in a MindIR graph stands for while the graph is traced. */
export type Value =
  TensorValue | ScalarValue | TupleValue | DtypeValue | MonadValue | FunctionValue | PartialValue | SwitchValue | TailValue;

/** The value of everything that only orders side effects. */
export const monad: MonadValue = { kind: 'monad' };
/** Python's None. */
export const noneScalar: ScalarValue = { kind: 'scalar', type: 'none', value: null };

/** A Python int. */
export function intScalar(value: number): ScalarValue {
  return { kind: 'scalar', type: 'int', value };
}

/** A Python float. */
export function floatScalar(value: number): ScalarValue {
  return { kind: 'scalar', type: 'float', value };
}

/** A Python bool. */
export function boolScalar(value: boolean): ScalarValue {
  return { kind: 'scalar', type: 'bool', value: value ? 1 : 0 };
}

/** Elements of one tuple, and leaves of nested ones: a small file can double a tuple with every node. */
const maxElements = 200_000;

/** Throws MindirError 'limits' for a tuple that is too long. */
export function tupleOf(items: readonly Value[]): TupleValue {
  if (items.length > maxElements)
    throw new MindirError('limits', `a tuple has ${items.length} elements, at most ${maxElements} are allowed`);
  return { kind: 'tuple', items };
}

/** Tensors and scalars of nested tuples, depth first; monads are dropped. Throws MindirError 'limits' when there are too many. */
export function flatten(value: Value): Value[] {
  const leaves: Value[] = [];
  collect(value, leaves, { visits: 0 });
  return leaves;
}

function collect(value: Value, leaves: Value[], count: { visits: number }): void {
  if (++count.visits > maxElements) throw new MindirError('limits', `nested tuples have more than ${maxElements} elements`);
  if (value.kind === 'tuple') for (const item of value.items) collect(item, leaves, count);
  else if (value.kind !== 'monad') leaves.push(value);
}

/** The same nesting as `like`, its leaves (as {@link flatten} finds them) replaced in order. */
export function unflatten(like: Value, leaves: Iterator<Value>): Value {
  if (like.kind === 'tuple') return tupleOf(like.items.map((item) => unflatten(item, leaves)));
  if (like.kind === 'monad') return like;
  const next = leaves.next();
  if (next.done === true) throw new RangeError('too few leaves');
  return next.value;
}
