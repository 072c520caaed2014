import { broadcast } from '../facts/broadcast.js';
import { Dim } from '../facts/dim.js';
import { constantFact, isSameAlong, rowFact, type Fact, type Rows } from '../facts/fact.js';
import type { OpCall, OpRule } from '../facts/op-call.js';

/** Slices and the like end here at the latest: "to the end", as exporters write it. */
const endless = 2 ** 31 - 1;

const concat: OpRule = (call) => {
  const facts = call.inputs.filter((fact): fact is Fact => fact !== undefined);
  const firstShape = call.shape(facts.find(({ rows }) => rows !== undefined) ?? (facts[0] as Fact));
  const axis = call.axis(call.int('axis', call.opset < 4 ? 1 : 0), firstShape.length);
  const joined = facts.map((fact) => call.shape(fact)[axis] ?? Dim.one).reduce((sum, dim) => sum.plus(dim));
  const withRows = facts.filter(({ rows }) => rows !== undefined);
  const rows = withRows[0]?.rows;
  if (rows === undefined) {
    const lists = facts.map(({ numbers }) => numbers);
    const shape = firstShape.map((dim, i) => (i === axis ? joined : dim));
    const float = facts.some((fact) => fact.float);
    if (shape.length === 1 && lists.every((list) => list !== undefined)) return { ...constantFact(shape, lists.flat(), float), float };
    return { ...constantFact(shape), ...(facts.some(({ counts }) => counts) && { counts: true }) };
  }
  if (axis === rows.dim) return joinedRows(call, facts, rows, firstShape);
  // All dims but one are the same: as if stretched to each other without that one.
  const { rows: common } = broadcast(
    call,
    facts.map(({ index: _, ...fact }) => ({ ...fact, shape: call.shape(fact).map((dim, i) => (i === axis ? Dim.one : dim)) })),
  );
  const shape = firstShape.map((dim, i) => (i === axis ? joined : dim));
  return rowFact(shape, common ?? rows, columnOf(call, facts, axis, shape.length));
};

/** All rows of one tensor, then all rows of the next. */
function joinedRows(call: OpCall, facts: readonly Fact[], rows: Rows, shape: readonly Dim[]): Fact {
  let outer = Dim.zero;
  for (const fact of facts) {
    if (fact.rows?.dim !== rows.dim) call.mixed(`joins tensors along dim ${rows.dim}, where the rows are`);
    if (fact.index !== undefined || !fact.rows.inner.equals(rows.inner)) call.unknown('joins tensors whose rows are laid out differently');
    outer = outer.plus(fact.rows.outer);
  }
  const extent = outer.times(call.rowCount).times(rows.inner);
  return rowFact(
    shape.map((dim, i) => (i === rows.dim ? extent : dim)),
    { ...rows, outer },
  );
}

/** [numbers of rows, something] side by side in the last dim: how `x[arange(n), k]` is written. */
function columnOf(call: OpCall, facts: readonly Fact[], axis: number, rank: number): Fact['index'] {
  const first = facts[0];
  if (!facts.some(({ index }) => index !== undefined)) return undefined;
  if (axis === rank - 1 && first?.index === 'all' && first.shape?.[axis]?.is(1) && facts.slice(1).every(({ index }) => index === undefined))
    return 'column';
  return call.unknown('joins the places of the rows with other values');
}

const split: OpRule = (call) => {
  const x = call.input(0);
  const shape = call.shape(x);
  const axis = call.axis(call.int('axis', 0), shape.length);
  call.notOver(x, [axis]);
  const count = call.node.outputs.length;
  const given = call.opset < 13 ? call.ints('split')?.map((size) => Dim.of(size)) : call.numbers(1);
  const extent = shape[axis] as Dim;
  const each = evenly(extent, count);
  let at = 0;
  return call.node.outputs.map((_, i) => {
    const size = given?.[i] ?? each(i) ?? call.fresh(`part${i}`);
    const dims = shape.map((dim, k) => (k === axis ? size : dim));
    const from = at;
    at += size.value ?? Number.NaN;
    if (x.rows !== undefined) return rowFact(dims, x.rows);
    const numbers = shape.length === 1 && !Number.isNaN(at) ? x.numbers?.slice(from, at) : undefined;
    return { ...constantFact(dims, numbers), ...(x.counts && numbers === undefined && { counts: true }) };
  });
};

