import { Dim } from './dim.js';
import { constantFact, isSameAlong, rowFact, type Fact, type Rows } from './fact.js';
import type { OpCall } from './op-call.js';

/** Element by element over tensors that are stretched to one shape, as numpy does (ONNX: Broadcasting). */
export function broadcast(call: OpCall, facts: readonly Fact[]): Fact {
  const shapes = facts.map((fact) => call.shape(fact));
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  const shape = Array.from({ length: rank }, (_, i) => broadcastDim(shapes.map((dims) => dims[i - rank + dims.length])));
  const rows = commonRows(call, facts, shapes, rank);
  if (rows === undefined) return { ...constantFact(shape), ...(facts.some(({ counts }) => counts) && { counts: true }) };
  for (const [k, fact] of facts.entries()) {
    if (fact.rows !== undefined) {
      if (fact.index !== undefined) call.unknown('calculates with the places of the rows in the batch');
      continue;
    }
    if (fact.counts === true) call.unknown('uses how many rows run together');
    const dim = rows.dim - rank + (shapes[k] as readonly Dim[]).length;
    if (dim >= 0 && !isSameAlong(fact, { ...rows, dim })) differs(call, (shapes[k] as readonly Dim[])[dim] as Dim);
  }
  return rowFact(shape, rows);
}

function differs(call: OpCall, extent: Dim): never {
  if (extent.value === undefined) call.unknown('takes a tensor that may differ from row to row');
  call.mixed(`takes a tensor with ${extent.value} entries for the rows: each place in the batch has its own`);
}

/** Where the rows of all are, counted in the common shape. */
function commonRows(call: OpCall, facts: readonly Fact[], shapes: readonly (readonly Dim[])[], rank: number): Rows | undefined {
  let common: Rows | undefined;
  for (const [k, { rows }] of facts.entries()) {
    if (rows === undefined) continue;
    const dim = rows.dim + rank - (shapes[k] as readonly Dim[]).length;
    if (common === undefined) common = { ...rows, dim };
    else if (common.dim !== dim)
      call.mixed(`brings every row together with every other: its inputs have the rows in dims ${common.dim} and ${dim}`);
    else if (!common.outer.equals(rows.outer) || !common.inner.equals(rows.inner))
      call.unknown('takes tensors whose rows are laid out differently');
  }
  return common;
}

/** One dim of the common shape; undefined = the tensor has no such dim. */
function broadcastDim(dims: readonly (Dim | undefined)[]): Dim {
  let common = Dim.one;
  for (const dim of dims) {
    if (dim === undefined || dim.is(1) || dim.equals(common)) continue;
    if (common.is(1)) common = dim;
    else if (common.value !== undefined && !dim.hasRows) continue;
    else if (dim.value !== undefined && !common.hasRows) common = dim;
    else common = common.hasRows ? common : dim.hasRows ? dim : Dim.opaque('stretch', [common, dim]);
  }
  return common;
}
