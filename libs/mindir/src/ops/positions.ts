import type { DType } from '@mserve/wire';
import { sequence } from '../graph/sequence.js';
import type { TensorValue, Value } from '../graph/value.js';
import { composer, operandOf } from './compose.js';
import type { OpCall } from './op-call.js';
import { reduced } from './reduction.js';
import { family, op, type Emit } from './op-table.js';

/** Row and column numbers of a triangle of a matrix, as two rows. */
function triangleIndices(isInside: (row: number, column: number, offset: number) => boolean): Emit {
  return (call) => {
    const [rows, columns, offset] = [call.number('row'), call.number('col'), call.number('offset', 0)];
    const cells = sequence(call.bounded(rows * columns, 2 ** 20), (_, index) => [Math.floor(index / columns), index % columns] as const);
    const inside = cells.filter(([row, column]) => isInside(row, column, offset));
    const values = [...inside.map(([row]) => row), ...inside.map(([, column]) => column)];
    return call.graph.constant(call.dtype('dtype') ?? call.output()?.dtype ?? 'int32', [2, inside.length], values);
  };
}

/** Coordinates of flat positions in a shape: a column per position. */
function unravel(call: OpCall): Value {
  const { graph } = call;
  const dims = call.numbers('dims');
  const flat = graph.cast(operandOf(call), 'int64');
  const rows = dims.map((dim, axis) => {
    const step = dims.slice(axis + 1).reduce((product, size) => product * size, 1);
    const row = call.node('Mod', [call.node('Div', [flat, graph.int(step)]), graph.int(dim)]);
    return call.node('Unsqueeze', [row, graph.ints([0])]);
  });
  return call.node('Concat', rows, { axis: 0 });
}

/** A window function of constant length: a0 - a1 cos(2 pi n / N) + a2 cos(4 pi n / N). */
function cosineWindow(coefficients: (call: OpCall) => readonly [number, number, number]): Emit {
  return (call) => {
    const length = call.bounded(call.number('length'), 2 ** 20);
    const [a0, a1, a2] = coefficients(call);
    const period = call.bool('periodic', true) ? length : Math.max(1, length - 1);
    const values = sequence(length, (_, n) =>
      length === 1 ? 1 : a0 - a1 * Math.cos((2 * Math.PI * n) / period) + a2 * Math.cos((4 * Math.PI * n) / period),
    );
    return call.graph.constant(windowDtype(call), [length], values);
  };
}

function windowDtype(call: OpCall): DType {
  return call.output()?.dtype ?? 'float32';
}

/** base ^ of `steps` evenly spaced exponents. */
function logSpace(call: OpCall): Value {
  const { add, sub, mul } = composer(call);
  const { graph } = call;
  const steps = call.number('steps', 10);
  const [start, end] = [graph.cast(operandOf(call, 0), 'float32'), graph.cast(operandOf(call, 1), 'float32')];
  const places = graph.constant(
    'float32',
    [steps],
    sequence(steps, (_, index) => index / Math.max(1, steps - 1)),
  );
  return call.node('Pow', [graph.scalar('float32', call.number('base', 10)), add(start, mul(sub(end, start), places))]);
}

/** Values put at, or added to, positions that are given one list per dim. */
function indexPut(call: OpCall): Value {
  const { graph } = call;
  const [x, values] = [operandOf(call, 0), operandOf(call, 1)];
  const lists = call.tensors('indices').map((list) => call.node('Unsqueeze', [graph.cast(list, 'int64'), graph.ints([-1])]));
  const places = lists.length === 1 ? (lists[0] as TensorValue) : call.node('Concat', lists, { axis: -1 });
  const shape = call.node(
    'Concat',
    [call.node('Shape', [places], { start: 0, end: 1 }), call.node('Shape', [x], { start: lists.length })],
    { axis: 0 },
  );
  return call.node('ScatterND', [x, places, call.node('Expand', [values, shape])], { reduction: call.bool('accumulate') ? 'add' : 'none' });
}

/** How often each number below `size` occurs, by weight. */
function bincount(call: OpCall): Value {
  const { graph } = call;
  const [x, weights] = [graph.cast(operandOf(call), 'int64'), call.tensor('weights')];
  const base = call.node('Expand', [call.like(weights, 0), call.intTensor('size')]);
  const flat = (tensor: TensorValue): TensorValue => call.node('Reshape', [tensor, graph.ints([-1])]);
  return call.node('ScatterElements', [base, flat(x), flat(weights)], { axis: 0, reduction: 'add' });
}

function sparseToDense(call: OpCall): Value {
  const values = operandOf(call, 1);
  const base = call.node('Expand', [call.like(values, 0), call.intTensor('dense_shape')]);
  return call.node('ScatterND', [base, call.graph.cast(operandOf(call, 0), 'int64'), values]);
}

