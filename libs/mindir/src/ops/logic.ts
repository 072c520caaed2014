import { isFloat } from '../graph/dtypes.js';
import type { TensorValue, Value } from '../graph/value.js';
import { binary, operandOf, operandPair } from './compose.js';
import type { OpCall } from './op-call.js';
import { family, op, type Emit } from './op-table.js';
import { sequence } from '../graph/sequence.js';

function booleans(opType: 'And' | 'Or' | 'Xor'): Emit {
  return (call) => call.node(opType, [call.graph.cast(operandOf(call, 0), 'bool'), call.graph.cast(operandOf(call, 1), 'bool')]);
}

/** Bitwise on integers, logical on booleans. */
function bits(integerOp: string, booleanOp: 'And' | 'Or' | 'Xor'): Emit {
  return (call) => {
    const [a, b] = operandPair(call);
    return call.node(a.dtype === 'bool' ? booleanOp : integerOp, [a, b]);
  };
}

function not(call: OpCall): Value {
  const x = operandOf(call);
  return call.node(x.dtype === 'bool' ? 'Not' : 'BitwiseNot', [x]);
}

function notEqual(call: OpCall): Value {
  return call.node('Not', [call.node('Equal', operandPair(call))]);
}

/** x << n and x >> n by arithmetic, which ONNX's BitShift (unsigned only) does not do. */
function shift(direction: 'left' | 'right'): Emit {
  return (call) => {
    const [x, n] = operandPair(call);
    const factor = call.graph.cast(call.node('Pow', [call.graph.constant('float64', [], [2]), call.graph.cast(n, 'float64')]), 'int64');
    const wide = call.graph.cast(x, 'int64');
    const shifted =
      direction === 'left'
        ? call.node('Mul', [wide, factor])
        : call.node('Div', [call.node('Sub', [wide, call.node('Mod', [wide, factor])]), factor]);
    return call.graph.cast(shifted, x.dtype);
  };
}

function isInfinite(call: OpCall): TensorValue {
  const x = operandOf(call);
  return isFloat(x.dtype) ? call.node('IsInf', [x]) : falseLike(call, x);
}

function isNan(call: OpCall): TensorValue {
  const x = operandOf(call);
  return isFloat(x.dtype) ? call.node('IsNaN', [x]) : falseLike(call, x);
}

function falseLike(call: OpCall, x: TensorValue): TensorValue {
  return call.node('Not', [call.node('Equal', [x, x])]);
}

function isClose(call: OpCall): Value {
  const [a, b] = operandPair(call);
  const [x, y] = [isFloat(a.dtype) ? a : call.graph.cast(a, 'float32'), isFloat(b.dtype) ? b : call.graph.cast(b, 'float32')];
  const allowed = call.node('Add', [
    call.like(x, call.number('atol', 1e-8)),
    call.node('Mul', [call.like(x, call.number('rtol', 1e-5)), call.node('Abs', [y])]),
  ]);
  const near = call.node('LessOrEqual', [call.node('Abs', [call.node('Sub', [x, y])]), allowed]);
  const finite = call.node('Not', [call.node('IsInf', [y])]);
  const close = call.node('Or', [call.node('And', [near, finite]), call.node('Equal', [x, y])]);
  if (!call.bool('equal_nan')) return close;
  return call.node('Or', [close, call.node('And', [call.node('IsNaN', [x]), call.node('IsNaN', [y])])]);
}

function approximatelyEqual(call: OpCall): Value {
  const [a, b] = operandPair(call);
  return call.node('Less', [call.node('Abs', [call.node('Sub', [a, b])]), call.like(a, call.number('tolerance', 1e-5))]);
}

/** Counts set bits of 16-bit words; wider dtypes are refused. */
function populationCount(call: OpCall): Value {
  const x = operandOf(call);
  const width = x.dtype === 'int8' || x.dtype === 'uint8' ? 8 : x.dtype === 'int16' || x.dtype === 'uint16' ? 16 : undefined;
  if (width === undefined) return call.refuse(`counts the bits of ${x.dtype}`);
  const word = call.node('Mod', [call.graph.cast(x, 'int64'), call.graph.int(2 ** width)]);
  const powers = call.graph.ints(sequence(width, (_, bit) => 2 ** bit));
  const columns = call.node('Div', [call.node('Unsqueeze', [word, call.graph.ints([-1])]), powers]);
  const count = call.node('ReduceSum', [call.node('Mod', [columns, call.graph.int(2)]), call.graph.ints([-1])], { keepdims: 0 });
  return call.graph.cast(count, 'uint8');
}

/** Rows of comparison, logic and bits. */
export const logic = family('Comparison, logic and bits', [
  op('Equal EqualExt EqScalar', 'input other', binary('Equal')),
  op('NotEqual NeScalar NotEqualScalar', 'input other', notEqual),
  op('Greater GreaterScalar', 'input other', binary('Greater')),
  op('GreaterEqual GreaterEqualScalar', 'input other', binary('GreaterOrEqual')),
  op('Less LessScalar', 'input other', binary('Less')),
  op('LessEqual LessEqualScalar', 'input other', binary('LessOrEqual')),
  op('LogicalAnd', 'x y', booleans('And')),
  op('LogicalOr', 'x y', booleans('Or')),
  op('LogicalXor', 'x y', booleans('Xor')),
  op('LogicalNot', 'x', (call) => call.node('Not', [call.graph.cast(operandOf(call), 'bool')])),
  op('BitwiseAnd BitwiseAndTensor BitwiseAndScalar', 'x y', bits('BitwiseAnd', 'And')),
  op('BitwiseOr BitwiseOrTensor BitwiseOrScalar', 'x y', bits('BitwiseOr', 'Or')),
  op('BitwiseXor BitwiseXorTensor BitwiseXorScalar', 'x y', bits('BitwiseXor', 'Xor')),
  op('Invert BitwiseNot', 'x', not),
  op('LeftShift', 'x n', shift('left')),
  op('RightShift', 'x n', shift('right')),
  op('IsNan', 'x', isNan),
  op('IsInf', 'x', isInfinite),
  op('IsNegInf', 'x', (call) => call.node('IsInf', [operandOf(call)], { detect_positive: 0 })),
  op('IsFinite', 'x', (call) => call.node('Not', [call.node('Or', [isNan(call), isInfinite(call)])])),
  op('IsClose', 'input other rtol atol equal_nan', isClose),
  op('ApproximateEqual', 'x y', approximatelyEqual),
  op('Fmax', 'x y', (call) => {
    const [a, b] = operandPair(call);
    return call.node('Where', [call.node('IsNaN', [a]), b, call.node('Where', [call.node('IsNaN', [b]), a, call.node('Max', [a, b])])]);
  }),
  op('Fmin', 'x y', (call) => {
    const [a, b] = operandPair(call);
    return call.node('Where', [call.node('IsNaN', [a]), b, call.node('Where', [call.node('IsNaN', [b]), a, call.node('Min', [a, b])])]);
  }),
  op('PopulationCount', 'x', populationCount),
]);
