import { tupleOf, type TensorValue, type Value } from '../graph/value.js';
import { composer, operandOf } from './compose.js';
import type { OpCall } from './op-call.js';
import { family, op, type Emit } from './op-table.js';

/** sum, mean or none, as a word or by the numbers 0, 1, 2. */
function finish(call: OpCall, loss: TensorValue): TensorValue {
  const value = call.find('reduction');
  const word = value?.kind === 'scalar' ? String(value.value) : 'mean';
  if (word === 'sum' || word === '0') return call.node('ReduceSum', [loss], { keepdims: 0 });
  if (word === 'mean' || word === '1') return call.node('ReduceMean', [loss], { keepdims: 0 });
  return loss;
}

/** max(x, 0) - x y + log(1 + exp(-|x|)) */
function sigmoidCrossEntropy(call: OpCall, x: TensorValue, y: TensorValue): TensorValue {
  const { add, sub, mul, one } = composer(call);
  return add(sub(one('Relu', x), mul(x, y)), one('Softplus', one('Neg', one('Abs', x))));
}

function bceWithLogits(call: OpCall): Value {
  const { add, sub, mul, one } = composer(call);
  const [x, y] = [operandOf(call, 0), operandOf(call, 1)];
  const [weight, positive] = [call.optionalTensor('weight'), call.optionalTensor('pos_weight')];
  let loss = sigmoidCrossEntropy(call, x, y);
  if (positive !== undefined) {
    // (1 - y) x + (1 + (p - 1) y) (log(1 + exp(-|x|)) + max(-x, 0))
    const unit = call.like(x, 1);
    const factor = add(unit, mul(sub(positive, unit), y));
    const tail = add(one('Softplus', one('Neg', one('Abs', x))), one('Relu', one('Neg', x)));
    loss = add(mul(sub(unit, y), x), mul(factor, tail));
  }
  return finish(call, weight === undefined ? loss : mul(loss, weight));
}

function binaryCrossEntropy(call: OpCall): Value {
  const { add, sub, mul, one } = composer(call);
  const [x, y, weight] = [operandOf(call, 0), operandOf(call, 1), call.optionalTensor('weight')];
  const [unit, floor] = [call.like(x, 1), call.like(x, 1e-12)];
  const log = (p: TensorValue): TensorValue => one('Log', add(p, floor));
  const loss = one('Neg', add(mul(y, log(x)), mul(sub(unit, y), log(sub(unit, x)))));
  return finish(call, weight === undefined ? loss : mul(loss, weight));
}

function divergence(call: OpCall): Value {
  const { sub, mul, one } = composer(call);
  const [x, y] = [operandOf(call, 0), operandOf(call, 1)];
  if (call.bool('log_target')) return finish(call, mul(one('Exp', y), sub(y, x)));
  const zero = call.like(y, 0);
  const loss = call.node('Where', [call.node('LessOrEqual', [y, zero]), zero, mul(y, sub(one('Log', y), x))]);
  const value = call.find('reduction');
  if (value?.kind === 'scalar' && value.value === 'batchmean') {
    const batch = call.graph.cast(call.node('Squeeze', [call.node('Shape', [x], { start: 0, end: 1 }), call.graph.ints([0])]), x.dtype);
    return call.node('Div', [call.node('ReduceSum', [loss], { keepdims: 0 }), batch]);
  }
  return finish(call, loss);
}