/** Equal parts, the last one smaller. */
function evenly(extent: Dim, count: number): (i: number) => Dim | undefined {
  const size = extent.value;
  if (size === undefined) return () => extent.dividedBy(Dim.of(count));
  const chunk = Math.ceil(size / count);
  return (i) => Dim.of(Math.max(0, Math.min(chunk, size - i * chunk)));
}

interface Cut {
  readonly axis: number;
  readonly start: Dim | undefined;
  readonly end: Dim | undefined;
  readonly step: number | undefined;
}

function cutsOf(call: OpCall, rank: number): Cut[] {
  if (call.opset < 10) {
    const starts = call.ints('starts') ?? [];
    const axes = call.ints('axes') ?? starts.map((_, i) => i);
    const ends = call.ints('ends') ?? [];
    return starts.map((start, i) => ({
      axis: call.axis(axes[i] ?? i, rank),
      start: Dim.of(start),
      end: Dim.of(ends[i] ?? endless),
      step: 1,
    }));
  }
  for (const i of [1, 2, 3, 4]) call.sameForAll(i, 'limits');
  const starts = call.numbers(1);
  const ends = call.numbers(2);
  const count = call.inputs[1]?.shape?.[0]?.value ?? starts?.length ?? call.unknown('takes limits that the graph does not tell');
  const axes = call.inputs[3] === undefined ? undefined : (call.values(3) ?? call.unknown('takes axes that the graph does not tell'));
  const steps = call.inputs[4] === undefined ? undefined : call.values(4);
  return Array.from({ length: count }, (_, i) => ({
    axis: call.axis(axes?.[i] ?? i, rank),
    start: starts?.[i],
    end: ends?.[i],
    step: call.inputs[4] === undefined ? 1 : steps?.[i],
  }));
}

const slice: OpRule = (call) => {
  const x = call.input(0);
  const source = call.shape(x);
  let shape: readonly Dim[] = source;
  let numbers = source.length === 1 ? x.numbers : undefined;
  let isCounted = x.counts === true;
  for (const cut of cutsOf(call, source.length)) {
    const extent = source[cut.axis] as Dim;
    if (isWhole(cut, extent)) continue;
    if (cut.axis === x.rows?.dim) {
      const known = cut.start?.value !== undefined && cut.end?.value !== undefined;
      if (known) call.mixed(`takes some of the rows (dim ${cut.axis})`);
      call.unknown(`takes a part of dim ${cut.axis}, where the rows are`);
    }
    const size = sizeOfCut(cut, extent) ?? call.fresh(cut.axis);
    if (size.hasRows || cut.start?.hasRows || (cut.end?.hasRows && !extent.hasRows)) {
      if (x.rows !== undefined) call.unknown('cuts by how many rows run together');
      isCounted = true;
    }
    numbers = numbers && sliced(numbers, cut);
    shape = shape.map((dim, i) => (i === cut.axis ? size : dim));
  }
  if (x.rows !== undefined) return rowFact(shape, x.rows, x.index === 'column' ? undefined : x.index);
  const fact = constantFact(shape, numbers, x.float);
  return { ...fact, uniform: x.uniform, ...(isCounted && numbers === undefined && { counts: true }) };
};

function isWhole({ start, end, step }: Cut, extent: Dim): boolean {
  if (step !== 1 || !start?.is(0) || end === undefined) return false;
  return end.equals(extent) || (end.value ?? 0) >= Math.max(endless, extent.value ?? 0);
}

function sizeOfCut({ start, end, step }: Cut, extent: Dim): Dim | undefined {
  if (start === undefined || end === undefined || step === undefined) return undefined;
  const size = extent.value;
  const [from, to] = [start.value, end.value];
  if (size !== undefined && from !== undefined && to !== undefined && step !== 0) {
    const bound = (at: number, low: number, high: number): number => Math.min(high, Math.max(low, at < 0 ? at + size : at));
    const [a, b] = step > 0 ? [bound(from, 0, size), bound(to, 0, size)] : [bound(from, 0, size - 1), bound(to, -1, size - 1)];
    return Dim.of(Math.max(0, Math.ceil((b - a) / step)));
  }
  if (step !== 1) return undefined;
  // A number below 0 counts from the end; a symbolic one is taken as inside.
  const at = (dim: Dim): Dim => ((dim.value ?? 0) < 0 ? extent.plus(dim) : (dim.value ?? 0) >= endless ? extent : dim);
  const length = at(end).minus(at(start));
  return length.isCount ? length : Dim.opaque('cut', [start, end, extent]);
}

