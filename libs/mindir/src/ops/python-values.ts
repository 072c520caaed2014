import { boolScalar, floatScalar, intScalar, tupleOf, type ScalarValue, type TensorValue, type Value } from '../graph/value.js';
import { numberOf, Untranslatable, type OpCall } from './op-call.js';
import { op, structuralFamily, type Emit } from './op-table.js';
import { sequence } from '../graph/sequence.js';

function items(call: OpCall, index: number): readonly Value[] {
  const value = call.input(index);
  if (value.kind !== 'tuple') throw new Untranslatable(`takes a ${value.kind} for a tuple`);
  return value.items;
}

function position(call: OpCall, index: number, length: number): number {
  const number = numberOf(call.input(index));
  if (number === undefined) throw new Untranslatable('takes a position that is not known before the run');
  return number < 0 ? number + length : number;
}

/** Whether two values are equal in Python's eyes; undefined when that is decided at run time. */
function equal(a: Value, b: Value): boolean | undefined {
  if (a.kind === 'scalar' && b.kind === 'scalar') {
    const isComparable = typeof a.value === typeof b.value;
    return isComparable && a.value === b.value;
  }
  if (a.kind === 'dtype' && b.kind === 'dtype') return a.dtype === b.dtype;
  if (a.kind === 'tuple' && b.kind === 'tuple') {
    if (a.items.length !== b.items.length) return false;
    const pairs = a.items.map((item, index) => equal(item, b.items[index] as Value));
    return pairs.includes(false) ? false : pairs.includes(undefined) ? undefined : true;
  }
  const [x, y] = [numberOf(a), numberOf(b)];
  if (x !== undefined && y !== undefined) return x === y;
  return a.kind === 'tensor' || b.kind === 'tensor' ? undefined : false;
}

/** `x is y`: in compiled graphs only against None, True, False and numbers. */
function identical(call: OpCall): boolean {
  const [a, b] = [call.input(0), call.input(1)];
  if (a.kind === 'scalar' && b.kind === 'scalar') return a.type === b.type && a.value === b.value;
  if (a.kind === 'scalar' || b.kind === 'scalar') return false;
  return equal(a, b) ?? a === b;
}

function contains(call: OpCall): Value {
  const x = call.input(0);
  const found = items(call, 1).map((item) => equal(x, item));
  if (found.includes(true)) return boolScalar(true);
  if (!found.includes(undefined)) return boolScalar(false);
  const flags = items(call, 1).map((item) => {
    const [a, b] = [call.toTensor(x), call.toTensor(item)];
    return call.node('Equal', [a, call.graph.cast(b, a.dtype)]);
  });
  return flags.reduce((a, b) => call.node('Or', [a, b]));
}

function negated(emit: Emit): Emit {
  return (call) => {
    const value = emit(call);
    const known = numberOf(value);
    return known === undefined ? call.node('Not', [value as TensorValue]) : boolScalar(known === 0);
  };
}

/** The order of two tuples of known numbers. */
function ordered(accept: (order: number) => boolean): Emit {
  return (call) => {
    const [a, b] = [items(call, 0), items(call, 1)].map((list) => list.map(numberOf));
    const length = Math.min(a?.length ?? 0, b?.length ?? 0);
    for (let index = 0; index < length; index++) {
      const [x, y] = [a?.[index], b?.[index]];
      if (x === undefined || y === undefined) throw new Untranslatable('compares tuples that are not known before the run');
      if (x !== y) return boolScalar(accept(x - y));
    }
    return boolScalar(accept((a?.length ?? 0) - (b?.length ?? 0)));
  };
}

function textOf(call: OpCall, index: number): string {
  const value = call.input(index);
  if (value.kind !== 'scalar' || typeof value.value !== 'string')
    throw new Untranslatable('computes with a string that is not known before the run');
  return value.value;
}

function text(value: string): ScalarValue {
  if (value.length > 10_000) throw new Untranslatable('makes a string of more than 10000 characters');
  return { kind: 'scalar', type: 'string', value };
}

function compareText(accept: (a: string, b: string) => boolean): Emit {
  return (call) => boolScalar(accept(textOf(call, 0), textOf(call, 1)));
}

/** Integers that Python's bit operators work on. */
function bits(fold: (a: number, b: number) => number, opType: string): Emit {
  return (call) => {
    const [x, y] = [numberOf(call.input(0)), numberOf(call.input(1))];
    if (x !== undefined && y !== undefined) return intScalar(fold(x, y));
    const [a, b] = [0, 1].map((index) => call.graph.cast(call.toTensor(call.input(index)), 'int64')) as [TensorValue, TensorValue];
    return call.node(opType, [a, b]);
  };
}

function real(fold: (x: number) => number, opType: string): Emit {
  return (call) => {
    const x = numberOf(call.input(0));
    return x === undefined ? call.node(opType, [call.graph.cast(call.toTensor(call.input(0)), 'float32')]) : floatScalar(fold(x));
  };
}

function allKnown(numbers: readonly (number | undefined)[]): numbers is readonly number[] {
  return !numbers.includes(undefined);
}

function extreme(fold: (...values: number[]) => number, opType: string): Emit {
  return (call) => {
    const list = items(call, 0);
    const numbers = list.map(numberOf);
    if (allKnown(numbers)) {
      const found = fold(...numbers);
      return list.find((item) => numberOf(item) === found) ?? intScalar(found);
    }
    return call.node(
      opType,
      list.map((item) => call.graph.cast(call.toTensor(item), 'int64')),
    );
  };
}