/** Distances between all pairs of rows, each pair once. */
function pairDistances(call: OpCall): Value {
  const x = operandOf(call);
  const rows = call.dim(x, -2);
  const p = call.number('p', 2);
  const pairs = sequence(call.bounded(rows * rows, 2 ** 20), (_, index) => [Math.floor(index / rows), index % rows] as const).filter(
    ([a, b]) => a < b,
  );
  const axis = call.rank(x) - 2;
  const side = (of: 0 | 1): TensorValue => call.node('Gather', [x, call.graph.ints(pairs.map((pair) => pair[of]))], { axis });
  const size = call.node('Abs', [call.node('Sub', [side(0), side(1)])]);
  if (p === Infinity) return reduced(call, 'ReduceMax', size, [-1], false);
  const sum = reduced(call, 'ReduceSum', call.node('Pow', [size, call.like(x, p)]), [-1], false);
  return call.node('Pow', [sum, call.like(x, 1 / p)]);
}

/** IEEE 754: bits of the fraction, and the exponent of the smallest normal number. */
const floatFormats: ReadonlyMap<DType, { readonly fractionBits: number; readonly smallestExponent: number }> = new Map([
  ['float16', { fractionBits: 10, smallestExponent: -14 }],
  ['float32', { fractionBits: 23, smallestExponent: -126 }],
  ['float64', { fractionBits: 52, smallestExponent: -1022 }],
]);

/** The distance from each number to the next larger one of its dtype. */
function spacing(call: OpCall): Value {
  const x = operandOf(call);
  const format = floatFormats.get(x.dtype);
  if (format === undefined) return call.refuse(`measures the spacing of ${x.dtype}`);
  const { fractionBits: bits, smallestExponent: smallest } = format;
  const { mul, one } = composer(call);
  const size = call.node('Max', [one('Abs', x), call.like(x, 2 ** smallest)]);
  const exponent = one('Floor', call.node('Div', [one('Log', size), call.like(x, Math.LN2)]));
  return mul(call.node('Pow', [call.like(x, 2), exponent]), call.like(x, 2 ** -bits));
}

function multiMargin(call: OpCall): Value {
  const { add, sub, mul } = composer(call);
  const { graph } = call;
  const [x, target, weight] = [operandOf(call, 0), graph.cast(operandOf(call, 1), 'int64'), call.optionalTensor('weight')];
  const places = call.node('Unsqueeze', [target, graph.ints([-1])]);
  const right = call.node('GatherElements', [x, places], { axis: 1 });
  const distance = call.node('Max', [add(sub(x, right), call.like(x, call.number('margin', 1))), call.like(x, 0)]);
  const powered = call.number('p', 1) === 2 ? mul(distance, distance) : distance;
  const factors = weight === undefined ? powered : mul(powered, call.node('Gather', [weight, places], { axis: 0 }));
  const classes = call.dim(x, 1);
  const isOther = call.node('Not', [call.node('Equal', [graph.ints(sequence(classes, (_, index) => index)), places])]);
  const sum = reduced(call, 'ReduceSum', call.node('Where', [isOther, factors, call.like(x, 0)]), [1], false);
  const rows = call.node('Div', [sum, call.like(x, classes)]);
  const reduction = call.text('reduction', 'mean');
  return reduction === 'none' ? rows : reduced(call, reduction === 'sum' ? 'ReduceSum' : 'ReduceMean', rows, undefined, false);
}

/** Sign and logarithm of the determinant. */
function logDeterminant(call: OpCall): Value {
  const determinant = call.node('Det', [operandOf(call)]);
  return { kind: 'tuple', items: [call.node('Sign', [determinant]), call.node('Log', [call.node('Abs', [determinant])])] };
}

/** Rows of positions, windows and distances. */
export const positions = family('Positions, windows, distances', [
  op(
    'TrilIndices',
    '',
    triangleIndices((row, column, offset) => column - row <= offset),
  ),
  op(
    'TriuIndices',
    '',
    triangleIndices((row, column, offset) => column - row >= offset),
  ),
  op('UnravelIndex', 'x dims', unravel),
  op(
    'HammingWindow',
    'length',
    cosineWindow((call) => [call.number('alpha', 0.54), call.number('beta', 0.46), 0]),
  ),
  op(
    'BlackmanWindow',
    'length',
    cosineWindow(() => [0.42, 0.5, 0.08]),
  ),
  op('LogSpace', 'start end', logSpace),
  op('IndexPut', 'x values indices', indexPut),
  op('Bincount', 'x size weights', bincount),
  op('SparseToDense', 'indices values dense_shape', sparseToDense),
  op('Pdist', 'x', pairDistances),
  op('Eps', 'x', spacing),
  op('MultiMarginLoss', 'x target weight', multiMargin),
  op('LogMatrixDeterminant', 'x', logDeterminant),
  op('Expand', 'x shape', (call) =>
    call.node('Expand', [operandOf(call), call.node('Max', [call.intTensor('shape'), call.graph.ints([1])])]),
  ),
  op('Padding', 'x', (call) => {
    const x = operandOf(call);
    const end = sequence(2 * call.rank(x), () => 0);
    end[end.length - 1] = call.number('pad_dim_size') - 1;
    return call.node('Pad', [x, call.graph.ints(end), call.like(x, 0)]);
  }),
  op('DataFormatDimMap', 'x', (call) => {
    const [from, to] = [call.text('src_format', 'NHWC'), call.text('dst_format', 'NCHW')];
    const table = call.graph.constant(
      'int32',
      [4],
      [...to].map((letter) => from.indexOf(letter)),
    );
    return call.node('Gather', [table, operandOf(call)], { axis: 0 });
  }),
]);
