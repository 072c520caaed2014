import { positiveAxis } from '../graph/shapes.js';
import { tupleOf, type TensorValue, type Value } from '../graph/value.js';
import { operandOf } from './compose.js';
import type { OpCall } from './op-call.js';
import { family, op } from './op-table.js';

/** The k first of an axis in order. */
function ordered(
  call: OpCall,
  x: TensorValue,
  k: TensorValue,
  axis: number,
  largest: boolean,
  isSorted = true,
): [TensorValue, TensorValue] {
  return call.graph.multi('TopK', [x, k], 2, { axis, largest: largest ? 1 : 0, sorted: isSorted ? 1 : 0 }) as [TensorValue, TensorValue];
}

/** The size of an axis as a 1-D tensor. */
export function lengthOf(call: OpCall, x: TensorValue, axis: number): TensorValue {
  const size = x.shape?.at(axis);
  if (size !== undefined && size >= 0) return call.graph.ints([size]);
  const at = positiveAxis(axis, call.rank(x));
  return call.node('Shape', [x], { start: at, end: at + 1 });
}

function topK(call: OpCall): Value {
  const x = operandOf(call);
  const [values, indices] = ordered(call, x, call.intTensor('k'), call.number('dim', -1), call.bool('largest', true));
  return tupleOf([values, indices]);
}

function sort(call: OpCall): Value {
  const x = operandOf(call);
  const axis = call.number('dim|axis', -1);
  return tupleOf(ordered(call, x, lengthOf(call, x, axis), axis, call.bool('descending')));
}

function argSort(call: OpCall): Value {
  const x = operandOf(call);
  const axis = call.number('dim|axis', -1);
  return ordered(call, x, lengthOf(call, x, axis), axis, call.bool('descending'))[1];
}

/** Whether the target of each row is among its k best. */
function inTopK(call: OpCall): Value {
  const [predictions, targets] = [operandOf(call, 0), call.graph.cast(operandOf(call, 1), 'int64')];
  const places = call.node('Unsqueeze', [targets, call.graph.ints([-1])]);
  const score = call.node('GatherElements', [predictions, places], { axis: -1 });
  const better = call.graph.cast(call.node('Greater', [predictions, score]), 'int64');
  const rank = call.node('ReduceSum', [better, call.graph.ints([-1])], { keepdims: 0 });
  return call.node('Less', [rank, call.graph.int(call.number('k'))]);
}

/** Position of each value in a sorted row. */
function searchSorted(call: OpCall): Value {
  const [sequence, values] = [operandOf(call, 0), operandOf(call, 1)];
  const isRight = call.bool('right') || call.op === 'UpperBound';
  const { graph } = call;
  const dtype = call.dtype('dtype') ?? call.output()?.dtype ?? 'int64';
  // Counts the elements before each value: [.., values, 1] against [.., 1, sequence].
  const row = call.rank(sequence) === 1 ? sequence : call.node('Unsqueeze', [sequence, graph.ints([-2])]);
  const column = call.node('Unsqueeze', [values, graph.ints([-1])]);
  const before = call.node(isRight ? 'LessOrEqual' : 'Less', [row, graph.cast(column, sequence.dtype)]);
  return graph.cast(call.node('ReduceSum', [graph.cast(before, 'int64'), graph.ints([-1])], { keepdims: 0 }), dtype);
}

/** Which bucket a value falls into, by constant boundaries. */
function bucketize(call: OpCall): Value {
  const x = operandOf(call);
  const boundaries = call.numbers('boundaries');
  const limits = call.graph.constant('float32', [boundaries.length], boundaries);
  const column = call.node('Unsqueeze', [call.graph.cast(x, 'float32'), call.graph.ints([-1])]);
  const passed = call.node(call.bool('right') ? 'Less' : 'LessOrEqual', [limits, column]);
  return call.graph.cast(call.node('ReduceSum', [call.graph.cast(passed, 'int64'), call.graph.ints([-1])], { keepdims: 0 }), 'int32');
}

function nthElement(call: OpCall): Value {
  const x = operandOf(call);
  const place = call.node('Add', [call.intTensor('n'), call.graph.ints([1])]);
  const [values] = ordered(call, x, place, -1, call.bool('reverse'));
  const last = call.node('Gather', [values, call.graph.ints([-1])], { axis: -1 });
  return call.node('Squeeze', [last, call.graph.ints([-1])]);
}

function kthValue(call: OpCall): Value {
  const x = operandOf(call);
  const axis = call.number('dim', -1);
  const [values, indices] = ordered(call, x, call.intTensor('k'), axis, false);
  const pick = (tensor: TensorValue): TensorValue => {
    const last = call.node('Gather', [tensor, call.graph.ints([-1])], { axis: positiveAxis(axis, call.rank(x)) });
    return call.bool('keepdim') ? last : call.node('Squeeze', [last, call.graph.ints([axis])]);
  };
  return tupleOf([pick(values), pick(indices)]);
}

/** The lower median and its position. */
function median(call: OpCall): Value {
  const x = operandOf(call);
  const isGlobal = call.op === 'MedianExt' || call.bool('global_median');
  const flat = isGlobal ? call.node('Reshape', [x, call.graph.ints([-1])]) : x;
  const axis = isGlobal ? 0 : call.number('axis|dim', 0);
  const place = Math.floor((call.dim(flat, axis) - 1) / 2);
  const [values, indices] = ordered(call, flat, lengthOf(call, flat, axis), axis, false);
  const keep = !isGlobal && call.bool('keep_dims|keepdim');
  const pick = (tensor: TensorValue): TensorValue => {
    const picked = call.node('Gather', [tensor, call.graph.ints([place])], { axis: positiveAxis(axis, call.rank(flat)) });
    return keep ? picked : call.node('Squeeze', [picked, call.graph.ints([axis])]);
  };
  return call.op === 'MedianExt' ? pick(values) : tupleOf([pick(values), pick(indices)]);
}

function unique(call: OpCall): Value {
  const x = call.node('Reshape', [operandOf(call), call.graph.ints([-1])]);
  // Unique keeps the order of first appearance, Unique2 sorts.
  const isSorted = call.op === 'Unique2' ? 1 : 0;
  const [values, , inverse, counts] = call.graph.multi('Unique', [x], 4, { sorted: isSorted }) as [
    TensorValue,
    TensorValue,
    TensorValue,
    TensorValue,
  ];
  const shaped = call.node('Reshape', [{ ...inverse, dtype: 'int64' }, call.node('Shape', [operandOf(call)])]);
  return tupleOf([values, shaped, ...(call.op === 'Unique2' ? [{ ...counts, dtype: 'int64' as const }] : [])]);
}

/** Rows of sorting and searching. */
export const sorting = family('Sorting and searching', [
  op('TopK', 'x k', topK),
  op('TopkExt', 'x k dim largest sorted', topK),
  op('Sort', 'x', sort),
  op('SortExt', 'x dim descending stable', sort),
  op('ArgSort', 'x dim descending stable', argSort),
  op('InTopK', 'predictions targets', inTopK),
  op('SearchSorted', 'sequence values sorter dtype right', searchSorted),
  op('LowerBound UpperBound', 'sequence values', searchSorted),
  op('Bucketize', 'x', bucketize),
  op('NthElement', 'x n', nthElement),
  op('Kthvalue', 'x k dim keepdim', kthValue),
  op('Median MedianDim', 'x axis keep_dims', median),
  op('MedianExt', 'x', median),
  op('Unique Unique2', 'x', unique),
]);
