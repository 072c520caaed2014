import { isFloat } from '../model/tensor-content.js';
import { broadcast } from '../facts/broadcast.js';
import { Dim } from '../facts/dim.js';
import { constantFact, mostNumbers, type Fact } from '../facts/fact.js';
import type { OpCall, OpRule } from '../facts/op-call.js';

/** Calculates with known numbers; undefined = the result is not known. */
type Calculation = (...numbers: readonly Dim[]) => Dim | undefined;

/** All inputs, element by element; contents that are known are calculated. */
function elementwise(calculate?: Calculation): OpRule {
  return (call) => {
    const facts = call.inputs.filter((fact): fact is Fact => fact !== undefined);
    const numbers = calculate && calculated(facts, calculate);
    if (numbers !== undefined) {
      const longest = facts.reduce((a, b) =>
        (b.shape?.length ?? 0) > (a.shape?.length ?? 0) || (b.numbers?.length ?? 0) > (a.numbers?.length ?? 0) ? b : a,
      );
      return constantFact(
        longest.shape,
        numbers,
        facts.some(({ float }) => float),
      );
    }
    const { counts, ...fact } = broadcast(call, facts);
    return { ...fact, ...(counts && { counts }), ...(facts.every(({ uniform }) => uniform) && { uniform: true }) };
  };
}

function calculated(facts: readonly Fact[], calculate: Calculation): Dim[] | undefined {
  const lists = facts.map(({ numbers, shape, rows }) => (rows === undefined && (shape?.length ?? 2) <= 1 ? numbers : undefined));
  if (!lists.every((list) => list !== undefined)) return undefined;
  const length = lists.some((list) => list.length === 0) ? 0 : Math.max(...lists.map((list) => list.length));
  if (length > mostNumbers || !lists.every((list) => list.length === 1 || list.length === length)) return undefined;
  const results: Dim[] = [];
  for (let i = 0; i < length; i++) {
    const result = calculate(...lists.map((list) => (list.length === 1 ? list[0] : list[i]) as Dim));
    if (result === undefined) return undefined;
    results.push(result);
  }
  return results;
}

/** Like {@link elementwise} for the first input; the others only set it up (limits, scales by channel, a ratio). */
const first: OpRule = (call) => {
  const x = call.input(0);
  const { numbers: _, literal: __, index: ___, ...fact } = x;
  if (x.index !== undefined) call.unknown('calculates with the places of the rows in the batch');
  for (let i = 1; i < call.inputs.length; i++) call.sameForAll(i, `input ${i}`);
  return fact;
};

/** The same content and shape. */
const same: OpRule = (call) => call.input(0);

const cast: OpRule = (call) => {
  const { literal: _, numbers, ...fact } = call.input(0);
  const to = call.int('to', 0);
  const float = call.op === 'CastLike' ? call.inputs[1]?.float : isFloat(to);
  if (numbers === undefined) return fact;
  const cut = float ? numbers : numbers.map((number) => (number.value === undefined ? number : Dim.of(Math.trunc(number.value))));
  return { ...fact, float, numbers: cut };
};

const plain = elementwise();

const isTruth = (truth: boolean | undefined): Dim | undefined => (truth === undefined ? undefined : Dim.of(truth ? 1 : 0));

function compared(a: Dim, b: Dim, compare: (a: number, b: number) => boolean): boolean | undefined {
  return a.value === undefined || b.value === undefined ? undefined : compare(a.value, b.value);
}

function equal(a: Dim, b: Dim): boolean | undefined {
  if (a.equals(b)) return true;
  if (a.value !== undefined && b.value !== undefined) return false;
  // A size is never negative.
  if ((a.value ?? 0) < 0 && b.isCount) return false;
  if ((b.value ?? 0) < 0 && a.isCount) return false;
  return undefined;
}

function calculation(work: (...values: readonly number[]) => number): Calculation {
  return (...numbers) => {
    const values = numbers.map(({ value }) => value);
    return values.every((value) => value !== undefined) ? Dim.of(work(...values)) : undefined;
  };
}

/** Quantisation: scale and zero point are for all, or for each place of one axis. */
const quantise: OpRule = (call) => {
  const x = call.input(0);
  const scale = call.input(1);
  call.sameForAll(1, 'scale');
  call.sameForAll(2, 'zero point');
  const isPerAxis = scale.shape === undefined || (scale.shape.length > 0 && !Dim.product(scale.shape).is(1));
  if (isPerAxis && x.rows !== undefined && call.axis(call.int('axis', 1), call.shape(x).length) === x.rows.dim)
    call.mixed('has its own scale for each place in the batch');
  return x.rows === undefined ? constantFact(x.shape) : { shape: x.shape, rows: x.rows };
};

/** QLinearAdd and its like: A, its scale and zero point, B, its scale and zero point, scale and zero point of the result. */
const quantisedPair: OpRule = (call) => broadcast(call, [call.input(0), call.input(3)]);

/** The slope is stretched to x, from the right. */
const slope: OpRule = (call) => broadcast(call, [call.input(0), call.input(1)]);

