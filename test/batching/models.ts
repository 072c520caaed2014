import { float32Bytes } from '../support/onnx-model.js';
import { exportedCases } from './exported-models.js';
import { mixing, unproven } from './mixing-models.js';
import { moreMixing, moreUnproven } from './more-mixing-models.js';
import { filled, graph, gruWeights, hidden, image, ints, lstmWeights, node, value, weights, type BatchingCase } from './parts.js';

/** Row by row: each operator family. */
const proven: readonly Omit<BatchingCase, 'outcome'>[] = [
  { title: 'element-wise with broadcasting', model: graph([node('Add', 'x b', 'a'), node('Relu', 'a', 'y')], [weights('b', 4)]) },
  { title: 'Clip, Where and comparisons', model: graph([node('Greater', 'x h', 'g'), node('Where', 'g x h', 'y')], [filled('h', 0.5)]) },
  { title: 'Cast', model: graph([node('Cast', 'x', 'y', { to: { int: 7 } })], [], { dtype: 'int64' }) },
  { title: 'MatMul with the weights on the right', model: graph([node('MatMul', 'x w', 'y')], [weights('w', 4, 3)]) },
  { title: 'Gemm with transB', model: graph([node('Gemm', 'x w b', 'y', { transB: { int: 1 } })], [weights('w', 3, 4), weights('b', 3)]) },
  {
    title: 'MatMul of two batched tensors',
    model: graph([node('Transpose', 'x', 't', { perm: { ints: [0, 2, 1] } }), node('MatMul', 'x t', 'y')], [], {
      x: ['N', 3, 4],
      y: ['N', 3, 3],
    }),
  },
  {
    title: 'Conv, MaxPool and Flatten',
    model: graph(
      [
        node('Conv', 'x w', 'c', { pads: { ints: [1, 1, 1, 1] } }),
        node('MaxPool', 'c', 'p', { kernel_shape: { ints: [2, 2] }, strides: { ints: [2, 2] } }),
        node('Flatten', 'p', 'y'),
      ],
      [weights('w', 3, 2, 3, 3)],
      { x: image },
    ),
  },
  { title: 'GlobalAveragePool', model: graph([node('GlobalAveragePool', 'x', 'y')], [], { x: image, y: ['N', 2, 1, 1] }) },
  {
    title: 'ConvTranspose and Resize',
    model: graph(
      [node('ConvTranspose', 'x w', 'c', { strides: { ints: [2, 2] } }), node('Resize', 'c _ s', 'y')],
      [weights('w', 2, 3, 2, 2), { name: 's', dtype: 'float32', shape: [4], bytes: float32Bytes([1, 1, 2, 2]) }],
      {
        x: image,
        y: ['N', 3, 24, 24],
      },
    ),
  },
  {
    title: 'BatchNormalization',
    model: graph(
      [node('BatchNormalization', 'x s b m v', 'y')],
      [filled('s', 2, 2), filled('b', 1, 2), filled('m', 0.5, 2), filled('v', 2, 2)],
      { x: image, y: image },
    ),
  },
  {
    title: 'InstanceNormalization',
    model: graph([node('InstanceNormalization', 'x s b', 'y')], [filled('s', 2, 2), filled('b', 1, 2)], { x: image, y: image }),
  },
  { title: 'LayerNormalization', model: graph([node('LayerNormalization', 'x s', 'y')], [filled('s', 2, 4)]) },
  { title: 'Softmax over the last dim', model: graph([node('Softmax', 'x', 'y')]) },
  { title: 'Softmax of opset 11, which flattens', model: graph([node('Softmax', 'x', 'y', { axis: { int: 1 } })], [], { opset: 11 }) },
  {
    title: 'ReduceMean over dim 1',
    model: graph([node('ReduceMean', 'x', 'y', { axes: { ints: [1] }, keepdims: { int: 1 } })], [], { y: ['N', 1] }),
  },
  {
    title: 'ReduceSum with axes as input, dims dropped',
    model: graph([node('ReduceSum', 'x a', 'y', { keepdims: { int: 0 } })], [ints('a', [-1])], { y: ['N'] }),
  },
  {
    title: 'ArgMax over dim 1',
    model: graph([node('ArgMax', 'x', 'y', { axis: { int: 1 }, keepdims: { int: 0 } })], [], { y: ['N'], dtype: 'int64' }),
  },
  {
    title: 'TopK over dim 1',
    model: graph([node('TopK', 'x k', 'y i')], [ints('k', [2])], { ys: [value('y', ['N', 2]), value('i', ['N', 2], 'int64')] }),
  },
  { title: 'CumSum over dim 1', model: graph([node('CumSum', 'x a', 'y')], [ints('a', [1], [])]) },
  {
    title: 'Reshape to [-1, n] and back',
    model: graph([node('Reshape', 'x s', 'r'), node('Reshape', 'r t', 'y')], [ints('s', [-1, 2, 2]), ints('t', [-1, 4])]),
  },
  {
    title: 'Reshape by Shape, Gather and Concat, as exporters write it',
    model: graph(
      [
        node('Shape', 'x', 's'),
        node('Gather', 's zero', 'n'),
        node('Unsqueeze', 'n at', 'n1'),
        node('Concat', 'n1 rest', 't', { axis: { int: 0 } }),
        node('Reshape', 'x t', 'y'),
      ],
      [ints('zero', [0], []), ints('at', [0]), ints('rest', [2, 6])],
      { x: ['N', 3, 4], y: ['N', 2, 6] },
    ),
  },
  {
    title: 'heads of attention: rows and heads in one dim and back',
    model: graph(
      [
        node('Reshape', 'x a', 'h'),
        node('Transpose', 'h', 'ht', { perm: { ints: [0, 2, 1, 3] } }),
        node('Reshape', 'ht b', 'flat'),
        node('Transpose', 'flat', 'k', { perm: { ints: [0, 2, 1] } }),
        node('MatMul', 'flat k', 'scores'),
        node('Softmax', 'scores', 'p'),
        node('MatMul', 'p flat', 'o'),
        node('Reshape', 'o c', 'oh'),
        node('Transpose', 'oh', 'ot', { perm: { ints: [0, 2, 1, 3] } }),
        node('Reshape', 'ot d', 'y'),
      ],
      [ints('a', [0, 0, 2, 4]), ints('b', [-1, 3, 4]), ints('c', [-1, 2, 3, 4]), ints('d', [0, 0, 8])],
      { x: ['N', 3, 8], y: ['N', 3, 8] },
    ),
  },
  {
    title: 'Squeeze, Unsqueeze and Concat along dim 1',
    model: graph(
      [node('Unsqueeze', 'x a', 'u'), node('Concat', 'u u', 'c', { axis: { int: 1 } }), node('Flatten', 'c', 'y')],
      [ints('a', [1])],
    ),
  },
  { title: 'Split and Mul (a gate)', model: graph([node('Split', 'x', 'p q', { axis: { int: 1 } }), node('Mul', 'p q', 'y')]) },
  {
    title: 'Slice of dim 1, all of dim 0',
    model: graph([node('Slice', 'x s e', 'y')], [ints('s', [0, 1]), ints('e', [9223372036854775000, 3])]),
  },
  {
    title: 'Gather from a table (embedding)',
    model: graph([node('Gather', 'w x', 'y')], [weights('w', 8, 3)], { xs: [value('x', ['N', 'S'], 'int64')], y: ['N', 'S', 3] }),
  },
  {
    title: 'GatherElements',
    model: graph([node('TopK', 'x k', 'v i'), node('GatherElements', 'x i', 'y', { axis: { int: 1 } })], [ints('k', [2])]),
  },
  {
    title: 'one place of each row: x[arange(n), argmax]',
    model: graph(
      [
        node('Shape', 'x', 's'),
        node('Gather', 's zero', 'n'),
        node('Range', 'zero n one', 'r'),
        node('Unsqueeze', 'r last', 'r1'),
        node('ReduceMax', 'x', 'top', { axes: { ints: [2] }, keepdims: { int: 0 } }),
        node('ArgMax', 'top', 'k', { axis: { int: 1 }, keepdims: { int: 1 } }),
        node('Concat', 'r1 k', 'at', { axis: { int: -1 } }),
        node('GatherND', 'x at', 'y'),
      ],
      [ints('zero', [0], []), ints('one', [1], []), ints('last', [-1])],
      { x: ['N', 3, 4], y: ['N', 4] },
    ),
  },
  { title: 'Pad of the last dim', model: graph([node('Pad', 'x p z', 'y')], [ints('p', [0, 1, 0, 1]), filled('z', 0)]) },
  {
    title: 'Expand of a constant to the rows',
    model: graph([node('Shape', 'x', 's'), node('Expand', 'c s', 'e'), node('Add', 'x e', 'y')], [weights('c', 1, 4)]),
  },
  {
    title: 'ConstantOfShape with the number of rows',
    model: graph(
      [
        node('Shape', 'x', 's'),
        node('ConstantOfShape', 's', 'z', { value: { tensor: { dtype: 'float32', shape: [1], bytes: float32Bytes([2]) } } }),
        node('Mul', 'x z', 'y'),
      ],
      [],
    ),
  },
  { title: 'Tile along dim 1', model: graph([node('Tile', 'x r', 'y')], [ints('r', [1, 2])]) },
  {
    title: 'LSTM with the batch in dim 1, turned around it',
    model: graph(
      [
        node('Transpose', 'x', 't', { perm: { ints: [1, 0, 2] } }),
        node('LSTM', 't W R', 'all', { hidden_size: { int: hidden } }),
        node('Squeeze', 'all one', 'sq'),
        node('Transpose', 'sq', 'y', { perm: { ints: [1, 0, 2] } }),
      ],
      [...lstmWeights(2), ints('one', [1])],
      { x: ['N', 'S', 2], y: ['N', 'S', hidden] },
    ),
  },
  {
    title: 'GRU, last state',
    model: graph(
      [
        node('Transpose', 'x', 't', { perm: { ints: [1, 0, 2] } }),
        node('GRU', 't W R', '_ h', { hidden_size: { int: hidden } }),
        node('Squeeze', 'h zero', 'y'),
      ].map((one) => ({ ...one, outputs: one.outputs.map((name) => (name === '_' ? '' : name)) })),
      [...gruWeights(2), ints('zero', [0])],
      { x: ['N', 'S', 2], y: ['N', hidden] },
    ),
  },
  {
    title: 'Scan along dim 1',
    model: graph(
      [
        node('Transpose', 'x', 't', { perm: { ints: [1, 0, 2] } }),
        node('ReduceSum', 'x at', 'first', { keepdims: { int: 0 } }),
        node('Scan', 'first t', 'y', {
          num_scan_inputs: { int: 1 },
          body: {
            graph: {
              inputs: [value('state', ['N', 2]), value('step', ['N', 2])],
              outputs: [value('next', ['N', 2])],
              nodes: [node('Add', 'state step', 'next')],
            },
          },
        }),
      ],
      [ints('at', [1])],
      { x: ['N', 3, 2], y: ['N', 2] },
    ),
  },
  {
    title: 'If over a constant',
    model: graph(
      [
        node('If', 'yes', 'y', {
          then_branch: { graph: { inputs: [], outputs: [value('a', ['N', 4])], nodes: [node('Neg', 'x', 'a')] } },
          else_branch: { graph: { inputs: [], outputs: [value('b', ['N', 4])], nodes: [node('Abs', 'x', 'b')] } },
        }),
      ],
      [{ name: 'yes', dtype: 'bool', shape: [], bytes: Uint8Array.of(1) }],
    ),
  },
  {
    title: 'Einsum',
    model: graph([node('Einsum', 'x w', 'y', { equation: { string: 'nij,jk->nik' } })], [weights('w', 4, 3)], {
      x: ['N', 2, 4],
      y: ['N', 2, 3],
    }),
  },
  {
    title: 'QuantizeLinear and DequantizeLinear with fixed scales',
    model: graph(
      [node('QuantizeLinear', 'x s z', 'q'), node('DequantizeLinear', 'q s z', 'y')],
      [filled('s', 0.05), { name: 'z', dtype: 'uint8', shape: [], bytes: Uint8Array.of(0) }],
    ),
  },
  { title: 'com.microsoft Gelu', model: graph([node('Gelu', 'x', 'y', {}, 'com.microsoft')]) },
  {
    title: 'a fixed batch',
    model: graph([node('MatMul', 'x w', 'm'), node('Add', 'm z', 'y')], [weights('w', 4, 3), filled('z', 1, 4, 3)], {
      x: [4, 4],
      y: [4, 3],
    }),
  },
];

export const batchingCases: readonly BatchingCase[] = [
  ...proven.map((one): BatchingCase => ({ ...one, outcome: 'proven' })),
  ...exportedCases,
  ...mixing,
  ...moreMixing,
  ...unproven,
  ...moreUnproven,
];
