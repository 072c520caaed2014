import { float32Bytes } from '../support/onnx-model.js';
import {
  filled,
  graph,
  hidden,
  image,
  ints,
  lstmWeights,
  node,
  rowCount,
  rowCountConstants,
  scalar,
  shapeOf,
  value,
  weights,
  type BatchingCase,
} from './parts.js';

/** Row by row, as exporters write networks. */
const proven: readonly Omit<BatchingCase, 'outcome'>[] = [
  {
    title: 'x.view(x.size(0), -1) by Shape, Slice and Concat',
    model: graph(
      [
        node('Shape', 'x', 's'),
        node('Slice', 's from to', 'n1'),
        shapeOf('t', 'rest'),
        node('Reshape', 'x t', 'flat'),
        node('Gemm', 'flat w', 'y'),
      ],
      [ints('from', [0]), ints('to', [1]), ints('rest', [-1]), weights('w', 12, 5)],
      { x: ['N', 3, 4] },
    ),
  },
  {
    title: 'self-attention with packed q, k and v',
    model: graph(
      [
        ...rowCount,
        node('MatMul', 'x w', 'qkv'),
        shapeOf('t', 'parts'),
        node('Reshape', 'qkv t', 'five'),
        node('Transpose', 'five', 'heads', { perm: { ints: [2, 0, 3, 1, 4] } }),
        node('Gather', 'heads zero', 'q'),
        node('Gather', 'heads one', 'k'),
        node('Gather', 'heads two', 'v'),
        node('Transpose', 'k', 'kt', { perm: { ints: [0, 1, 3, 2] } }),
        node('MatMul', 'q kt', 'scores'),
        node('Softmax', 'scores', 'p', { axis: { int: -1 } }),
        node('MatMul', 'p v', 'o'),
        node('Transpose', 'o', 'ot', { perm: { ints: [0, 2, 1, 3] } }),
        shapeOf('u', 'joined'),
        node('Reshape', 'ot u', 'y'),
      ],
      [
        ...rowCountConstants,
        ints('one', [1], []),
        ints('two', [2], []),
        weights('w', 8, 24),
        ints('parts', [5, 3, 2, 4]),
        ints('joined', [5, 8]),
      ],
      { x: ['N', 5, 8], y: ['N', 5, 8] },
    ),
  },
  {
    title: 'text: embeddings, positions of the length, a mask of its own for each row',
    model: graph(
      [
        node('Gather', 'table x', 'words'),
        node('Shape', 'x', 's'),
        node('Gather', 's one', 'length'),
        node('Range', 'zero length one', 'at'),
        node('Gather', 'places at', 'positions'),
        node('Add', 'words positions', 'h'),
        node('Transpose', 'h', 'ht', { perm: { ints: [0, 2, 1] } }),
        node('MatMul', 'h ht', 'scores'),
        node('Unsqueeze', 'mask axis', 'mask1'),
        node('Cast', 'mask1', 'kept', { to: { int: 1 } }),
        node('Sub', 'unit kept', 'dropped'),
        node('Mul', 'dropped far', 'added'),
        node('Add', 'scores added', 'masked'),
        node('Softmax', 'masked', 'p', { axis: { int: -1 } }),
        node('MatMul', 'p h', 'y'),
      ],
      [
        weights('table', 8, 4),
        weights('places', 64, 4),
        ints('zero', [0], []),
        ints('one', [1], []),
        ints('axis', [1]),
        scalar('unit', 1),
        scalar('far', -10000),
      ],
      { xs: [value('x', ['N', 'S'], 'int64'), value('mask', ['N', 'S'], 'int64')], y: ['N', 'S', 4] },
    ),
  },
  {
    title: 'positions by CumSum over a mask',
    model: graph(
      [
        node('Equal', 'x pad', 'isPad'),
        node('Not', 'isPad', 'isWord'),
        node('Cast', 'isWord', 'words', { to: { int: 7 } }),
        node('CumSum', 'words one', 'counted'),
        node('Mul', 'counted words', 'at'),
        node('Gather', 'places at', 'y'),
      ],
      [ints('pad', [1], []), ints('one', [1], []), weights('places', 64, 3)],
      { xs: [value('x', ['N', 'S'], 'int64')], y: ['N', 'S', 3] },
    ),
  },
  {
    title: 'a causal mask made from the length',
    model: graph(
      [
        node('Transpose', 'x', 't', { perm: { ints: [0, 2, 1] } }),
        node('MatMul', 'x t', 'scores'),
        node('Shape', 'x', 's'),
        node('Gather', 's one', 'length'),
        node('Unsqueeze', 'length at0', 'l1'),
        node('Concat', 'l1 l1', 'square', { axis: { int: 0 } }),
        node('ConstantOfShape', 'square', 'ones', { value: { tensor: { dtype: 'float32', shape: [1], bytes: float32Bytes([1]) } } }),
        node('Trilu', 'ones', 'lower', { upper: { int: 0 } }),
        node('Equal', 'lower nought', 'hidden'),
        node('Where', 'hidden far scores', 'masked'),
        node('Softmax', 'masked', 'p', { axis: { int: -1 } }),
        node('MatMul', 'p x', 'y'),
      ],
      [ints('one', [1], []), ints('at0', [0]), scalar('nought', 0), scalar('far', -1e9)],
      { x: ['N', 'S', 4], y: ['N', 'S', 4] },
    ),
  },
  {
    title: 'rotary positions',
    model: graph(
      [
        node('Shape', 'x', 's'),
        node('Gather', 's one', 'length'),
        node('Unsqueeze', 'length at0', 'l1'),
        node('Slice', 'cosines at0 l1 at0', 'c'),
        node('Slice', 'x at0 two last', 'left'),
        node('Slice', 'x two four last', 'right'),
        node('Neg', 'right', 'turned'),
        node('Concat', 'turned left', 'rotated', { axis: { int: -1 } }),
        node('Mul', 'rotated c', 'r'),
        node('Mul', 'x c', 'k'),
        node('Add', 'k r', 'y'),
      ],
      [ints('one', [1], []), ints('at0', [0]), ints('two', [2]), ints('four', [4]), ints('last', [-1]), weights('cosines', 64, 4)],
      { x: ['N', 'S', 4], y: ['N', 'S', 4] },
    ),
  },
  {
    title: 'vision transformer: patches by Conv, a class token expanded to the rows',
    model: graph(
      [
        ...rowCount,
        node('Conv', 'x w', 'c', { strides: { ints: [3, 3] } }),
        shapeOf('t', 'flat'),
        node('Reshape', 'c t', 'r'),
        node('Transpose', 'r', 'patches', { perm: { ints: [0, 2, 1] } }),
        shapeOf('e', 'rest'),
        node('Expand', 'token e', 'tokens'),
        node('Concat', 'tokens patches', 'all', { axis: { int: 1 } }),
        node('Add', 'all positions', 'h'),
        node('LayerNormalization', 'h scale', 'l'),
        node('Gather', 'l zero', 'y', { axis: { int: 1 } }),
      ],
      [
        ...rowCountConstants,
        weights('w', 4, 2, 3, 3),
        ints('flat', [4, -1]),
        ints('rest', [1, 4]),
        weights('token', 1, 1, 4),
        weights('positions', 1, 5, 4),
        filled('scale', 1, 4),
      ],
      { x: image, y: ['N', 4] },
    ),
  },
  {
    title: 'group normalisation by InstanceNormalization, shape restored',
    model: graph(
      [
        node('Shape', 'x', 's'),
        node('Reshape', 'x t', 'r'),
        node('InstanceNormalization', 'r one none', 'i'),
        node('Reshape', 'i s', 'b'),
        node('Mul', 'b scale', 'y'),
      ],
      [ints('t', [0, 2, -1]), filled('one', 1, 2), filled('none', 0, 2), weights('scale', 4, 1, 1)],
      { x: ['N', 4, 3, 3], y: ['N', 4, 3, 3] },
    ),
  },
  {
    title: 'GroupNormalization',
    model: graph([node('GroupNormalization', 'x s b', 'y', { num_groups: { int: 2 } })], [weights('s', 4), weights('b', 4)], {
      x: ['N', 4, 3, 3],
      y: ['N', 4, 3, 3],
      opset: 21,
    }),
  },
  {
    title: 'channels shuffled by Reshape with 0 and -1',
    model: graph(
      [node('Reshape', 'x a', 'r'), node('Transpose', 'r', 't', { perm: { ints: [0, 2, 1, 3, 4] } }), node('Reshape', 't b', 'y')],
      [ints('a', [0, 2, 2, 3, 3]), ints('b', [0, -1, 3, 3])],
      { x: ['N', 4, 3, 3], y: ['N', 4, 3, 3] },
    ),
  },
  {
    title: 'Resize to sizes that begin with the number of rows',
    model: graph(
      [
        node('Shape', 'x', 's'),
        node('Slice', 's from to', 'kept'),
        node('Concat', 'kept size', 'sizes', { axis: { int: 0 } }),
        node('Resize', 'x _ _ sizes', 'y', { mode: { string: 'linear' } }),
      ],
      [ints('from', [0]), ints('to', [2]), ints('size', [12, 12])],
      { x: image, y: ['N', 2, 12, 12] },
    ),
  },
  {
    title: 'zeros of padding before Conv and before MaxPool',
    model: graph(
      [
        node('Pad', 'x p z', 'padded'),
        node('Conv', 'padded w', 'c'),
        node('Pad', 'c p z', 'padded2'),
        node('MaxPool', 'padded2', 'y', { kernel_shape: { ints: [3, 3] }, strides: { ints: [2, 2] } }),
      ],
      [ints('p', [0, 0, 1, 1, 0, 0, 1, 1]), scalar('z', 0), weights('w', 3, 2, 3, 3)],
      { x: image, y: ['N', 3, 'h', 'w'] },
    ),
  },
  {
    title: 'batch moved to dim 1 and back around MatMul and Softmax',
    model: graph(
      [
        node('Transpose', 'x', 't', { perm: { ints: [1, 0, 2] } }),
        node('MatMul', 't w', 'm'),
        node('Softmax', 'm', 'p', { axis: { int: 0 } }),
        node('Transpose', 'p', 'y', { perm: { ints: [1, 0, 2] } }),
      ],
      [weights('w', 4, 3)],
      { x: ['N', 5, 4], y: ['N', 5, 3] },
    ),
  },
  {
    title: 'LSTM whose first state is made from the number of rows',
    model: graph(
      [
        ...rowCount,
        node('Concat', 'unit n1 width', 'state', { axis: { int: 0 } }),
        node('Expand', 'nought state', 'h0'),
        node('Transpose', 'x', 't', { perm: { ints: [1, 0, 2] } }),
        node('LSTM', 't W R _ _ h0 h0', 'all last', { hidden_size: { int: hidden } }),
        node('Squeeze', 'last at0', 'y'),
      ],
      [...rowCountConstants, ...lstmWeights(2), ints('unit', [1]), ints('width', [hidden]), filled('nought', 0, 1, 1, 1)],
      { x: ['N', 'S', 2], y: ['N', hidden] },
    ),
  },
  {
    title: 'a table that the request brings along',
    declared: { withoutBatchDimInputs: [1] },
    model: graph([node('Gather', 'table x', 'y')], [], {
      xs: [value('x', ['N', 'S'], 'int64'), value('table', [8, 3])],
      y: ['N', 'S', 3],
    }),
  },
  {
    title: 'GatherND with batch_dims',
    model: graph(
      [node('ArgMax', 'x', 'top', { axis: { int: 1 }, keepdims: { int: 1 } }), node('GatherND', 'x top', 'y', { batch_dims: { int: 1 } })],
      [],
      { y: ['N'] },
    ),
  },
  {
    title: 'ScatterElements along dim 1',
    model: graph(
      [node('TopK', 'x k', 'v i'), node('ScatterElements', 'x i v', 'y', { axis: { int: 1 }, reduction: { string: 'add' } })],
      [ints('k', [2])],
      { opset: 18 },
    ),
  },
  {
    title: 'Einsum of each row with itself',
    model: graph([node('Einsum', 'x x', 'y', { equation: { string: 'bi,bi->b' } })], [], { y: ['N'] }),
  },
  { title: 'weights on the left of three dims', model: graph([node('MatMul', 'w x', 'y')], [weights('w', 5, 4)], { x: ['N', 4, 3] }) },
  {
    title: 'OneHot and the class of each row',
    model: graph(
      [node('ArgMax', 'x', 'k', { axis: { int: 1 }, keepdims: { int: 0 } }), node('OneHot', 'k depth values', 'y')],
      [ints('depth', [4]), { name: 'values', dtype: 'float32', shape: [2], bytes: float32Bytes([0, 1]) }],
    ),
  },
  {
    title: 'ReverseSequence of each row',
    model: graph([node('ReverseSequence', 'x lengths', 'y', { batch_axis: { int: 0 }, time_axis: { int: 1 } })], [], {
      xs: [value('x', ['N', 8, 2]), value('lengths', ['N'], 'int64')],
      y: ['N', 8, 2],
    }),
  },
  {
    title: 'Loop of three steps over a state of the rows',
    model: graph(
      [
        node('Loop', 'three yes x', 'y', {
          body: {
            graph: {
              inputs: [value('i', [], 'int64'), value('go', [], 'bool'), value('state', ['N', 4])],
              outputs: [value('on', [], 'bool'), value('next', ['N', 4])],
              nodes: [node('MatMul', 'state w', 'm'), node('Tanh', 'm', 'next'), node('Identity', 'go', 'on')],
            },
          },
        }),
      ],
      [ints('three', [3], []), { name: 'yes', dtype: 'bool', shape: [], bytes: Uint8Array.of(1) }, weights('w', 4, 4)],
    ),
  },
  {
    title: 'ai.onnx.ml: Scaler, Normalizer and LinearRegressor',
    model: graph([
      node('Scaler', 'x', 's', { offset: { floats: [0, 1, 2, 3] }, scale: { floats: [1, 2, 3, 4] } }, 'ai.onnx.ml'),
      node('Normalizer', 's', 'n', { norm: { string: 'L2' } }, 'ai.onnx.ml'),
      node('LinearRegressor', 'n', 'y', { coefficients: { floats: [1, 2, 3, 4] }, intercepts: { floats: [1] } }, 'ai.onnx.ml'),
    ]),
  },
  {
    title: 'ai.onnx.ml: LinearClassifier, label and scores',
    model: graph(
      [
        node(
          'LinearClassifier',
          'x',
          'label y',
          {
            classlabels_ints: { ints: [0, 1] },
            coefficients: { floats: [1, 2, 3, 4, 4, 3, 2, 1] },
            intercepts: { floats: [0, 1] },
            post_transform: { string: 'SOFTMAX' },
          },
          'ai.onnx.ml',
        ),
      ],
      [],
      { ys: [value('label', ['N'], 'int64'), value('y', ['N', 2])] },
    ),
  },
  {
    title: 'com.microsoft: FusedMatMul, BiasGelu, SkipLayerNormalization, FastGelu and QuickGelu',
    model: graph(
      [
        node('FusedMatMul', 'x w', 'm', { transB: { int: 1 }, alpha: { float: 0.5 } }, 'com.microsoft'),
        node('BiasGelu', 'm b', 'g', {}, 'com.microsoft'),
        node('SkipLayerNormalization', 'g x s b', 'l', {}, 'com.microsoft'),
        node('FastGelu', 'l', 'f', {}, 'com.microsoft'),
        node('QuickGelu', 'f', 'y', {}, 'com.microsoft'),
      ],
      [weights('w', 4, 4), weights('b', 4), filled('s', 1, 4)],
      { x: ['N', 3, 4], y: ['N', 3, 4] },
    ),
  },
  {
    title: 'com.microsoft MultiHeadAttention',
    model: graph([node('MultiHeadAttention', 'x x x', 'y', { num_heads: { int: 2 } }, 'com.microsoft')], [], {
      x: ['N', 'S', 8],
      y: ['N', 'S', 8],
    }),
  },
  {
    title: 'an output that is announced as [1, 4]',
    model: graph([node('Relu', 'x', 'y')], [], { y: [1, 4] }),
  },
  {
    title: 'a fixed batch with its size in the shapes',
    model: graph(
      [node('Reshape', 'x a', 'r'), node('ReduceMax', 'r', 'm', { axes: { ints: [2] } }), node('Reshape', 'm b', 'y')],
      [ints('a', [4, 2, 2]), ints('b', [4, 2])],
      { x: [4, 4], y: [4, 2] },
    ),
  },
];

/** Models as exporters write them. */
export const exportedCases: readonly BatchingCase[] = proven.map((one) => ({ ...one, outcome: 'proven' }));