function setItem(call: OpCall): Value {
  const list = items(call, 0);
  const at = position(call, 1, list.length);
  return tupleOf(list.map((item, index) => (index === at ? call.input(2) : item)));
}

function insert(call: OpCall): Value {
  const list = items(call, 0);
  const at = Math.min(Math.max(position(call, 1, list.length), 0), list.length);
  return tupleOf([...list.slice(0, at), call.input(2), ...list.slice(at)]);
}

/** range(start, stop, step) as a tuple. */
function range(call: OpCall): Value {
  const numbers = call.inputs.filter((input) => input.kind !== 'monad').map((input) => numberOf(input));
  if (!allKnown(numbers)) throw new Untranslatable('makes a range whose length is not known before the run');
  const [first = 0, second, third = 1] = numbers;
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  const length = third === 0 ? 0 : Math.max(0, Math.ceil((stop - start) / third));
  if (length > 100_000) throw new Untranslatable(`makes a range of ${length} numbers`);
  return tupleOf(sequence(length, (_, index) => intScalar(start + index * third)));
}

function indexOf(call: OpCall): Value {
  const found = items(call, 0).findIndex((item) => equal(item, call.input(1)) === true);
  if (found < 0) throw new Untranslatable('looks for a value that is not in the tuple');
  return intScalar(found);
}

/** Zeros like the elements of a tuple. */
function zerosLike(call: OpCall): Value {
  const zero = (value: Value): Value => {
    if (value.kind === 'tuple') return tupleOf(value.items.map(zero));
    if (value.kind === 'scalar') return { ...value, value: 0 };
    const tensor = call.toTensor(value);
    return call.node('Expand', [call.like(tensor, 0), call.node('Shape', [tensor])]);
  };
  return zero(call.input(0));
}

/** What Python code does to numbers, strings, None and tuples while the model is traced. */
export const pythonValues = structuralFamily('Python values', [
  op('is_', 'x y', (call) => boolScalar(identical(call))),
  op('is_not', 'x y', (call) => boolScalar(!identical(call))),
  op('InSequence in_sequence', 'x sequence', contains),
  op('NotInSequence not_in_sequence', 'x sequence', negated(contains)),
  op(
    'string_lt',
    'x y',
    compareText((a, b) => a < b),
  ),
  op(
    'string_le',
    'x y',
    compareText((a, b) => a <= b),
  ),
  op(
    'string_gt',
    'x y',
    compareText((a, b) => a > b),
  ),
  op(
    'string_ge',
    'x y',
    compareText((a, b) => a >= b),
  ),
  op(
    'string_in',
    'x y',
    compareText((a, b) => b.includes(a)),
  ),
  op('string_concat', 'x y', (call) => text(textOf(call, 0) + textOf(call, 1))),
  op('string_not', 'x', (call) => boolScalar(textOf(call, 0) === '')),
  op('string_getitem', 'x index', (call) => text(textOf(call, 0).at(position(call, 1, textOf(call, 0).length)) ?? '')),
  op(
    'tuple_lt list_lt',
    'x y',
    ordered((order) => order < 0),
  ),
  op(
    'tuple_le list_le',
    'x y',
    ordered((order) => order <= 0),
  ),
  op(
    'tuple_greater_than list_greater_than',
    'x y',
    ordered((order) => order > 0),
  ),
  op(
    'tuple_greater_equal list_greater_equal',
    'x y',
    ordered((order) => order >= 0),
  ),
  op('tuple_setitem TupleSetItem list_setitem ListSetItem', 'x index value', setItem),
  op('tuple_reversed ListInplaceReverse', 'x', (call) => tupleOf([...items(call, 0)].reverse())),
  op('ListAppend list_append ListInplaceAppend', 'x value', (call) => tupleOf([...items(call, 0), call.input(1)])),
  op('ListInplaceExtend', 'x y', (call) => tupleOf([...items(call, 0), ...items(call, 1)])),
  op('ListInsert ListInplaceInsert', 'x index value', insert),
  op('ListInplaceClear', 'x', () => tupleOf([])),
  op('SequenceIndex', 'x value start end', indexOf),
  op('SequenceCount', 'x value', (call) => intScalar(items(call, 0).filter((item) => equal(item, call.input(1)) === true).length)),
  op('SequenceMax', 'x', extreme(Math.max, 'Max')),
  op('SequenceMin', 'x', extreme(Math.min, 'Min')),
  op('SequenceZerosLike', 'x', zerosLike),
  op('tuple_len list_len dict_len', 'x', (call) => intScalar(items(call, 0).length)),
  op('make_range range_ MakeRange', 'start stop step', range),
  op('make_dict MakeDict', 'keys values', (call) => call.input(1)),
  op('dict_getvalues dict_values', 'x', (call) => call.input(0)),
  op(
    'bit_and',
    'x y',
    bits((a, b) => a & b, 'BitwiseAnd'),
  ),
  op(
    'bit_or',
    'x y',
    bits((a, b) => a | b, 'BitwiseOr'),
  ),
  op(
    'bit_xor',
    'x y',
    bits((a, b) => a ^ b, 'BitwiseXor'),
  ),
  op('scalar_log ScalarLog', 'x', real(Math.log, 'Log')),
  op('scalar_exp', 'x', real(Math.exp, 'Exp')),
  op('scalar_sin', 'x', real(Math.sin, 'Sin')),
  op('scalar_cos', 'x', real(Math.cos, 'Cos')),
  op('scalar_tan', 'x', real(Math.tan, 'Tan')),
  op('ScalarFloor', 'x', real(Math.floor, 'Floor')),
]);
