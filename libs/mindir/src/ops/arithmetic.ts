import { isFloat } from '../graph/dtypes.js';
import { real } from '../graph/onnx-graph.js';
import { flatten, type TensorValue, type Value } from '../graph/value.js';
import {
  binary,
  composer,
  floorDivision,
  operandOf,
  operandPair,
  pythonRemainder,
  realDivision,
  realOperand,
  realUnary,
  unary,
  wideningBinary,
} from './compose.js';
import type { OpCall } from './op-call.js';
import { family, op, type Emit } from './op-table.js';

/** other is scaled by alpha first. */
function scaled(opType: 'Add' | 'Sub'): Emit {
  return (call) => {
    const [a, b] = operandPair(call);
    const alpha = call.number('alpha', 1);
    return call.node(opType, [a, alpha === 1 ? b : call.node('Mul', [b, call.like(b, alpha)])]);
  };
}

function division(call: OpCall): Value {
  const [a, b] = operandPair(call);
  return realDivision(call, a, b);
}

/** Div of integers gives reals when the file announces them, else integers that are cut towards zero. */
function plainDivision(call: OpCall): Value {
  const [a, b] = operandPair(call);
  const announced = call.output()?.dtype;
  return isFloat(a.dtype) || (announced !== undefined && isFloat(announced)) ? realDivision(call, a, b) : call.node('Div', [a, b]);
}

function roundedDivision(call: OpCall): Value {
  const mode = call.find('rounding_mode') === undefined ? 0 : call.number('rounding_mode', 0);
  const [a, b] = operandPair(call);
  // Numbers of the rounding modes: 1 trunc, 2 floor.
  if (mode === 2) return floorDivision(call, a, b);
  if (mode !== 1) return realDivision(call, a, b);
  return isFloat(a.dtype) ? truncated(call, call.node('Div', [a, b])) : call.node('Div', [a, b]);
}

/** Cut towards zero. */
function truncated(call: OpCall, x: TensorValue): TensorValue {
  if (!isFloat(x.dtype)) return x;
  return call.node('Mul', [call.node('Sign', [x]), call.node('Floor', [call.node('Abs', [x])])]);
}

function truncatedRemainder(call: OpCall): Value {
  const [a, b] = operandPair(call);
  return call.node('Mod', [a, b], { fmod: 1 });
}

function power(call: OpCall): Value {
  const [a, b] = operandPair(call);
  const announced = call.output()?.dtype;
  return announced === undefined
    ? call.node('Pow', [a, b])
    : call.node('Pow', [call.graph.cast(a, announced), call.graph.cast(b, announced)]);
}

function addN(call: OpCall): Value {
  const tensors = call.inputs.flatMap(flatten).map((value) => call.toTensor(value));
  const [first, ...rest] = tensors;
  return first === undefined ? call.refuse('adds nothing') : rest.reduce((sum, tensor) => call.node('Add', [sum, tensor]), first);
}

/** base ^ (scale * x + shift), with base -1 for e (Exp), and its inverse (Log). */
function exponential(call: OpCall): Value {
  const { add, mul, one } = composer(call);
  const x = realOperand(call);
  const [base, scale, shift] = [call.number('base', -1), call.number('scale', 1), call.number('shift', 0)];
  const inner = scale === 1 && shift === 0 ? x : add(mul(x, call.like(x, scale)), call.like(x, shift));
  return one('Exp', base <= 0 ? inner : mul(inner, call.like(inner, Math.log(base))));
}

function logarithm(call: OpCall): Value {
  const { add, mul, one } = composer(call);
  const x = realOperand(call);
  const [base, scale, shift] = [call.number('base', -1), call.number('scale', 1), call.number('shift', 0)];
  const inner = scale === 1 && shift === 0 ? x : add(mul(x, call.like(x, scale)), call.like(x, shift));
  const log = one('Log', inner);
  return base <= 0 ? log : mul(log, call.like(log, 1 / Math.log(base)));
}

