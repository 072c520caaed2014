import type { OnnxGraph } from '../model/onnx-model.js';
import { Dim } from '../facts/dim.js';
import { constantFact, rowFact, type Fact } from '../facts/fact.js';
import type { OpCall } from '../facts/op-call.js';
import { isFault, type Known } from './scope.js';

/** Works out the outputs of a graph inside a node. */
export type WalkGraph = (graph: OnnxGraph, inputs: readonly Known[]) => Known[];

export type ControlRule = (call: OpCall, walk: WalkGraph) => readonly Known[];

export function controlRule(op: string): ControlRule | undefined {
  return op === 'If' ? branch : op === 'Loop' ? loop : op === 'Scan' ? scan : undefined;
}

const branch: ControlRule = (call, walk) => {
  const condition = call.input(0);
  if (condition.rows !== undefined) call.mixed('decides for all rows together');
  const chosen = condition.numbers?.[0]?.value;
  if (chosen !== undefined) return walk(call.graph(chosen === 0 ? 'else_branch' : 'then_branch'), []);
  if (condition.counts === true) call.unknown('decides by how many rows run together');
  const [a, b] = [walk(call.graph('then_branch'), []), walk(call.graph('else_branch'), [])];
  return a.map((known, i) => joined(call, known, b[i] ?? constantFact(undefined)));
};

/** What holds for both. */
function joined(call: OpCall, a: Known, b: Known): Known {
  if (isFault(a)) return a;
  if (isFault(b)) return b;
  const shape = commonShape(call, a.shape, b.shape);
  if (a.rows === undefined && b.rows === undefined) {
    if (a.counts || b.counts) return { shape, counts: true };
    return constantFact(
      shape,
      a.numbers !== undefined && a.numbers.every((number, i) => number.equals(b.numbers?.[i] ?? Dim.of(-1))) ? a.numbers : undefined,
    );
  }
  if (!isSamePlace(a, b) || shape === undefined) return call.unknown('has the rows in another place in each branch');
  return rowFact(shape, (a.rows ?? b.rows) as NonNullable<Fact['rows']>);
}

function isSamePlace({ rows: a }: Fact, { rows: b }: Fact): boolean {
  return a !== undefined && b !== undefined && a.dim === b.dim && a.outer.equals(b.outer) && a.inner.equals(b.inner);
}

function commonShape(call: OpCall, a: Fact['shape'], b: Fact['shape']): readonly Dim[] | undefined {
  if (a === undefined || b === undefined || a.length !== b.length) return undefined;
  return a.map((dim, i) => (dim.equals(b[i] as Dim) ? dim : dim.hasRows ? dim : call.fresh(`dim${i}`)));
}

const loop: ControlRule = (call, walk) => {
  const body = call.graph('body');
  const count = call.inputs[0];
  const states = call.inputs.slice(2);
  const withRows = states.some((fact) => fact?.rows !== undefined);
  if (count?.rows !== undefined) call.mixed('takes as many steps as the rows say together');
  const overRows = count?.counts === true || count?.numbers?.some(({ hasRows }) => hasRows) === true;
  if (overRows && states.length > 0) call.mixed('goes along the rows, with what it carries from one to the next', true);
  if (overRows) call.unknown('goes along the rows');
  const step = constantFact([]);
  let carried: Known[] = states.map((fact) => widened(fact ?? constantFact(undefined)));
  for (let round = 0; round < 3; round++) {
    const results = walk(body, [step, constantFact([]), ...carried]);
    const [goesOn, ...after] = results;
    if (goesOn !== undefined && isFault(goesOn)) return [goesOn];
    if (goesOn?.rows !== undefined) call.mixed('takes as many steps as the rows say together');
    if (goesOn?.counts) call.unknown('takes as many steps as depend on how many rows run together');
    const next = carried.map((known, i) => merged(call, known, after[i] ?? constantFact(undefined)));
    if (next.every((known, i) => isAlike(known, carried[i] as Known))) {
      const scans = after.slice(carried.length).map((known) => stacked(call, known));
      return [...next, ...scans];
    }
    carried = next;
  }
  return withRows ? call.unknown('carries tensors whose form does not settle') : call.unknown('does not settle');
};

