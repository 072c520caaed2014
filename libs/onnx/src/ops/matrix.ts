import { broadcast } from '../facts/broadcast.js';
import { Dim } from '../facts/dim.js';
import { constantFact, isSameAlong, rowFact, type Fact, type Rows } from '../facts/fact.js';
import type { OpCall, OpRule } from '../facts/op-call.js';
import { outline } from './elementwise.js';

/** The last two dims change places. */
function turned(call: OpCall, x: Fact): Fact {
  const shape = call.shape(x);
  const rank = shape.length;
  if (rank < 2) return x;
  const dims = [...shape.slice(0, -2), shape[rank - 1] as Dim, shape[rank - 2] as Dim];
  const dim = x.rows?.dim === rank - 1 ? rank - 2 : x.rows?.dim === rank - 2 ? rank - 1 : x.rows?.dim;
  return x.rows === undefined || dim === undefined
    ? { ...constantFact(dims), counts: x.counts, uniform: x.uniform }
    : rowFact(dims, { ...x.rows, dim });
}

/** numpy.matmul: the last two dims are multiplied, those before are stretched to each other. */
function product(call: OpCall, left: Fact, right: Fact): Fact {
  const a = raised(call, left, 0);
  const b = raised(call, right, 1);
  const [aShape, bShape] = [call.shape(a), call.shape(b)];
  const [m, n] = [aShape.length - 2, bShape.length - 1];
  if (a.rows?.dim === m + 1 || b.rows?.dim === n - 1) call.mixed('adds up over the rows');
  const rank = Math.max(aShape.length, bShape.length);
  // The matrix dims that the other side does not have count as dims of 1 there.
  const outcome = broadcast(call, [
    { ...outlineOf(a), shape: [...aShape.slice(0, -1), Dim.one] },
    { ...outlineOf(b), shape: [...bShape.slice(0, -2), Dim.one, bShape[n] as Dim] },
  ]);
  const shape = outcome.shape as readonly Dim[];
  const drop = [
    ...((left.shape as readonly Dim[]).length === 1 ? [rank - 2] : []),
    ...((right.shape as readonly Dim[]).length === 1 ? [rank - 1] : []),
  ];
  const dims = shape.filter((_, i) => !drop.includes(i));
  if (outcome.rows === undefined) return { ...outcome, shape: dims };
  const dim = outcome.rows.dim - drop.filter((dropped) => dropped < (outcome.rows as Rows).dim).length;
  return rowFact(dims, { ...outcome.rows, dim });
}

function outlineOf({ shape, rows, counts, index, uniform, same, literal }: Fact): Fact {
  return { shape, rows, counts, index, uniform, same, literal };
}

/** A vector is a row on the left (`at` 0), a column on the right. */
function raised(call: OpCall, x: Fact, at: 0 | 1): Fact {
  const shape = call.shape(x);
  if (shape.length === 0) call.unknown('multiplies a scalar');
  if (shape.length > 1) return x;
  const [only] = shape as [Dim];
  return {
    ...x,
    literal: undefined,
    shape: at === 0 ? [Dim.one, only] : [only, Dim.one],
    ...(x.rows && { rows: { ...x.rows, dim: at === 0 ? 1 : 0 } }),
  };
}

/** Which inputs a kind of multiplication has: left, right, and those that must be the same for all rows. */
function multiplication(left: number, right: number, others: readonly number[]): OpRule {
  return (call) => {
    for (const index of others) call.sameForAll(index, `input ${index}`);
    let [a, b] = [call.input(left), call.input(right)];
    if (call.int('transBatchA', 0) !== 0 || call.int('transBatchB', 0) !== 0) call.unknown('turns its batch dims');
    if (call.int('transA', 0) !== 0) a = turned(call, a);
    if (call.int('transB', 0) !== 0) b = turned(call, b);
    return product(call, a, b);
  };
}

const gemm: OpRule = (call) => {
  const a = call.int('transA', 0) !== 0 ? turned(call, call.input(0)) : call.input(0);
  const b = call.int('transB', 0) !== 0 ? turned(call, call.input(1)) : call.input(1);
  const result = product(call, a, b);
  return call.inputs[2] === undefined ? result : broadcast(call, [result, call.input(2)]);
};

/** QLinearMatMul and QGemm: scales may be one for each row of A, which must then be the same for all. */
function scaled(call: OpCall, x: Fact, scale: number): void {
  const fact = call.inputs[scale];
  if (fact === undefined || fact.rows !== undefined) call.sameForAll(scale, 'scale');
  else if ((fact.shape?.length ?? 0) > 0 && x.rows !== undefined && !isSameAlong(fact, 0))
    call.mixed('has its own scale for each place in the batch');
}

const quantisedProduct: OpRule = (call) => {
  scaled(call, call.input(0), 1);
  return multiplication(0, 3, [1, 2, 4, 5, 6, 7])(call);
};

const quantisedGemm: OpRule = (call) => {
  scaled(call, call.input(0), 1);
  for (const index of [1, 2, 4, 5, 6, 7, 8]) call.sameForAll(index, `input ${index}`);
  const a = call.int('transA', 0) !== 0 ? turned(call, call.input(0)) : call.input(0);
  const b = call.int('transB', 0) !== 0 ? turned(call, call.input(3)) : call.input(3);
  return product(call, a, b);
};

