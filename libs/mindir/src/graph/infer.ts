import type { DType } from '@mserve/wire';
import { numbersOfBytes } from './dtypes.js';
import type { OnnxAttribute } from './onnx-graph.js';
import { broadcastShapes, knownCount, positiveAxis } from './shapes.js';
import type { Shape, TensorValue } from './value.js';
import { sequence } from './sequence.js';

/** What is known of a node's outputs before the run. `undefined` in `shapes` = nothing. */
export interface Inference {
  readonly dtype: DType;
  /** dtype of the outputs behind the first; undefined = that of the first. */
  readonly furtherDtype: DType | undefined;
  readonly shapes: readonly (Shape | undefined)[];
}

type Inputs = readonly (TensorValue | undefined)[];
type Attributes = Readonly<Record<string, OnnxAttribute>>;
type Infer = (inputs: Inputs, attributes: Attributes, outputs: number) => readonly (Shape | undefined)[];

const comparisons = new Set(['Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual', 'And', 'Or', 'Xor', 'Not', 'IsNaN', 'IsInf']);
const int64Results = new Set(['Shape', 'Size', 'ArgMax', 'ArgMin', 'NonZero', 'NonMaxSuppression']);
/** Their outputs behind the first are positions or counts. */
const int64Further = new Set(['TopK', 'MaxPool', 'Unique']);

/** Shapes and dtype of the outputs of one ONNX node. Exact where it says something; silent (undefined, -1) where it does not know. */
export function inferNode(opType: string, inputs: Inputs, attributes: Attributes, outputs: number): Inference {
  const first = inputs.find((input) => input !== undefined);
  let dtype = first?.dtype ?? 'float32';
  if (comparisons.has(opType)) dtype = 'bool';
  else if (int64Results.has(opType)) dtype = 'int64';
  else if (opType === 'Where') dtype = inputs[1]?.dtype ?? dtype;
  else if (opType === 'OneHot') dtype = inputs[2]?.dtype ?? dtype;
  const infer = rules.get(opType);
  const shapes = infer === undefined ? [] : infer(inputs, attributes, outputs);
  return {
    dtype,
    furtherDtype: int64Further.has(opType) ? 'int64' : undefined,
    shapes: sequence(outputs, (_, index) => sound(shapes[index])),
  };
}

/** Nothing, for what a rule makes of operands that do not go together (a damaged file). */
function sound(shape: Shape | undefined): Shape | undefined {
  return shape?.every((dim) => Number.isSafeInteger(dim) && dim >= -1) === true ? shape : undefined;
}

function intOf(attributes: Attributes, name: string): number | undefined {
  const value = attributes[name];
  return typeof value === 'number' ? value : undefined;
}

function intsOf(attributes: Attributes, name: string): readonly number[] | undefined {
  const value = attributes[name];
  return isList(value) ? value : undefined;
}

function isList(value: OnnxAttribute | undefined): value is readonly number[] {
  return Array.isArray(value);
}

/** The integers of a tensor that is known at load time; undefined for others and for long ones. */
export function knownInts(tensor: TensorValue | undefined): number[] | undefined {
  if (tensor?.bytes === undefined || tensor.bytes.byteLength > 8192) return undefined;
  return numbersOfBytes(tensor.dtype, tensor.bytes);
}

function same(inputs: Inputs, _attributes: Attributes, outputs: number): (Shape | undefined)[] {
  return sequence(outputs, () => inputs[0]?.shape);
}

function broadcast(inputs: Inputs): (Shape | undefined)[] {
  return [broadcastShapes(inputs.map((input) => input?.shape))];
}

function reduce(inputs: Inputs, attributes: Attributes): (Shape | undefined)[] {
  const shape = inputs[0]?.shape;
  if (shape === undefined) return [];
  const axes = inputs[1] === undefined ? shape.map((_, index) => index) : knownInts(inputs[1]);
  const keep = attributes['keepdims'] !== 0;
  if (axes === undefined) return [keep ? shape.map(() => -1) : undefined];
  const reduced = new Set(axes.map((axis) => positiveAxis(axis, shape.length)));
  return [keep ? shape.map((dim, index) => (reduced.has(index) ? 1 : dim)) : shape.filter((_, index) => !reduced.has(index))];
}

function argReduce(inputs: Inputs, attributes: Attributes): (Shape | undefined)[] {
  const shape = inputs[0]?.shape;
  if (shape === undefined) return [];
  const axis = positiveAxis(intOf(attributes, 'axis') ?? 0, shape.length);
  return [
    attributes['keepdims'] === 0 ? shape.filter((_, index) => index !== axis) : shape.map((dim, index) => (index === axis ? 1 : dim)),
  ];
}

