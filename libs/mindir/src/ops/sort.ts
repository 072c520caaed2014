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
function lengthOf(call: OpCall, x: TensorValue, axis: number): TensorValue {
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

/** Position of each value in a sorted row; `isRight` = behind the elements that equal it. */
function positionIn(call: OpCall, isRight: boolean): TensorValue {
  const [sequence, values] = [operandOf(call, 0), operandOf(call, 1)];
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

/** The lower median along an axis and its position: [values, positions]. */
function medianAlong(call: OpCall, x: TensorValue, axis: number, keep: boolean): [TensorValue, TensorValue] {
  const place = Math.floor((call.dim(x, axis) - 1) / 2);
  const [values, indices] = ordered(call, x, lengthOf(call, x, axis), axis, false);
  const pick = (tensor: TensorValue): TensorValue => {
    const picked = call.node('Gather', [tensor, call.graph.ints([place])], { axis: positiveAxis(axis, call.rank(x)) });
    return keep ? picked : call.node('Squeeze', [picked, call.graph.ints([axis])]);
  };
  return [pick(values), pick(indices)];
}

/** The lower median of all elements and its position. */
function globalMedian(call: OpCall): [TensorValue, TensorValue] {
  return medianAlong(call, call.node('Reshape', [operandOf(call), call.graph.ints([-1])]), 0, false);
}

function median(call: OpCall): Value {
  if (call.bool('global_median')) return tupleOf(globalMedian(call));
  return tupleOf(medianAlong(call, operandOf(call), call.number('axis|dim', 0), call.bool('keep_dims|keepdim')));
}

/** The distinct values, in the order of first appearance or sorted; where each element is among them; how often each appears. */
function distinct(call: OpCall, sorted: boolean): [TensorValue, TensorValue, TensorValue] {
  const x = operandOf(call);
  const flat = call.node('Reshape', [x, call.graph.ints([-1])]);
  const [values, , inverse, counts] = call.graph.multi('Unique', [flat], 4, { sorted: sorted ? 1 : 0 }) as [
    TensorValue,
    TensorValue,
    TensorValue,
    TensorValue,
  ];
  return [values, call.node('Reshape', [inverse, call.node('Shape', [x])]), counts];
}

/** Rows of sorting and searching. */
export const sorting = family('Sorting and searching', [
  op('TopK', 'x k', topK),
  op('TopkExt', 'x k dim largest sorted', topK),
  op('Sort', 'x', sort),
  op('SortExt', 'x dim descending stable', sort),
  op('ArgSort', 'x dim descending stable', argSort),
  op('InTopK', 'predictions targets', inTopK),
  op('SearchSorted', 'sequence values sorter dtype right', (call) => positionIn(call, call.bool('right'))),
  op('LowerBound', 'sequence values', (call) => positionIn(call, false)),
  op('UpperBound', 'sequence values', (call) => positionIn(call, true)),
  op('Bucketize', 'x', bucketize),
  op('NthElement', 'x n', nthElement),
  op('Kthvalue', 'x k dim keepdim', kthValue),
  op('Median MedianDim', 'x axis keep_dims', median),
  op('MedianExt', 'x', (call) => globalMedian(call)[0]),
  op('Unique', 'x', (call) => tupleOf(distinct(call, false).slice(0, 2))),
  op('Unique2', 'x', (call) => tupleOf(distinct(call, true))),
]);
