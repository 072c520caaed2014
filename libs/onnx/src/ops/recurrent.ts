import { Dim } from '../facts/dim.js';
import { constantFact, isSameAlong, rowFact, type Fact } from '../facts/fact.js';
import type { OpCall, OpRule } from '../facts/op-call.js';

interface Recurrence {
  /** Inputs that hold a first state: [directions, batch, hidden]. */
  readonly states: readonly number[];
  readonly lengths: number;
  /** Weights: the same for all. */
  readonly weights: readonly number[];
  readonly stateOutputs: number;
}

/** LSTM, GRU, RNN. Layout 0: X is [time, batch, size]; layout 1: [batch, time, size]. */
function recurrent({ states, lengths, weights, stateOutputs }: Recurrence): OpRule {
  return (call) => {
    const x = call.input(0);
    const shape = call.shape(x);
    const batchFirst = call.int('layout', 0) === 1;
    const [batchAt, timeAt] = batchFirst ? [0, 1] : [1, 0];
    for (const index of weights) call.sameForAll(index, 'weights');
    call.notOver(x, [timeAt], true);
    call.notOver(x, [2]);
    const directions = call.text('direction') === 'bidirectional' ? Dim.of(2) : Dim.one;
    const hidden = call.has('hidden_size') ? Dim.of(call.int('hidden_size', 0)) : call.fresh('hidden');
    const [time, batch] = [shape[timeAt] as Dim, shape[batchAt] as Dim];
    for (const index of states) checkState(call, x, index, batchFirst ? 0 : 1);
    checkState(call, x, lengths, 0);
    const all = batchFirst ? [batch, time, directions, hidden] : [time, directions, batch, hidden];
    const last = batchFirst ? [batch, directions, hidden] : [directions, batch, hidden];
    const fact = (dims: readonly Dim[], dim: number): Fact =>
      x.rows === undefined ? constantFact(dims) : rowFact(dims, { ...x.rows, dim });
    return [fact(all, batchFirst ? 0 : 2), ...Array.from({ length: stateOutputs }, () => fact(last, batchFirst ? 0 : 1))];
  };
}

/** A further input with the batch in dim `dim`. */
function checkState(call: OpCall, x: Fact, index: number, dim: number): void {
  const state = call.inputs[index];
  if (state === undefined) return;
  if (state.rows === undefined) {
    if (x.rows === undefined || isSameAlong(state, dim)) return;
    if (state.counts || state.shape?.[dim]?.value === undefined) call.unknown(`takes input ${index}, which may differ from row to row`);
    call.mixed(`has its own input ${index} for each place in the batch`);
  }
  if (state.rows.dim !== dim) call.mixed(`takes input ${index} with the rows in dim ${state.rows.dim}, where it has no batch`);
  if (x.rows === undefined) call.unknown(`takes input ${index} from the rows, but nothing else`);
}

const lstm: Recurrence = { states: [5, 6], lengths: 4, weights: [1, 2, 3, 7], stateOutputs: 2 };
const gru: Recurrence = { states: [5], lengths: 4, weights: [1, 2, 3], stateOutputs: 1 };

const quantisedLstm: OpRule = (call) => {
  if (call.input(0).rows !== undefined) call.mixed('quantises by the smallest and largest number of all rows together');
  return recurrent(lstm)(call);
};

export const recurrentRules: Readonly<Record<string, OpRule>> = {
  LSTM: recurrent(lstm),
  GRU: recurrent(gru),
  RNN: recurrent(gru),
  'com.microsoft:DynamicQuantizeLSTM': quantisedLstm,
};
