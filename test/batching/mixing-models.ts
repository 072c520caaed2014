import { filled, graph, gruWeights, hidden, image, ints, lstmWeights, node, value, weights, type BatchingCase } from './parts.js';

/** Rows are brought together. */
export const mixing: readonly BatchingCase[] = [
  {
    title: 'NonZero',
    outcome: 'refused',
    text: "'found'",
    model: graph(
      [node('Floor', 'x', 'f'), node('Greater', 'x h', 'g'), node('NonZero', 'g', 'nz'), node('Transpose', 'nz', 'y')],
      [filled('h', 0.5)],
      { y: ['found', 2], dtype: 'int64' },
    ),
  },
  {
    title: 'Compress',
    outcome: 'refused',
    text: "'kept'",
    model: graph(
      [
        node('ReduceMax', 'x', 'top', { axes: { ints: [1] }, keepdims: { int: 0 } }),
        node('Greater', 'top h', 'g'),
        node('Compress', 'x g', 'y', { axis: { int: 0 } }),
      ],
      [filled('h', 0)],
      { y: ['kept', 4] },
    ),
  },
  { title: 'Unique', outcome: 'refused', text: 'Unique', model: graph([node('Unique', 'x', 'y')], [], { y: ['values'] }) },
  {
    title: 'CumSum over dim 0',
    outcome: 'refuted',
    runs: 'whole',
    text: 'CumSum',
    model: graph([node('CumSum', 'x a', 'y')], [ints('a', [0], [])], { x: ['seq', 4] }),
  },
  {
    title: 'TopK over dim 0',
    outcome: 'refused',
    text: 'TopK',
    model: graph([node('TopK', 'x k', 'y i', { axis: { int: 0 } })], [ints('k', [1])], {
      ys: [value('y', ['K', 4]), value('i', ['K', 4], 'int64')],
    }),
  },
  {
    title: 'LSTM with time in dim 0',
    outcome: 'refuted',
    runs: 'whole',
    text: 'LSTM',
    model: graph(
      [node('LSTM', 'x W R', 'all', { hidden_size: { int: hidden } }), node('Squeeze', 'all one', 'y')],
      [...lstmWeights(2), ints('one', [1])],
      { x: ['S', 'N', 2], y: ['S', 'N', hidden] },
    ),
  },
  {
    title: 'GRU with time in dim 0',
    outcome: 'refuted',
    runs: 'whole',
    text: 'GRU',
    model: graph(
      [node('GRU', 'x W R', 'all', { hidden_size: { int: hidden } }), node('Squeeze', 'all one', 'y')],
      [...gruWeights(2), ints('one', [1])],
      { x: ['S', 'N', 2], y: ['S', 'N', hidden] },
    ),
  },
  {
    title: 'ReduceMean over dim 0',
    outcome: 'refuted',
    runs: 'alone',
    text: 'ReduceMean',
    model: graph([node('ReduceMean', 'x', 'm', { axes: { ints: [0] } }), node('Sub', 'x m', 'y')]),
  },
  {
    title: 'ReduceMax over all dims',
    outcome: 'refuted',
    runs: 'alone',
    text: 'ReduceMax',
    model: graph([node('ReduceMax', 'x', 'm', { keepdims: { int: 0 } }), node('Div', 'x m', 'y')]),
  },
  {
    title: 'Softmax over dim 0',
    outcome: 'refuted',
    runs: 'alone',
    text: 'Softmax',
    model: graph([node('Softmax', 'x', 'y', { axis: { int: 0 } })]),
  },
  {
    title: 'LayerNormalization from dim 0 on',
    outcome: 'refuted',
    runs: 'alone',
    text: 'LayerNormalization',
    model: graph([node('LayerNormalization', 'x s', 'y', { axis: { int: 0 } })], [filled('s', 2, 1)]),
  },
  {
    title: 'MeanVarianceNormalization, whose default axes hold 0',
    outcome: 'refuted',
    runs: 'alone',
    text: 'MeanVarianceNormalization',
    model: graph([node('MeanVarianceNormalization', 'x', 'y')], [], { x: image, y: image }),
  },
  {
    title: 'DynamicQuantizeLinear',
    outcome: 'refuted',
    runs: 'alone',
    text: 'DynamicQuantizeLinear',
    model: graph([node('DynamicQuantizeLinear', 'x', 'q s z'), node('DequantizeLinear', 'q s z', 'y')]),
  },
  {
    title: 'Flatten from axis 0 on',
    outcome: 'refused',
    text: 'output',
    model: graph([node('Flatten', 'x', 'y', { axis: { int: 0 } })], [], { y: [1, 'all'] }),
  },
  {
    title: 'Reshape that joins rows',
    outcome: 'refuted',
    runs: 'alone',
    text: 'Softmax',
    model: graph(
      [node('Reshape', 'x s', 'r'), node('Softmax', 'r', 'p'), node('Reshape', 'p t', 'y')],
      [ints('s', [1, -1]), ints('t', [-1, 4])],
    ),
  },
  {
    title: 'MatMul of every row with every other',
    outcome: 'refuted',
    runs: 'alone',
    text: 'MatMul',
    model: graph([node('Transpose', 'x', 't'), node('MatMul', 'x t', 'scores'), node('MatMul', 'scores x', 'y')]),
  },
  {
    title: 'Transpose of the batch to dim 1',
    outcome: 'refused',
    text: 'dim 1',
    model: graph([node('Transpose', 'x', 'y')], [], { y: [4, 'N'] }),
  },
  {
    title: 'the first row for all',
    outcome: 'refuted',
    runs: 'alone',
    text: 'Gather',
    model: graph([node('Gather', 'x zero', 'f'), node('Sub', 'x f', 'y')], [ints('zero', [0], [])]),
  },
  {
    title: 'Concat along dim 0',
    outcome: 'refused',
    text: 'output',
    model: graph([node('Concat', 'x x', 'y', { axis: { int: 0 } })], [], { y: ['M', 4] }),
  },
  {
    title: 'Loop over dim 0',
    outcome: 'refuted',
    runs: 'whole',
    text: 'Loop',
    model: graph(
      [
        node('Shape', 'x', 's'),
        node('Gather', 's zero', 'n'),
        node('Loop', 'n yes start', 'sum y', {
          body: {
            graph: {
              inputs: [value('i', [], 'int64'), value('go', [], 'bool'), value('state', [4])],
              outputs: [value('on', [], 'bool'), value('next', [4]), value('out', [4])],
              nodes: [
                node('Gather', 'x i', 'row'),
                node('Add', 'state row', 'next'),
                node('Identity', 'next', 'out'),
                node('Identity', 'go', 'on'),
              ],
            },
          },
        }),
      ],
      [ints('zero', [0], []), { name: 'yes', dtype: 'bool', shape: [], bytes: Uint8Array.of(1) }, filled('start', 0, 4)],
    ),
  },
  {
    title: 'random numbers',
    outcome: 'refuted',
    runs: 'alone',
    text: 'RandomNormalLike',
    model: graph([node('RandomNormalLike', 'x', 'r'), node('Add', 'x r', 'y')]),
  },
  {
    title: 'Dropout in training mode',
    outcome: 'refuted',
    runs: 'alone',
    text: 'Dropout',
    model: graph(
      [node('Dropout', 'x ratio yes', 'y')],
      [filled('ratio', 0.5), { name: 'yes', dtype: 'bool', shape: [], bytes: Uint8Array.of(1) }],
    ),
  },
  {
    title: 'a constant for each place of a fixed batch',
    outcome: 'refuted',
    runs: 'alone',
    text: 'Add',
    model: graph([node('Add', 'x b', 'y')], [weights('b', 4, 4)], { x: [4, 4], y: [4, 4] }),
  },
  {
    title: 'an output that is the same for all rows',
    outcome: 'refused',
    text: 'output',
    model: graph([node('Identity', 'x', 'y'), node('Identity', 'w', 'c')], [weights('w', 3, 2)], {
      ys: [value('y', ['N', 4]), value('c', [3, 2])],
    }),
  },
  {
    title: 'division by the number of rows',
    outcome: 'refuted',
    runs: 'alone',
    text: 'in a run of 2 rows',
    model: graph(
      [node('Shape', 'x', 's'), node('Gather', 's zero', 'n'), node('Cast', 'n', 'f', { to: { int: 1 } }), node('Div', 'x f', 'y')],
      [ints('zero', [0], [])],
    ),
  },
];

/** Nobody knows: operators whose effect on rows is not in the table, though these go row by row. */
export const unproven: readonly BatchingCase[] = [
  {
    title: 'an operator that is not in the table',
    outcome: 'unproven',
    runs: 'alone',
    text: 'SequenceConstruct',
    model: graph([node('SequenceConstruct', 'x', 's'), node('SequenceAt', 's zero', 'y')], [ints('zero', [0], [])]),
  },
  {
    title: 'Reshape to a shape that comes from the rows',
    outcome: 'unproven',
    runs: 'alone',
    text: 'Reshape',
    model: graph([node('Reshape', 'x s', 'y')], [], { xs: [value('x', ['N', 4]), value('s', ['N'], 'int64')] }),
  },
];
