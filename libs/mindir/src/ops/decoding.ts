import { tupleOf, type TensorValue, type Value } from '../graph/value.js';
import { operandOf } from './compose.js';
import type { OpCall } from './op-call.js';
import { family, op } from './op-table.js';

/** The best label per step without blanks and repeats, as a sparse tensor: indices, values, shape; and the negative sum of the best logits. */
function ctcGreedyDecoder(call: OpCall): Value {
  const { graph } = call;
  const [logits, lengths] = [operandOf(call, 0), graph.cast(operandOf(call, 1), 'int64')];
  const blank = call.node('Sub', [
    call.node('Squeeze', [call.node('Shape', [logits], { start: 2, end: 3 }), graph.ints([0])]),
    graph.int(1),
  ]);
  const last = graph.ints([-1]);
  // [steps, batch] -> [batch, steps]
  const labels = call.node('Transpose', [call.node('ArgMax', [logits], { axis: 2, keepdims: 0 })], { perm: [1, 0] });
  const best = call.node('Transpose', [call.node('ReduceMax', [logits, last], { keepdims: 0 })], { perm: [1, 0] });
  const steps = call.node('Squeeze', [call.node('Shape', [labels], { start: 1, end: 2 }), graph.ints([0])]);
  const positions = call.node('Range', [graph.int(0), steps, graph.int(1)]);
  const inside = call.node('Less', [positions, call.node('Unsqueeze', [lengths, last])]);
  const isLabel = call.node('And', [inside, call.node('Not', [call.node('Equal', [labels, blank])])]);
  const kept = call.bool('merge_repeated', true) ? call.node('And', [isLabel, differsFromBefore(call, labels, 1)]) : isLabel;
  const counts = call.node('CumSum', [graph.cast(kept, 'int64'), graph.int(1)]);
  const places = call.node('Transpose', [call.node('NonZero', [kept])], { perm: [1, 0] });
  const rows = call.node('Gather', [places, graph.ints([0])], { axis: 1 });
  const columns = call.node('Unsqueeze', [call.node('Sub', [call.node('GatherND', [counts, places]), graph.int(1)]), last]);
  const longest = call.node('ReduceMax', [counts], { keepdims: 0 });
  const shape = call.node(
    'Concat',
    [call.node('Shape', [labels], { start: 0, end: 1 }), call.node('Reshape', [longest, graph.ints([1])])],
    { axis: 0 },
  );
  const scores = call.node('Where', [inside, best, call.like(best, 0)]);
  const probability = call.node('Neg', [call.node('ReduceSum', [scores, graph.ints([1])], { keepdims: 1 })]);
  return tupleOf([call.node('Concat', [rows, columns], { axis: 1 }), call.node('GatherND', [labels, places]), shape, probability]);
}

/** Whether each element along an axis is another than the one before; the first always is. */
function differsFromBefore(call: OpCall, x: TensorValue, axis: number): TensorValue {
  const { graph } = call;
  const part = (from: number, to: number): TensorValue => call.node('Slice', [x, graph.ints([from]), graph.ints([to]), graph.ints([axis])]);
  const changed = call.node('Not', [call.node('Equal', [part(1, 2 ** 31), part(0, -1)])]);
  const first = part(0, 1);
  return call.node('Concat', [call.node('Equal', [first, first]), changed], { axis });
}

/** Runs of equal elements as one: values, the run of each element, and the lengths of the runs. */
function uniqueConsecutive(call: OpCall): Value {
  const { graph } = call;
  // 2.0 writes 1000 for no axis.
  if (call.find('dim|axis') !== undefined && call.number('dim|axis') !== 1000) return call.refuse('works along an axis');
  const given = operandOf(call);
  const x = call.node('Reshape', [given, graph.ints([-1])]);
  const starts = differsFromBefore(call, x, 0);
  const runs = call.node('Sub', [call.node('CumSum', [graph.cast(starts, 'int64'), graph.int(0)]), graph.int(1)]);
  const values = call.node('Compress', [x, starts], { axis: 0 });
  const zeros = call.node('Expand', [graph.int(0), call.node('Shape', [values])]);
  const ones = call.node('Expand', [graph.int(1), call.node('Shape', [x])]);
  const counts = call.node('ScatterElements', [zeros, runs, ones], { axis: 0, reduction: 'add' });
  return tupleOf([values, call.node('Reshape', [runs, call.node('Shape', [given])]), counts]);
}

/** The unique values in the order of appearance, padded to the length of the input; and where each element went. */
function uniqueWithPad(call: OpCall): Value {
  const { graph } = call;
  const [x, padding] = [operandOf(call, 0), operandOf(call, 1)];
  const [values, , inverse] = graph.multi('Unique', [x], 4, { sorted: 0 }) as [TensorValue, TensorValue, TensorValue];
  const missing = call.node('Sub', [call.node('Shape', [x]), call.node('Shape', [values])]);
  const tail = call.node('Expand', [graph.cast(padding, x.dtype), missing]);
  return tupleOf([call.node('Concat', [values, tail], { axis: 0 }), { ...inverse, dtype: 'int64' }]);
}

/** Rows of decoding and runs. */
export const decoding = family('Decoding and runs', [
  op('CTCGreedyDecoder', 'logits lengths', ctcGreedyDecoder),
  op('UniqueConsecutive', 'x return_inverse return_counts dim', uniqueConsecutive),
  op('UniqueWithPad', 'x padding', uniqueWithPad),
]);