/** Weights packed into few bits: N columns. */
const packedProduct: OpRule = (call) => {
  const x = call.input(0);
  const shape = call.shape(x);
  for (let i = 1; i < call.inputs.length; i++) call.sameForAll(i, 'weights');
  call.notOver(x, [shape.length - 1]);
  const dims = [...shape.slice(0, -1), Dim.of(call.int('N', 0))];
  return x.rows === undefined ? constantFact(dims) : rowFact(dims, x.rows);
};

const dynamicProduct: OpRule = (call) => {
  if (call.inputs.some((fact) => fact?.rows !== undefined)) call.mixed('quantises by the smallest and largest number of all rows together');
  return multiplication(0, 1, [2, 3, 4])(call);
};

/** The scale for the whole tensor comes from its smallest and largest element: of all rows. */
const dynamicQuantise: OpRule = (call) => {
  const x = outline(call);
  if (x.rows !== undefined) call.mixed('quantises by the smallest and largest number of all rows together');
  return [x, constantFact([]), constantFact([])];
};

const einsum: OpRule = (call) => {
  const equation = (call.text('equation') ?? '').replaceAll(' ', '');
  if (equation.includes('.')) call.unknown(`has the equation '${equation}'`);
  const [from = '', given] = equation.split('->');
  const terms = from.split(',');
  const letters = new Map<string, Dim>();
  let rowLetter: string | undefined;
  let rows: Rows | undefined;
  const facts = terms.map((_, i) => call.input(i));
  for (const [k, fact] of facts.entries()) {
    const term = terms[k] as string;
    const shape = call.shape(fact);
    shape.forEach(
      (dim, i) =>
        !letters.get(term[i] as string)?.hasRows &&
        letters.set(term[i] as string, dim.is(1) ? (letters.get(term[i] as string) ?? dim) : dim),
    );
    if (fact.rows === undefined) continue;
    const letter = term[fact.rows.dim] as string;
    if (rowLetter !== undefined && rowLetter !== letter) call.mixed(`brings every row together with every other ('${equation}')`);
    if ([...term].filter((other) => other === letter).length > 1) call.unknown(`has the equation '${equation}'`);
    rowLetter = letter;
    rows = fact.rows;
  }
  const single = [...new Set(from.replaceAll(',', ''))].filter((letter) => from.split(letter).length === 2).sort();
  const result = given ?? single.join('');
  const shape = [...result].map((letter) => letters.get(letter) ?? Dim.one);
  if (rows === undefined || rowLetter === undefined) return constantFact(shape);
  for (const [k, fact] of facts.entries()) {
    const at = (terms[k] as string).indexOf(rowLetter);
    if (fact.counts) call.unknown('uses how many rows run together');
    if (fact.rows === undefined && at >= 0 && !isSameAlong(fact, at))
      call.mixed('takes a tensor with its own entry for each place in the batch');
  }
  const dim = result.indexOf(rowLetter);
  if (dim < 0) call.mixed(`adds up over the rows ('${equation}')`);
  return rowFact(shape, { ...rows, dim });
};

/** Matrix by matrix in the last two dims, each by itself: inverse, determinant. */
function matrices(dropped: 0 | 2): OpRule {
  return (call) => {
    const x = call.input(0);
    const shape = call.shape(x);
    call.notOver(x, [shape.length - 1, shape.length - 2]);
    const dims = shape.slice(0, shape.length - dropped);
    return x.rows === undefined ? constantFact(dims) : rowFact(dims, x.rows);
  };
}

/** Distances of every row of A to every row of B. */
const distances: OpRule = (call) => {
  const [a, b] = [call.input(0), call.input(1)];
  const shape = [call.shape(a)[0] as Dim, call.shape(b)[0] as Dim];
  for (const fact of [a, b]) call.notOver(fact, [1]);
  if (a.rows !== undefined && b.rows !== undefined) call.mixed('compares every row with every other');
  const rows = a.rows ?? (b.rows && { ...b.rows, dim: 1 });
  return rows === undefined ? constantFact(shape) : rowFact(shape, rows);
};

/** Multiplications of matrices, told by which side has the rows. */
export const matrixRules: Readonly<Record<string, OpRule>> = {
  MatMul: multiplication(0, 1, []),
  Gemm: gemm,
  MatMulInteger: multiplication(0, 1, [2, 3]),
  QLinearMatMul: quantisedProduct,
  Einsum: einsum,
  Det: matrices(2),
  DynamicQuantizeLinear: dynamicQuantise,
  'com.microsoft:FusedMatMul': multiplication(0, 1, []),
  'com.microsoft:FusedGemm': gemm,
  'com.microsoft:GemmFastGelu': multiplication(0, 1, [2]),
  'com.microsoft:TransposeMatMul': multiplication(0, 1, []),
  'com.microsoft:MatMulIntegerToFloat': multiplication(0, 1, [2, 3, 4, 5, 6]),
  'com.microsoft:DynamicQuantizeMatMul': dynamicProduct,
  'com.microsoft:MatMulNBits': packedProduct,
  'com.microsoft:MatMulBnb4': packedProduct,
  'com.microsoft:MatMulFpQ4': packedProduct,
  'com.microsoft:QGemm': quantisedGemm,
  'com.microsoft:CDist': distances,
  'com.microsoft:Inverse': matrices(0),
};