function round(call: OpCall): Value {
  const x = operandOf(call);
  const decimals = call.number('decimals', 0);
  if (!isFloat(x.dtype)) return decimals >= 0 ? x : call.refuse('rounds integers to tens');
  if (decimals === 0) return call.node('Round', [x]);
  const factor = call.like(x, 10 ** decimals);
  return call.node('Div', [call.node('Round', [call.node('Mul', [x, factor])]), factor]);
}

function addc(opType: 'Mul' | 'Div'): Emit {
  return (call) => {
    const input = call.tensor('input');
    const [a, b] = [call.tensor('tensor1', input.dtype), call.tensor('tensor2', input.dtype)];
    const value = call.graph.cast(call.tensor('value', input.dtype), input.dtype);
    return call.node('Add', [input, call.node('Mul', [value, call.node(opType, [a, b])])]);
  };
}

function xlogy(call: OpCall): Value {
  const [x, y] = operandPair(call);
  const zero = call.like(x, 0);
  const product = call.node('Mul', [x, call.node('Log', [y])]);
  return call.node('Where', [
    call.node('And', [call.node('Equal', [x, zero]), call.node('Not', [call.node('IsNaN', [y])])]),
    zero,
    product,
  ]);
}

function arcTangent2(call: OpCall): Value {
  const { add, sub, div, one } = composer(call);
  const [y, x] = operandPair(call);
  const zero = call.like(x, 0);
  const pi = call.like(x, Math.PI);
  const half = call.like(x, Math.PI / 2);
  const base = one('Atan', div(y, x));
  const negative = call.node('Less', [y, zero]);
  const left = call.node('Where', [negative, sub(base, pi), add(base, pi)]);
  const straight = call.node('Where', [negative, one('Neg', half), call.node('Where', [call.node('Greater', [y, zero]), half, zero])]);
  return call.node('Where', [call.node('Equal', [x, zero]), straight, call.node('Where', [call.node('Less', [x, zero]), left, base])]);
}

function lerp(call: OpCall): Value {
  const { add, sub, mul } = composer(call);
  const [start, end] = operandPair(call);
  const weight = call.graph.cast(operandOf(call, 2, start.dtype), start.dtype);
  return add(start, mul(weight, sub(end, start)));
}

function nanToNum(call: OpCall): Value {
  const x = operandOf(call);
  const limit = x.dtype === 'float16' ? 65504 : x.dtype === 'float64' ? Number.MAX_VALUE : 3.4028234663852886e38;
  const constant = (name: string, fallback: number): TensorValue => call.like(x, call.number(name, fallback));
  const noNan = call.node('Where', [call.node('IsNaN', [x]), constant('nan', 0), x]);
  const noHigh = call.node('Where', [call.node('IsInf', [x], { detect_negative: 0 }), constant('posinf', limit), noNan]);
  return call.node('Where', [call.node('IsInf', [x], { detect_positive: 0 }), constant('neginf', -limit), noHigh]);
}

function logAddExp(base: number): Emit {
  return (call) => {
    const { add, sub, mul, one } = composer(call);
    const [a, b] = operandPair(call);
    const high = call.node('Max', [a, b]);
    const scale = call.like(a, Math.log(base));
    const [x, y] = [one('Exp', mul(sub(a, high), scale)), one('Exp', mul(sub(b, high), scale))];
    return add(high, mul(one('Log', add(x, y)), call.like(a, 1 / Math.log(base))));
  };
}

function viaExp(build: (call: OpCall, x: TensorValue) => TensorValue): Emit {
  return (call) => build(call, realOperand(call));
}

/** sin(pi x) / (pi x), 1 at 0. */
function sinc(call: OpCall): Value {
  const { mul, div, one } = composer(call);
  const x = realOperand(call);
  const scaledX = mul(x, call.like(x, Math.PI));
  return call.node('Where', [call.node('Equal', [x, call.like(x, 0)]), call.like(x, 1), div(one('Sin', scaledX), scaledX)]);
}