/** A state may get other content, and other dims where the rows are not. */
function widened(fact: Fact): Fact {
  const { shape, rows, counts } = fact;
  return rows === undefined ? { shape, ...(counts && { counts }) } : { shape, rows };
}

function merged(call: OpCall, before: Known, after: Known): Known {
  if (isFault(before)) return before;
  if (isFault(after)) return after;
  const [a, b] = [widened(before), widened(after)];
  if (a.rows === undefined && b.rows === undefined) {
    const shape = a.shape === undefined || b.shape === undefined ? undefined : commonShape(call, a.shape, b.shape);
    return { shape, ...((a.counts || b.counts) && { counts: true }) };
  }
  // The first state may be the same for all (zeros) and take the rows in with the first step.
  if (a.rows === undefined || b.rows === undefined) {
    const [plain, withRows] = a.rows === undefined ? [a, b] : [b, a];
    const dim = withRows.rows?.dim as number;
    const fits =
      plain.shape !== undefined &&
      plain.shape.length === withRows.shape?.length &&
      (plain.shape[dim]?.is(1) === false || plain.shape[dim] !== undefined);
    if (!fits || plain.counts) return call.unknown('carries a tensor that has rows only after a step');
    return call.unknown('carries a tensor that has rows only after a step');
  }
  if (!isSamePlace(a, b)) return call.mixed('moves the rows to another place in each step', true);
  const shape = commonShape(call, a.shape, b.shape);
  return shape === undefined ? call.unknown('carries a tensor whose rank changes') : rowFact(shape, a.rows);
}

function isAlike(a: Known, b: Known): boolean {
  if (isFault(a) || isFault(b)) return isFault(a) && isFault(b);
  if ((a.rows === undefined) !== (b.rows === undefined) || (a.rows !== undefined && !isSamePlace(a, b))) return false;
  return a.shape?.map(({ key }) => key).join() === b.shape?.map(({ key }) => key).join() && a.counts === b.counts;
}

/** The values of all steps, one after the other in a new first dim. */
function stacked(call: OpCall, known: Known, length = call.fresh('steps')): Known {
  if (isFault(known)) return known;
  if (known.rows === undefined) return { ...constantFact(known.shape && [length, ...known.shape]), ...(known.counts && { counts: true }) };
  return rowFact([length, ...(known.shape ?? [])], { ...known.rows, dim: known.rows.dim + 1 });
}

const scan: ControlRule = (call, walk) => {
  if (call.opset < 9) call.unknown('is an old form of Scan');
  const body = call.graph('body');
  const scanned = call.int('num_scan_inputs', 0);
  const stateCount = call.inputs.length - scanned;
  const axes = call.ints('scan_input_axes') ?? [];
  const isPlain = (call.ints('scan_output_axes') ?? []).every((axis) => axis === 0);
  let length = Dim.one;
  const slices = call.inputs.slice(stateCount).map((fact, i): Fact => {
    const x = fact ?? call.unknown('leaves an input out');
    const shape = call.shape(x);
    const axis = call.axis(axes[i] ?? 0, shape.length);
    length = shape[axis] as Dim;
    if (x.rows?.dim === axis) {
      if (stateCount > 0) call.mixed(`goes along dim ${axis}, where the rows are`, true);
      return call.unknown(`goes along dim ${axis}, where the rows are`);
    }
    const dims = shape.filter((_, k) => k !== axis);
    return x.rows === undefined ? constantFact(dims) : rowFact(dims, { ...x.rows, dim: x.rows.dim - (axis < x.rows.dim ? 1 : 0) });
  });
  if (!isPlain) call.unknown('stacks its outputs in another dim than the first');
  let carried: Known[] = call.inputs.slice(0, stateCount).map((fact) => widened(fact ?? constantFact(undefined)));
  for (let round = 0; round < 3; round++) {
    const after = walk(body, [...carried, ...slices]);
    const next = carried.map((known, i) => merged(call, known, after[i] ?? constantFact(undefined)));
    if (next.every((known, i) => isAlike(known, carried[i] as Known)))
      return [...next, ...after.slice(stateCount).map((known) => stacked(call, known, length))];
    carried = next;
  }
  return call.unknown('does not settle');
};
