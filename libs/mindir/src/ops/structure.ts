import { numberOf, numbersOf, toTensor, Untranslatable, type OpCall } from './op-call.js';
import { op, structuralFamily } from './op-table.js';
import { RaiseReached } from '../graph/raise.js';
import {
  boolScalar,
  flatten,
  floatScalar,
  intScalar,
  monad,
  tupleOf,
  type ScalarValue,
  type TensorValue,
  type Value,
} from '../graph/value.js';
import { elementAt, sequence } from '../graph/sequence.js';

function first(call: OpCall): Value {
  return call.input(0);
}

/** The elements of a tuple; a 1-D tensor of known length is taken apart. */
function elements(call: OpCall, value: Value): readonly Value[] {
  if (value.kind === 'tuple') return value.items;
  if (value.kind !== 'tensor') throw new Untranslatable(`takes a ${value.kind} for a tuple`);
  const length = value.shape?.length === 1 ? elementAt(value.shape, 0) : -1;
  if (length < 0) throw new Untranslatable('takes a tuple whose length is not known before the run');
  return sequence(length, (_, index) => call.node('Gather', [value, call.graph.int(index)], { axis: 0 }));
}

function getItem(call: OpCall): Value {
  const [container, position] = [first(call), call.input(1)];
  const index = numberOf(position);
  if (container.kind === 'tensor') {
    const at = index === undefined ? call.graph.cast(call.toTensor(position), 'int64') : call.graph.int(index);
    return call.node('Gather', [container, at], { axis: 0 });
  }
  if (index === undefined) return dynamicItem(call, elements(call, container), position);
  const item = elements(call, container).at(index);
  if (item === undefined) throw new Untranslatable(`takes element ${index} of a tuple that has fewer`);
  return item;
}

/** A tuple of tensors of one shape, indexed at run time: stacked and gathered. */
function dynamicItem(call: OpCall, items: readonly Value[], position: Value): Value {
  const axis = call.graph.ints([0]);
  const stacked = call.node(
    'Concat',
    items.map((item) => call.node('Unsqueeze', [call.toTensor(item), axis])),
    { axis: 0 },
  );
  return call.node('Gather', [stacked, call.graph.cast(call.toTensor(position), 'int64')], { axis: 0 });
}

/** Shape as a tuple of numbers and, where a dim is dynamic, int64 scalars. */
function shapeTuple(call: OpCall): Value {
  const tensor = call.toTensor(first(call));
  const { shape } = tensor;
  if (shape === undefined) return call.node('Shape', [tensor]);
  return tupleOf(
    shape.map((dim, axis) =>
      dim >= 0
        ? intScalar(dim)
        : call.node('Squeeze', [call.node('Shape', [tensor], { start: axis, end: axis + 1 }), call.graph.ints([0])]),
    ),
  );
}

function shapeTensor(call: OpCall): Value {
  const tensor = call.toTensor(first(call));
  const { shape } = tensor;
  return shape === undefined || shape.includes(-1) ? call.node('Shape', [tensor]) : call.graph.ints(shape);
}

function sliceTuple(call: OpCall): Value {
  const container = first(call);
  const [begin, end, step] = [1, 2, 3].map((index) => numberOf(call.inputs[index] ?? intScalar(1)));
  if (begin === undefined || end === undefined || step === undefined)
    throw new Untranslatable('slices a tuple by positions that are not known before the run');
  const items = elements(call, container);
  if (step === 1) return tupleOf(items.slice(begin, end));
  const clamp = (position: number): number =>
    Math.min(Math.max(position < 0 ? position + items.length : position, step > 0 ? 0 : -1), step > 0 ? items.length : items.length - 1);
  const taken: Value[] = [];
  for (let at = clamp(begin); step > 0 ? at < clamp(end) : at > clamp(end); at += step) taken.push(items[at] as Value);
  return tupleOf(taken);
}

type Fold = (a: number, b: number) => number;