function matMul(inputs: Inputs): (Shape | undefined)[] {
  const a = inputs[0]?.shape;
  const b = inputs[1]?.shape;
  if (a === undefined || b === undefined || a.length === 0 || b.length === 0) return [];
  const left = a.length === 1 ? [1, ...a] : a;
  const right = b.length === 1 ? [...b, 1] : b;
  const batch = broadcastShapes([left.slice(0, -2), right.slice(0, -2)]) ?? [];
  const rows = a.length === 1 ? [] : [left.at(-2) ?? -1];
  const columns = b.length === 1 ? [] : [right.at(-1) ?? -1];
  return [[...batch, ...rows, ...columns]];
}

function reshape(inputs: Inputs): (Shape | undefined)[] {
  const target = knownInts(inputs[1]);
  const from = inputs[0]?.shape;
  if (target === undefined) {
    const rank = inputs[1]?.shape?.[0];
    return [rank === undefined || rank < 0 ? undefined : sequence(rank, () => -1)];
  }
  const dims = target.map((dim, index) => (dim === 0 ? (from?.[index] ?? -1) : dim));
  const unknown = dims.indexOf(-1);
  const total = from === undefined ? -1 : knownCount(from);
  if (unknown >= 0 && total >= 0 && dims.filter((dim) => dim === -1).length === 1 && target[unknown] === -1) {
    const others = dims.reduce((count, dim, index) => (index === unknown ? count : count * dim), 1);
    if (others > 0 && total % others === 0) dims[unknown] = total / others;
  }
  return [dims];
}

function unsqueeze(inputs: Inputs): (Shape | undefined)[] {
  const shape = inputs[0]?.shape;
  const axes = knownInts(inputs[1]);
  if (shape === undefined || axes === undefined) return [];
  const rank = shape.length + axes.length;
  const inserted = new Set(axes.map((axis) => positiveAxis(axis, rank)));
  const rest = shape[Symbol.iterator]();
  return [sequence(rank, (_, index) => (inserted.has(index) ? 1 : (rest.next().value ?? -1)))];
}

function squeeze(inputs: Inputs): (Shape | undefined)[] {
  const shape = inputs[0]?.shape;
  if (shape === undefined) return [];
  if (inputs[1] === undefined) return shape.includes(-1) ? [] : [shape.filter((dim) => dim !== 1)];
  const axes = knownInts(inputs[1])?.map((axis) => positiveAxis(axis, shape.length));
  return [axes === undefined ? undefined : shape.filter((_, index) => !axes.includes(index))];
}

function concat(inputs: Inputs, attributes: Attributes): (Shape | undefined)[] {
  const shapes = inputs.map((input) => input?.shape);
  const first = shapes.find((shape) => shape !== undefined);
  if (first === undefined) return [];
  const axis = positiveAxis(intOf(attributes, 'axis') ?? 0, first.length);
  return [
    first.map((dim, index) => {
      const dims = shapes.map((shape) => shape?.[index] ?? -1);
      if (index === axis) return dims.includes(-1) ? -1 : dims.reduce((sum, size) => sum + size, 0);
      return dims.find((size) => size !== -1) ?? dim;
    }),
  ];
}

function split(inputs: Inputs, attributes: Attributes, outputs: number): (Shape | undefined)[] {
  const shape = inputs[0]?.shape;
  if (shape === undefined) return [];
  const axis = positiveAxis(intOf(attributes, 'axis') ?? 0, shape.length);
  const total = shape[axis] ?? -1;
  const sizes = knownInts(inputs[1]);
  return sequence(outputs, (_, part) => {
    const even = total >= 0 && total % outputs === 0 ? total / outputs : -1;
    return shape.map((dim, index) => (index === axis ? (sizes?.[part] ?? even) : dim));
  });
}

function slice(inputs: Inputs): (Shape | undefined)[] {
  const shape = inputs[0]?.shape;
  if (shape === undefined) return [];
  const [starts, ends] = [knownInts(inputs[1]), knownInts(inputs[2])];
  const axes = inputs[3] === undefined ? shape.map((_, index) => index) : knownInts(inputs[3]);
  if (axes === undefined) return [shape.map(() => -1)];
  const steps = inputs[4] === undefined ? axes.map(() => 1) : knownInts(inputs[4]);
  const dims = [...shape];
  axes.forEach((axis, position) => {
    const index = positiveAxis(axis, shape.length);
    const [start, end, step] = [starts?.[position], ends?.[position], steps?.[position]];
    const size = shape[index] ?? -1;
    dims[index] = start === undefined || end === undefined || step === undefined || size === -1 ? -1 : sliceLength(size, start, end, step);
  });
  return [dims];
}

