import { Dim } from '../facts/dim.js';
import { constantFact, mostNumbers, plainRows, rowFact, type Fact, type Rows } from '../facts/fact.js';
import type { OpCall, OpRule } from '../facts/op-call.js';

/** The same elements in the same order under other dims. Finds the dim that the rows are in afterwards. */
function reshaped(call: OpCall, x: Fact, target: readonly Dim[]): Fact {
  const source = call.shape(x);
  const total = Dim.product(source);
  const shape = completed(call, target, total);
  if (x.rows === undefined) {
    const { uniform, counts, float, numbers, literal } = x;
    const keepsLiteral = literal !== undefined && shape.every(({ value }) => value !== undefined);
    return {
      ...constantFact(shape, shape.length <= 1 ? numbers : undefined),
      ...(keepsLiteral && { literal: { ...literal, dims: shape.map(({ value }) => value as number) } }),
      uniform,
      float,
      ...(counts && { counts }),
    };
  }
  if (x.index === 'column') call.unknown('lays out the places of the rows anew');
  const before = Dim.product(source.slice(0, x.rows.dim)).times(x.rows.outer);
  const after = Dim.product(source.slice(x.rows.dim + 1)).times(x.rows.inner);
  return rowFact(shape, rowsAt(call, shape, before, after), x.index);
}

/** Row b is `before` blocks of `after` elements, B * after apart. They stay rows where one dim covers the step from row to row. */
function rowsAt(call: OpCall, shape: readonly Dim[], before: Dim, after: Dim): Rows {
  for (let dim = 0; dim < shape.length; dim++) {
    const outer = before.dividedBy(Dim.product(shape.slice(0, dim)));
    const inner = after.dividedBy(Dim.product(shape.slice(dim + 1)));
    if (outer === undefined || inner === undefined) continue;
    if (!(shape[dim] as Dim).equals(outer.times(call.rowCount).times(inner))) continue;
    return { dim, outer, inner };
  }
  const told = `[${shape.map((dim) => dim.value ?? '?').join(', ')}]`;
  const isKnown = before.value !== undefined && after.value !== undefined;
  if (isKnown && shape.every((dim) => dim.value !== undefined || dim.hasRows)) call.mixed(`makes dims ${told} in which rows are joined`);
  return call.unknown(`makes dims ${told}, and the graph does not tell where the rows are then`);
}

/** With -1 worked out. */
function completed(call: OpCall, target: readonly Dim[], total: Dim): Dim[] {
  const open = target.findIndex((dim) => dim.is(-1));
  if (open < 0) return [...target];
  const known = Dim.product(target.filter((_, i) => i !== open));
  return target.map((dim, i) =>
    i === open ? (total.dividedBy(known) ?? (known.is(0) ? Dim.zero : Dim.opaque('rest', [total, known]))) : dim,
  );
}

const reshape: OpRule = (call) => {
  const x = call.input(0);
  const list = call.opset < 5 ? call.ints('shape')?.map((dim) => Dim.of(dim)) : call.numbers(1);
  if (list === undefined) {
    call.sameForAll(1, 'shape');
    return call.unknown('takes a shape that the graph does not tell');
  }
  const source = call.shape(x);
  const copies = call.int('allowzero', 0) === 0;
  const target = list.map((dim, i) =>
    copies && dim.is(0) ? (source[i] ?? call.unknown('copies a dim that its input does not have')) : dim,
  );
  return reshaped(call, x, target);
};

const flatten: OpRule = (call) => {
  const x = call.input(0);
  const shape = call.shape(x);
  const axis = call.axis(call.int('axis', 1), shape.length);
  return reshaped(call, x, [Dim.product(shape.slice(0, axis)), Dim.product(shape.slice(axis))]);
};

/** Axes as an attribute (until opset 12) or as input 1. undefined = left out. */
export function axesOf(call: OpCall, input = 1): readonly number[] | undefined {
  if (call.inputs[input] !== undefined) {
    call.sameForAll(input, 'axes');
    return call.values(input) ?? call.unknown('takes axes that the graph does not tell');
  }
  return call.ints('axes');
}

const squeeze: OpRule = (call) => {
  const x = call.input(0);
  const shape = call.shape(x);
  const given = axesOf(call)?.map((axis) => call.axis(axis, shape.length));
  if (given === undefined && shape.some(({ value }) => value === undefined)) {
    // Every dim of 1 goes; one that is only known in the run may be 1 or not.
    const others = shape.some((dim, i) => dim.value === undefined && i !== x.rows?.dim);
    if (others || x.rows !== undefined)
      call.unknown('drops dims of 1 without naming them: with one row that is another shape than with more');
  }
  const axes = given ?? shape.flatMap((dim, i) => (dim.is(1) ? [i] : []));
  if (x.rows !== undefined && axes.includes(x.rows.dim)) call.mixed(`drops dim ${x.rows.dim}, where the rows are`);
  return moved(
    x,
    shape.flatMap((_, i) => (axes.includes(i) ? [] : [i])),
    shape,
  );
};

