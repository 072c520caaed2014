import { Dim } from '../facts/dim.js';
import { constantFact, rowFact, type Fact, type Rows } from '../facts/fact.js';
import type { OpCall, OpRule } from '../facts/op-call.js';

/** Which dim of an input or output is the batch. */
interface Attention {
  /** Inputs that have the batch in dim 0 (or are the same for all, with a 1 there). */
  readonly batched: readonly number[];
  /** Inputs with the batch in dim 1: [2, batch, heads, length, size]. */
  readonly past?: readonly number[];
  readonly weights: readonly number[];
  /** Dim of the batch in each output. */
  readonly outputs: readonly number[];
  /** Dims of output 0, given those of the inputs. */
  readonly shape: (call: OpCall) => readonly Dim[];
}

function attention({ batched, past = [], weights, outputs, shape }: Attention): OpRule {
  return (call) => {
    for (const index of weights) call.sameForAll(index, 'weights');
    let rows: Rows | undefined;
    for (const [indices, dim] of [
      [batched, 0],
      [past, 1],
    ] as const) {
      for (const index of indices) {
        const fact = call.inputs[index];
        if (fact === undefined) continue;
        if (fact.rows === undefined) {
          if (fact.counts) call.unknown('uses how many rows run together');
          continue;
        }
        if (fact.rows.dim !== dim)
          call.mixed(
            `takes input ${index} with the rows in dim ${fact.rows.dim}, which is not its batch`,
            index === 0 && fact.rows.dim === 0,
          );
        if (!fact.rows.inner.is(1) || !fact.rows.outer.is(1)) call.unknown(`takes input ${index} with rows in blocks`);
        rows = { ...fact.rows, dim: 0 };
      }
    }
    if (rows !== undefined) {
      for (const index of batched) {
        const fact = call.inputs[index];
        if (
          fact !== undefined &&
          fact.rows === undefined &&
          fact.shape?.[0] !== undefined &&
          fact.shape.length > 1 &&
          !fact.shape[0].is(1) &&
          fact.uniform !== true
        )
          if (fact.shape.length !== 2) call.unknown(`takes input ${index}, which may differ from row to row`);
      }
    }
    const first = shape(call);
    return call.node.outputs.map((_, i): Fact => {
      const dim = outputs[i] ?? 0;
      const dims = i === 0 ? first : stateShape(call, i, dim, first[0] as Dim);
      return rows === undefined ? constantFact(dims) : rowFact(dims, { ...rows, dim });
    });
  };
}

function stateShape(call: OpCall, output: number, dim: number, batch: Dim): readonly Dim[] {
  return dim === 1
    ? [Dim.of(2), batch, call.fresh(`${output}.heads`), call.fresh(`${output}.length`), call.fresh(`${output}.size`)]
    : [batch, call.fresh(`${output}.heads`), call.fresh(`${output}.length`), call.fresh(`${output}.size`)];
}

const likeQuery = (call: OpCall): readonly Dim[] => call.shape(call.input(0));

/** Com.microsoft's: [batch, length, 3 * hidden] weights in one matrix. */
const packedShape = (call: OpCall): readonly Dim[] => {
  const [batch, length] = call.shape(call.input(0)) as [Dim, Dim];
  const bias = call.shape(call.input(2))[0] as Dim;
  return [batch, length, bias.floorDividedBy(Dim.of(3))];
};

/** Rotary embedding: x with the batch in dim 0, positions by row or one for all, tables. */
const rotary: OpRule = (call) => {
  const x = call.input(0);
  const shape = call.shape(x);
  if (x.rows !== undefined && x.rows.dim !== 0) call.unknown('takes the rows in another dim than 0');
  const isOnnx = call.node.domain === '';
  const [positions, tables] = isOnnx ? [3, [1, 2]] : [1, [2, 3]];
  const places = call.inputs[positions];
  if (places?.rows !== undefined && places.rows.dim !== 0) call.unknown('takes positions with the rows in another dim than 0');
  if (places !== undefined && places.rows === undefined && x.rows !== undefined && places.shape?.length === 2 && !places.shape[0]?.is(1))
    call.unknown('takes positions that may differ from row to row');
  for (const index of tables) {
    const table = call.inputs[index];
    if (table?.rows !== undefined && !(isOnnx && table.rows.dim === 0)) call.unknown('takes its tables from the rows');
  }
  return x.rows === undefined ? constantFact(shape) : rowFact(shape, x.rows);
};

/** Attention as one operator: every row by itself, the batch first. */
export const attentionRules: Readonly<Record<string, OpRule>> = {
  Attention: attention({ batched: [0, 1, 2, 4, 5], weights: [], outputs: [0, 0, 0, 0], shape: likeQuery }),
  RotaryEmbedding: rotary,
  'com.microsoft:RotaryEmbedding': rotary,
  'com.microsoft:Attention': attention({ batched: [0, 3, 5], past: [4], weights: [1, 2], outputs: [0, 1], shape: packedShape }),
  'com.microsoft:MultiHeadAttention': attention({ batched: [0, 1, 2, 4, 5, 6, 7], weights: [3], outputs: [0, 0, 0], shape: likeQuery }),
  'com.microsoft:GroupQueryAttention': attention({ batched: [0, 1, 2, 3, 4, 5], weights: [6, 7, 8], outputs: [0, 0, 0], shape: likeQuery }),
  'com.microsoft:QAttention': attention({ batched: [0, 5], past: [8], weights: [1, 2, 3, 4, 6, 7], outputs: [0, 1], shape: packedShape }),
};