/** How many elements start:end:step takes of `size`, by Python's rules. */
export function sliceLength(size: number, start: number, end: number, step: number): number {
  const low = step > 0 ? 0 : -1;
  const high = step > 0 ? size : size - 1;
  const clamp = (position: number): number => Math.min(Math.max(position < 0 ? position + size : position, low), high);
  return Math.max(0, Math.ceil((clamp(end) - clamp(start)) / step));
}

function gather(inputs: Inputs, attributes: Attributes): (Shape | undefined)[] {
  const [shape, indices] = [inputs[0]?.shape, inputs[1]?.shape];
  if (shape === undefined || indices === undefined) return [];
  const axis = positiveAxis(intOf(attributes, 'axis') ?? 0, shape.length);
  return [[...shape.slice(0, axis), ...indices, ...shape.slice(axis + 1)]];
}

function gatherNd(inputs: Inputs, attributes: Attributes): (Shape | undefined)[] {
  const [shape, indices] = [inputs[0]?.shape, inputs[1]?.shape];
  const depth = indices?.[indices.length - 1];
  if (shape === undefined || indices === undefined || depth === undefined || depth < 0) return [];
  const batch = intOf(attributes, 'batch_dims') ?? 0;
  return [[...indices.slice(0, -1), ...shape.slice(batch + depth)]];
}

function expand(inputs: Inputs): (Shape | undefined)[] {
  const target = knownInts(inputs[1]);
  if (target !== undefined) return [broadcastShapes([inputs[0]?.shape, target])];
  const rank = inputs[1]?.shape?.[0];
  return [rank === undefined || rank < 0 ? undefined : sequence(Math.max(rank, inputs[0]?.shape?.length ?? 0), () => -1)];
}

function tile(inputs: Inputs): (Shape | undefined)[] {
  const repeats = knownInts(inputs[1]);
  return [inputs[0]?.shape?.map((dim, index) => (dim === -1 || repeats === undefined ? -1 : dim * (repeats[index] ?? 1)))];
}

function pad(inputs: Inputs): (Shape | undefined)[] {
  const shape = inputs[0]?.shape;
  const pads = knownInts(inputs[1]);
  if (shape === undefined) return [];
  return [
    shape.map((dim, index) =>
      dim === -1 || pads === undefined || inputs[3] !== undefined ? -1 : dim + (pads[index] ?? 0) + (pads[index + shape.length] ?? 0),
    ),
  ];
}

function constantShape(inputs: Inputs): (Shape | undefined)[] {
  const dims = knownInts(inputs[0]);
  const rank = inputs[0]?.shape?.[0];
  return [dims ?? (rank === undefined || rank < 0 ? undefined : sequence(rank, () => -1))];
}

function transpose(inputs: Inputs, attributes: Attributes): (Shape | undefined)[] {
  const shape = inputs[0]?.shape;
  const perm = intsOf(attributes, 'perm') ?? sequence(shape?.length ?? 0, (_, index) => (shape?.length ?? 0) - 1 - index);
  return [shape === undefined ? perm.map(() => -1) : perm.map((axis) => shape[axis] ?? -1)];
}

/** Batch and channels of convolutions and pools are known; spatial sizes are left to annotations, except for the simple explicit cases. */
function windowed(inputs: Inputs, attributes: Attributes, outputs: number): (Shape | undefined)[] {
  const shape = inputs[0]?.shape;
  if (shape === undefined) return [];
  const weight = inputs[1]?.shape;
  const channels = inputs[1] === undefined ? shape[1] : weight?.[0];
  const kernel = intsOf(attributes, 'kernel_shape') ?? weight?.slice(2);
  const strides = intsOf(attributes, 'strides');
  const dilations = intsOf(attributes, 'dilations');
  const pads = intsOf(attributes, 'pads');
  const same = attributes['auto_pad'] === 'SAME_UPPER' || attributes['auto_pad'] === 'SAME_LOWER';
  const spatial = shape.slice(2).map((dim, index) => {
    const stride = strides?.[index] ?? 1;
    const size = kernel?.[index];
    if (dim === -1 || size === undefined || attributes['ceil_mode'] === 1) return -1;
    if (same) return Math.ceil(dim / stride);
    const padded = dim + (pads?.[index] ?? 0) + (pads?.[index + shape.length - 2] ?? 0);
    return Math.floor((padded - (size - 1) * (dilations?.[index] ?? 1) - 1) / stride) + 1;
  });
  return sequence(outputs, () => [shape[0] ?? -1, channels ?? -1, ...spatial]);
}