const unsqueeze: OpRule = (call) => {
  const x = call.input(0);
  const shape = call.shape(x);
  const axes = axesOf(call) ?? call.unknown('names no axes');
  const rank = shape.length + axes.length;
  const places = axes.map((axis) => call.axis(axis, rank - 1 + (axis < 0 ? 1 : 0)));
  const from: (number | undefined)[] = [];
  let next = 0;
  for (let i = 0; i < rank; i++) from.push(places.includes(i) ? undefined : next++);
  return moved(x, from, shape);
};

const transpose: OpRule = (call) => {
  const x = call.input(0);
  const shape = call.shape(x);
  const order = call.ints('perm') ?? shape.map((_, i) => shape.length - 1 - i);
  const isIdentity = order.every((from, i) => from === i);
  return isIdentity
    ? x
    : { ...moved(x, order, shape), ...(x.rows === undefined && shape.length > 1 && { numbers: undefined, literal: undefined }) };
};

/** A tensor whose dim i is dim `from[i]` of x, or a new dim of 1. */
function moved(x: Fact, from: readonly (number | undefined)[], shape: readonly Dim[]): Fact {
  const dims = from.map((dim) => (dim === undefined ? Dim.one : (shape[dim] ?? Dim.one)));
  if (x.rows !== undefined) return rowFact(dims, { ...x.rows, dim: from.indexOf(x.rows.dim) }, x.index === 'column' ? undefined : x.index);
  const { literal, ...rest } = x;
  const keepsLiteral = literal !== undefined && dims.every(({ value }) => value !== undefined);
  return {
    ...rest,
    shape: dims,
    same: undefined,
    ...(keepsLiteral && { literal: { ...literal, dims: dims.map(({ value }) => value as number) } }),
  };
}

const shapeOf: OpRule = (call) => {
  const shape = call.shape(call.input(0));
  const bound = (value: number): number => Math.min(shape.length, Math.max(0, value < 0 ? value + shape.length : value));
  const part = shape.slice(bound(call.int('start', 0)), bound(call.int('end', shape.length)));
  return constantFact([Dim.of(part.length)], part);
};

const sizeOf: OpRule = (call) => constantFact([], [Dim.product(call.shape(call.input(0)))]);

/** Dims that contain the number of rows, where the content is the same all over: the rows are in that dim. */
export function filled(call: OpCall, shape: readonly Dim[]): Fact {
  const dims = shape.flatMap((dim, i) => (dim.hasRows ? [i] : []));
  const [dim] = dims;
  if (dim === undefined) return { ...constantFact(shape), uniform: true };
  const inner = (shape[dim] as Dim).dividedBy(call.rowCount);
  if (dims.length > 1 || inner === undefined || inner.hasRows) return call.unknown('makes a tensor with the number of rows in its dims');
  return rowFact(shape, { dim, outer: Dim.one, inner });
}

const constantOfShape: OpRule = (call) => {
  const shape = call.numbers(0) ?? call.unknown('takes a shape that the graph does not tell');
  const tensor = call.tensor('value');
  const value = tensor?.numbers?.[0] ?? (tensor === undefined ? 0 : undefined) ?? numberOf(tensor);
  const fact = filled(call, shape);
  const length = shape.length === 1 ? shape[0]?.value : shape.length === 0 ? 1 : undefined;
  if (fact.rows !== undefined || length === undefined || length > mostNumbers || value === undefined) return fact;
  return { ...fact, numbers: Array.from({ length }, () => Dim.of(value)) };
};

function numberOf(tensor: { bytes?: Uint8Array; type: number } | undefined): number | undefined {
  const { bytes, type } = tensor ?? { type: 0 };
  if (bytes === undefined) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (type === 7 && bytes.byteLength === 8) return Number(view.getBigInt64(0, true));
  if (type === 6 && bytes.byteLength === 4) return view.getInt32(0, true);
  if (type === 1 && bytes.byteLength === 4) return view.getFloat32(0, true);
  return type === 9 && bytes.byteLength === 1 ? view.getUint8(0) : undefined;
}

