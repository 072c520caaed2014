import { isFloat } from '../graph/dtypes.js';
import { real } from '../graph/onnx-graph.js';
import type { TensorValue, Value } from '../graph/value.js';
import { composer, operandOf, realOperand, realUnary, unary } from './compose.js';
import type { OpCall } from './op-call.js';
import { family, op, type Emit } from './op-table.js';
import { elementAt, sequence } from '../graph/sequence.js';

function clip(call: OpCall, low: string, high: string): Value {
  const x = operandOf(call);
  const bound = (name: string): TensorValue | undefined => {
    const value = call.optionalTensor(name, x.dtype);
    return value === undefined ? undefined : call.graph.cast(value, x.dtype);
  };
  const [min, max] = [bound(low), bound(high)];
  const raised = min === undefined ? x : call.node('Max', [x, min]);
  return max === undefined ? raised : call.node('Min', [raised, max]);
}

function fixedClip(low: number, high: number): Emit {
  return (call) => {
    const x = operandOf(call);
    return call.node('Clip', [x, call.like(x, low), call.like(x, high)]);
  };
}

/** The first of a list of axes, or the axis itself. */
function softmaxAxis(call: OpCall, fallback: number): number {
  const axes = call.numbersOr('axis|dim');
  if (axes === undefined) return fallback;
  return axes.length === 1 ? elementAt(axes, 0) : call.refuse('works along several axes');
}

/** A missing axis means the last one. */
function softmax(opType: 'Softmax' | 'LogSoftmax'): Emit {
  return (call) => call.node(opType, [realOperand(call)], { axis: softmaxAxis(call, -1) });
}

/** As {@link softmax}, but a missing dim means 0 for rank 0, 1 and 3, as in PyTorch. */
function softmaxExt(opType: 'Softmax' | 'LogSoftmax'): Emit {
  return (call) => {
    const x = realOperand(call);
    return call.node(opType, [x], { axis: softmaxAxis(call, [0, 1, 3].includes(x.shape?.length ?? 2) ? 0 : -1) });
  };
}

function prelu(call: OpCall): Value {
  const x = operandOf(call);
  const weight = operandOf(call, 1);
  const rank = call.rank(x);
  if (rank <= 2) return call.node('PRelu', [x, weight]);
  return call.node('PRelu', [x, call.node('Reshape', [weight, call.graph.ints([-1, ...sequence(rank - 2, () => 1)])])]);
}

/** exp(x * 1.702 * ...): the approximation that MindSpore calls FastGeLU. */
function fastGelu(call: OpCall): Value {
  const { mul, div, add, one } = composer(call);
  const x = operandOf(call);
  const c = call.like(x, 1.702);
  const size = one('Abs', x);
  const top = mul(x, one('Exp', mul(call.like(x, 0.851), call.node('Sub', [x, size]))));
  return div(top, add(call.like(x, 1), one('Exp', one('Neg', mul(c, size)))));
}

/** `fallback` is the approximation of a file that names none. */
function gelu(fallback: 'tanh' | 'none'): Emit {
  return (call) => {
    const mode = call.find('approximate');
    const isTanh = mode?.kind === 'scalar' && (mode.value === 'tanh' || mode.value === 1);
    return call.node('Gelu', [operandOf(call)], { approximate: mode === undefined ? fallback : isTanh ? 'tanh' : 'none' });
  };
}

function glu(call: OpCall): Value {
  const x = operandOf(call);
  const [a, b] = call.graph.multi('Split', [x], 2, { axis: call.number('axis|dim', -1), num_outputs: 2 });
  return call.node('Mul', [a, call.node('Sigmoid', [b as TensorValue])]);
}

function swiglu(call: OpCall): Value {
  const [a, b] = call.graph.multi('Split', [operandOf(call)], 2, { axis: call.number('dim', -1), num_outputs: 2 });
  return call.node('Mul', [call.node('Mul', [a, call.node('Sigmoid', [a as TensorValue])]), b]);
}

