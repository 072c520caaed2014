import { real } from '../graph/onnx-graph.js';
import { knownCount } from '../graph/shapes.js';
import { tupleOf, type TensorValue, type Value } from '../graph/value.js';
import { composer, operandOf } from './compose.js';
import type { OpCall } from './op-call.js';
import { reduced } from './reduction.js';
import { family, op, type Emit } from './op-table.js';
import { sequence } from '../graph/sequence.js';

/** Results that only training needs get a stand-in: nobody reads them in an exported net. */
function withUnused(call: OpCall, result: TensorValue, count: number, ...known: TensorValue[]): Value {
  const stand = call.like(result, 0);
  return tupleOf([result, ...known, ...sequence(Math.max(0, count - 1 - known.length), () => stand)]);
}

function batchNorm(call: OpCall): Value {
  const [x, scale, bias, mean, variance] = [0, 1, 2, 3, 4].map((index) => operandOf(call, index)) as [
    TensorValue,
    TensorValue,
    TensorValue,
    TensorValue,
    TensorValue,
  ];
  const epsilon = call.number('epsilon', 1e-5);
  if (call.bool('is_training')) return withUnused(call, batchStatistics(call, x, scale, bias, epsilon), 5, mean, variance);
  // Statistics may be wider than a float16 input.
  const stats = [scale, bias, mean, variance];
  const result = call.node('BatchNormalization', [x, ...stats.map((tensor) => call.graph.cast(tensor, x.dtype))], {
    epsilon: real(epsilon),
  });
  return withUnused(call, result, 5, mean, variance);
}

/** Normalises by the statistics of the batch itself. */
function batchStatistics(call: OpCall, x: TensorValue, scale: TensorValue, bias: TensorValue, epsilon: number): TensorValue {
  const rank = call.rank(x);
  const axes = sequence(rank, (_, axis) => axis).filter((axis) => axis !== 1);
  const perChannel = call.graph.ints([1, -1, ...sequence(rank - 2, () => 1)]);
  const shaped = (tensor: TensorValue): TensorValue => call.node('Reshape', [tensor, perChannel]);
  return affine(call, standardised(call, x, axes, epsilon), shaped(scale), shaped(bias));
}

function standardised(call: OpCall, x: TensorValue, axes: readonly number[], epsilon: number): TensorValue {
  const { add, sub, mul, div, one } = composer(call);
  const offset = sub(x, reduced(call, 'ReduceMean', x, axes, true));
  const variance = reduced(call, 'ReduceMean', mul(offset, offset), axes, true);
  return div(offset, one('Sqrt', add(variance, call.like(x, epsilon))));
}

function affine(call: OpCall, x: TensorValue, scale: TensorValue | undefined, bias: TensorValue | undefined): TensorValue {
  const scaled = scale === undefined ? x : call.node('Mul', [x, scale]);
  return bias === undefined ? scaled : call.node('Add', [scaled, bias]);
}

function batchNormExt(call: OpCall): Value {
  const x = operandOf(call);
  const [scale, bias, mean, variance] = [1, 2, 3, 4].map((index) =>
    call.inputs[index]?.kind === 'tensor' ? operandOf(call, index) : undefined,
  );
  const epsilon = call.number('epsilon', 1e-5);
  const one = (): TensorValue => call.node('Expand', [call.like(x, 1), call.node('Shape', [x], { start: 1, end: 2 })]);
  const zero = (): TensorValue => call.node('Expand', [call.like(x, 0), call.node('Shape', [x], { start: 1, end: 2 })]);
  if (call.bool('training') || mean === undefined || variance === undefined)
    return withUnused(call, batchStatistics(call, x, scale ?? one(), bias ?? zero(), epsilon), 3);
  return withUnused(
    call,
    call.node('BatchNormalization', [x, scale ?? one(), bias ?? zero(), mean, variance], { epsilon: real(epsilon) }),
    3,
  );
}

/** Layer normalisation over the dims from begin_norm_axis; parameters from begin_params_axis must cover the same dims. `third` is what the third result holds. */
function layerNorm(third: 'variance' | 'inverse deviation'): Emit {
  return (call) => {
    const [x, gamma, beta] = [operandOf(call, 0), operandOf(call, 1), operandOf(call, 2)];
    const [axis, paramsAxis] = [call.number('begin_norm_axis', 1), call.number('begin_params_axis', 1)];
    const epsilon = call.number('epsilon', 1e-7);
    const rank = call.rank(x);
    const [from, paramsFrom] = [axis < 0 ? axis + rank : axis, paramsAxis < 0 ? paramsAxis + rank : paramsAxis];
    const axes = sequence(rank - from, (_, index) => from + index);
    if (from === paramsFrom) {
      const [result, mean, inverse] = call.graph.multi('LayerNormalization', [x, gamma, beta], 3, {
        axis: from,
        epsilon: real(epsilon),
      }) as [TensorValue, TensorValue, TensorValue];
      const { div, mul } = composer(call);
      const deviation = div(call.like(inverse, 1), inverse);
      const variance = third === 'inverse deviation' ? inverse : call.node('Sub', [mul(deviation, deviation), call.like(inverse, epsilon)]);
      return tupleOf([result, mean, variance]);
    }
    return withUnused(call, affine(call, standardised(call, x, axes, epsilon), gamma, beta), 3);
  };
}