const where: OpRule = (call) => {
  const [condition, a, b] = [call.input(0), call.input(1), call.input(2)];
  const numbers = calculated([condition, a, b], (test, x, y) => {
    if (x !== undefined && y !== undefined && x.equals(y)) return x;
    return test?.value === undefined ? undefined : test.value === 0 ? y : x;
  });
  if (numbers !== undefined)
    return constantFact([a, b, condition].find(({ shape }) => (shape?.length ?? 0) > 0)?.shape ?? a.shape, numbers);
  return broadcast(call, [condition, a, b]);
};

const dropout: OpRule = (call) => {
  const training = call.inputs[2];
  if (training !== undefined && call.values(2)?.[0] !== 0) call.random('drops elements by chance (training mode)');
  const { literal: _, numbers: __, ...fact } = call.input(0);
  return [fact, fact];
};

const unary =
  'Abs Acos Acosh Asin Asinh Atan Atanh BitwiseNot Celu Cos Cosh Elu Erf Exp Gelu HardSigmoid HardSwish IsInf IsNaN LeakyRelu Log Mish ' +
  'Reciprocal Relu Selu Shrink Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Swish Tan Tanh ThresholdedRelu Round RegexFullMatch';
const variadic = 'And BitShift BitwiseAnd BitwiseOr BitwiseXor Or Pow PRelu Xor Mean StringConcat';

const numbersOfPair: Readonly<Record<string, Calculation>> = {
  Add: (a, b) => b && a?.plus(b),
  Sub: (a, b) => b && a?.minus(b),
  Mul: (a, b) => b && a?.times(b),
  Mod: calculation((a = 0, b = 0) => (b === 0 ? 0 : ((a % b) + b) % b)),
  Min: (...all) => extreme(all, Math.min),
  Max: (...all) => extreme(all, Math.max),
  Sum: (...all) => all.reduce((a, b) => a.plus(b)),
  Equal: (a, b) => a && b && isTruth(equal(a, b)),
  Greater: (a, b) => a && b && isTruth(compared(a, b, (x, y) => x > y)),
  GreaterOrEqual: (a, b) => a && b && isTruth(compared(a, b, (x, y) => x >= y)),
  Less: (a, b) => a && b && isTruth(compared(a, b, (x, y) => x < y)),
  LessOrEqual: (a, b) => a && b && isTruth(compared(a, b, (x, y) => x <= y)),
  Not: calculation((a) => (a === 0 ? 1 : 0)),
  Neg: (a) => a?.times(Dim.of(-1)),
  Floor: (a) => (a?.value === undefined ? a : Dim.of(Math.floor(a.value))),
  Ceil: (a) => (a?.value === undefined ? a : Dim.of(Math.ceil(a.value))),
  Sqrt: calculation((a = NaN) => Math.sqrt(a)),
};

const divide: OpRule = (call) => {
  const isFraction = call.inputs.some((fact) => fact?.float === true);
  return elementwise((a, b) => {
    if (a === undefined || b === undefined || b.is(0)) return undefined;
    if (!isFraction) return a.floorDividedBy(b);
    if (a.value !== undefined && b.value !== undefined) return Dim.of(a.value / b.value);
    return a.dividedBy(b) ?? Dim.opaque('quotient', [a, b]);
  })(call);
};

function extreme(all: readonly Dim[], choose: (...values: number[]) => number): Dim | undefined {
  const values = all.map(({ value }) => value);
  if (values.every((value) => value !== undefined)) return Dim.of(choose(...values));
  return all.every((dim) => dim.equals(all[0] as Dim)) ? all[0] : Dim.opaque(choose(1, 0) === 1 ? 'max' : 'min', all);
}

const quantiseRows: Readonly<Record<string, OpRule>> = {
  QuantizeLinear: quantise,
  DequantizeLinear: quantise,
  'com.microsoft:QuantizeLinear': quantise,
  'com.microsoft:DequantizeLinear': quantise,
  'com.microsoft:QLinearAdd': quantisedPair,
  'com.microsoft:QLinearMul': quantisedPair,
  'com.microsoft:QLinearLeakyRelu': first,
  'com.microsoft:QLinearSigmoid': first,
};

function asRules(names: string, rule: OpRule, domain = ''): Record<string, OpRule> {
  return Object.fromEntries(names.split(' ').map((name) => [`${domain}${name}`, rule]));
}

/** Operators that work element by element, each with what it does to numbers that are known. */
export const elementwiseRules: Readonly<Record<string, OpRule>> = {
  ...asRules(unary, plain),
  ...asRules(variadic, plain),
  ...Object.fromEntries(Object.entries(numbersOfPair).map(([name, calculate]) => [name, elementwise(calculate)])),
  ...quantiseRows,
  ...asRules('Gelu FastGelu QuickGelu BiasGelu BitwiseAnd BitwiseOr BitwiseXor', plain, 'com.microsoft:'),
  Div: divide,
  Cast: cast,
  CastLike: cast,
  Identity: same,
  Clip: first,
  PRelu: slope,
  Where: where,
  Dropout: dropout,
};

/** For rules elsewhere: the shape and rows of an input, nothing of its content. */
export function outline(call: OpCall, index = 0): Fact {
  const { shape, rows, counts } = call.input(index);
  return { shape, ...(rows && { rows }), ...(counts && { counts }) };
}
