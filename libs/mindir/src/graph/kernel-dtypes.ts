import { dtypeEntry, type DType } from '@mserve/wire';
import { isFloat } from './dtypes.js';
import type { OnnxAttribute } from './onnx-graph.js';
import type { TensorValue } from './value.js';

/**
 * Which dtypes the CPU kernels of ONNX Runtime 1.30 take, as it was measured operator by operator (one-node models).
 * Operators that are not listed take all dtypes, or are only used with dtypes that they take.
 */
type DTypes = ReadonlySet<DType>;

function dtypes(names: string): DTypes {
  return new Set(names.split(' ') as DType[]);
}

const singleFloats = dtypes('float16 float32');
const floats = dtypes('float16 float32 float64');
const integers = dtypes('int8 uint8 int16 uint16 int32 uint32 int64 uint64');
const numbers: DTypes = new Set([...integers, ...floats]);
const wide = dtypes('int32 int64 float16 float32 float64');
const booleans = dtypes('bool');

const kernels = new Map<string, DTypes>();

function takes(opTypes: string, taken: DTypes): void {
  for (const opType of opTypes.split(' ')) kernels.set(opType, taken);
}

takes(
  'Acos Acosh Asin Asinh Atan Atanh Cosh Elu Erf Gelu HardSigmoid HardSwish LeakyRelu Mish Selu Sinh Softplus Softsign Tan ThresholdedRelu Det',
  singleFloats,
);
takes('GlobalAveragePool GlobalMaxPool PRelu Conv ConvTranspose AveragePool InstanceNormalization LRN LSTM GRU RNN', singleFloats);
takes('Celu', dtypes('float32'));
takes(
  'Ceil Cos Exp Floor Log Reciprocal Round Sigmoid Sin Sqrt Tanh Softmax LogSoftmax LpNormalization BatchNormalization LayerNormalization GroupNormalization GridSample IsNaN IsInf',
  floats,
);
takes('Abs Sign Shrink Add Sub Mul Div Mod Greater GreaterOrEqual Less LessOrEqual', numbers);
takes('Equal', new Set([...numbers, 'bool']));
takes('Neg', dtypes('int8 int16 int32 int64 float16 float32 float64'));
takes('Relu', dtypes('int8 int32 float16 float32 float64'));
takes('BitwiseNot BitwiseAnd BitwiseOr BitwiseXor', integers);
takes('Not And Or Xor', booleans);
takes('NonZero', dtypes('bool uint8 int32 int64 float32'));
takes('Unique', dtypes('int8 int64 float32 float64'));
takes('Pow CumSum ReduceSum ReduceMean ReduceProd ReduceL1 ReduceL2 ReduceLogSumExp ReduceSumSquare Einsum', wide);
takes('Max Min Clip', dtypes('int8 uint8 int32 uint32 int64 uint64 float16 float32 float64'));
takes('MatMul', dtypes('int32 uint32 int64 uint64 float16 float32 float64'));
takes('ReduceMax ReduceMin ArgMax ArgMin', dtypes('int8 uint8 int32 int64 float16 float32 float64'));
takes('TopK', dtypes('int8 uint8 int16 int32 int64 float16 float32 float64'));
takes('Where', dtypes('uint8 int32 int64 float16 float32 float64 string'));
takes('Pad', dtypes('bool int8 uint8 int32 uint32 int64 uint64 float16 float32 float64'));
takes('Tile Expand Compress ReverseSequence', new Set([...numbers, 'bool']));
takes('Trilu', dtypes('bool int32 int64 float16 float32 float64'));
takes('MaxPool', dtypes('int8 uint8 float16 float32 float64'));
takes('OneHot', dtypes('int64 float16 float32'));
takes('Range', dtypes('int16 int32 int64 float32 float64'));
takes('Resize', dtypes('int8 uint8 int32 float16 float32'));
takes('DepthToSpace SpaceToDepth', dtypes('int8 uint8 float16 float32 float64'));

/** The operand whose dtype decides. */
function decisive(opType: string): number {
  if (opType === 'Where') return 1;
  return opType === 'OneHot' ? 2 : 0;
}

/**
 * The dtype in which a node must be computed because ONNX Runtime's CPU provider has no kernel for its own; undefined when it has.
 * float16 is mostly left alone: ONNX Runtime inserts those casts itself, and GPUs compute it natively.
 */
export function computeDtype(
  opType: string,
  inputs: readonly (TensorValue | undefined)[],
  attributes: Readonly<Record<string, OnnxAttribute>>,
): DType | undefined {
  const dtype = inputs[decisive(opType)]?.dtype;
  if (dtype === undefined) return undefined;
  const reduces = opType.startsWith('Scatter') && attributes['reduction'] !== undefined && attributes['reduction'] !== 'none';
  if (reduces && (dtype === 'float16' || dtype === 'bfloat16')) return 'float32';
  if (reduces && dtype === 'bool') return 'int32';
  const taken = kernels.get(opType);
  return taken === undefined || taken.has(dtype) ? undefined : substitute(dtype, taken);
}

const allOperands = (): boolean => true;
const dataOperands = new Map<string, (index: number) => boolean>([
  ['Where', (index) => index > 0],
  ['OneHot', (index) => index === 2],
  ['Resize', (index) => index === 0],
  ['Pad', (index) => index !== 1],
]);

/** Whether the operand at an index holds data (and follows the decisive one's dtype), rather than a condition, sizes or indices. */
export function holdsData(opType: string): (index: number) => boolean {
  return dataOperands.get(opType) ?? allOperands;
}

/** dtype of the decisive operand: what results are cast back to. */
export function ownDtype(opType: string, inputs: readonly (TensorValue | undefined)[]): DType | undefined {
  return inputs[decisive(opType)]?.dtype;
}

/** The nearest dtype that holds all values and has a kernel; float32 when there is none. */
function substitute(dtype: DType, taken: DTypes): DType | undefined {
  if (taken === booleans || (dtype === 'bool' && taken.has('uint8') && !taken.has('int32'))) return taken === booleans ? 'bool' : 'uint8';
  if (isFloat(dtype)) return taken.has('float32') ? 'float32' : undefined;
  if (dtype === 'bool') return taken.has('int32') ? 'int32' : taken.has('int64') ? 'int64' : taken.has('float32') ? 'float32' : undefined;
  const size = dtypeEntry(dtype).elementBytes;
  const candidates: DType[] =
    size < 4
      ? ['int32', 'int64', 'float32']
      : size === 4 && dtype === 'int32'
        ? ['int64', 'float64', 'float32']
        : ['int64', 'float64', 'int32', 'float32'];
  return candidates.find((candidate) => taken.has(candidate));
}