function sliced(numbers: readonly Dim[], { start, end, step }: Cut): readonly Dim[] | undefined {
  if (start?.value === undefined || end?.value === undefined || step === undefined || step === 0) return undefined;
  if (step === 1) return numbers.slice(start.value, end.value);
  const kept: Dim[] = [];
  const length = numbers.length;
  const bound = (at: number, low: number, high: number): number => Math.min(high, Math.max(low, at < 0 ? at + length : at));
  if (step > 0) for (let i = bound(start.value, 0, length); i < bound(end.value, 0, length); i += step) kept.push(numbers[i] as Dim);
  else for (let i = bound(start.value, 0, length - 1); i > bound(end.value, -1, length - 1); i += step) kept.push(numbers[i] as Dim);
  return kept;
}

const gather: OpRule = (call) => {
  const [data, indices] = [call.input(0), call.input(1)];
  const source = call.shape(data);
  const picked = call.shape(indices);
  const axis = call.axis(call.int('axis', 0), source.length);
  const shape = [...source.slice(0, axis), ...picked, ...source.slice(axis + 1)];
  if (data.rows === undefined && indices.rows === undefined) {
    const numbers = axis === 0 && source.length === 1 && picked.length <= 1 ? pickedNumbers(data.numbers, indices.numbers) : undefined;
    const counts = (data.counts === true || indices.counts === true) && numbers === undefined;
    return { ...constantFact(shape, numbers, data.float), ...(counts && { counts }) };
  }
  if (indices.counts === true || data.counts === true) call.unknown('uses how many rows run together');
  if (data.rows !== undefined && data.rows.dim === axis) {
    const isOrder = indices.index === 'all' && picked.length === 1;
    if (isOrder) return rowFact(shape, data.rows);
    call.mixed(`picks from dim ${axis}, where the rows are`);
  }
  if (data.rows !== undefined && indices.rows !== undefined) call.mixed('picks from every row for every row');
  if (indices.index !== undefined) call.mixed('picks by the place of a row in the batch');
  if (indices.rows !== undefined) return rowFact(shape, { ...indices.rows, dim: axis + indices.rows.dim });
  const rows = data.rows as NonNullable<Fact['rows']>;
  const dim = rows.dim < axis ? rows.dim : rows.dim - 1 + picked.length;
  return rowFact(shape, { ...rows, dim }, data.index === 'column' ? undefined : data.index);
};

function pickedNumbers(numbers: readonly Dim[] | undefined, indices: readonly Dim[] | undefined): readonly Dim[] | undefined {
  if (numbers === undefined || indices === undefined) return undefined;
  const picked = indices.map(({ value }) => (value === undefined ? undefined : numbers[value < 0 ? value + numbers.length : value]));
  return picked.every((number) => number !== undefined) ? (picked as Dim[]) : undefined;
}

/** GatherElements: output[i][j] = data[i][index[i][j]], all dims but the axis go together. */
const gatherElements: OpRule = (call) => {
  const [data, indices] = [call.input(0), call.input(1)];
  const shape = call.shape(indices);
  const axis = call.axis(call.int('axis', 0), shape.length);
  if (data.rows === undefined && indices.rows === undefined) return constantFact(shape);
  call.notOver(data, [axis]);
  if (indices.rows?.dim === axis) call.unknown('picks for each row from the same place');
  const aligned = [data, indices].map((fact) => ({ ...fact, shape: call.shape(fact).map((dim, i) => (i === axis ? Dim.one : dim)) }));
  const { rows } = broadcast(call, aligned);
  return rowFact(shape, rows as NonNullable<typeof rows>);
};

