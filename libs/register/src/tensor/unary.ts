import type { Elements } from './axes.js';
import { arrayClass, elementReader, elementWriter, isInteger } from './element.js';

/** Functions of one number that numpy users expect by these names. */
export type UnaryOperation = 'abs' | 'neg' | 'exp' | 'log' | 'sqrt' | 'floor' | 'ceil' | 'round';

/** To the nearest whole number, halves to the even one, as numpy. */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  const rounded = rest < 0.5 ? floor : rest > 0.5 ? floor + 1 : floor % 2 === 0 ? floor : floor + 1;
  return rounded === 0 && value < 0 ? -0 : rounded;
}

const operations: Readonly<Record<UnaryOperation, (value: number) => number>> = {
  abs: Math.abs,
  neg: (value) => -value,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  floor: Math.floor,
  ceil: Math.ceil,
  round: roundHalfEven,
};

/** Whether an operation keeps whole numbers whole, so that an integer tensor keeps its type. */
const keepsIntegers: readonly UnaryOperation[] = ['abs', 'neg', 'floor', 'ceil', 'round'];

/**
 * The operation on each element. Floats keep their type; integers keep it for abs, neg, floor, ceil and round and give float64 for exp, log and sqrt.
 * Integers wrap around: abs of -128 as int8 is -128. Throws TypeError for bool.
 */
export function unary(operation: UnaryOperation, { dtype, shape, data }: Elements): Elements {
  if (dtype === 'bool') throw new TypeError(`${operation} of a bool tensor is not defined, use astype first`);
  const isWhole = isInteger(dtype);
  const to = isWhole && !keepsIntegers.includes(operation) ? 'float64' : dtype;
  const out = new (arrayClass(to))(data.length);
  const [read, write] = [elementReader(dtype, data), elementWriter(to, out)];
  const compute = operations[operation];
  const isLarge = dtype === 'int64' || dtype === 'uint64';
  for (let i = 0; i < data.length; i++) {
    const value = read(i);
    if (isLarge && to === dtype) write(i, operation === 'neg' || (operation === 'abs' && value < 0) ? -BigInt(value) : value);
    else write(i, compute(Number(value)));
  }
  return { dtype: to, shape, data: out };
}