/** log(1 + exp(beta x)) / beta, x itself above the threshold. */
function softplusExt(call: OpCall): Value {
  const { mul, div, one } = composer(call);
  const x = operandOf(call);
  const [beta, threshold] = [call.number('beta', 1), call.number('threshold', 20)];
  const scaled = mul(x, call.like(x, beta));
  return call.node('Where', [call.node('Greater', [scaled, call.like(x, threshold)]), x, div(one('Softplus', scaled), call.like(x, beta))]);
}

function threshold(call: OpCall): Value {
  const x = operandOf(call);
  return call.node('Where', [call.node('Greater', [x, call.tensor('threshold', x.dtype)]), x, call.tensor('value', x.dtype)]);
}

function logSigmoid(call: OpCall): Value {
  const x = operandOf(call);
  const result = call.node('Neg', [call.node('Softplus', [call.node('Neg', [x])])]);
  return call.outputCount === undefined ? result : { kind: 'tuple', items: [result, call.like(x, 0)] };
}

/** Rows of the activation functions. */
export const activation = family('Activations', [
  op('ReLU ReLUV3', 'input', (call) => {
    const x = operandOf(call);
    return isFloat(x.dtype) ? call.node('Relu', [x]) : call.node('Max', [x, call.like(x, 0)]);
  }),
  op('ReLU6', 'x', fixedClip(0, 6)),
  op('LeakyReLU LeakyRelu LeakyReLUExt', 'input negative_slope', (call) =>
    call.node('LeakyRelu', [operandOf(call)], { alpha: real(call.number('negative_slope|alpha', 0.2)) }),
  ),
  op('PReLU', 'x weight', prelu),
  op('Elu EluExt', 'x alpha', (call) => call.node('Elu', [operandOf(call)], { alpha: real(call.number('alpha', 1)) })),
  op('CeLU', 'x alpha', (call) => call.node('Celu', [operandOf(call)], { alpha: real(call.number('alpha', 1)) })),
  op('SeLU SeLUExt', 'x', unary('Selu')),
  op('GeLU', 'input approximate', gelu('tanh')),
  op('Gelu GeluExt NpuGelu', 'input approximate', gelu('none')),
  op('FastGeLU FastGelu', 'x', fastGelu),
  op('SiLU Swish', 'x', (call) => call.node('Mul', [operandOf(call), call.node('Sigmoid', [operandOf(call)])])),
  op('Mish MishExt', 'x', unary('Mish')),
  op('HSwish', 'x', unary('HardSwish')),
  op('HSigmoid', 'x', unary('HardSigmoid', { alpha: real(1 / 6), beta: real(0.5) })),
  op('HShrink', 'x lambd', (call) => call.node('Shrink', [operandOf(call)], { lambd: real(call.number('lambd', 0.5)), bias: real(0) })),
  op('SoftShrink', 'x lambd', (call) =>
    call.node('Shrink', [operandOf(call)], { lambd: real(call.number('lambd', 0.5)), bias: real(call.number('lambd', 0.5)) }),
  ),
  op('Hardtanh', 'input min_val max_val', (call) => clip(call, 'min_val', 'max_val')),
  op('ClampScalar ClampTensor', 'input min max', (call) => clip(call, 'min', 'max')),
  op('Sigmoid', 'x', realUnary('Sigmoid')),
  op('LogSigmoid LogSigmoidExt', 'x', logSigmoid),
  op('Tanh', 'x', realUnary('Tanh')),
  op('Softplus', 'x', unary('Softplus')),
  op('SoftplusExt', 'x beta threshold', softplusExt),
  op('Softsign', 'x', unary('Softsign')),
  op('Softmax', 'x axis', softmax('Softmax')),
  op('SoftmaxExt', 'x axis', softmaxExt('Softmax')),
  op('LogSoftmax', 'x axis', softmax('LogSoftmax')),
  op('LogSoftmaxExt', 'x axis', softmaxExt('LogSoftmax')),
  op('GLU', 'x axis', glu),
  op('Swiglu', 'x dim', swiglu),
  op('Threshold', 'x threshold value', threshold),
]);