const gatherNd: OpRule = (call) => {
  const [data, indices] = [call.input(0), call.input(1)];
  const source = call.shape(data);
  const picked = call.shape(indices);
  const batchDims = call.int('batch_dims', 0);
  const depth = picked[picked.length - 1]?.value ?? call.unknown('picks by indices of unknown length');
  const shape = [...picked.slice(0, -1), ...source.slice(batchDims + depth)];
  if (data.rows === undefined && indices.rows === undefined) return constantFact(shape);
  if (indices.rows?.dim === picked.length - 1) call.unknown('picks by indices that lie across the rows');
  if (data.rows === undefined) return rowFact(shape, indices.rows as NonNullable<Fact['rows']>);
  const { dim } = data.rows;
  if (dim >= batchDims + depth) {
    if (indices.rows !== undefined) call.mixed('picks from every row for every row');
    return rowFact(shape, { ...data.rows, dim: dim - batchDims - depth + picked.length - 1 });
  }
  if (dim < batchDims) {
    const { rows } = broadcast(call, [
      { ...data, shape: source.slice(0, batchDims) },
      { ...indices, shape: picked.slice(0, batchDims) },
    ]);
    return rowFact(shape, rows as NonNullable<typeof rows>);
  }
  const isOwnRow = dim === 0 && indices.index === 'column' && data.rows.outer.is(1) && data.rows.inner.is(1);
  if (isOwnRow || (dim === 0 && depth === 1 && indices.index === 'all')) return rowFact(shape, indices.rows as NonNullable<Fact['rows']>);
  return call.mixed(`picks from dim ${dim}, where the rows are`);
};

/** ScatterElements: as GatherElements, the other way. */
const scatterElements: OpRule = (call) => {
  const facts = [call.input(0), call.input(1), call.input(2)];
  const shape = call.shape(facts[0] as Fact);
  const axis = call.axis(call.int('axis', 0), shape.length);
  for (const fact of facts) call.notOver(fact, [axis]);
  const { rows, counts } = broadcast(
    call,
    facts.map((fact) => ({
      ...fact,
      shape: call.shape(fact).map((dim, i) => (i === axis || (fact.rows === undefined && i !== axis) ? Dim.one : dim)),
    })),
  );
  if (rows === undefined) return { ...constantFact(shape), ...(counts && { counts }) };
  if (facts.some((fact) => fact.rows === undefined && fact !== facts[0]))
    return call.unknown('writes the same into each row at places that the graph does not tell');
  return rowFact(shape, rows);
};

const scatterNd: OpRule = (call) => {
  const [data, indices, updates] = [call.input(0), call.input(1), call.input(2)];
  const shape = call.shape(data);
  if ([data, indices, updates].every(({ rows }) => rows === undefined)) {
    const numbers = scatteredNumbers(data, indices, updates);
    return { ...constantFact(shape, numbers, data.float), ...(data.counts && numbers === undefined && { counts: true }) };
  }
  return call.unknown('writes at places that the graph does not tell');
};

function scatteredNumbers(data: Fact, indices: Fact, updates: Fact): readonly Dim[] | undefined {
  if (data.shape?.length !== 1 || data.numbers === undefined || indices.numbers === undefined || updates.numbers === undefined)
    return undefined;
  const numbers = [...data.numbers];
  for (const [i, { value }] of indices.numbers.entries()) {
    const update = updates.numbers[i];
    if (value === undefined || update === undefined) return undefined;
    numbers[value < 0 ? value + numbers.length : value] = update;
  }
  return numbers;
}

const pad: OpRule = (call) => {
  const x = call.input(0);
  const source = call.shape(x);
  const pads = call.opset < 11 ? (call.ints('pads') ?? call.ints('paddings'))?.map((size) => Dim.of(size)) : call.numbers(1);
  for (const i of [1, 2, 3]) call.sameForAll(i, 'padding');
  const axes =
    call.inputs[3] === undefined ? source.map((_, i) => i) : (call.values(3) ?? call.unknown('pads axes that the graph does not tell'));
  if (pads === undefined && x.rows !== undefined) call.unknown('pads by numbers that the graph does not tell');
  const shape = [...source];
  for (const [i, given] of axes.entries()) {
    const axis = call.axis(given, source.length);
    const [before, after] = [pads?.[i], pads?.[i + axes.length]];
    const added = before && after ? before.plus(after) : undefined;
    if (axis === x.rows?.dim && !(before?.is(0) && after?.is(0))) call.mixed(`pads dim ${axis}, where the rows are`);
    if (added?.hasRows) call.unknown('pads by how many rows run together');
    shape[axis] = added ? (source[axis] as Dim).plus(added) : call.fresh(axis);
  }
  return x.rows === undefined ? constantFact(shape) : rowFact(shape, x.rows);
};