function layerNormExt(call: OpCall): Value {
  const x = operandOf(call);
  const shape = call.numbers('normalized_shape');
  const [gamma, beta] = [call.optionalTensor('weight'), call.optionalTensor('bias')];
  const scale =
    gamma ??
    call.graph.constant(
      x.dtype,
      shape,
      sequence(knownCount(shape), () => 1),
    );
  return withUnused(
    call,
    call.node('LayerNormalization', [x, scale, beta], { axis: -shape.length, epsilon: real(call.number('eps', 1e-5)) }),
    3,
  );
}

function groupNorm(call: OpCall): Value {
  const x = operandOf(call);
  const [gamma, beta] = [call.optionalTensor('weight'), call.optionalTensor('bias')];
  const fill = (value: number): TensorValue =>
    call.graph.constant(
      x.dtype,
      [call.dim(x, 1)],
      sequence(call.dim(x, 1), () => value),
    );
  const result = call.node('GroupNormalization', [x, gamma ?? fill(1), beta ?? fill(0)], {
    num_groups: call.number('num_groups'),
    epsilon: real(call.number('eps', 1e-5)),
  });
  return withUnused(call, result, 3);
}

/** Instance normalisation: by the instance's own statistics in training (as MindSpore exports it), else by the running ones. */
function instanceNorm(call: OpCall): Value {
  const [x, gamma, beta, mean, variance] = [0, 1, 2, 3, 4].map((index) => operandOf(call, index)) as [
    TensorValue,
    TensorValue,
    TensorValue,
    TensorValue,
    TensorValue,
  ];
  const epsilon = call.number('epsilon', 1e-5);
  if (call.find('is_training') === undefined || call.bool('is_training'))
    return withUnused(call, call.node('InstanceNormalization', [x, gamma, beta], { epsilon: real(epsilon) }), 3);
  return withUnused(call, call.node('BatchNormalization', [x, gamma, beta, mean, variance], { epsilon: real(epsilon) }), 3);
}

/** x / sqrt(mean(x^2) + eps) * gamma, and the inverse root. */
function rmsNorm(call: OpCall): Value {
  const { add, mul, div, one } = composer(call);
  const [x, gamma] = [operandOf(call, 0), operandOf(call, 1)];
  const count = call.rank(gamma);
  const axes = sequence(count, (_, index) => index - count);
  const wide = call.graph.cast(x, x.dtype === 'float64' ? 'float64' : 'float32');
  const root = one('Sqrt', add(reduced(call, 'ReduceMean', mul(wide, wide), axes, true), call.like(wide, call.number('epsilon', 1e-6))));
  return tupleOf([mul(call.graph.cast(div(wide, root), x.dtype), call.graph.cast(gamma, x.dtype)), div(call.like(wide, 1), root)]);
}

function addThenNorm(norm: 'layer' | 'rms'): Emit {
  return (call) => {
    const { add, mul, div, one } = composer(call);
    const sum = add(operandOf(call, 0), operandOf(call, 1));
    const gamma = operandOf(call, 2);
    if (norm === 'layer') {
      const [result, mean, inverse] = call.graph.multi('LayerNormalization', [sum, gamma, operandOf(call, 3)], 3, {
        axis: -1,
        epsilon: real(call.number('epsilon', 1e-5)),
      }) as [TensorValue, TensorValue, TensorValue];
      return tupleOf([result, mean, inverse, sum]);
    }
    const root = one('Sqrt', add(reduced(call, 'ReduceMean', mul(sum, sum), [-1], true), call.like(sum, call.number('epsilon', 1e-6))));
    return tupleOf([mul(div(sum, root), gamma), div(call.like(sum, 1), root), sum]);
  };
}

/** Rows of normalisation. */
export const normalisation = family('Normalisation', [
  op(
    'BatchNorm FusedBatchNorm FusedBatchNormEx BatchNormInference',
    'x scale bias mean variance is_training epsilon momentum data_format',
    batchNorm,
  ),
  op('BatchNormExt', 'x weight bias mean variance training momentum epsilon', batchNormExt),
  op('LayerNorm', 'x gamma beta begin_norm_axis begin_params_axis epsilon', layerNorm('variance')),
  op('LayerNormV3', 'x gamma beta begin_norm_axis begin_params_axis epsilon', layerNorm('inverse deviation')),
  op('LayerNormExt', 'x normalized_shape weight bias eps', layerNormExt),
  op('GroupNorm', 'x num_groups weight bias eps', groupNorm),
  op('InstanceNorm InstanceNormV2', 'x gamma beta mean variance', instanceNorm),
  op('RmsNorm', 'x gamma epsilon', rmsNorm),
  op('AddLayerNormV2', 'x1 x2 gamma beta epsilon additionalOut', addThenNorm('layer')),
  op('AddRmsNorm', 'x1 x2 gamma epsilon', addThenNorm('rms')),
]);
