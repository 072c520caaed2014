import type { TensorValue, Value } from '../graph/value.js';
import { composer, operandPair, realOperand } from './compose.js';
import type { OpCall } from './op-call.js';
import { family, op, type Emit } from './op-table.js';
import { elementAt } from '../graph/sequence.js';

/** c[0] + c[1] t + c[2] t^2 + ... by Horner's rule. */
function polynomial(call: OpCall, t: TensorValue, coefficients: readonly number[]): TensorValue {
  const { add, mul } = composer(call);
  let sum: TensorValue | undefined;
  for (const coefficient of [...coefficients].reverse()) {
    const constant = call.like(t, coefficient);
    sum = sum === undefined ? constant : add(mul(sum, t), constant);
  }
  return sum as TensorValue;
}

/** Approximations 9.8.1 to 9.8.4 (I0, I1) and 9.4.1 to 9.4.6 (J0, J1) of Abramowitz and Stegun; errors below 2e-7. */
const modified = {
  0: {
    small: [1, 3.5156229, 3.0899424, 1.2067492, 0.2659732, 0.0360768, 0.0045813],
    large: [0.39894228, 0.01328592, 0.00225319, -0.00157565, 0.00916281, -0.02057706, 0.02635537, -0.01647633, 0.00392377],
  },
  1: {
    small: [0.5, 0.87890594, 0.51498869, 0.15084934, 0.02658733, 0.00301532, 0.00032411],
    large: [0.39894228, -0.03988024, -0.00362018, 0.00163801, -0.01031555, 0.02282967, -0.02895312, 0.01787654, -0.00420059],
  },
} as const;

const ordinary = {
  0: {
    small: [1, -2.2499997, 1.2656208, -0.3163866, 0.0444479, -0.0039444, 0.00021],
    size: [0.79788456, -0.00000077, -0.0055274, -0.00009512, 0.00137237, -0.00072805, 0.00014476],
    angle: [-0.78539816, -0.04166397, -0.00003954, 0.00262573, -0.00054125, -0.00029333, 0.00013558],
  },
  1: {
    small: [0.5, -0.56249985, 0.21093573, -0.03954289, 0.00443319, -0.00031761, 0.00001109],
    size: [0.79788456, 0.00000156, 0.01659667, 0.00017105, -0.00249511, 0.00113653, -0.00020033],
    angle: [-2.35619449, 0.12499612, 0.0000565, -0.00637879, 0.00074348, 0.00079824, -0.00029166],
  },
} as const;

/** Modified Bessel functions of the first kind; `scaled` by exp(-|x|). */
function besselI(order: 0 | 1, isScaled: boolean): Emit {
  return (call) => {
    const { mul, div, one } = composer(call);
    const x = realOperand(call);
    const size = one('Abs', x);
    const ratio = div(x, call.like(x, 3.75));
    const near = polynomial(call, mul(ratio, ratio), modified[order].small);
    const safe = call.node('Max', [size, call.like(x, 3.75)]);
    const far = div(polynomial(call, div(call.like(x, 3.75), safe), modified[order].large), one('Sqrt', safe));
    const decay = one('Exp', one('Neg', size));
    const small = mul(order === 0 ? near : mul(near, size), isScaled ? decay : call.like(x, 1));
    const large = isScaled ? far : mul(far, one('Exp', size));
    const value = call.node('Where', [call.node('Less', [size, call.like(x, 3.75)]), small, large]);
    return order === 0 ? value : mul(value, one('Sign', x));
  };
}

function besselJ(order: 0 | 1): Emit {
  return (call) => {
    const { add, mul, div, one } = composer(call);
    const x = realOperand(call);
    const size = one('Abs', x);
    const ratio = div(x, call.like(x, 3));
    const near = polynomial(call, mul(ratio, ratio), ordinary[order].small);
    const safe = call.node('Max', [size, call.like(x, 3)]);
    const inverse = div(call.like(x, 3), safe);
    const angle = add(safe, polynomial(call, inverse, ordinary[order].angle));
    const far = div(mul(polynomial(call, inverse, ordinary[order].size), one('Cos', angle)), one('Sqrt', safe));
    const value = call.node('Where', [call.node('Less', [size, call.like(x, 3)]), order === 0 ? near : mul(near, size), far]);
    return order === 0 ? value : mul(value, one('Sign', x));
  };
}

/** Giles' approximation of the inverse error function. */
function erfInverse(call: OpCall): Value {
  const { sub, mul, one } = composer(call);
  const x = realOperand(call);
  const w = one('Neg', one('Log', sub(call.like(x, 1), mul(x, x))));
  const central = polynomial(
    call,
    sub(w, call.like(x, 2.5)),
    [1.50140941, 0.246640727, -0.00417768164, -0.00125372503, 0.00021858087, -4.39150654e-6, -3.5233877e-6, 3.43273939e-7, 2.81022636e-8],
  );
  const root = sub(one('Sqrt', w), call.like(x, 3));
  const tail = polynomial(
    call,
    root,
    [2.83297682, 1.00167406, 0.00943887047, -0.0076224613, 0.00573950773, -0.00367342844, 0.00134934322, 0.000100950558, -0.000200214257],
  );
  const value = mul(call.node('Where', [call.node('Less', [w, call.like(x, 5)]), central, tail]), x);
  const isEdge = call.node('Equal', [one('Abs', x), call.like(x, 1)]);
  return call.node('Where', [isEdge, mul(x, call.like(x, Infinity)), value]);
}

