import { positiveAxis } from '../graph/shapes.js';
import type { TensorValue, Value } from '../graph/value.js';
import { operandOf, operandPair } from './compose.js';
import type { OpCall } from './op-call.js';
import { family, inPlace, op, type Emit } from './op-table.js';
import { sequence } from '../graph/sequence.js';

function gather(call: OpCall): Value {
  const [x, indices] = [operandOf(call, 0), operandOf(call, 1)];
  const axis = call.number('axis|dim', 0);
  const batch = call.number('batch_dims', 0);
  if (batch === 0) return call.node('Gather', [x, indices], { axis });
  return batchedGather(call, x, indices, positiveAxis(axis, call.rank(x)), batch < 0 ? batch + call.rank(indices) : batch);
}

/** Gather with leading batch dims: gathers within each batch by GatherND over [.., axis, ..] with the axis right after the batch. */
function batchedGather(call: OpCall, x: TensorValue, indices: TensorValue, axis: number, batch: number): TensorValue {
  if (axis !== batch) {
    const rank = call.rank(x);
    const between = sequence(axis - batch, (_, index) => batch + index);
    const after = sequence(rank - axis - 1, (_, index) => axis + 1 + index);
    const leading = sequence(batch, (_, index) => index);
    const moved = call.node('Transpose', [x], { perm: [...leading, axis, ...between, ...after] });
    const gathered = batchedGather(call, moved, indices, batch, batch);
    const picked = call.rank(indices) - batch;
    // Result: batch, picked, between, after -> batch, between, picked, after.
    const perm = [
      ...leading,
      ...between.map((_, index) => batch + picked + index),
      ...sequence(picked, (_, index) => batch + index),
      ...after.map((_, index) => batch + picked + between.length + index),
    ];
    return call.node('Transpose', [gathered], { perm });
  }
  const positions = call.node('Unsqueeze', [call.graph.cast(indices, 'int64'), call.graph.ints([-1])]);
  return call.node('GatherND', [x, positions], { batch_dims: batch });
}

/** Rows of a table; ids outside of it give zeros. */
function embeddingLookup(call: OpCall): Value {
  const [table, ids] = [operandOf(call, 0), operandOf(call, 1)];
  const offset = call.number('offset', 0);
  const wide = call.graph.cast(ids, 'int64');
  const shifted = offset === 0 ? wide : call.node('Sub', [wide, call.graph.int(offset)]);
  const rows = call.node('Shape', [table], { start: 0, end: 1 });
  const count = call.node('Squeeze', [rows, call.graph.ints([0])]);
  const inside = call.node('And', [call.node('GreaterOrEqual', [shifted, call.graph.int(0)]), call.node('Less', [shifted, count])]);
  const safe = call.node('Where', [inside, shifted, call.graph.int(0)]);
  const found = call.node('Gather', [table, safe], { axis: 0 });
  const mask = sequence(call.rank(table) - 1, (_, index) => call.rank(ids) + index);
  const wideMask = mask.length === 0 ? inside : call.node('Unsqueeze', [inside, call.graph.ints(mask)]);
  return call.node('Where', [wideMask, found, call.like(table, 0)]);
}

function gatherNd(call: OpCall): Value {
  return call.node('GatherND', [operandOf(call, 0), call.graph.cast(operandOf(call, 1), 'int64')]);
}

function gatherElements(call: OpCall, x: TensorValue, axis: number, index: TensorValue): TensorValue {
  return call.node('GatherElements', [x, index], { axis });
}

function take(call: OpCall): Value {
  return call.node('Gather', [call.node('Reshape', [operandOf(call, 0), call.graph.ints([-1])]), operandOf(call, 1)], { axis: 0 });
}

function select(call: OpCall): Value {
  const [condition, a, b] = [call.inputs[0], call.inputs[1], call.inputs[2]];
  const [x, y] = operandPair(call, a, b);
  return call.node('Where', [call.graph.cast(call.toTensor(condition as Value), 'bool'), x, y]);
}

function maskedFill(call: OpCall): Value {
  const x = operandOf(call, 0);
  const value = call.graph.cast(call.tensor('value', x.dtype), x.dtype);
  return call.node('Where', [call.graph.cast(operandOf(call, 1), 'bool'), value, x]);
}

function maskedSelect(call: OpCall): Value {
  const [x, mask] = [operandOf(call, 0), call.graph.cast(operandOf(call, 1), 'bool')];
  const both = call.node('Shape', [call.node('Or', [call.node('Equal', [x, x]), mask])]);
  const whole = [call.node('Expand', [x, both]), call.node('Expand', [mask, both])] as const;
  return call.node('Compress', [whole[0], call.node('Reshape', [whole[1], call.graph.ints([-1])])]);
}

