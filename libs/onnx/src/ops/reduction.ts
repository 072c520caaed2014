import { Dim } from '../facts/dim.js';
import { constantFact, rowFact, type Fact } from '../facts/fact.js';
import type { OpCall, OpRule } from '../facts/op-call.js';
import { axesOf } from './reshape.js';

function reduced(call: OpCall, x: Fact, axes: readonly number[], keeps: boolean): Fact {
  const shape = call.shape(x);
  const dims = shape.flatMap((dim, i) => (axes.includes(i) ? (keeps ? [Dim.one] : []) : [dim]));
  if (x.rows === undefined) return { ...constantFact(dims), ...(x.counts && { counts: true }) };
  call.notOver(x, axes);
  const { dim } = x.rows;
  return rowFact(dims, { ...x.rows, dim: keeps ? dim : dim - axes.filter((axis) => axis < dim).length });
}

const reduce: OpRule = (call) => {
  const x = call.input(0);
  const rank = call.shape(x).length;
  const given = axesOf(call);
  const keeps = call.int('keepdims', 1) !== 0;
  if (given === undefined || given.length === 0) {
    if (call.int('noop_with_empty_axes', 0) !== 0) return { ...x, literal: undefined };
    if (x.rows !== undefined) call.mixed('goes over all dims of its input, the rows too');
    const all = Array.from({ length: rank }, (_, i) => i);
    return total(call, x) ?? reduced(call, x, all, keeps);
  }
  const axes = given.map((axis) => call.axis(axis, rank));
  return (rank === 1 ? total(call, x) : undefined) ?? reduced(call, x, axes, keeps);
};

/** Of a known list: how many elements a shape has, its largest dim. */
function total(call: OpCall, { numbers, rows, shape, float }: Fact): Fact | undefined {
  if (numbers === undefined || rows !== undefined || shape?.length !== 1) return undefined;
  const dims = call.int('keepdims', 1) !== 0 ? [Dim.one] : [];
  if (call.op === 'ReduceProd') return constantFact(dims, [Dim.product(numbers)], float);
  if (call.op === 'ReduceSum') return constantFact(dims, [numbers.reduce((sum, number) => sum.plus(number), Dim.zero)], float);
  const values = numbers.map(({ value }) => value);
  if (values.length === 0 || !values.every((value) => value !== undefined)) return undefined;
  if (call.op === 'ReduceMax') return constantFact(dims, [Dim.of(Math.max(...values))], float);
  if (call.op === 'ReduceMin') return constantFact(dims, [Dim.of(Math.min(...values))], float);
  return undefined;
}

const argument: OpRule = (call) => {
  const x = call.input(0);
  const axis = call.axis(call.int('axis', 0), call.shape(x).length);
  return reduced(call, x, [axis], call.int('keepdims', 1) !== 0);
};

const topK: OpRule = (call) => {
  const x = call.input(0);
  const shape = call.shape(x);
  const axis = call.axis(call.int('axis', -1), shape.length);
  call.notOver(x, [axis]);
  call.sameForAll(1, 'K');
  const count = call.opset < 10 ? Dim.of(call.int('k', 1)) : (call.numbers(1)?.[0] ?? call.fresh('k'));
  if (count.hasRows) call.unknown('keeps as many as depend on how many rows run together');
  const dims = shape.map((dim, i) => (i === axis ? count : dim));
  const fact = x.rows === undefined ? constantFact(dims) : rowFact(dims, x.rows);
  return [fact, fact];
};

const reductions = 'ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare';

/** Operators that take some dims away. */
export const reductionRules: Readonly<Record<string, OpRule>> = {
  ...Object.fromEntries(reductions.split(' ').map((name) => [name, reduce])),
  'com.microsoft:ReduceSumInteger': reduce,
  ArgMax: argument,
  ArgMin: argument,
  TopK: topK,
};
