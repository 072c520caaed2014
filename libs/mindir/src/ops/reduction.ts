import { isFloat } from '../graph/dtypes.js';
import { positiveAxis } from '../graph/shapes.js';
import { tupleOf, type TensorValue, type Value } from '../graph/value.js';
import { composer, operandOf, realOperand } from './compose.js';
import type { OpCall } from './op-call.js';
import { family, op, type Emit } from './op-table.js';
import { sequence } from '../graph/sequence.js';

/** Axes of a reduction: undefined = all of them. */
function axesOf(call: OpCall): number[] | undefined {
  const axes = call.numbersOr('axis|dim');
  if (axes === undefined && call.find('axis|dim') !== undefined) call.refuse('reduces along axes that are not known before the run');
  return axes === undefined || axes.length === 0 ? undefined : axes;
}

function keepDims(call: OpCall): boolean {
  return call.bool('keep_dims|keepdim|keepdims');
}

/** One reduction with explicit parameters. */
export function reduced(call: OpCall, opType: string, x: TensorValue, axes: readonly number[] | undefined, keep: boolean): TensorValue {
  return call.node(opType, [x, axes === undefined ? undefined : call.graph.ints(axes)], { keepdims: keep ? 1 : 0 });
}

function reduce(opType: string): Emit {
  return (call) => {
    const axes = axesOf(call);
    const x = operandOf(call);
    if (axes === undefined && call.bool('skip_mode') && call.find('axis|dim') !== undefined) return x;
    return reduced(call, opType, inResultDtype(call, x), axes, keepDims(call));
  };
}

/** Sums and means are computed in the announced dtype when that is wider. */
function inResultDtype(call: OpCall, x: TensorValue): TensorValue {
  const announced = call.output()?.dtype;
  if (x.dtype === 'bool') return call.graph.cast(x, announced ?? 'int64');
  return announced !== undefined && announced !== x.dtype && announced !== 'bool' ? call.graph.cast(x, announced) : x;
}

/** All and Any: Min and Max over 0 and 1. */
function logical(opType: 'ReduceMin' | 'ReduceMax'): Emit {
  return (call) => {
    const bits = call.graph.cast(call.graph.cast(operandOf(call), 'bool'), 'int32');
    return call.graph.cast(reduced(call, opType, bits, axesOf(call), keepDims(call)), 'bool');
  };
}

/** `missing` is what a missing axis means: the last dim, or all elements as one row. */
function extremeIndex(opType: 'ArgMax' | 'ArgMin', missing: 'last dim' | 'all'): Emit {
  return (call) => {
    const x = operandOf(call);
    const axes = call.numbersOr('axis|dim');
    const keep = keepDims(call);
    const flat = axes === undefined && missing === 'all' ? call.node('Reshape', [x, call.graph.ints([-1])]) : x;
    const index = call.node(opType, [flat], { axis: axes?.[0] ?? (flat === x ? -1 : 0), keepdims: keep || flat !== x ? 1 : 0 });
    const shaped = flat === x ? index : call.node('Reshape', [index, call.graph.ints(keep ? sequence(call.rank(x), () => 1) : [])]);
    return call.graph.cast(shaped, call.dtype('output_type') ?? call.output()?.dtype ?? 'int64');
  };
}

/** Index and value of the extreme, in the order of the operator's results. */
function extremeWithValue(index: 'ArgMax' | 'ArgMin', value: 'ReduceMax' | 'ReduceMin', valueFirst: boolean): Emit {
  return (call) => {
    const x = operandOf(call);
    const axis = call.number('axis|dim', 0);
    const keep = keepDims(call);
    if (call.rank(x) === 0) return tupleOf(valueFirst ? [x, call.graph.int(0)] : [call.graph.int(0), x]);
    const position = call.node(index, [x], { axis, keepdims: keep ? 1 : 0 });
    const extreme = reduced(call, value, x, [axis], keep);
    return tupleOf(valueFirst ? [extreme, position] : [position, extreme]);
  };
}