/** Rows of element-wise arithmetic. */
export const arithmetic = family('Arithmetic', [
  op('Add TensorAdd Adds', 'input other', wideningBinary('Add')),
  op('AddExt AddScalar', 'input other alpha', scaled('Add')),
  op('Sub Subs', 'input other', wideningBinary('Sub')),
  op('SubExt SubScalar', 'input other alpha', scaled('Sub')),
  op('Mul Muls', 'input other', wideningBinary('Mul')),
  op('RealDiv Divs', 'input other', division),
  op('Div', 'input other', plainDivision),
  op('DivMod DivMods', 'input other rounding_mode', roundedDivision),
  op('DivNoNan', 'input other', (call) => {
    const [a, b] = operandPair(call);
    const zero = call.like(a, 0);
    return call.node('Where', [call.node('Equal', [b, zero]), zero, call.node('Div', [a, b])]);
  }),
  op('MulNoNan', 'input other', (call) => {
    const [a, b] = operandPair(call);
    const zero = call.like(a, 0);
    return call.node('Where', [call.node('Equal', [b, zero]), zero, call.node('Mul', [a, b])]);
  }),
  op('FloorDiv FloorDivScalar', 'input other', (call) => floorDivision(call, ...operandPair(call))),
  op('TruncateDiv', 'input other', (call) => {
    const [a, b] = operandPair(call);
    return truncated(call, call.node('Div', [a, b]));
  }),
  op('FloorMod RemainderTensorTensor RemainderTensorScalar RemainderScalarTensor', 'input other', (call) =>
    pythonRemainder(call, ...operandPair(call)),
  ),
  op('Mod TruncateMod FmodTensor FmodScalar', 'input other', truncatedRemainder),
  op('Pow PowTensorScalar PowScalarTensor', 'input exponent', power),
  op('Xdivy', 'x y', (call) => {
    const [x, y] = operandPair(call);
    const zero = call.like(x, 0);
    return call.node('Where', [call.node('Equal', [x, zero]), zero, call.node('Div', [x, y])]);
  }),
  op('SquaredDifference', 'input other', (call) => {
    const [a, b] = operandPair(call);
    const difference = call.node('Sub', [a, b]);
    return call.node('Mul', [difference, difference]);
  }),
  op('Maximum', 'input other', binary('Max')),
  op('Minimum', 'input other', binary('Min')),
  op('AddN AccumulateNV2', 'x', addN),
  op('Addcmul AddcmulExt', 'input tensor1 tensor2 value', addc('Mul')),
  op('Addcdiv AddcdivExt', 'input tensor1 tensor2 value', addc('Div')),
  op('Lerp LerpScalar', 'start end weight', lerp),
  op('Neg', 'input', unary('Neg')),
  op('Abs', 'input', unary('Abs')),
  op('Sign', 'input', unary('Sign')),
  op('Square', 'input', (call) => {
    const x = operandOf(call);
    return call.node('Mul', [x, x]);
  }),
  op('Sqrt', 'x', realUnary('Sqrt')),
  op('Rsqrt', 'input', (call) => call.node('Reciprocal', [call.node('Sqrt', [realOperand(call)])])),
  op('Reciprocal Inv', 'x', realUnary('Reciprocal')),
  op('Exp', 'input', exponential),
  op(
    'Exp2',
    'input',
    viaExp((call, x) => call.node('Pow', [call.like(x, 2), x])),
  ),
  op(
    'Expm1',
    'input',
    viaExp((call, x) => call.node('Sub', [call.node('Exp', [x]), call.like(x, 1)])),
  ),
  op('Log', 'input', logarithm),
  op(
    'Log2',
    'input',
    viaExp((call, x) => call.node('Div', [call.node('Log', [x]), call.like(x, Math.LN2)])),
  ),
  op(
    'Log10',
    'input',
    viaExp((call, x) => call.node('Div', [call.node('Log', [x]), call.like(x, Math.LN10)])),
  ),
  op(
    'Log1p',
    'input',
    viaExp((call, x) => call.node('Log', [call.node('Add', [x, call.like(x, 1)])])),
  ),
  op('LogAddExp', 'input other', logAddExp(Math.E)),
  op('LogAddExp2', 'input other', logAddExp(2)),
  op('Xlogy XLogYScalarOther XLogYScalarSelf', 'input other', xlogy),
  op('Floor', 'input', (call) => (isFloat(operandOf(call).dtype) ? call.node('Floor', [operandOf(call)]) : operandOf(call))),
  op('Ceil', 'input', (call) => (isFloat(operandOf(call).dtype) ? call.node('Ceil', [operandOf(call)]) : operandOf(call))),
  op('Trunc', 'input', (call) => truncated(call, operandOf(call))),
  op('Frac', 'input', (call) => call.node('Sub', [operandOf(call), truncated(call, operandOf(call))])),
  op('Round', 'input decimals', round),
  op('Rint', 'input', unary('Round')),
  op('Sin', 'input', realUnary('Sin')),
  op('Cos', 'input', realUnary('Cos')),
  op('Tan', 'input', realUnary('Tan')),
  op('Asin AsinExt', 'input', realUnary('Asin')),
  op('ACos AcosExt', 'input', realUnary('Acos')),
  op('Atan AtanExt', 'input', realUnary('Atan')),
  op('Sinh', 'input', realUnary('Sinh')),
  op('Cosh', 'input', realUnary('Cosh')),
  op('Asinh AsinhExt', 'input', realUnary('Asinh')),
  op('Acosh AcoshExt', 'input', realUnary('Acosh')),
  op('Atanh', 'input', realUnary('Atanh')),
  op('Atan2 Atan2Ext', 'input other', arcTangent2),
  op('Hypot', 'input other', (call) => {
    const { add, mul, one } = composer(call);
    const [a, b] = operandPair(call);
    return one('Sqrt', add(mul(a, a), mul(b, b)));
  }),
  op('Sinc', 'input', sinc),
  op('Erf', 'input', realUnary('Erf')),
  op(
    'Erfc',
    'input',
    viaExp((call, x) => call.node('Sub', [call.like(x, 1), call.node('Erf', [x])])),
  ),
  op('NanToNum', 'input nan posinf neginf', nanToNum),
  op('Heaviside', 'input values', (call) => {
    const [x, values] = operandPair(call);
    const zero = call.like(x, 0);
    return call.node('Where', [call.node('Equal', [x, zero]), values, call.graph.cast(call.node('Greater', [x, zero]), x.dtype)]);
  }),
  op('CopySign Copysign', 'x other', (call) => {
    const [x, other] = operandPair(call);
    const size = call.node('Abs', [x]);
    return call.node('Where', [call.node('Less', [other, call.like(other, 0)]), call.node('Neg', [size]), size]);
  }),
  op('Logit', 'input eps', (call) => {
    const { sub, div, one } = composer(call);
    const x = realOperand(call);
    const eps = call.number('eps', -1);
    const clipped = eps > 0 ? call.node('Clip', [x, call.like(x, eps), call.like(x, 1 - eps)]) : x;
    return one('Log', div(clipped, sub(call.like(x, 1), clipped)));
  }),
  op('LRN', 'x', (call) => {
    const radius = call.number('depth_radius', 5);
    const size = 2 * radius + 1;
    return call.node('LRN', [operandOf(call)], {
      size,
      alpha: real(call.number('alpha', 1) * size),
      beta: real(call.number('beta', 0.5)),
      bias: real(call.number('bias', 1)),
    });
  }),
]);