/** Python arithmetic on scalars: folded when both are known, else ONNX nodes on tensors of rank 0. */
function scalarBinary(
  fold: Fold,
  onnx: (call: OpCall, a: TensorValue, b: TensorValue) => TensorValue,
  result: 'same' | 'bool' | 'float' = 'same',
): (call: OpCall) => Value {
  return (call) => {
    const [a, b] = [first(call), call.input(1)];
    if (
      a.kind === 'scalar' &&
      b.kind === 'scalar' &&
      (typeof a.value === 'string' || typeof b.value === 'string' || a.value === null || b.value === null)
    ) {
      if (result !== 'bool') throw new Untranslatable('computes with strings or None');
      return boolScalar(fold(Number(a.value === b.value && a.type === b.type), 1) !== 0);
    }
    const [x, y] = [numberOf(a), numberOf(b)];
    if (x !== undefined && y !== undefined && !Number.isNaN(fold(x, y))) return scalarLike(fold(x, y), a, b, result);
    const isReal = result === 'float' || isRealScalar(a) || isRealScalar(b);
    const [left, right] = [call.toTensor(a), call.toTensor(b)];
    const dtype = isReal ? (left.dtype === 'float64' || right.dtype === 'float64' ? 'float64' : 'float32') : 'int64';
    return onnx(call, call.graph.cast(left, dtype), call.graph.cast(right, dtype));
  };
}

function isRealScalar(value: Value): boolean {
  return value.kind === 'scalar' ? value.type === 'float' : value.kind === 'tensor' && value.dtype.startsWith('float');
}

function scalarLike(value: number, a: Value, b: Value, result: 'same' | 'bool' | 'float'): ScalarValue {
  if (result === 'bool') return boolScalar(value !== 0);
  return result === 'float' || isRealScalar(a) || isRealScalar(b) ? floatScalar(value) : intScalar(value);
}

function onnxBinary(opType: string): (call: OpCall, a: TensorValue, b: TensorValue) => TensorValue {
  return (call, a, b) => call.node(opType, [a, b]);
}

function floorDivide(call: OpCall, a: TensorValue, b: TensorValue): TensorValue {
  if (a.dtype !== 'int64') return call.node('Floor', [call.node('Div', [a, b])]);
  return call.node('Div', [call.node('Sub', [a, call.node('Mod', [a, b])]), b]);
}

function pythonMod(call: OpCall, a: TensorValue, b: TensorValue): TensorValue {
  if (a.dtype === 'int64') return call.node('Mod', [a, b]);
  return call.node('Sub', [a, call.node('Mul', [call.node('Floor', [call.node('Div', [a, b])]), b])]);
}

function unary(
  fold: (x: number, value: Value) => ScalarValue,
  onnx: (call: OpCall, x: TensorValue) => TensorValue,
): (call: OpCall) => Value {
  return (call) => {
    const value = first(call);
    const x = numberOf(value);
    return x === undefined ? onnx(call, call.toTensor(value)) : fold(x, value);
  };
}

function cast(call: OpCall): Value {
  const value = first(call);
  const dtype = call.dtype('dtype');
  const x = numberOf(value);
  if (dtype === undefined) throw new Untranslatable('casts to an unknown type');
  if (x === undefined || value.kind === 'tensor') return call.graph.cast(call.toTensor(value), dtype);
  if (dtype === 'bool') return boolScalar(x !== 0);
  return dtype.startsWith('float') ? floatScalar(x) : intScalar(Math.trunc(x));
}

/** Tuple of numbers, or number, to tensor. */
function asTensor(call: OpCall): Value {
  const value = first(call);
  if (value.kind === 'tensor') return value;
  const dtype = call.dtype('dtype') ?? call.output()?.dtype;
  const tensor =
    value.kind === 'tuple' && numbersOf(value) === undefined ? stackScalars(call, value.items) : toTensor(call.graph, value, dtype);
  return dtype === undefined ? tensor : call.graph.cast(tensor, dtype);
}

function stackScalars(call: OpCall, items: readonly Value[]): TensorValue {
  const tensors = items.map((item) => call.toTensor(item));
  const real = tensors.find((tensor) => tensor.dtype.startsWith('float'))?.dtype;
  const dtype = real ?? tensors.find((_, index) => items[index]?.kind === 'tensor')?.dtype ?? 'int64';
  return call.node(
    'Concat',
    tensors.map((tensor) => call.node('Reshape', [call.graph.cast(tensor, dtype), call.graph.ints([1])])),
    { axis: 0 },
  );
}

