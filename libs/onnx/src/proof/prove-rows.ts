import type { OnnxModel, OnnxPort } from '../model/onnx-model.js';
import { Dim } from '../facts/dim.js';
import { constantFact, isSameAlong, rowFact, type Fact } from '../facts/fact.js';
import type { Fault } from '../facts/fault.js';
import { dimsOf, isFault, Scope, type Known } from './scope.js';
import { Walk, worse } from './walk.js';

/** What the graph says about the rows of one output. */
export interface OutputProof {
  readonly name: string;
  /**
   * - proven: row b of the output comes from row b of the inputs and from nothing else of the batch, whatever the number of rows
   * - mixed: an operator brings rows together
   * - unknown: the graph does not tell
   */
  readonly outcome: 'proven' | 'mixed' | 'unknown';
  /** Why not; undefined when proven. */
  readonly fault: Fault | undefined;
  /** False when its first dim is known not to be the number of rows. */
  readonly isCounted: boolean;
  /** Name of its first dim in the file, '' when it has none. */
  readonly firstDim: string;
}

export interface RowProof {
  /** The worst of the outputs. */
  readonly outcome: OutputProof['outcome'];
  readonly fault: Fault | undefined;
  readonly outputs: readonly OutputProof[];
}

export interface ProveOptions {
  /** Names of the inputs that have rows in dim 0. All others are the same for all rows. */
  readonly rowInputs: readonly string[];
  /** Inputs that callers give although the file has a value for them (files until IR version 3 list every weight as an input). Default: none. */
  readonly givenInputs?: readonly string[] | undefined;
  /** Names of the values that are given out. Default: the outputs of the graph. */
  readonly outputs?: readonly string[] | undefined;
  /** Rows of a run, where the file fixes them. */
  readonly rowCount?: number | undefined;
}

/**
 * Follows dim 0 of the row inputs through the graph: which outputs derive row by row, and which operator brings rows together. Says `unknown` where
 * it is not sure; never `proven` where it is not. Nothing is run.
 */
export function proveRows(model: OnnxModel, { rowInputs, rowCount, outputs: given, givenInputs = [] }: ProveOptions): RowProof {
  const { graph } = model;
  const walk = new Walk(model, rowCount === undefined ? Dim.rows : Dim.of(rowCount));
  const scope = new Scope(graph);
  for (const port of graph.inputs) {
    const hasRows = rowInputs.includes(port.name);
    const isWeight = !hasRows && graph.initializers.has(port.name) && !givenInputs.includes(port.name);
    if (!isWeight) scope.set(port.name, hasRows ? rowInput(port, walk.rowCount) : constantFact(dimsOf(port, port.name)));
  }
  walk.nodes(graph.nodes, scope);
  const ports =
    given?.map((name) => graph.outputs.find((port) => port.name === name) ?? { name, type: 0, dims: undefined }) ?? graph.outputs;
  const outputs = ports.map((port) => outputProof(port, scope.get(port.name), walk.rowCount));
  const fault = outputs.reduce<Fault | undefined>((all, output) => (output.fault ? worse(all, output.fault) : all), undefined);
  return { outcome: fault === undefined ? 'proven' : fault.outcome, fault, outputs };
}

function rowInput(port: OnnxPort, rowCount: Dim): Known {
  const { name, dims } = port;
  if (dims === undefined || dims.length === 0)
    return { outcome: 'unknown', op: '', node: name, reason: `input '${name}' has no dims in the file`, sequence: false };
  // A dim named like the first one is not the number of rows: nobody promises that it is as large.
  const shape = [rowCount, ...(dimsOf({ ...port, dims: dims.slice(1) }, name) ?? [])];
  return rowFact(shape, { dim: 0, outer: Dim.one, inner: Dim.one });
}

function outputProof(port: OnnxPort, known: Known | undefined, rowCount: Dim): OutputProof {
  const first = port.dims?.[0];
  const base = { name: port.name, firstDim: typeof first === 'string' ? first : '' };
  if (known === undefined) return { ...base, outcome: 'unknown', isCounted: true, fault: about(port.name, 'unknown', 'nothing gives it') };
  if (isFault(known)) return { ...base, outcome: known.outcome, fault: known, isCounted: true };
  const fault = known.rows === undefined ? sameForAll(port.name, known, rowCount) : placeOf(port.name, known, rowCount);
  if (fault === undefined) return { ...base, outcome: 'proven', fault: undefined, isCounted: true };
  return { ...base, outcome: fault.outcome, fault, isCounted: fault.outcome !== 'mixed' };
}

/** Such an output has a row for each row of a fixed batch at best. */
function sameForAll(name: string, fact: Fact, rowCount: Dim): Fault | undefined {
  const first = fact.shape?.[0];
  if (fact.shape === undefined || fact.counts) return about(name, 'unknown', 'the graph does not tell its dims');
  if (first !== undefined && first.equals(rowCount)) {
    if (isSameAlong(fact, 0)) return undefined;
    return about(name, 'unknown', 'it does not depend on the inputs, and may have another row for each place in the batch');
  }
  return about(name, 'mixed', `it has dims ${shapeText(fact)}, which do not begin with the batch`);
}

function placeOf(name: string, fact: Fact, rowCount: Dim): Fault | undefined {
  const { rows, shape, index } = fact;
  if (rows === undefined || shape === undefined) return about(name, 'unknown', 'the graph does not tell its dims');
  if (index !== undefined) return about(name, 'mixed', 'it tells the places of the rows in the batch');
  if (rows.dim !== 0) return about(name, 'mixed', `it has its rows in dim ${rows.dim}`);
  if (!rows.outer.is(1) || !rows.inner.is(1) || !shape[0]?.equals(rowCount)) {
    const isKnown = rows.inner.value !== undefined && rows.outer.value !== undefined;
    return about(name, isKnown ? 'mixed' : 'unknown', 'it has several entries in its first dim for each row');
  }
  return undefined;
}

function shapeText({ shape }: Fact): string {
  return `[${shape?.map((dim) => dim.value ?? '?').join(', ') ?? ''}]`;
}

function about(name: string, outcome: Fault['outcome'], reason: string): Fault {
  return { outcome, op: '', node: name, reason: `output '${name}': ${reason}`, sequence: false };
}
