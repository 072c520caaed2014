import type { OnnxTensor } from '../model/onnx-model.js';
import { elementCount, isFloat, numbersOf, sameAlong } from '../model/tensor-content.js';
import { Dim } from './dim.js';

/**
 * Where the rows are in a tensor: element `o * B * inner + b * inner + i` of dim `dim`, with o < outer, b < B and i < inner, belongs to row b.
 * A plain batch dim has outer and inner 1; `[B * heads, ...]` has inner = heads.
 */
export interface Rows {
  readonly dim: number;
  readonly outer: Dim;
  readonly inner: Dim;
}

/** What is known of a tensor in every run. Without `rows` it is the same for all rows. */
export interface Fact {
  /** undefined = not even the rank is known. Never undefined when there are rows. */
  readonly shape: readonly Dim[] | undefined;
  readonly rows?: Rows | undefined;
  /** Its content in C order, when it is small and known. */
  readonly numbers?: readonly Dim[] | undefined;
  /** `numbers` are those of a float tensor: its divisions are not rounded. */
  readonly float?: boolean | undefined;
  /** It is this weight or constant. */
  readonly literal?: OnnxTensor | undefined;
  /** All its elements are the same. */
  readonly uniform?: boolean | undefined;
  /** Without rows: if rows were laid out so, each would hold the same (the tensor was stretched there, or comes from one that was). */
  readonly same?: readonly Rows[] | undefined;
  /** Its content names rows: 'all' elements are the number of the row they are in, or those in the first 'column' (of the last dim). */
  readonly index?: 'all' | 'column' | undefined;
  /** Without rows: it depends on how many rows there are. */
  readonly counts?: boolean | undefined;
}

/** Contents of more elements are not followed. */
export const mostNumbers = 256;
/** Of floats: scales and sizes, no weights. */
const mostFloats = 16;

/** A weight or constant. */
export function literalFact(tensor: OnnxTensor): Fact {
  const numbers = numbersOf(tensor, isFloat(tensor.type) ? mostFloats : mostNumbers)?.map((value) => Dim.of(value));
  const shape = tensor.dims.map((dim) => Dim.of(dim));
  return { shape, numbers, float: isFloat(tensor.type), literal: tensor, uniform: elementCount(tensor) === 1 };
}

/** A fixed batch's list of the rows' own numbers: each entry of dim 0 is its place. Lists of one dim are left as they are: those are axes and sizes. */
export function isRowNumbers({ shape, numbers }: Fact, rowCount: number): boolean {
  if (numbers === undefined || shape === undefined || shape.length < 2 || !shape[0]?.is(rowCount) || rowCount < 2) return false;
  const inner = numbers.length / rowCount;
  return numbers.every((number, i) => number.is(Math.floor(i / inner)));
}

/** Something that is the same for all rows. */
export function constantFact(shape: readonly Dim[] | undefined, numbers?: readonly Dim[], float?: boolean): Fact {
  const known = numbers !== undefined && numbers.length <= mostNumbers ? numbers : undefined;
  const counts = known?.some((number) => number.hasRows) || shape?.some((dim) => dim.hasRows);
  return { shape, numbers: known, ...(float && { float }), ...(counts && { counts }) };
}

export function rowFact(shape: readonly Dim[], rows: Rows, index?: Fact['index']): Fact {
  return { shape, rows, ...(index && { index }) };
}

/** The rows of a plain batch dim. */
export function plainRows(dim: number): Rows {
  return { dim, outer: Dim.one, inner: Dim.one };
}

export function isSameLayout(a: Rows, b: Rows): boolean {
  return a.dim === b.dim && a.outer.equals(b.outer) && a.inner.equals(b.inner);
}

/** A tensor without rows holds the same for each row, if rows were laid out so; a number means a plain batch dim. */
export function isSameAlong(fact: Fact, layout: number | Rows): boolean {
  const rows = typeof layout === 'number' ? plainRows(layout) : layout;
  const { dim } = rows;
  if (fact.uniform === true || fact.shape?.[dim]?.is(1) || fact.same?.some((same) => isSameLayout(same, rows))) return true;
  if (!rows.outer.is(1) || !rows.inner.is(1)) return false;
  if (fact.literal !== undefined) return sameAlong(fact.literal, dim);
  const { numbers, shape } = fact;
  if (numbers === undefined || shape?.length !== 1) return false;
  return numbers.every((number) => number.equals(numbers[0] as Dim));
}
