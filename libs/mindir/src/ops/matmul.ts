import type { TensorValue, Value } from '../graph/value.js';
import { composer, operandOf } from './compose.js';
import type { OpCall } from './op-call.js';
import { family, op, type Emit } from './op-table.js';
import { sequence } from '../graph/sequence.js';

/** The last two dims swapped. */
function matrixTransposed(call: OpCall, x: TensorValue): TensorValue {
  const rank = call.rank(x);
  const perm = sequence(rank, (_, axis) => axis);
  perm[rank - 1] = rank - 2;
  perm[rank - 2] = rank - 1;
  return call.node('Transpose', [x], { perm });
}

function matMul(call: OpCall): Value {
  const [x, w] = [operandOf(call, 0), operandOf(call, 1)];
  const left = call.bool('transpose_a|transpose_x1') ? matrixTransposed(call, x) : x;
  const right = call.bool('transpose_b|transpose_x2') ? matrixTransposed(call, w) : w;
  return call.node('MatMul', [left, right]);
}

function biasAdd(call: OpCall): Value {
  const [x, bias] = [operandOf(call, 0), operandOf(call, 1)];
  const rank = call.rank(x);
  const format = call.find('data_format');
  const isLast = format?.kind === 'scalar' && (format.value === 'NHWC' || format.value === 1);
  if (rank <= 2 || isLast) return call.node('Add', [x, bias]);
  return call.node('Add', [x, call.node('Reshape', [bias, call.graph.ints([-1, ...sequence(rank - 2, () => 1)])])]);
}

function dense(call: OpCall): Value {
  const [x, weight, bias] = [operandOf(call, 0), operandOf(call, 1), call.optionalTensor('bias')];
  const product = call.node('MatMul', [x, call.rank(weight) < 2 ? weight : matrixTransposed(call, weight)]);
  return bias === undefined ? product : call.node('Add', [product, bias]);
}

/** beta * input + alpha * product(a, b). */
function accumulate(product: (call: OpCall, a: TensorValue, b: TensorValue) => TensorValue): Emit {
  return (call) => {
    const { add, mul } = composer(call);
    const [input, a, b] = [operandOf(call, 0), operandOf(call, 1), operandOf(call, 2)];
    const factor = (name: string): TensorValue =>
      call.graph.cast(call.find(name) === undefined ? call.like(input, 1) : call.tensor(name, input.dtype), input.dtype);
    return add(mul(factor('beta'), input), mul(factor('alpha'), product(call, a, b)));
  };
}

function outer(call: OpCall): Value {
  const [a, b] = [operandOf(call, 0), operandOf(call, 1)];
  return call.node('Mul', [call.node('Unsqueeze', [a, call.graph.ints([1])]), call.node('Unsqueeze', [b, call.graph.ints([0])])]);
}

function einsum(operandsOf: (call: OpCall) => TensorValue[]): Emit {
  return (call) => call.node('Einsum', operandsOf(call), { equation: call.text('equation', '').replace(/\s+/g, '') });
}

/** All inputs, with tuples taken apart. */
function allInputs(call: OpCall): TensorValue[] {
  return call.inputs.flatMap((value) => (value.kind === 'tuple' ? value.items : [value])).map((value) => call.toTensor(value));
}

/** Pairwise p-distances of rows. */
function cdist(call: OpCall): Value {
  const [a, b] = [operandOf(call, 0), operandOf(call, 1)];
  const p = call.number('p', 2);
  const difference = call.node('Abs', [
    call.node('Sub', [call.node('Unsqueeze', [a, call.graph.ints([-2])]), call.node('Unsqueeze', [b, call.graph.ints([-3])])]),
  ]);
  const axes = call.graph.ints([-1]);
  if (p === Infinity) return call.node('ReduceMax', [difference, axes], { keepdims: 0 });
  if (p === 0) return call.node('ReduceSum', [call.node('Sign', [difference]), axes], { keepdims: 0 });
  const sum = call.node('ReduceSum', [call.node('Pow', [difference, call.like(a, p)]), axes], { keepdims: 0 });
  return call.node('Pow', [sum, call.like(a, 1 / p)]);
}

/** What MindSpore writes for `dim` when none was given: the first dim of size 3. */
const noDim = -65530;

function cross(call: OpCall): Value {
  const { sub, mul } = composer(call);
  const [a, b] = [operandOf(call, 0), operandOf(call, 1)];
  const rank = call.rank(a);
  const wanted = call.number('dim', noDim);
  const axis = wanted === noDim ? (a.shape?.indexOf(3) ?? -1) : wanted < 0 ? wanted + rank : wanted;
  const part = (x: TensorValue, index: number): TensorValue => call.node('Gather', [x, call.graph.ints([index % 3])], { axis });
  const rows = [0, 1, 2].map((index) => sub(mul(part(a, index + 1), part(b, index + 2)), mul(part(a, index + 2), part(b, index + 1))));
  return call.node('Concat', rows, { axis });
}

const product = (call: OpCall, a: TensorValue, b: TensorValue): TensorValue => call.node('MatMul', [a, b]);

/** Rows of matrix products. */
export const matmul = family('Matrix products', [
  op('MatMul', 'x w transpose_a transpose_b', matMul),
  op('BatchMatMul', 'x w transpose_a transpose_b', matMul),
  op('MatMulExt BatchMatMulExt Mm Mv Dot Vdot MatMulV2 BatchMatMulV2', 'x w', (call) =>
    call.node('MatMul', [operandOf(call, 0), operandOf(call, 1)]),
  ),
  op('BiasAdd', 'x bias data_format', biasAdd),
  op('Dense', 'x weight bias', dense),
  op('Addmm', 'input a b beta alpha', accumulate(product)),
  op('Baddbmm', 'input a b beta alpha', accumulate(product)),
  op('Addmv', 'input a b beta alpha', accumulate(product)),
  op(
    'Addbmm',
    'input a b beta alpha',
    accumulate((call, a, b) => call.node('ReduceSum', [product(call, a, b), call.graph.ints([0])], { keepdims: 0 })),
  ),
  op('Ger Outer', 'x y', outer),
  op('Einsum', '', einsum(allInputs)),
  op(
    'EinsumExt',
    'equation operands',
    einsum((call) => call.tensors('operands')),
  ),
  op('Cdist', 'x y p', cdist),
  op('Cross', 'x y dim', cross),
  op('MatrixDeterminant', 'x', (call) => call.node('Det', [operandOf(call)])),
]);