/** Equality of tuples element by element; what depends on dynamic dims is compared by ONNX nodes. */
function compareTuples(call: OpCall): Value {
  const [a, b] = [first(call), call.input(1)].map((value) => (value.kind === 'tuple' ? flatten(value) : elements(call, value))) as [
    readonly Value[],
    readonly Value[],
  ];
  if (a.length !== b.length) return boolScalar(false);
  const open: TensorValue[] = [];
  for (let index = 0; index < a.length; index++) {
    const [x, y] = [a[index] as Value, b[index] as Value];
    const [left, right] = [numberOf(x), numberOf(y)];
    if (left !== undefined && right !== undefined) {
      if (left !== right) return boolScalar(false);
    } else open.push(call.node('Equal', [call.graph.cast(call.toTensor(x), 'int64'), call.graph.cast(call.toTensor(y), 'int64')]));
  }
  return open.length === 0 ? boolScalar(true) : open.reduce((all, next) => call.node('And', [all, next]));
}

/** Effects, tuples, closures and Python arithmetic: gone before the ONNX graph is written, except for numbers that depend on dynamic dims. */
export const structure = structuralFamily('Structure', [
  op(
    'Load Depend Identity identity stop_gradient StopGradient TensorMove Return return Assert_ InsertGradientOf HookBackward',
    'x monad',
    first,
  ),
  op('UpdateState Print ScalarSummary TensorSummary', '', () => monad),
  // Texts of exceptions with values in them.
  op('JoinedStr', '', () => ({ kind: 'scalar', type: 'string', value: '' })),
  op('raise', '', () => {
    throw new RaiseReached();
  }),
  op('MakeTuple make_tuple MakeList make_list', '', (call) => tupleOf(call.inputs.filter((input) => input.kind !== 'monad'))),
  op('TupleGetItem tuple_getitem ListGetItem list_getitem RealTupleGetItem RealListGetItem', 'x index', getItem),
  op('Partial', '', (call) => ({ kind: 'partial', callee: first(call), args: call.inputs.slice(1) })),
  op('Switch', 'condition then else', (call) => ({
    kind: 'switch',
    condition: first(call),
    byIndex: false,
    branches: call.inputs.slice(1, 3),
  })),
  op('switch_layer SwitchLayer', 'index branches', (call) => ({
    kind: 'switch',
    condition: first(call),
    byIndex: true,
    branches: elements(call, call.input(1)),
  })),
  op('Shape', 'x', shapeTuple),
  op('TensorShape DynamicShape', 'x', shapeTensor),
  op('Rank', 'x', (call) => intScalar(call.rank(call.tensor('x')))),
  op('Size', 'x', (call) => {
    const tensor = call.tensor('x');
    return tensor.shape === undefined || tensor.shape.includes(-1)
      ? call.node('Size', [tensor])
      : intScalar(tensor.shape.reduce((count, dim) => count * dim, 1));
  }),
  op('sequence_len SequenceLen', 'x', (call) => {
    const value = first(call);
    return value.kind === 'tensor' && (value.shape?.length ?? 0) !== 1
      ? call.node('Squeeze', [call.node('Shape', [value], { start: 0, end: 1 }), call.graph.ints([0])])
      : intScalar(elements(call, value).length);
  }),
  op('SequenceSlice', 'x begin end step', sliceTuple),
  op('SequenceAdd', 'x y', (call) => tupleOf([...elements(call, first(call)), ...elements(call, call.input(1))])),
  op('SequenceMul sequence_mul', 'x n', (call) => {
    const items = elements(call, first(call));
    const turns = call.bounded(call.number('n'), 100_000);
    call.bounded(turns * items.length, 100_000);
    return tupleOf(sequence(turns, () => items).flat());
  }),
  op('tuple_equal list_equal', 'x y', compareTuples),
  op(
    'scalar_add ScalarAdd',
    'x y',
    scalarBinary((a, b) => a + b, onnxBinary('Add')),
  ),
  op(
    'scalar_sub ScalarSub',
    'x y',
    scalarBinary((a, b) => a - b, onnxBinary('Sub')),
  ),
  op(
    'scalar_mul ScalarMul',
    'x y',
    scalarBinary((a, b) => a * b, onnxBinary('Mul')),
  ),
  op(
    'scalar_div ScalarDiv',
    'x y',
    scalarBinary((a, b) => a / b, onnxBinary('Div'), 'float'),
  ),
  op(
    'scalar_floordiv ScalarFloorDiv scalar_floor_div',
    'x y',
    scalarBinary((a, b) => Math.floor(a / b), floorDivide),
  ),
  op(
    'scalar_mod ScalarMod',
    'x y',
    scalarBinary((a, b) => a - Math.floor(a / b) * b, pythonMod),
  ),
  op(
    'scalar_pow ScalarPow',
    'x y',
    scalarBinary((a, b) => a ** b, onnxBinary('Pow')),
  ),
  op('scalar_max ScalarMax', 'x y', scalarBinary(Math.max, onnxBinary('Max'))),
  op('scalar_min ScalarMin', 'x y', scalarBinary(Math.min, onnxBinary('Min'))),
  op(
    'scalar_eq ScalarEq ScalarEqual string_eq',
    'x y',
    scalarBinary((a, b) => Number(a === b), onnxBinary('Equal'), 'bool'),
  ),
  op(
    'scalar_ne ScalarNe string_ne',
    'x y',
    scalarBinary(
      (a, b) => Number(a !== b),
      (call, a, b) => call.node('Not', [call.node('Equal', [a, b])]),
      'bool',
    ),
  ),
  op(
    'scalar_lt ScalarLt',
    'x y',
    scalarBinary((a, b) => Number(a < b), onnxBinary('Less'), 'bool'),
  ),
  op(
    'scalar_le ScalarLe',
    'x y',
    scalarBinary((a, b) => Number(a <= b), onnxBinary('LessOrEqual'), 'bool'),
  ),
  op(
    'scalar_gt ScalarGt',
    'x y',
    scalarBinary((a, b) => Number(a > b), onnxBinary('Greater'), 'bool'),
  ),
  op(
    'scalar_ge ScalarGe',
    'x y',
    scalarBinary((a, b) => Number(a >= b), onnxBinary('GreaterOrEqual'), 'bool'),
  ),
  op('scalar_uadd ScalarUadd', 'x', first),
  op(
    'scalar_usub ScalarUsub',
    'x',
    unary(
      (x, value) => scalarLike(-x, value, value, 'same'),
      (call, x) => call.node('Neg', [x]),
    ),
  ),
  op(
    'bool_not BoolNot',
    'x',
    unary(
      (x) => boolScalar(x === 0),
      (call, x) => call.node('Not', [call.graph.cast(x, 'bool')]),
    ),
  ),
  op('bool_and', 'x y', (call) => logic(call, 'And')),
  op('bool_or', 'x y', (call) => logic(call, 'Or')),
  op('bool_eq', 'x y', (call) => boolScalar(call.number('x') === call.number('y'))),
  op(
    'scalar_bool ScalarBool',
    'x',
    unary(
      (x) => boolScalar(x !== 0),
      (call, x) => call.graph.cast(x, 'bool'),
    ),
  ),
  op('ScalarCast scalar_cast', 'x dtype', cast),
  op('ScalarToTensor scalar_to_tensor TupleToTensor tuple_to_array ListToTensor', 'x dtype', asTensor),
  op('TensorToScalar', 'x', first),
  op('TensorToTuple TensorToList', 'x', (call) => tupleOf(elements(call, first(call)))),
]);

function logic(call: OpCall, opType: 'And' | 'Or'): Value {
  const [a, b] = [numberOf(first(call)), numberOf(call.input(1))];
  if (a !== undefined && b !== undefined) return boolScalar(opType === 'And' ? a !== 0 && b !== 0 : a !== 0 || b !== 0);
  return call.node(opType, [call.graph.cast(call.toTensor(first(call)), 'bool'), call.graph.cast(call.toTensor(call.input(1)), 'bool')]);
}
