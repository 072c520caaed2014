import { Dim } from '../facts/dim.js';
import { constantFact, rowFact, type Fact } from '../facts/fact.js';
import type { OpCall, OpRule } from '../facts/op-call.js';
import { broadcast } from '../facts/broadcast.js';

function like(x: Fact, shape = x.shape): Fact {
  return x.rows === undefined || shape === undefined ? constantFact(shape) : rowFact(shape, x.rows);
}

/** Over one axis (ONNX: Softmax since opset 13, Hardmax, LpNormalization, CumSum, ...). */
function overAxis(fallback: number, axisInput?: number, sequence = false): OpRule {
  return (call) => {
    const x = call.input(0);
    const rank = call.shape(x).length;
    const given = axisInput === undefined ? call.int('axis', fallback) : call.values(axisInput)?.[0];
    if (given === undefined) {
      call.sameForAll(axisInput as number, 'axis');
      if (x.rows !== undefined) call.unknown('goes over an axis that the graph does not tell');
      return like(x);
    }
    call.notOver(x, [call.axis(given, rank)], sequence);
    return like(x);
  };
}

/** Before opset 13 all dims from the axis on are one. */
const softmax: OpRule = (call) => {
  if (call.opset >= 13) return overAxis(-1)(call);
  return fromAxisOn(1)(call)[0] as Fact;
};

function fromAxisOn(fallback: number): (call: OpCall) => readonly Fact[] {
  return (call) => {
    const x = call.input(0);
    const shape = call.shape(x);
    const axis = call.axis(call.int('axis', fallback), shape.length);
    const over = shape.flatMap((_, i) => (i >= axis ? [i] : []));
    call.notOver(x, over);
    for (let i = 1; i < call.inputs.length; i++) call.sameForAll(i, 'scale and bias');
    const reduced = like(
      x,
      shape.map((dim, i) => (i >= axis ? Dim.one : dim)),
    );
    return [like(x), reduced, reduced];
  };
}

/** [N, C, ...]: each entry of dim 0 by itself, scales by channel. */
const byEntry: OpRule = (call) => {
  const x = call.input(0);
  const shape = call.shape(x);
  call.notOver(
    x,
    shape.flatMap((_, i) => (i > 0 ? [i] : [])),
  );
  for (let i = 1; i < call.inputs.length; i++) call.sameForAll(i, 'scale and bias');
  return like(x);
};

const batchNormalisation: OpRule = (call) => {
  const x = call.input(0);
  const isTraining = call.int('training_mode', 0) !== 0 || (call.opset < 7 && call.int('is_test', 0) === 0 && call.node.outputs.length > 1);
  if (isTraining && x.rows !== undefined) call.mixed('takes mean and variance over all rows (training mode)');
  call.notOver(x, [1]);
  for (let i = 1; i < call.inputs.length; i++) call.sameForAll(i, 'scale and mean');
  return [like(x), ...call.node.outputs.slice(1).map(() => constantFact([call.shape(x)[1] ?? Dim.one]))];
};

const meanVariance: OpRule = (call) => {
  const x = call.input(0);
  const shape = call.shape(x);
  call.notOver(
    x,
    (call.ints('axes') ?? [0, 2, 3]).map((axis) => call.axis(axis, shape.length)),
  );
  return like(x);
};

/** SkipLayerNormalization and its like: x + skip (+ bias), then over the last dim. */
const skipped: OpRule = (call) => {
  const x = call.input(0);
  const shape = call.shape(x);
  const sum = broadcast(call, [x, call.input(1)]);
  if (sum.rows?.dim === shape.length - 1) call.notOver(sum, [sum.rows.dim]);
  for (let i = 2; i < call.inputs.length; i++) call.sameForAll(i, 'scale and bias');
  const reduced = [...(sum.shape as readonly Dim[]).slice(0, -1), Dim.one];
  const side = sum.rows === undefined ? constantFact(reduced) : rowFact(reduced, sum.rows);
  return [sum, side, side, sum];
};

