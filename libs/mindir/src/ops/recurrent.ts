import { tupleOf, type TensorValue, type Value } from '../graph/value.js';
import { operandOf } from './compose.js';
import type { OpCall } from './op-call.js';
import { family, op } from './op-table.js';
import { sequence } from '../graph/sequence.js';

/** Weights of one layer: [directions, 4 * hidden, ...] in ONNX's gate order. */
interface LayerWeights {
  readonly input: TensorValue;
  readonly hidden: TensorValue;
  readonly bias: TensorValue | undefined;
}

/** MindSpore orders the gates input, forget, cell, output; ONNX input, output, forget, cell. */
function reorder(call: OpCall, gates: TensorValue, axis: number): TensorValue {
  const [i, f, g, o] = call.graph.multi('Split', [gates], 4, { axis, num_outputs: 4 }) as [
    TensorValue,
    TensorValue,
    TensorValue,
    TensorValue,
  ];
  return call.node('Concat', [i, o, f, g], { axis });
}

/** Takes the flat weight apart: all input weights, then all hidden weights, then the biases, each layer by layer and direction by direction. */
class FlatWeights {
  private readonly flat: TensorValue;

  constructor(
    private readonly call: OpCall,
    weights: TensorValue,
  ) {
    this.flat = call.node('Reshape', [weights, call.graph.ints([-1])]);
  }

  part(from: number, shape: readonly number[]): TensorValue {
    const { graph } = this.call;
    const count = shape.reduce((a, b) => a * b, 1);
    const slice = this.call.node('Slice', [this.flat, graph.ints([from]), graph.ints([from + count]), graph.ints([0])]);
    return this.call.node('Reshape', [slice, graph.ints(shape)]);
  }
}

function layerWeights(
  call: OpCall,
  flat: FlatWeights,
  layer: number,
  sizes: { input: number; hidden: number; layers: number; directions: number; hasBias: boolean; total: number },
): LayerWeights {
  const { hidden, directions, layers } = sizes;
  const inputOf = (index: number): number => (index === 0 ? sizes.input : hidden * directions);
  const gates = 4 * hidden;
  const inputTotal = sequence(layers, (_, index) => directions * gates * inputOf(index)).reduce((a, b) => a + b, 0);
  const inputFrom = sequence(layer, (_, index) => directions * gates * inputOf(index)).reduce((a, b) => a + b, 0);
  const hiddenFrom = inputTotal + layer * directions * gates * hidden;
  const biasBase = inputTotal + layers * directions * gates * hidden;
  const input = reorder(call, flat.part(inputFrom, [directions, gates, inputOf(layer)]), 1);
  const recurrent = reorder(call, flat.part(hiddenFrom, [directions, gates, hidden]), 1);
  if (!sizes.hasBias) return { input, hidden: recurrent, bias: undefined };
  const bias = reorder(call, flat.part(biasBase + layer * directions * gates, [directions, gates]), 1);
  const none = call.graph.constant(
    bias.dtype,
    [directions, gates],
    sequence(directions * gates, () => 0),
  );
  return { input, hidden: recurrent, bias: call.node('Concat', [bias, none], { axis: 1 }) };
}

/** x [steps, batch, input], h and c [layers * directions, batch, hidden], one flat weight. */
function lstm(call: OpCall): Value {
  if (call.number('proj_size', 0) > 0) return call.refuse('uses a projection (proj_size)');
  const [x, h, c, weights] = [0, 1, 2, 3].map((index) => operandOf(call, index)) as [TensorValue, TensorValue, TensorValue, TensorValue];
  const hidden = call.number('hidden_size');
  const directions = call.bool('bidirectional') ? 2 : 1;
  const layers = call.number('num_layers', 1);
  const sizes = { input: call.number('input_size'), hidden, layers, directions, hasBias: call.bool('has_bias', true), total: 0 };
  const flat = new FlatWeights(call, weights);
  const { graph } = call;
  const state = (tensor: TensorValue, layer: number): TensorValue =>
    layers === 1
      ? tensor
      : call.node('Slice', [tensor, graph.ints([layer * directions]), graph.ints([(layer + 1) * directions]), graph.ints([0])]);
  let sequence = x;
  const lastH: TensorValue[] = [];
  const lastC: TensorValue[] = [];
  for (let layer = 0; layer < layers; layer++) {
    const { input, hidden: recurrent, bias } = layerWeights(call, flat, layer, sizes);
    const results = graph.multi('LSTM', [sequence, input, recurrent, bias, undefined, state(h, layer), state(c, layer)], 3, {
      hidden_size: hidden,
      direction: directions === 2 ? 'bidirectional' : 'forward',
    });
    const [y, yh, yc] = results as [TensorValue, TensorValue, TensorValue];
    lastH.push(yh);
    lastC.push(yc);
    // [steps, directions, batch, hidden] -> [steps, batch, directions * hidden]
    sequence = call.node('Reshape', [call.node('Transpose', [y], { perm: [0, 2, 1, 3] }), graph.ints([0, 0, -1])]);
  }
  const join = (parts: readonly TensorValue[]): TensorValue =>
    parts.length === 1 ? (parts[0] as TensorValue) : call.node('Concat', parts, { axis: 0 });
  const unused = call.like(x, 0);
  return tupleOf([sequence, join(lastH), join(lastC), unused, unused]);
}

/** Rows of recurrent operators. */
export const recurrent = family('Recurrent', [op('LSTM', 'x h c w', lstm)]);