/** Variance over axes with a correction (1 = unbiased). */
function variance(
  call: OpCall,
  x: TensorValue,
  axes: readonly number[] | undefined,
  keep: boolean,
  correction: number,
): { variance: TensorValue; mean: TensorValue } {
  const { sub, mul, div, one } = composer(call);
  const centre = reduced(call, 'ReduceMean', x, axes, true);
  const offset = sub(x, centre);
  const sum = reduced(call, 'ReduceSum', mul(offset, offset), axes, keep);
  const mean = keep ? centre : reduced(call, 'ReduceMean', x, axes, false);
  const total = one('Size', x);
  const reducedCount = axes === undefined ? total : div(total, one('Size', reduced(call, 'ReduceMax', x, axes, false)));
  const count = call.graph.cast(reducedCount, x.dtype);
  return { variance: div(sum, call.node('Max', [sub(count, call.like(x, correction)), call.like(x, 0)])), mean };
}

function statistics(results: (variance: TensorValue, mean: TensorValue, call: OpCall) => Value): Emit {
  return (call) => {
    const correction = call.find('correction') !== undefined ? call.number('correction') : call.bool('unbiased', true) ? 1 : 0;
    const found = variance(call, realOperand(call), axesOf(call), keepDims(call), correction);
    return results(found.variance, found.mean, call);
  };
}

/** The p-norm; p = 0 counts, infinite p takes the extreme. */
function norm(call: OpCall): Value {
  const x = realOperand(call);
  const p = call.number('p|ord', 2);
  const axes = axesOf(call);
  const keep = keepDims(call);
  const size = call.node('Abs', [x]);
  if (p === 0)
    return reduced(call, 'ReduceSum', call.graph.cast(call.node('Not', [call.node('Equal', [x, call.like(x, 0)])]), x.dtype), axes, keep);
  if (p === Infinity) return reduced(call, 'ReduceMax', size, axes, keep);
  if (p === -Infinity) return reduced(call, 'ReduceMin', size, axes, keep);
  if (p === 1) return reduced(call, 'ReduceL1', x, axes, keep);
  if (p === 2) return reduced(call, 'ReduceL2', x, axes, keep);
  const sum = reduced(call, 'ReduceSum', call.node('Pow', [size, call.like(x, p)]), axes, keep);
  return call.node('Pow', [sum, call.like(x, 1 / p)]);
}

function extremeOrWhole(opType: 'ReduceMax' | 'ReduceMin'): Emit {
  return (call) => reduced(call, opType, operandOf(call), undefined, false);
}

function countNonZero(call: OpCall): Value {
  const x = operandOf(call);
  const flags = call.graph.cast(call.node('Not', [call.node('Equal', [x, call.like(x, 0)])]), 'int64');
  return reduced(call, 'ReduceSum', flags, call.numbersOr('dim|dims|axis'), call.bool('keep_dims'));
}

function normalised(call: OpCall): Value {
  const x = operandOf(call);
  const axes = axesOf(call) ?? [0];
  const epsilon = call.number('epsilon', 1e-4);
  const sum = reduced(call, 'ReduceSumSquare', x, axes, true);
  return call.node('Div', [x, call.node('Sqrt', [call.node('Max', [sum, call.like(x, epsilon)])])]);
}

/** Cumulative sum along an axis. */
function cumulative(call: OpCall): Value {
  const x = operandOf(call);
  const dtype = call.dtype('dtype') ?? call.output()?.dtype ?? x.dtype;
  const axis = call.number('axis|dim', 0);
  return call.node('CumSum', [call.graph.cast(x, dtype), call.graph.int(axis)], {
    exclusive: call.bool('exclusive') ? 1 : 0,
    reverse: call.bool('reverse') ? 1 : 0,
  });
}

