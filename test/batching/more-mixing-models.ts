import { float32Bytes } from '../support/onnx-model.js';
import { filled, graph, image, ints, node, rowCount, rowCountConstants, scalar, value, weights, type BatchingCase } from './parts.js';

/** More ways in which rows are brought together. */
export const moreMixing: readonly BatchingCase[] = [
  {
    title: 'MaxPool along dim 0',
    outcome: 'refuted',
    runs: 'alone',
    text: 'MaxPool',
    model: graph(
      [
        node('Transpose', 'x', 't'),
        node('Unsqueeze', 't at0', 'u'),
        node('MaxPool', 'u', 'p', { kernel_shape: { ints: [3] }, pads: { ints: [1, 1] } }),
        node('Squeeze', 'p at0', 's'),
        node('Transpose', 's', 'y'),
      ],
      [ints('at0', [0])],
    ),
  },
  {
    title: 'Conv along the time in dim 0',
    outcome: 'refuted',
    runs: 'whole',
    text: 'Conv',
    model: graph(
      [
        node('Transpose', 'x', 't'),
        node('Unsqueeze', 't at0', 'u'),
        node('Conv', 'u w', 'p', { pads: { ints: [2, 0] } }),
        node('Squeeze', 'p at0', 's'),
        node('Transpose', 's', 'y'),
      ],
      [ints('at0', [0]), weights('w', 4, 4, 3)],
      { x: ['time', 4], y: ['time', 4] },
    ),
  },
  {
    title: 'attention over dim 0 of [seq, batch, width]',
    outcome: 'refuted',
    runs: 'whole',
    text: 'MatMul',
    model: graph(
      [
        node('Transpose', 'x', 'q', { perm: { ints: [1, 0, 2] } }),
        node('Transpose', 'x', 'k', { perm: { ints: [1, 2, 0] } }),
        node('MatMul', 'q k', 'scores'),
        node('Softmax', 'scores', 'p', { axis: { int: -1 } }),
        node('MatMul', 'p q', 'o'),
        node('Transpose', 'o', 'y', { perm: { ints: [1, 0, 2] } }),
      ],
      [],
      { x: ['seq', 'batch', 4], y: ['seq', 'batch', 4] },
    ),
  },
  {
    title: 'batch statistics in place of BatchNormalization',
    outcome: 'refuted',
    runs: 'alone',
    text: 'ReduceMean',
    model: graph(
      [
        node('ReduceMean', 'x', 'm', { axes: { ints: [0, 2, 3] } }),
        node('Sub', 'x m', 'd'),
        node('Mul', 'd d', 'dd'),
        node('ReduceMean', 'dd', 'v', { axes: { ints: [0, 2, 3] } }),
        node('Add', 'v e', 've'),
        node('Sqrt', 've', 's'),
        node('Div', 'd s', 'y'),
      ],
      [scalar('e', 1e-5)],
      { x: image, y: image },
    ),
  },
  {
    title: 'length of all rows together',
    outcome: 'refuted',
    runs: 'alone',
    text: 'ReduceL2',
    model: graph([node('ReduceL2', 'x', 'l', { keepdims: { int: 1 } }), node('Div', 'x l', 'y')]),
  },
  {
    title: 'LpNormalization over dim 0',
    outcome: 'refuted',
    runs: 'alone',
    text: 'LpNormalization',
    model: graph([node('LpNormalization', 'x', 'y', { axis: { int: 0 } })]),
  },
  {
    title: 'Softmax of opset 11 from axis 0 on',
    outcome: 'refuted',
    runs: 'alone',
    text: 'Softmax',
    model: graph([node('Softmax', 'x', 'y', { axis: { int: 0 } })], [], { opset: 11 }),
  },
  {
    title: 'Einsum of each row with every other',
    outcome: 'refuted',
    runs: 'alone',
    text: 'Einsum',
    model: graph([node('Einsum', 'x x', 'y', { equation: { string: 'ai,bi->ab' } })], [], { y: ['N', 'M'] }),
  },
  {
    title: 'ScatterElements along dim 0',
    outcome: 'refuted',
    runs: 'alone',
    text: 'ScatterElements',
    model: graph(
      [
        node('Shape', 'x', 's'),
        node('ConstantOfShape', 's', 'z', { value: { tensor: { dtype: 'int64', shape: [1], bytes: new Uint8Array(8) } } }),
        node('ScatterElements', 'x z x', 'y', { axis: { int: 0 }, reduction: { string: 'max' } }),
      ],
      [],
      { opset: 18 },
    ),
  },
  {
    title: 'Slice that turns the order of the rows',
    outcome: 'refuted',
    runs: 'alone',
    text: 'Slice',
    model: graph(
      [node('Slice', 'x last first at0 back', 'y')],
      [ints('last', [-1]), ints('first', [-9223372036854775000]), ints('at0', [0]), ints('back', [-1])],
    ),
  },
  {
    title: 'the place of a row added to it',
    outcome: 'refuted',
    runs: 'alone',
    text: 'in a run of 2 rows',
    model: graph(
      [
        ...rowCount,
        node('Range', 'zero n one', 'r'),
        node('Unsqueeze', 'r at1', 'c'),
        node('Cast', 'c', 'f', { to: { int: 1 } }),
        node('Add', 'x f', 'y'),
      ],
      [...rowCountConstants, ints('one', [1], []), ints('at1', [1])],
    ),
  },
  {
    title: 'division by Size',
    outcome: 'refuted',
    runs: 'alone',
    text: 'in a run of 2 rows',
    model: graph([node('Size', 'x', 's'), node('Cast', 's', 'f', { to: { int: 1 } }), node('Div', 'x f', 'y')]),
  },
  {
    title: 'If over the largest of all rows',
    outcome: 'refuted',
    runs: 'alone',
    text: 'ReduceMax',
    model: graph(
      [
        node('ReduceMax', 'x', 'top', { keepdims: { int: 0 } }),
        node('Greater', 'top h', 'large'),
        node('If', 'large', 'y', {
          then_branch: { graph: { inputs: [], outputs: [value('a', ['N', 4])], nodes: [node('Neg', 'x', 'a')] } },
          else_branch: { graph: { inputs: [], outputs: [value('b', ['N', 4])], nodes: [node('Abs', 'x', 'b')] } },
        }),
      ],
      [scalar('h', 0.5)],
    ),
  },
  {
    title: 'Loop as long as the longest row needs',
    outcome: 'refuted',
    runs: 'alone',
    text: 'ReduceMax',
    model: graph(
      [
        node('ReduceMax', 'x', 'top', { keepdims: { int: 0 } }),
        node('Ceil', 'top', 'c'),
        node('Min', 'c most', 'few'),
        node('Cast', 'few', 'steps', { to: { int: 7 } }),
        node('Loop', 'steps yes x', 'y', {
          body: {
            graph: {
              inputs: [value('i', [], 'int64'), value('go', [], 'bool'), value('state', ['N', 4])],
              outputs: [value('on', [], 'bool'), value('next', ['N', 4])],
              nodes: [node('Tanh', 'state', 'next'), node('Identity', 'go', 'on')],
            },
          },
        }),
      ],
      [{ name: 'yes', dtype: 'bool', shape: [], bytes: Uint8Array.of(1) }, scalar('most', 5)],
    ),
  },
  {
    title: 'Scan over dim 0',
    outcome: 'refuted',
    runs: 'whole',
    text: 'Scan',
    model: graph(
      [
        node('Scan', 'start x', 'end y', {
          num_scan_inputs: { int: 1 },
          body: {
            graph: {
              inputs: [value('state', [4]), value('step', [4])],
              outputs: [value('next', [4]), value('out', [4])],
              nodes: [node('Add', 'state step', 'next'), node('Identity', 'next', 'out')],
            },
          },
        }),
      ],
      [filled('start', 0, 4)],
    ),
  },
  {
    title: 'ReverseSequence of steps in dim 0',
    outcome: 'refuted',
    runs: 'whole',
    text: 'ReverseSequence',
    model: graph(
      [
        node('Shape', 'x', 's'),
        node('Gather', 's zero', 't'),
        node('Gather', 's one', 'n'),
        node('Unsqueeze', 'n at0', 'n1'),
        node('Expand', 't n1', 'lengths'),
        node('ReverseSequence', 'x lengths', 'y', { batch_axis: { int: 1 }, time_axis: { int: 0 } }),
      ],
      [ints('zero', [0], []), ints('one', [1], []), ints('at0', [0])],
      { x: ['T', 'B', 2], y: ['T', 'B', 2] },
    ),
  },
  {
    title: 'halves of a fixed batch exchanged',
    outcome: 'refuted',
    runs: 'alone',
    text: 'Split',
    model: graph([node('Split', 'x', 'p q', { axis: { int: 0 } }), node('Concat', 'q p', 'y', { axis: { int: 0 } })], [], {
      x: [4, 4],
      y: [4, 4],
    }),
  },
  {
    title: 'dynamic quantisation with MatMulInteger',
    outcome: 'refuted',
    runs: 'alone',
    text: 'DynamicQuantizeLinear',
    model: graph(
      [
        node('DynamicQuantizeLinear', 'x', 'q s z'),
        node('MatMulInteger', 'q w z', 'm'),
        node('Cast', 'm', 'f', { to: { int: 1 } }),
        node('Mul', 'f s', 'y'),
      ],
      [{ name: 'w', dtype: 'int8', shape: [4, 3], bytes: Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]) }],
    ),
  },
  {
    title: 'com.microsoft DynamicQuantizeMatMul',
    outcome: 'refuted',
    runs: 'alone',
    text: 'DynamicQuantizeMatMul',
    model: graph(
      [node('DynamicQuantizeMatMul', 'x w s', 'y', {}, 'com.microsoft')],
      [{ name: 'w', dtype: 'int8', shape: [4, 3], bytes: Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]) }, scalar('s', 0.1)],
    ),
  },
  {
    title: 'drawn classes',
    outcome: 'refuted',
    runs: 'alone',
    text: 'Multinomial',
    model: graph([node('Multinomial', 'x', 'y', { sample_size: { int: 3 }, dtype: { int: 6 } })], [], { y: ['N', 3], dtype: 'int32' }),
  },
  {
    title: 'drawn bits',
    outcome: 'refuted',
    runs: 'alone',
    text: 'Bernoulli',
    model: graph([node('Bernoulli', 'x', 'y')]),
  },
  {
    title: 'NonMaxSuppression',
    outcome: 'refused',
    text: "'found'",
    model: graph([node('NonMaxSuppression', 'boxes scores most', 'y')], [ints('most', [3])], {
      xs: [value('boxes', ['N', 6, 4]), value('scores', ['N', 1, 6])],
      y: ['found', 3],
      dtype: 'int64',
    }),
  },
  {
    title: 'a detector: NonMaxSuppression and the boxes that it kept',
    outcome: 'refused',
    text: 'is not the batch',
    model: graph(
      [
        node('NonMaxSuppression', 'boxes scores most', 'kept'),
        node('Slice', 'kept two three one', 'at'),
        node('Slice', 'kept zero one one', 'of'),
        node('Concat', 'of at', 'places', { axis: { int: 1 } }),
        node('GatherND', 'boxes places', 'y'),
      ],
      [ints('most', [3]), ints('zero', [0]), ints('one', [1]), ints('two', [2]), ints('three', [3])],
      { xs: [value('boxes', ['N', 6, 4]), value('scores', ['N', 1, 6])], y: ['dets', 4] },
    ),
  },
  {
    title: 'two rows taken by GatherND',
    outcome: 'refused',
    text: 'is not the batch',
    model: graph([node('GatherND', 'x i', 'y')], [ints('i', [0, 0, 0], [3, 1])], { y: ['picked', 4] }),
  },
  {
    title: 'RoiAlign of two regions',
    outcome: 'refused',
    text: 'is not the batch',
    model: graph(
      [node('RoiAlign', 'x rois of', 'y', { output_height: { int: 2 }, output_width: { int: 2 } })],
      [filled('rois', 1, 3, 4), ints('of', [0, 0, 0])],
      { x: image, y: ['R', 2, 2, 2] },
    ),
  },
  {
    title: 'Resize of dim 0',
    outcome: 'refused',
    text: 'is not the batch',
    model: graph([node('Resize', 'x _ s', 'y')], [{ name: 's', dtype: 'float32', shape: [4], bytes: float32Bytes([2, 1, 1, 1]) }], {
      x: image,
      y: ['M', 2, 6, 6],
    }),
  },
  {
    title: 'Tile of dim 0',
    outcome: 'refused',
    text: 'is not the batch',
    model: graph([node('Tile', 'x r', 'y')], [ints('r', [2, 1])], { y: ['M', 4] }),
  },
  {
    title: 'Pad of dim 0',
    outcome: 'refused',
    text: 'is not the batch',
    model: graph([node('Pad', 'x p z', 'y')], [ints('p', [1, 0, 0, 0]), scalar('z', 0)], { y: ['M', 4] }),
  },
  {
    title: 'Gemm with transA',
    outcome: 'refused',
    text: 'is not the batch',
    model: graph([node('Gemm', 'x x', 'y', { transA: { int: 1 } })], [], { y: ['M', 4] }),
  },
  {
    title: 'Reshape to rows of twice the size',
    outcome: 'refused',
    text: 'is not the batch',
    model: graph([node('Concat', 'x x', 'c', { axis: { int: 0 } }), node('Reshape', 'c s', 'y')], [ints('s', [-1, 2])], { y: ['M', 2] }),
  },
  {
    title: 'the first of a sequence that was split over dim 0',
    outcome: 'refused',
    text: 'is not the batch',
    model: graph(
      [node('SplitToSequence', 'x', 's', { axis: { int: 0 }, keepdims: { int: 0 } }), node('SequenceAt', 's zero', 'y')],
      [ints('zero', [0], [])],
      { y: ['M'] },
    ),
  },
];

/** Nobody knows, though these go row by row. */
export const moreUnproven: readonly BatchingCase[] = [
  {
    title: 'a part of a sequence that was split over dim 1',
    outcome: 'unproven',
    runs: 'alone',
    text: 'SplitToSequence',
    model: graph([node('SplitToSequence', 'x', 's', { axis: { int: 1 } }), node('SequenceAt', 's zero', 'y')], [ints('zero', [0], [])]),
  },
];