const range: OpRule = (call) => {
  const [start, limit, delta] = [0, 1, 2].map((i) => call.numbers(i)?.[0]);
  for (const i of [0, 1, 2]) call.sameForAll(i, 'limits');
  if (start === undefined || limit === undefined || delta === undefined) {
    if (call.inputs.some((fact) => fact?.counts)) call.unknown('counts up to a number that depends on how many rows run together');
    return constantFact([call.fresh('length')]);
  }
  const [from, to, by] = [start.value, limit.value, delta.value];
  if (from !== undefined && to !== undefined && by !== undefined && by !== 0) {
    const length = Math.max(0, Math.ceil((to - from) / by));
    const numbers = length <= mostNumbers ? Array.from({ length }, (_, i) => Dim.of(from + i * by)) : undefined;
    return constantFact([Dim.of(length)], numbers);
  }
  if (start.is(0) && delta.is(1) && limit.equals(call.rowCount)) return rowFact([limit], { dim: 0, ...call.plainRows }, 'all');
  const length = delta.is(1) ? limit.minus(start) : Dim.opaque('steps', [start, limit, delta]);
  if (length.hasRows) call.unknown('counts up to a number that depends on how many rows run together');
  return constantFact([length]);
};

const expand: OpRule = (call) => {
  const x = call.input(0);
  const target = call.numbers(1) ?? call.unknown('takes a shape that the graph does not tell');
  const source = call.shape(x);
  const rank = Math.max(source.length, target.length);
  const own = (i: number): Dim | undefined => source[i - rank + source.length];
  const wanted = (i: number): Dim | undefined => target[i - rank + target.length];
  const shape = Array.from({ length: rank }, (_, i) => stretched(own(i), wanted(i)));
  if (x.rows !== undefined) {
    const dim = x.rows.dim + rank - source.length;
    const others = shape.some((size, i) => i !== dim && size.hasRows);
    const stays =
      wanted(dim) === undefined || wanted(dim)?.is(1) || wanted(dim)?.equals(own(dim) as Dim) || wanted(dim)?.equals(shape[dim] as Dim);
    if (others || !stays) call.unknown('stretches the rows');
    return rowFact(shape, { ...x.rows, dim }, x.index);
  }
  const dims = shape.flatMap((size, i) => (size.hasRows ? [i] : []));
  const [dim] = dims;
  if (dim === undefined) {
    const same = shape.flatMap((_, i) => (own(i) === undefined || own(i)?.is(1) ? [plainRows(i)] : []));
    return { ...constantFact(shape), same, ...(x.uniform && { uniform: true }), ...(x.counts && { counts: true }) };
  }
  const inner = (shape[dim] as Dim).dividedBy(call.rowCount);
  const single = own(dim) === undefined || own(dim)?.is(1) || x.uniform === true;
  if (dims.length > 1 || inner === undefined || inner.hasRows || !single || x.counts)
    return call.unknown('makes a tensor with the number of rows in its dims');
  return rowFact(shape, { dim, outer: Dim.one, inner });
};

function stretched(own: Dim | undefined, wanted: Dim | undefined): Dim {
  if (wanted === undefined) return own ?? Dim.one;
  if (own === undefined || own.is(1)) return wanted;
  if (wanted.is(1) || wanted.equals(own)) return own;
  return wanted.value === undefined && own.value !== undefined && !wanted.hasRows
    ? own
    : own.value === undefined && wanted.value !== undefined
      ? own.hasRows
        ? own
        : wanted
      : own;
}

const tile: OpRule = (call) => {
  const x = call.input(0);
  const source = call.shape(x);
  const repeats = call.numbers(1) ?? call.unknown('takes repeats that the graph does not tell');
  const shape = source.map((dim, i) => dim.times(repeats[i] ?? Dim.one));
  if (x.rows !== undefined) {
    if (!repeats[x.rows.dim]?.is(1) || repeats.some(({ hasRows }) => hasRows)) call.unknown('repeats the rows');
    return rowFact(shape, x.rows, x.index);
  }
  const dims = repeats.flatMap((count, i) => (count.hasRows ? [i] : []));
  const [dim] = dims;
  if (dim === undefined) {
    const same = shape.flatMap((_, i) => (source[i]?.is(1) ? [plainRows(i)] : []));
    return { ...constantFact(shape), same, ...(x.uniform && { uniform: true }) };
  }
  const inner = (shape[dim] as Dim).dividedBy(call.rowCount);
  if (dims.length > 1 || inner === undefined || inner.hasRows) return call.unknown('makes a tensor with the number of rows in its dims');
  return rowFact(shape, { dim, outer: Dim.one, inner });
};

/** Operators that only lay the elements out anew, or make tensors of a shape. */
export const reshapeRules: Readonly<Record<string, OpRule>> = {
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Transpose: transpose,
  Shape: shapeOf,
  Size: sizeOf,
  ConstantOfShape: constantOfShape,
  Range: range,
  Expand: expand,
  Tile: tile,
};