/** Prefixes of a short axis, each reduced by itself and put together. */
function prefixes(
  call: OpCall,
  x: TensorValue,
  axis: number,
  fold: (before: TensorValue, next: TensorValue) => TensorValue,
): TensorValue[] {
  const length = call.dim(x, axis);
  call.bounded(length, 512);
  const parts = call.graph.multi('Split', [x, call.graph.ints(sequence(length, () => 1))], length, { axis });
  const results: TensorValue[] = [];
  for (const part of parts) results.push(results.length === 0 ? part : fold(results[results.length - 1] as TensorValue, part));
  return results;
}

function cumulativeProduct(call: OpCall): Value {
  const x = operandOf(call);
  const axis = positiveAxis(call.number('axis', 0), call.rank(x));
  const isReverse = call.bool('reverse');
  const flip = (tensor: TensorValue): TensorValue => (isReverse ? reversed(call, tensor, axis) : tensor);
  const products = prefixes(call, flip(x), axis, (a, b) => call.node('Mul', [a, b]));
  if (call.bool('exclusive')) {
    const ones = call.node('Add', [call.node('Mul', [products[0] as TensorValue, call.like(x, 0)]), call.like(x, 1)]);
    products.unshift(ones);
    products.pop();
  }
  return flip(call.node('Concat', products, { axis }));
}

/** The tensor backwards along one axis. */
export function reversed(call: OpCall, x: TensorValue, axis: number): TensorValue {
  const { graph } = call;
  return call.node('Slice', [x, graph.ints([-1]), graph.ints([-(2 ** 62)]), graph.ints([axis]), graph.ints([-1])]);
}

/** Running extremes and where they were (the last of equal ones). */
function cumulativeExtreme(isLater: 'GreaterOrEqual' | 'LessOrEqual'): Emit {
  return (call) => {
    const x = operandOf(call);
    const axis = positiveAxis(call.number('axis|dim', 0), call.rank(x));
    const length = call.bounded(call.dim(x, axis), 512);
    const positions = sequence(length, (_, index) => call.graph.constant('int64', [], [index]));
    const parts = call.graph.multi('Split', [x, call.graph.ints(sequence(length, () => 1))], length, { axis });
    const values: TensorValue[] = [];
    const indices: TensorValue[] = [];
    parts.forEach((part, index) => {
      const before = values[index - 1];
      if (before === undefined) {
        values.push(part);
        indices.push(call.node('Mul', [call.graph.cast(call.node('Equal', [part, part]), 'int64'), call.graph.int(0)]));
        return;
      }
      const later = call.node(isLater, [part, before]);
      values.push(call.node('Where', [later, part, before]));
      indices.push(call.node('Where', [later, positions[index], indices[index - 1]]));
    });
    return tupleOf([call.node('Concat', values, { axis }), call.node('Concat', indices, { axis })]);
  };
}

function nanSum(call: OpCall): Value {
  const x = operandOf(call);
  const clean = isFloat(x.dtype) ? call.node('Where', [call.node('IsNaN', [x]), call.like(x, 0), x]) : x;
  return reduced(call, 'ReduceSum', inResultDtype(call, clean), axesOf(call), keepDims(call));
}