const oneHot: OpRule = (call) => {
  const indices = call.input(0);
  const source = call.shape(indices);
  const depth = call.numbers(1)?.[0] ?? call.fresh('depth');
  const axis = call.axis(call.int('axis', -1), source.length + 1 - (call.int('axis', -1) < 0 ? 0 : 1));
  const shape = [...source.slice(0, axis), depth, ...source.slice(axis)];
  for (const i of [1, 2]) call.sameForAll(i, 'depth and values');
  if (indices.rows === undefined) return constantFact(shape);
  return rowFact(shape, { ...indices.rows, dim: indices.rows.dim + (axis <= indices.rows.dim ? 1 : 0) });
};

const compress: OpRule = (call) => {
  const x = call.input(0);
  const shape = call.shape(x);
  const axis = call.int('axis', Number.NaN);
  if (Number.isNaN(axis)) {
    if (x.rows !== undefined) call.mixed('takes elements of all rows as one list');
    return constantFact([call.fresh('kept')]);
  }
  const at = call.axis(axis, shape.length);
  if (x.rows?.dim === at) call.mixed(`keeps some of the rows (dim ${at})`);
  if (call.inputs[1]?.rows !== undefined) call.mixed('keeps what the rows decide together');
  const dims = shape.map((dim, i) => (i === at ? call.fresh('kept') : dim));
  return x.rows === undefined ? constantFact(dims) : rowFact(dims, x.rows);
};

/** The indices of what is not 0: as many as there are. */
const nonZero: OpRule = (call) => {
  const x = call.input(0);
  if (x.rows !== undefined) call.mixed('lists what it finds in all rows together');
  const rank = call.shape(x).length;
  if (x.counts === true) call.unknown('uses how many rows run together');
  if (rank === 1 && x.numbers?.every(({ value }) => value !== undefined)) {
    const found = x.numbers.flatMap(({ value }, i) => (value === 0 ? [] : [Dim.of(i)]));
    return constantFact([Dim.one, Dim.of(found.length)], found);
  }
  if (x.uniform === true && rank === 1) return constantFact([Dim.one, (x.shape as readonly Dim[])[0] as Dim]);
  return constantFact([Dim.of(rank), call.fresh('found')]);
};

const unique: OpRule = (call) => {
  const x = call.input(0);
  if (x.rows !== undefined) call.mixed('compares all rows with each other');
  const fact = constantFact([call.fresh('found')]);
  return [fact, fact, fact, fact];
};

const trilu: OpRule = (call) => {
  const x = call.input(0);
  const shape = call.shape(x);
  call.notOver(x, [shape.length - 2, shape.length - 1]);
  call.sameForAll(1, 'diagonal');
  return x.rows === undefined ? constantFact(shape) : rowFact(shape, x.rows);
};

/** Turns pieces of each row around; lengths by row. */
const reverseSequence: OpRule = (call) => {
  const [x, lengths] = [call.input(0), call.input(1)];
  const shape = call.shape(x);
  call.notOver(x, [call.int('time_axis', 0)], true);
  if (lengths.rows !== undefined && x.rows?.dim !== call.int('batch_axis', 1)) call.unknown('takes lengths from the rows');
  if (x.rows === undefined) return constantFact(shape);
  if (lengths.rows === undefined && x.rows.dim === call.int('batch_axis', 1) && !isSameAlong(lengths, 0))
    call.mixed('has its own length for each place in the batch');
  return rowFact(shape, x.rows);
};

const eyeLike: OpRule = (call) => {
  const x = call.input(0);
  if (x.rows !== undefined) call.mixed('gives each place in the batch its own row');
  return constantFact(call.shape(x));
};

/** Operators that pick, join, cut or write parts of tensors. */
export const selectionRules: Readonly<Record<string, OpRule>> = {
  Concat: concat,
  Split: split,
  Slice: slice,
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherNd,
  'com.microsoft:GatherND': gatherNd,
  ScatterElements: scatterElements,
  Scatter: scatterElements,
  ScatterND: scatterNd,
  Pad: pad,
  OneHot: oneHot,
  Compress: compress,
  NonZero: nonZero,
  Unique: unique,
  Trilu: trilu,
  'com.microsoft:Trilu': trilu,
  'com.microsoft:Unique': unique,
  ReverseSequence: reverseSequence,
  EyeLike: eyeLike,
};