function flattenShape(inputs: Inputs, attributes: Attributes): (Shape | undefined)[] {
  const shape = inputs[0]?.shape;
  const axis = intOf(attributes, 'axis') ?? 0;
  return [shape === undefined ? [-1, -1] : [knownCount(shape.slice(0, axis)), knownCount(shape.slice(axis))]];
}

const rules = new Map<string, Infer>();

function rule(opTypes: string, infer: Infer): void {
  for (const opType of opTypes.split(' ')) rules.set(opType, infer);
}

rule(
  'Abs Acos Acosh Asin Asinh Atan Atanh Ceil Celu Cos Cosh Cast Clip Elu Erf Exp Floor Gelu HardSigmoid HardSwish Identity LeakyRelu Log Mish Neg Not PRelu Reciprocal',
  same,
);
rule(
  'Relu Round Selu Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Tan Tanh ThresholdedRelu Shrink IsNaN IsInf BitwiseNot Softmax LogSoftmax CumSum Hardmax',
  same,
);
rule(
  'BatchNormalization GroupNormalization InstanceNormalization LpNormalization LRN Trilu ReverseSequence ScatterElements ScatterND Dropout',
  same,
);
rule(
  'Add Sub Mul Div Pow Mod Max Min Sum Mean And Or Xor Equal Greater GreaterOrEqual Less LessOrEqual BitwiseAnd BitwiseOr BitwiseXor BitShift Where',
  broadcast,
);
rule('ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceSumSquare', reduce);
rule('ArgMax ArgMin', argReduce);
rule('MatMul', matMul);
rule('Reshape', reshape);
rule('Unsqueeze', unsqueeze);
rule('Squeeze', squeeze);
rule('Concat', concat);
rule('Split', split);
rule('Slice', slice);
rule('Gather', gather);
rule('GatherND', gatherNd);
rule('GatherElements', (inputs) => [inputs[1]?.shape]);
rule('Expand', expand);
rule('Tile', tile);
rule('Pad', pad);
rule('ConstantOfShape', constantShape);
rule('Transpose', transpose);
rule('Flatten', flattenShape);
rule('Conv MaxPool AveragePool LpPool', windowed);
rule('GlobalAveragePool GlobalMaxPool', (inputs) => [inputs[0]?.shape?.map((dim, index) => (index < 2 ? dim : 1))]);
rule('Det', (inputs) => [inputs[0]?.shape?.slice(0, -2)]);
rule('LayerNormalization', (inputs, attributes) => {
  const shape = inputs[0]?.shape;
  if (shape === undefined) return [];
  const axis = positiveAxis(intOf(attributes, 'axis') ?? -1, shape.length);
  const statistics = shape.map((dim, index) => (index < axis ? dim : 1));
  return [shape, statistics, statistics];
});
rule('Shape', (inputs, attributes) => {
  const rank = inputs[0]?.shape?.length;
  if (rank === undefined) return [[-1]];
  const start = intOf(attributes, 'start') ?? 0;
  return [[Math.min(intOf(attributes, 'end') ?? rank, rank) - start]];
});
rule('Size', () => [[]]);
rule('Range', () => [[-1]]);
rule('NonZero', (inputs) => [[inputs[0]?.shape?.length ?? -1, -1]]);
rule('TopK', (inputs, attributes, outputs) => {
  const shape = inputs[0]?.shape;
  if (shape === undefined) return [];
  const axis = positiveAxis(intOf(attributes, 'axis') ?? -1, shape.length);
  const k = knownInts(inputs[1])?.[0] ?? -1;
  return sequence(outputs, () => shape.map((dim, index) => (index === axis ? k : dim)));
});
rule('OneHot', (inputs, attributes) => {
  const shape = inputs[0]?.shape;
  if (shape === undefined) return [];
  const axis = positiveAxis(intOf(attributes, 'axis') ?? -1, shape.length + 1);
  return [[...shape.slice(0, axis), knownInts(inputs[1])?.[0] ?? -1, ...shape.slice(axis)]];
});