const lanczos = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
  -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

/** log |Gamma(x)| by Lanczos' series in double precision, mirrored below 0.5. */
function logGamma(call: OpCall): Value {
  const { add, sub, mul, div, one } = composer(call);
  const { graph } = call;
  const given = realOperand(call);
  const x = graph.cast(given, 'float64');
  const number = (value: number): TensorValue => graph.scalar('float64', value);
  const isLow = call.node('Less', [x, number(0.5)]);
  const z = sub(call.node('Where', [isLow, sub(number(1), x), x]), number(1));
  let sum = number(elementAt(lanczos, 0));
  lanczos.slice(1).forEach((coefficient, index) => {
    sum = add(sum, div(number(coefficient), add(z, number(index + 1))));
  });
  const t = add(z, number(7.5));
  const series = add(sub(mul(add(z, number(0.5)), one('Log', t)), t), add(one('Log', sum), number(0.5 * Math.log(2 * Math.PI))));
  const mirror = sub(number(Math.log(Math.PI)), one('Log', one('Abs', one('Sin', mul(x, number(Math.PI))))));
  return graph.cast(call.node('Where', [isLow, sub(mirror, series), series]), given.dtype);
}

/** The derivative of log Gamma: shifted up by 6, then the asymptotic series; mirrored below 0. */
function digamma(call: OpCall): Value {
  const { add, sub, mul, div, one } = composer(call);
  const { graph } = call;
  const given = realOperand(call);
  const x = graph.cast(given, 'float64');
  const number = (value: number): TensorValue => graph.scalar('float64', value);
  const isLow = call.node('Less', [x, number(0)]);
  const base = call.node('Where', [isLow, sub(number(1), x), x]);
  let correction = number(0);
  for (let step = 0; step < 6; step++) correction = add(correction, div(number(1), add(base, number(step))));
  const y = add(base, number(6));
  const inverse = div(number(1), mul(y, y));
  const series = mul(inverse, polynomial(call, inverse, [-1 / 12, 1 / 120, -1 / 252, 1 / 240, -1 / 132]));
  const value = sub(add(sub(one('Log', y), div(number(0.5), y)), series), correction);
  const angle = mul(x, number(Math.PI));
  const mirrored = sub(value, div(mul(number(Math.PI), one('Cos', angle)), one('Sin', angle)));
  return graph.cast(call.node('Where', [isLow, mirrored, value]), given.dtype);
}

/** Euclid's algorithm with a fixed number of steps: 46 suffice for int32, 92 for int64. */
function greatestDivisor(call: OpCall, a: TensorValue, b: TensorValue): TensorValue {
  const { graph } = call;
  const one = graph.scalar('int64', 1);
  const zero = graph.scalar('int64', 0);
  let [x, y] = [call.node('Abs', [graph.cast(a, 'int64')]), call.node('Abs', [graph.cast(b, 'int64')])];
  for (let step = 0; step < (a.dtype === 'int64' ? 92 : 46); step++) {
    const isDone = call.node('Equal', [y, zero]);
    const rest = call.node('Mod', [x, call.node('Max', [y, one])]);
    [x, y] = [call.node('Where', [isDone, x, y]), call.node('Where', [isDone, zero, rest])];
  }
  return x;
}

function gcd(call: OpCall): Value {
  const [a, b] = operandPair(call);
  return call.graph.cast(greatestDivisor(call, a, b), a.dtype);
}

function lcm(call: OpCall): Value {
  const [a, b] = operandPair(call);
  const divisor = greatestDivisor(call, a, b);
  const safe = call.node('Max', [divisor, call.graph.scalar('int64', 1)]);
  const product = call.node('Mul', [call.node('Div', [call.graph.cast(a, 'int64'), safe]), call.graph.cast(b, 'int64')]);
  return call.graph.cast(call.node('Abs', [product]), a.dtype);
}

/** Rows of special functions. */
export const special = family('Special functions', [
  op('BesselI0', 'x', besselI(0, false)),
  op('BesselI1', 'x', besselI(1, false)),
  op('BesselI0e', 'x', besselI(0, true)),
  op('BesselI1e', 'x', besselI(1, true)),
  op('BesselJ0', 'x', besselJ(0)),
  op('BesselJ1', 'x', besselJ(1)),
  op('Erfinv', 'x', erfInverse),
  op('Lgamma', 'x', logGamma),
  op('Digamma', 'x', digamma),
  op('Gcd', 'x y', gcd),
  op('Lcm', 'x y', lcm),
]);