/** The loss and the weight that it was averaged by. */
function negativeLogLikelihood(call: OpCall): Value {
  const { mul, div, one } = composer(call);
  const { graph } = call;
  const [logits, labels, weight] = [operandOf(call, 0), graph.cast(operandOf(call, 1), 'int64'), operandOf(call, 2)];
  const ignored = call.node('Equal', [labels, graph.int(call.number('ignore_index', -100))]);
  const safe = call.node('Where', [ignored, graph.int(0), labels]);
  const picked = call.node('Squeeze', [
    call.node('GatherElements', [logits, call.node('Unsqueeze', [safe, graph.ints([-1])])], { axis: -1 }),
    graph.ints([-1]),
  ]);
  const factors = call.node('Where', [ignored, call.like(weight, 0), call.node('Gather', [weight, safe], { axis: 0 })]);
  const losses = one('Neg', mul(picked, factors));
  const total = call.node('ReduceSum', [factors], { keepdims: 0 });
  const value = call.find('reduction');
  const word = value?.kind === 'scalar' ? String(value.value) : 'mean';
  if (word === 'none' || word === '2') return tupleOf([losses, total]);
  const sum = call.node('ReduceSum', [losses], { keepdims: 0 });
  return tupleOf([word === 'sum' || word === '0' ? sum : div(sum, total), total]);
}

function smoothL1(call: OpCall): Value {
  const { sub, mul } = composer(call);
  const [x, y] = [operandOf(call, 0), operandOf(call, 1)];
  const beta = call.number('beta', 1);
  const size = call.node('Abs', [sub(x, y)]);
  const straight = sub(size, call.like(x, beta / 2));
  const curved = mul(mul(size, size), call.like(x, 0.5 / beta));
  return finish(call, call.node('Where', [call.node('Less', [size, call.like(x, beta)]), curved, straight]));
}

/** Loss per row and its gradient. */
function softmaxCrossEntropy(call: OpCall): Value {
  const { sub, mul, one } = composer(call);
  const [logits, labels] = [operandOf(call, 0), operandOf(call, 1)];
  const log = call.node('LogSoftmax', [logits], { axis: -1 });
  const loss = one('Neg', call.node('ReduceSum', [mul(labels, log), call.graph.ints([-1])], { keepdims: 0 }));
  return tupleOf([loss, sub(call.node('Softmax', [logits], { axis: -1 }), labels)]);
}

function sparseSoftmaxCrossEntropy(call: OpCall): Value {
  const [logits, labels] = [operandOf(call, 0), call.graph.cast(operandOf(call, 1), 'int64')];
  if (call.bool('is_grad')) return call.refuse('gives gradients');
  const log = call.node('LogSoftmax', [logits], { axis: -1 });
  const picked = call.node('GatherElements', [log, call.node('Unsqueeze', [labels, call.graph.ints([-1])])], { axis: -1 });
  return call.node('Neg', [call.node('ReduceMean', [picked], { keepdims: 0 })]);
}

function pointwise(distance: (call: OpCall, difference: TensorValue) => TensorValue): Emit {
  return (call) => finish(call, distance(call, call.node('Sub', [operandOf(call, 0), operandOf(call, 1)])));
}

/** Rows of the losses. */
export const loss = family('Losses', [
  op('SigmoidCrossEntropyWithLogits', 'predict target', (call) => sigmoidCrossEntropy(call, operandOf(call, 0), operandOf(call, 1))),
  op('BCEWithLogitsLoss', 'predict target weight pos_weight reduction', bceWithLogits),
  op('BinaryCrossEntropy', 'predict target weight reduction', binaryCrossEntropy),
  op('KLDivLoss', 'x y', divergence),
  op('KLDiv', 'x y reduction log_target', divergence),
  op('NLLLoss', 'logits labels weight reduction ignore_index', negativeLogLikelihood),
  op('SmoothL1Loss', 'x y beta reduction', smoothL1),
  op(
    'L1LossExt',
    'x y reduction',
    pointwise((call, difference) => call.node('Abs', [difference])),
  ),
  op(
    'MSELossExt',
    'x y reduction',
    pointwise((call, difference) => call.node('Mul', [difference, difference])),
  ),
  op('SoftmaxCrossEntropyWithLogits', 'logits labels', softmaxCrossEntropy),
  op('SparseSoftmaxCrossEntropyWithLogits', 'logits labels', sparseSoftmaxCrossEntropy),
]);