/** Positions of non-zero elements, one row each. */
function nonZero(call: OpCall): Value {
  const x = operandOf(call);
  return call.node('Transpose', [call.node('NonZero', [x])], { perm: [1, 0] });
}

type Reduction = 'none' | 'add' | 'mul' | 'max' | 'min';

/** Updates rows x[indices[..., :]], as ONNX's ScatterND. */
function scatterNd(reduction: Reduction, prepare: (call: OpCall, updates: TensorValue) => TensorValue = (_call, updates) => updates): Emit {
  return (call) => {
    const [x, indices] = [operandOf(call, 0), call.graph.cast(operandOf(call, 1), 'int64')];
    return call.node('ScatterND', [x, indices, prepare(call, operandOf(call, 2, x.dtype))], { reduction });
  };
}

function negated(call: OpCall, x: TensorValue): TensorValue {
  return call.node('Neg', [x]);
}

/** x[indices] op= updates along the first axis: indices of any rank. */
function scatterRows(
  reduction: Reduction,
  prepare: (call: OpCall, updates: TensorValue) => TensorValue = (_call, updates) => updates,
): Emit {
  return (call) => {
    const [x, indices] = [operandOf(call, 0), call.graph.cast(operandOf(call, 1), 'int64')];
    const rows = call.node('Unsqueeze', [indices, call.graph.ints([-1])]);
    return call.node('ScatterND', [x, rows, prepare(call, operandOf(call, 2, x.dtype))], { reduction });
  };
}

/** Division: collect the product of the divisors first, which also works for integers when there is one divisor per place. */
function scatterDivide(byRow: boolean): Emit {
  return (call) => {
    const [x, indices, updates] = [operandOf(call, 0), call.graph.cast(operandOf(call, 1), 'int64'), operandOf(call, 2)];
    const at = byRow ? call.node('Unsqueeze', [indices, call.graph.ints([-1])]) : indices;
    const ones = call.node('Expand', [call.like(x, 1), call.node('Shape', [x])]);
    return call.node('Div', [x, call.node('ScatterND', [ones, at, updates], { reduction: 'mul' })]);
  };
}

/** A fresh tensor of a shape with updates added at indices. */
function scatterNew(call: OpCall): Value {
  const [indices, updates] = [call.graph.cast(operandOf(call, 0), 'int64'), operandOf(call, 1)];
  const base = call.node('Expand', [call.like(updates, 0), call.intTensor('shape')]);
  return call.node('ScatterND', [base, indices, updates], { reduction: 'add' });
}

function reductionOf(call: OpCall): Reduction {
  const value = call.find('reduction|reduce');
  const word = value?.kind === 'scalar' ? String(value.value).toLowerCase() : 'none';
  // Numbers: MindSpore's Reduce enumeration.
  const names: Record<string, Reduction> = {
    none: 'none',
    add: 'add',
    mul: 'mul',
    multiply: 'mul',
    max: 'max',
    min: 'min',
    '0': 'none',
    '1': 'add',
  };
  return names[word] ?? call.refuse(`scatters with the reduction '${word}'`);
}

function scatterElements(call: OpCall): Value {
  const [x, indices] = [operandOf(call, 0), operandOf(call, 1)];
  const reduction = reductionOf(call);
  return call.node('ScatterElements', [x, indices, operandOf(call, 2, x.dtype)], { axis: call.number('axis', 0), reduction });
}

/** Forms with (input, dim, index, src). */
function scatterAlong(fixed?: Reduction): Emit {
  return (call) => {
    const [x, index] = [call.tensor('input'), call.tensor('index')];
    const source = call.graph.cast(call.tensor('src', x.dtype), x.dtype);
    const updates = call.rank(source) === 0 && call.rank(index) > 0 ? call.node('Expand', [source, call.node('Shape', [index])]) : source;
    const trimmed = updates.shape?.join() === index.shape?.join() ? updates : trimTo(call, updates, index);
    return call.node('ScatterElements', [x, index, trimmed], { axis: call.number('dim'), reduction: fixed ?? reductionOf(call) });
  };
}

/** The leading part of updates that indices cover. */
function trimTo(call: OpCall, updates: TensorValue, index: TensorValue): TensorValue {
  const rank = call.rank(index);
  const zeros = sequence(rank, () => 0);
  return call.node('Slice', [updates, call.graph.ints(zeros), call.node('Shape', [index]), call.graph.ints(zeros.map((_, axis) => axis))]);
}

/** Rows of `source` added at `index` along an axis. */
function indexAdd(call: OpCall): Value {
  const x = call.tensor('x');
  const axis = positiveAxis(call.number('axis', 0), call.rank(x));
  const source = call.tensor('source', x.dtype);
  const alpha =
    call.find('alpha') === undefined ? source : call.node('Mul', [source, call.graph.cast(call.tensor('alpha', x.dtype), x.dtype)]);
  return call.node('ScatterElements', [x, spread(call, call.tensor('index'), alpha, axis), alpha], { axis, reduction: 'add' });
}