/** BERT's embeddings: ids and segments [batch, length], tables, mask [batch, length]. */
const embedded: OpRule = (call) => {
  const ids = call.input(0);
  const shape = call.shape(ids);
  const rows = ids.rows;
  if (rows?.dim !== 0) call.unknown('takes ids without rows in dim 0');
  for (const i of [1, 7, 8]) {
    const other = call.inputs[i];
    if (other !== undefined && other.rows?.dim !== 0 && !(other.shape?.[0]?.is(1) ?? false))
      call.unknown(`takes input ${i}, which may differ from row to row`);
  }
  for (const i of [2, 3, 4, 5, 6]) call.sameForAll(i, 'tables');
  const width = call.input(2).shape?.[1] ?? call.fresh('width');
  const whole = rowFact([...shape, width], rows as NonNullable<Fact['rows']>);
  return [whole, rowFact([shape[0] as Dim], { dim: 0, ...call.plainRows }), whole];
};

/** Softmax(x + mask) fused: over the last dim. */
const biasSoftmax: OpRule = (call) => {
  const sum = broadcast(call, [call.input(0), call.input(1)]);
  const rank = (sum.shape as readonly Dim[]).length;
  const axis = call.axis(call.int('axis', 1), rank);
  call.notOver(
    sum,
    Array.from({ length: rank - axis }, (_, i) => axis + i),
  );
  return sum;
};

const quantisedSoftmax: OpRule = (call) => {
  const x = call.input(0);
  const rank = call.shape(x).length;
  const axis = call.axis(call.int('axis', -1), rank);
  call.notOver(x, call.int('opset', 13) < 13 ? Array.from({ length: rank - axis }, (_, i) => axis + i) : [axis]);
  return like(x);
};

/** The spectrum over one axis of [batch, ..., real and imaginary]. */
const spectrum: OpRule = (call) => {
  const x = call.input(0);
  const shape = call.shape(x);
  const axis = call.opset < 20 ? call.int('axis', 1) : call.inputs[2] === undefined ? -2 : call.values(2)?.[0];
  if (axis === undefined) return call.unknown('goes over an axis that the graph does not tell');
  call.sameForAll(1, 'length');
  call.notOver(x, [call.axis(axis, shape.length), shape.length - 1]);
  const at = call.axis(axis, shape.length);
  const dims = shape.map((dim, i) => (i === shape.length - 1 ? Dim.of(2) : i === at ? call.fresh('length') : dim));
  return like(x, dims);
};

/** Operators that bring the elements of some dims together and keep the shape. */
export const normalisationRules: Readonly<Record<string, OpRule>> = {
  Softmax: softmax,
  LogSoftmax: softmax,
  Hardmax: softmax,
  LpNormalization: overAxis(-1),
  CumSum: overAxis(0, 1, true),
  CumProd: overAxis(0, 1, true),
  DFT: spectrum,
  BatchNormalization: batchNormalisation,
  InstanceNormalization: byEntry,
  GroupNormalization: byEntry,
  LRN: byEntry,
  LayerNormalization: fromAxisOn(-1),
  RMSNormalization: fromAxisOn(-1),
  SimplifiedLayerNormalization: fromAxisOn(-1),
  MeanVarianceNormalization: meanVariance,
  'com.microsoft:GroupNorm': byEntry,
  'com.microsoft:SimplifiedLayerNormalization': fromAxisOn(-1),
  'com.microsoft:LayerNormalization': fromAxisOn(-1),
  'com.microsoft:SkipLayerNormalization': skipped,
  'com.microsoft:SkipSimplifiedLayerNormalization': skipped,
  'com.microsoft:EmbedLayerNormalization': embedded,
  'com.microsoft:BiasSoftmax': biasSoftmax,
  'com.microsoft:QLinearSoftmax': quantisedSoftmax,
};
