import type { DType } from '@mserve/wire';
import { commonDtype, isFloat } from '../graph/dtypes.js';
import type { OnnxAttribute } from '../graph/onnx-graph.js';
import type { TensorValue, Value } from '../graph/value.js';
import { Untranslatable, type OpCall } from './op-call.js';
import type { Emit } from './op-table.js';

type Attributes = Readonly<Record<string, OnnxAttribute>>;

/** The first operand as a tensor. */
export function operandOf(call: OpCall, index = 0, dtype?: DType): TensorValue {
  const value = call.inputs[index];
  if (value === undefined) throw new Untranslatable(`operand ${index} is missing`);
  return call.toTensor(value, dtype);
}

/** Two operands in one dtype: a Python number takes the tensor's, unless it is a float and the tensor is not. */
export function operandPair(
  call: OpCall,
  first: Value | undefined = call.inputs[0],
  second: Value | undefined = call.inputs[1],
): [TensorValue, TensorValue] {
  if (first === undefined || second === undefined) throw new Untranslatable('an operand is missing');
  const [a, b] = [tensorLike(call, first, second), tensorLike(call, second, first)];
  const dtype = commonDtype(a.dtype, b.dtype);
  return [call.graph.cast(a, dtype), call.graph.cast(b, dtype)];
}

function tensorLike(call: OpCall, value: Value, other: Value): TensorValue {
  if (value.kind !== 'scalar' || other.kind !== 'tensor') return call.toTensor(value);
  const isReal = value.type === 'float' && !isFloat(other.dtype);
  const announced = call.output()?.dtype;
  const dtype = isReal
    ? announced !== undefined && isFloat(announced)
      ? announced
      : 'float32'
    : other.dtype === 'bool' && value.type !== 'bool'
      ? 'int64'
      : other.dtype;
  return call.toTensor(value, dtype);
}

/** One ONNX node on the first operand. */
export function unary(opType: string, attributes: Attributes = {}): Emit {
  return (call) => call.node(opType, [operandOf(call)], attributes);
}

/** As {@link unary}, for results that are real also for integers (Exp, Sqrt): integers are cast to what the file announces. */
export function realUnary(opType: string, attributes: Attributes = {}): Emit {
  return (call) => call.node(opType, [realOperand(call)], attributes);
}

/** The operand as a floating-point tensor. */
export function realOperand(call: OpCall, index = 0): TensorValue {
  const tensor = operandOf(call, index);
  if (isFloat(tensor.dtype)) return tensor;
  const announced = call.output()?.dtype;
  return call.graph.cast(tensor, announced !== undefined && isFloat(announced) ? announced : 'float32');
}

/** An emitter of one ONNX node with two operands in one dtype. */
export function binary(opType: string): Emit {
  return (call) => call.node(opType, operandPair(call));
}

/** Arithmetic in the dtype that the file announces when that is wider than the operands' own. */
export function wideningBinary(opType: string): Emit {
  return (call) => {
    const [a, b] = operandPair(call);
    const announced = call.output()?.dtype;
    if (announced === undefined || announced === a.dtype) return call.node(opType, [a, b]);
    return call.node(opType, [call.graph.cast(a, announced), call.graph.cast(b, announced)]);
  };
}

/** Division that is real also for integers. */
export function realDivision(call: OpCall, a: TensorValue, b: TensorValue): TensorValue {
  const announced = call.output()?.dtype;
  const dtype = isFloat(a.dtype) ? a.dtype : announced !== undefined && isFloat(announced) ? announced : 'float32';
  return call.node('Div', [call.graph.cast(a, dtype), call.graph.cast(b, dtype)]);
}

/** Short names for compositions. */
export function composer(call: OpCall): {
  add: (a: TensorValue, b: TensorValue) => TensorValue;
  sub: (a: TensorValue, b: TensorValue) => TensorValue;
  mul: (a: TensorValue, b: TensorValue) => TensorValue;
  div: (a: TensorValue, b: TensorValue) => TensorValue;
  one: (opType: string, x: TensorValue) => TensorValue;
} {
  const two =
    (opType: string) =>
    (a: TensorValue, b: TensorValue): TensorValue =>
      call.node(opType, [a, b]);
  return { add: two('Add'), sub: two('Sub'), mul: two('Mul'), div: two('Div'), one: (opType, x) => call.node(opType, [x]) };
}

/** floor(a / b), rounding down also for negative integers. */
export function floorDivision(call: OpCall, a: TensorValue, b: TensorValue): TensorValue {
  if (isFloat(a.dtype)) return call.node('Floor', [call.node('Div', [a, b])]);
  return call.node('Div', [call.node('Sub', [a, call.node('Mod', [a, b])]), b]);
}

/** The remainder with the sign of the divisor. */
export function pythonRemainder(call: OpCall, a: TensorValue, b: TensorValue): TensorValue {
  if (!isFloat(a.dtype)) return call.node('Mod', [a, b]);
  return call.node('Sub', [a, call.node('Mul', [call.node('Floor', [call.node('Div', [a, b])]), b])]);
}