/** A 1-D index laid out like a tensor, along its axis. */
function spread(call: OpCall, index: TensorValue, like: TensorValue, axis: number): TensorValue {
  const rank = call.rank(like);
  const shaped = call.node('Reshape', [
    call.graph.cast(index, 'int64'),
    call.graph.ints(sequence(rank, (_, dim) => (dim === axis ? -1 : 1))),
  ]);
  return call.node('Expand', [shaped, call.node('Shape', [like])]);
}

function indexFill(call: OpCall): Value {
  const x = call.tensor('x');
  const axis = positiveAxis(call.number('dim'), call.rank(x));
  const index = call.node('Reshape', [call.graph.cast(call.tensor('index'), 'int64'), call.graph.ints([-1])]);
  const wide = call.node('Gather', [x, index], { axis });
  const value = call.node('Expand', [call.graph.cast(call.tensor('value', x.dtype), x.dtype), call.node('Shape', [wide])]);
  return call.node('ScatterElements', [x, spread(call, index, wide, axis), value], { axis });
}

/** Rows v at the positions `indices` of the first axis, which are an attribute. */
function inplace(reduction: Reduction, prepare: (call: OpCall, updates: TensorValue) => TensorValue = (_call, updates) => updates): Emit {
  return (call) => {
    const x = operandOf(call, 0);
    return intoRows(call, x, call.graph.ints(call.numbers('indices')), prepare(call, operandOf(call, 1, x.dtype)), reduction);
  };
}

/** As {@link inplace}, with `indices` as an input. */
function inplaceUpdateV2(call: OpCall): Value {
  const x = operandOf(call, 0);
  return intoRows(call, x, call.intTensor('indices'), operandOf(call, 2, x.dtype), 'none');
}

function intoRows(call: OpCall, x: TensorValue, indices: TensorValue, updates: TensorValue, reduction: Reduction): TensorValue {
  return call.node('ScatterND', [x, call.node('Unsqueeze', [indices, call.graph.ints([-1])]), updates], { reduction });
}

type Segment = { readonly start: number; readonly reduction: Reduction };

/** Rows collected by segment id into a fresh tensor; places without rows keep the start value. */
function unsortedSegment({ start, reduction }: Segment): Emit {
  return (call) => {
    const [x, ids] = [operandOf(call, 0), call.graph.cast(operandOf(call, 1), 'int64')];
    const count = call.intTensor('num_segments');
    const inner = call.node('Shape', [x], { start: call.rank(ids) });
    const shape = call.node('Concat', [count, inner], { axis: 0 });
    const base = call.node('Expand', [call.like(x, extreme(x, start)), shape]);
    return call.node('ScatterND', [base, call.node('Unsqueeze', [ids, call.graph.ints([-1])]), x], { reduction });
  };
}

/** +-Infinity as the largest number that the dtype has. */
function extreme(x: TensorValue, start: number): number {
  if (Number.isFinite(start)) return start;
  const limits: Record<string, [number, number]> = {
    float16: [-65504, 65504],
    float32: [-3.4028234663852886e38, 3.4028234663852886e38],
    float64: [-Number.MAX_VALUE, Number.MAX_VALUE],
    int32: [-(2 ** 31), 2 ** 31 - 1],
    int64: [-(2 ** 63), 2 ** 63],
  };
  return (limits[x.dtype] ?? [start, start])[start < 0 ? 0 : 1];
}

/** Segments by sorted ids: the number of segments is the last id plus one; empty ones give `empty`. */
function sortedSegment(reduction: Reduction | 'mean', empty: number): Emit {
  return (call) => {
    const [x, ids] = [operandOf(call, 0), call.graph.cast(operandOf(call, 1), 'int64')];
    const { graph } = call;
    const count = call.node('Add', [call.node('ReduceMax', [ids], { keepdims: 1 }), graph.ints([1])]);
    const shape = call.node('Concat', [count, call.node('Shape', [x], { start: 1 })], { axis: 0 });
    const at = call.node('Unsqueeze', [ids, graph.ints([-1])]);
    const start = reduction === 'max' ? extreme(x, -Infinity) : reduction === 'min' ? extreme(x, Infinity) : reduction === 'mul' ? 1 : 0;
    const collect = (updates: TensorValue, from: number, how: Reduction): TensorValue =>
      call.node('ScatterND', [call.node('Expand', [call.like(x, from), shape]), at, updates], { reduction: how });
    const collected = collect(x, start, reduction === 'mean' ? 'add' : reduction);
    const sizes = collect(call.node('Expand', [call.like(x, 1), call.node('Shape', [x])]), 0, 'add');
    if (reduction === 'mean') return call.node('Div', [collected, call.node('Max', [sizes, call.like(x, 1)])]);
    return call.node('Where', [call.node('Equal', [sizes, call.like(x, 0)]), call.like(x, empty), collected]);
  };
}

