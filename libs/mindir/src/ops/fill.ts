import { isFloat, onnxNumber } from '../graph/dtypes.js';
import type { TensorValue, Value } from '../graph/value.js';
import { operandOf } from './compose.js';
import { toTensor, type OpCall } from './op-call.js';
import { family, op, type Emit } from './op-table.js';
import { sequence } from '../graph/sequence.js';

function cast(call: OpCall): Value {
  const dtype = call.dtype('dtype|DstT|dst_type') ?? call.output()?.dtype ?? call.refuse('casts to an unknown dtype');
  return call.graph.cast(operandOf(call), dtype);
}

/** One value in a shape. */
function filled(call: OpCall, shape: TensorValue, value: TensorValue): TensorValue {
  return call.node('Expand', [value, shape]);
}

function constantFill(value: number): Emit {
  return (call) => {
    const dtype = call.dtype('dtype') ?? call.output()?.dtype ?? 'float32';
    return filled(call, call.intTensor('size|shape'), call.graph.scalar(dtype, value));
  };
}

function constantLike(value: number): Emit {
  return (call) => {
    const x = operandOf(call);
    const dtype = call.dtype('dtype') ?? x.dtype;
    return filled(call, call.node('Shape', [x]), call.graph.scalar(dtype, value));
  };
}

function fill(call: OpCall): Value {
  const dtype = call.dtype('dtype') ?? call.output()?.dtype;
  const value = toTensor(call.graph, call.need('value'), dtype);
  return filled(call, call.intTensor('size|shape'), dtype === undefined ? value : call.graph.cast(value, dtype));
}

function fillLike(call: OpCall): Value {
  const x = operandOf(call);
  const dtype = call.dtype('dtype') ?? call.output()?.dtype ?? x.dtype;
  return filled(call, call.node('Shape', [x]), call.graph.cast(toTensor(call.graph, call.need('value'), dtype), dtype));
}

/** start, start + step, ... below end. */
function range(call: OpCall): Value {
  const { graph } = call;
  const announced = call.dtype('dtype') ?? call.output()?.dtype;
  const read = (name: string, fallback?: number): TensorValue =>
    call.find(name) === undefined && fallback !== undefined ? graph.int(fallback) : call.tensor(name);
  const [first, second, third] = [read('start'), call.find('end') === undefined ? undefined : read('end'), read('step', 1)];
  const parts = second === undefined ? [graph.int(0), first, third] : [first, second, third];
  const compute = announced ?? parts.find((part) => isFloat(part.dtype))?.dtype ?? 'int64';
  const scalars = parts.map((part) => {
    const value = graph.cast(part, compute);
    return value.shape?.length === 0 ? value : call.node('Reshape', [value, graph.ints([])]);
  });
  return call.node('Range', scalars);
}

/** n evenly spaced values from start to stop, both included. */
function linSpace(call: OpCall): Value {
  const { graph } = call;
  const dtype = call.dtype('dtype') ?? call.output()?.dtype ?? 'float32';
  const count = call.bounded(call.number('num|steps'));
  const [start, stop] = [call.tensor('start'), call.tensor('stop|end')].map((value) => graph.cast(value, 'float64'));
  const step = call.node('Div', [
    call.node('Sub', [stop as TensorValue, start as TensorValue]),
    graph.scalar('float64', Math.max(1, count - 1)),
  ]);
  const positions = graph.constant(
    'float64',
    [count],
    sequence(count, (_, index) => index),
  );
  const rank = start?.shape?.length ?? 0;
  const column = (value: TensorValue): TensorValue => (rank === 0 ? value : call.node('Unsqueeze', [value, graph.ints([-1])]));
  return graph.cast(call.node('Add', [column(start as TensorValue), call.node('Mul', [positions, column(step)])]), dtype);
}

function eye(call: OpCall): Value {
  const dtype = call.dtype('dtype') ?? call.output()?.dtype ?? 'float32';
  const shape = call.node('Concat', [call.intTensor('n'), call.find('m') === undefined ? call.intTensor('n') : call.intTensor('m')], {
    axis: 0,
  });
  const base = filled(call, shape, call.graph.scalar('float32', 0));
  return call.graph.cast(call.node('EyeLike', [base], { dtype: onnxNumber('float32') }), dtype);
}

function oneHot(call: OpCall): Value {
  const { graph } = call;
  const indices = graph.cast(operandOf(call), 'int64');
  const dtype = call.output()?.dtype;
  const [on, off] = [call.tensor('on_value', dtype), call.tensor('off_value', dtype)];
  const values = call.node(
    'Concat',
    [off, on].map((value) => call.node('Reshape', [graph.cast(value, on.dtype), graph.ints([1])])),
    { axis: 0 },
  );
  const depth = call.intTensor('depth');
  const limit = call.node('Squeeze', [depth, graph.ints([0])]);
  // ONNX counts negative indices from the end; MindSpore gives a row of off values for them.
  const outside = call.node('Less', [indices, graph.int(0)]);
  return call.node('OneHot', [call.node('Where', [outside, limit, indices]), depth, values], { axis: call.number('axis', -1) });
}