/** Rows of reductions. */
export const reduction = family('Reductions', [
  op('ReduceSum', 'x axis keep_dims skip_mode', reduce('ReduceSum')),
  op('SumExt', 'x axis keep_dims dtype', reduce('ReduceSum')),
  op('Nansum', 'x axis keep_dims dtype', nanSum),
  op('ReduceMean', 'x axis keep_dims', reduce('ReduceMean')),
  op('MeanExt', 'x axis keep_dims dtype', reduce('ReduceMean')),
  op('ReduceMax', 'x axis keep_dims', reduce('ReduceMax')),
  op('ReduceMin', 'x axis keep_dims', reduce('ReduceMin')),
  op('ReduceProd', 'x axis keep_dims', reduce('ReduceProd')),
  op('ProdExt', 'x axis keep_dims dtype', reduce('ReduceProd')),
  op('ReduceAll', 'x axis keep_dims', logical('ReduceMin')),
  op('ReduceAny Any AnyExt', 'x axis keep_dims', logical('ReduceMax')),
  op('LogSumExp', 'x axis keep_dims', (call) => reduced(call, 'ReduceLogSumExp', realOperand(call), axesOf(call), keepDims(call))),
  op('ReduceLogSumExp', 'x axis keep_dims', (call) => reduced(call, 'ReduceLogSumExp', realOperand(call), axesOf(call), keepDims(call))),
  op('SquareSumV1', 'x axis keep_dims', (call) => reduced(call, 'ReduceSumSquare', realOperand(call), axesOf(call), keepDims(call))),
  op(
    'ReduceStd',
    'x axis unbiased keep_dims',
    statistics((found, mean, call) => tupleOf([call.node('Sqrt', [found]), mean])),
  ),
  op(
    'Std',
    'x axis correction keep_dims',
    statistics((found, _mean, call) => call.node('Sqrt', [found])),
  ),
  op(
    'Var',
    'x axis correction keep_dims',
    statistics((found) => found),
  ),
  op(
    'StdMean',
    'x axis correction keep_dims',
    statistics((found, mean, call) => tupleOf([call.node('Sqrt', [found]), mean])),
  ),
  op(
    'VarMean',
    'x axis correction keep_dims',
    statistics((found, mean) => tupleOf([found, mean])),
  ),
  op('LpNorm', 'x', norm),
  op('Norm', 'x p axis keep_dims', norm),
  op('LpNormV2', 'x p axis keep_dims', norm),
  op('LinalgVectorNorm', 'x p axis keep_dims', norm),
  op('EuclideanNorm', 'x axis keep_dims', norm),
  op('L2Normalize', 'x', normalised),
  op('L2Loss', 'x', (call) => {
    const x = operandOf(call);
    return call.node('Mul', [reduced(call, 'ReduceSumSquare', x, undefined, false), call.like(x, 0.5)]);
  }),
  op('SquareSumAll', 'x y', (call) =>
    tupleOf([0, 1].map((index) => reduced(call, 'ReduceSumSquare', operandOf(call, index), undefined, false))),
  ),
  op('Argmax', 'x axis output_type', extremeIndex('ArgMax', 'last dim')),
  op('Argmin ArgminV2', 'x axis output_type', extremeIndex('ArgMin', 'last dim')),
  op('ArgMaxExt', 'x axis keep_dims', extremeIndex('ArgMax', 'all')),
  op('ArgMinExt', 'x axis keep_dims', extremeIndex('ArgMin', 'all')),
  op('ArgMaxWithValue', 'x axis keep_dims', extremeWithValue('ArgMax', 'ReduceMax', false)),
  op('ArgMinWithValue', 'x axis keep_dims', extremeWithValue('ArgMin', 'ReduceMin', false)),
  op('MaxDim', 'x axis keep_dims', extremeWithValue('ArgMax', 'ReduceMax', true)),
  op('MinDim', 'x axis keep_dims', extremeWithValue('ArgMin', 'ReduceMin', true)),
  op('Max', 'x', extremeOrWhole('ReduceMax')),
  op('Min', 'x', extremeOrWhole('ReduceMin')),
  op('CountNonZero', 'x dim', countNonZero),
  op('CumSum', 'x axis exclusive reverse', cumulative),
  op('CumsumExt', 'x dim dtype', cumulative),
  op('CumProd', 'x axis exclusive reverse', cumulativeProduct),
  op('Cummax', 'x axis', cumulativeExtreme('GreaterOrEqual')),
  op('Cummin CumminExt', 'x axis', cumulativeExtreme('LessOrEqual')),
]);