/** Rows of gather and scatter. */
export const gatherScatter = family('Gather and scatter', [
  op('Gather GatherV2 SparseGatherV2', 'x indices axis batch_dims', gather),
  op('IndexSelect', 'x dim index', (call) => call.node('Gather', [call.tensor('x'), call.tensor('index')], { axis: call.number('dim') })),
  op('EmbeddingLookup', 'x indices offset', embeddingLookup),
  op('Embedding', 'x weight padding_idx', (call) => call.node('Gather', [operandOf(call, 1), operandOf(call, 0)], { axis: 0 })),
  op('GatherNd GatherNdExt', 'x indices', gatherNd),
  op('GatherD GatherDGradV2', 'x dim index', (call) => gatherElements(call, call.tensor('x'), call.number('dim'), call.tensor('index'))),
  op('Take', 'x index', take),
  op('Select SelectV2 Where', 'condition x y', select),
  op('MaskedFill MaskedFillScalar', 'x mask value', maskedFill),
  op('MaskedSelect', 'x mask', maskedSelect),
  op('NonZero', 'x', nonZero),
  op('TensorScatterUpdate', 'x indices updates', scatterNd('none')),
  op('TensorScatterAdd', 'x indices updates', scatterNd('add')),
  op('TensorScatterSub', 'x indices updates', scatterNd('add', negated)),
  op('TensorScatterMul', 'x indices updates', scatterNd('mul')),
  op('TensorScatterDiv', 'x indices updates', scatterDivide(false)),
  op('TensorScatterMax', 'x indices updates', scatterNd('max')),
  op('TensorScatterMin', 'x indices updates', scatterNd('min')),
  inPlace(op('ScatterNdUpdate', 'x indices updates', scatterNd('none'))),
  inPlace(op('ScatterNdAdd', 'x indices updates', scatterNd('add'))),
  inPlace(op('ScatterNdSub', 'x indices updates', scatterNd('add', negated))),
  inPlace(op('ScatterUpdate', 'x indices updates', scatterRows('none'))),
  inPlace(op('ScatterAdd', 'x indices updates', scatterRows('add'))),
  inPlace(op('ScatterSub', 'x indices updates', scatterRows('add', negated))),
  inPlace(op('ScatterMul', 'x indices updates', scatterRows('mul'))),
  inPlace(op('ScatterMax', 'x indices updates', scatterRows('max'))),
  inPlace(op('ScatterMin', 'x indices updates', scatterRows('min'))),
  inPlace(op('ScatterDiv', 'x indices updates', scatterDivide(true))),
  op('ScatterNd', 'indices updates shape', scatterNew),
  op('TensorScatterElements', 'x indices updates axis reduction', scatterElements),
  op('Scatter', 'input dim index src reduce', scatterAlong()),
  op('ScatterValue', 'input dim index src reduce', scatterAlong()),
  op('ScatterAddExt', 'input dim index src', scatterAlong('add')),
  op('IndexAdd', 'x index source', indexAdd),
  op('IndexAddExt', 'x axis index source alpha', indexAdd),
  op('IndexFill IndexFillScalar IndexFillTensor', 'x dim index value', indexFill),
  op('InplaceUpdate', 'x v', inplace('none')),
  op('InplaceUpdateV2', 'x indices v', inplaceUpdateV2),
  op('InplaceAdd', 'x v', inplace('add')),
  op('InplaceSub', 'x v', inplace('add', negated)),
  op('UnsortedSegmentSum', 'x segment_ids num_segments', unsortedSegment({ start: 0, reduction: 'add' })),
  op('UnsortedSegmentProd', 'x segment_ids num_segments', unsortedSegment({ start: 1, reduction: 'mul' })),
  op('UnsortedSegmentMax', 'x segment_ids num_segments', unsortedSegment({ start: -Infinity, reduction: 'max' })),
  op('UnsortedSegmentMin', 'x segment_ids num_segments', unsortedSegment({ start: Infinity, reduction: 'min' })),
  op('SegmentSum', 'x segment_ids', sortedSegment('add', 0)),
  op('SegmentProd', 'x segment_ids', sortedSegment('mul', 1)),
  op('SegmentMax', 'x segment_ids', sortedSegment('max', 0)),
  op('SegmentMin', 'x segment_ids', sortedSegment('min', 0)),
  op('SegmentMean', 'x segment_ids', sortedSegment('mean', 0)),
]);