function dropout(outputs: 1 | 2): Emit {
  return (call) => {
    const x = operandOf(call);
    if (outputs === 1) return x;
    const mask = filled(call, call.node('Shape', [x]), call.graph.constant('bool', [], [1]));
    return { kind: 'tuple', items: [x, mask] };
  };
}

/** Vector to diagonal matrix. */
function diagonalMatrix(call: OpCall): Value {
  const x = operandOf(call);
  const { graph } = call;
  const count = call.node('Shape', [x], { start: 0, end: 1 });
  if (call.rank(x) !== 1) return call.refuse('builds a diagonal from a tensor that is not a vector');
  const zeros = filled(call, call.node('Concat', [count, count], { axis: 0 }), graph.scalar('float32', 0));
  const unit = graph.cast(call.node('EyeLike', [zeros], { dtype: onnxNumber('float32') }), x.dtype);
  return call.node('Mul', [unit, call.node('Unsqueeze', [x, graph.ints([0])])]);
}

/** The diagonal of the matrices in two dims. */
function diagonal(call: OpCall): Value {
  const x = operandOf(call);
  const { graph } = call;
  const rank = call.rank(x);
  const [first, second] = [call.number('dim1|axis1', 0), call.number('dim2|axis2', 1)].map((axis) => (axis < 0 ? axis + rank : axis)) as [
    number,
    number,
  ];
  const offset = call.number('offset', 0);
  const others = sequence(rank, (_, axis) => axis).filter((axis) => axis !== first && axis !== second);
  const moved = call.node('Transpose', [x], { perm: [first, second, ...others] });
  const [rows, columns] = [call.dim(x, first), call.dim(x, second)];
  const length = call.bounded(Math.max(0, Math.min(rows - Math.max(0, -offset), columns - Math.max(0, offset))));
  const places = sequence(length, (_, index) => [index + Math.max(0, -offset), index + Math.max(0, offset)]).flat();
  const picked = call.node('GatherND', [moved, graph.constant('int64', [length, 2], places)]);
  const perm = [...others.map((_, index) => index + 1), 0];
  return perm.length === 1 ? picked : call.node('Transpose', [picked], { perm });
}

function trace(call: OpCall): Value {
  const x = operandOf(call);
  const count = call.bounded(Math.min(call.dim(x, 0), call.dim(x, 1)));
  const places = call.graph.constant('int64', [count, 2], sequence(count, (_, index) => [index, index]).flat());
  return call.node('ReduceSum', [call.node('GatherND', [x, places])], { keepdims: 0 });
}

/** 1 where position < length: a row per length. */
function sequenceMask(call: OpCall): Value {
  const lengths = call.graph.cast(operandOf(call), 'int64');
  const longest =
    call.find('maxlen') === undefined
      ? call.node('ReduceMax', [lengths], { keepdims: 0 })
      : call.node('Squeeze', [call.intTensor('maxlen'), call.graph.ints([0])]);
  const positions = call.node('Range', [call.graph.int(0), longest, call.graph.int(1)]);
  return call.node('Less', [positions, call.node('Unsqueeze', [lengths, call.graph.ints([-1])])]);
}

/** Rows of casts, constants and masks. */
export const fillFamily = family('Casts, constants and masks', [
  op('Cast', 'x dtype', cast),
  op('ToDtype', 'x dtype', cast),
  op('TypeAs ToOther', 'x other', (call) => call.graph.cast(operandOf(call), operandOf(call, 1).dtype)),
  op('Zeros', 'size dtype', constantFill(0)),
  op('Ones', 'shape dtype', constantFill(1)),
  op('NewZeros', 'x size dtype', constantFill(0)),
  op('NewOnes', 'x size dtype', constantFill(1)),
  op('ZerosLike ZerosLikeExt zeros_like', 'x dtype', constantLike(0)),
  op('OnesLike OnesLikeExt ones_like', 'x dtype', constantLike(1)),
  op('Fill', 'dtype shape value', fill),
  op('FillV2', 'shape value', fill),
  op('FillScalar FillTensor', 'size value dtype', fill),
  op('Fills', 'x value', fillLike),
  op('FullLike', 'x value dtype', fillLike),
  op('Range RangeV2', 'start end step maxlen', range),
  op('Arange', 'start end step dtype', range),
  op('LinSpace LinSpaceExt', 'start stop num dtype', linSpace),
  op('Eye', 'n m dtype', eye),
  op('OneHot OneHotExt', 'indices depth on_value off_value axis', oneHot),
  op('Dropout Dropout2D Dropout3D DropoutExt', 'x', dropout(2)),
  op('FuncDropoutExt', 'x', dropout(1)),
  op('Diag DiagExt', 'x', diagonalMatrix),
  op('Diagonal DiagonalView', 'x offset dim1 dim2', diagonal),
  op('Trace TraceExt TraceV2', 'x', trace),
  op('SequenceMask', 'lengths maxlen', sequenceMask),
  op('Copy Clone Contiguous Detach', 'x', (call) => operandOf(call)),
]);
