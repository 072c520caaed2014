import type { OnnxAttribute } from '../graph/onnx-graph.js';
import { isStatic } from '../graph/shapes.js';
import { noneScalar, tupleOf, type TensorValue, type Value } from '../graph/value.js';
import { operandOf } from './compose.js';
import { explicitPads, padModeOf, refuseChannelsLast, spatial } from './convolution.js';
import { Untranslatable, type OpCall } from './op-call.js';
import { family, op, type Emit } from './op-table.js';
import { elementAt, sequence } from '../graph/sequence.js';

/** Where the spatial sizes stand among rank + 2 of them: [1, 1, h, w] or [1, h, w, 1]. */
type Layout = 'sizes last' | 'sizes inside';

function window(call: OpCall, rank: number, layout: Layout = 'sizes last'): Record<string, OnnxAttribute> {
  return {
    kernel_shape: windowSizes(call, 'kernel_size|ksize', rank, layout),
    strides: windowSizes(call, 'strides|stride', rank, layout),
  };
}

function windowSizes(call: OpCall, names: string, rank: number, layout: Layout): number[] {
  const values = call.numbersOr(names);
  return layout === 'sizes inside' && values?.length === rank + 2 ? values.slice(1, -1) : spatial(values, rank, 1);
}

function padding(call: OpCall, rank: number, layout: Layout = 'sizes last'): Record<string, OnnxAttribute> {
  const mode = padModeOf(call);
  const computed = call.numbersOr('pad_list');
  if (mode === 'same' && rank === 3 && computed?.length === 6 && computed.every((pad) => pad >= 0) && computed.some((pad) => pad > 0))
    return { pads: explicitPads(computed, rank) };
  if (mode === 'same') return samePool(call, rank, layout);
  return mode === 'valid'
    ? {}
    : { pads: explicitPads(call.numbersOr('pad_list|pad|pads'), rank), ceil_mode: call.bool('ceil_mode') ? 1 : 0 };
}

/** ONNX Runtime computes negative pads, and refuses them, where the stride is larger than the window. */
function samePool(call: OpCall, rank: number, layout: Layout): Record<string, OnnxAttribute> {
  const kernel = windowSizes(call, 'kernel_size|ksize', rank, layout);
  const strides = windowSizes(call, 'strides|stride', rank, layout);
  if (kernel.every((size) => size === 1)) return {};
  const sizes = operandOf(call).shape?.slice(2);
  if (!isStatic(sizes) || kernel.every((size, axis) => size >= elementAt(strides, axis))) return { auto_pad: 'SAME_UPPER' };
  const totals = sizes.map((size, axis) =>
    Math.max(0, (Math.ceil(size / elementAt(strides, axis)) - 1) * elementAt(strides, axis) + elementAt(kernel, axis) - size),
  );
  return { pads: [...totals.map((total) => Math.floor(total / 2)), ...totals.map((total) => Math.ceil(total / 2))] };
}

function maxPool(rank: number): Emit {
  return (call) => {
    refuseChannelsLast(call);
    return call.node('MaxPool', [operandOf(call)], { ...window(call, rank), ...padding(call, rank) });
  };
}

function averagePool(rank: number): Emit {
  return (call) => {
    refuseChannelsLast(call);
    const x = operandOf(call);
    const attributes = { ...window(call, rank), ...padding(call, rank) };
    const divisor = call.number('divisor_override', 0);
    if (divisor === 0)
      return call.node('AveragePool', [x], {
        ...attributes,
        count_include_pad: call.bool('count_include_pad', rank === 3) && rank === 3 ? 1 : 0,
      });
    const area = windowSizes(call, 'kernel_size|ksize', rank, 'sizes last').reduce((product, size) => product * size, 1);
    return call.node('Mul', [call.node('AveragePool', [x], { ...attributes, count_include_pad: 1 }), call.like(x, area / divisor)]);
  };
}

/** Pools whose parameters are inputs; one of padding per side. A missing batch dim is added and taken away again. */
function functionalPool(opType: 'AveragePool' | 'MaxPool', rank: number): Emit {
  return (call) => {
    const input = call.tensor('input');
    const batched = call.rank(input) === rank + 2;
    const x = batched ? input : call.node('Unsqueeze', [input, call.graph.ints([0])]);
    const kernel = spatial(call.numbers('kernel_size'), rank, 1);
    const strides = call.numbersOr('stride');
    const pads = spatial(call.numbersOr('padding'), rank, 0);
    const attributes = {
      kernel_shape: kernel,
      strides: strides === undefined || strides.length === 0 ? kernel : spatial(strides, rank, 1),
      pads: [...pads, ...pads],
      ceil_mode: call.bool('ceil_mode') ? 1 : 0,
    };
    const pooled =
      opType === 'AveragePool'
        ? call.node(opType, [x], { ...attributes, count_include_pad: call.bool('count_include_pad', true) ? 1 : 0 })
        : call.node(opType, [x], { ...attributes, dilations: spatial(call.numbersOr('dilation'), rank, 1) });
    const divisor = call.number('divisor_override', 0);
    const y = divisor === 0 ? pooled : call.node('Mul', [pooled, call.like(x, kernel.reduce((a, b) => a * b, 1) / divisor)]);
    return batched ? y : call.node('Squeeze', [y, call.graph.ints([0])]);
  };
}

/** Values and the flat positions of the maxima: within each plane, or through all planes of an image. */
function maxPoolWithIndex(rank: number, { layout = 'sizes last', positionsIn }: { layout?: Layout; positionsIn: 'plane' | 'image' }): Emit {
  return (call) => {
    const x = operandOf(call);
    const functional = call.find('pads|pad') !== undefined && call.find('pad_mode') === undefined;
    const placed: Record<string, OnnxAttribute> = functional
      ? {
          pads: explicitPads(spatial(call.numbersOr('pads|pad'), rank, 0), rank),
          ceil_mode: call.bool('ceil_mode') ? 1 : 0,
          dilations: spatial(call.numbersOr('dilation'), rank, 1),
        }
      : padding(call, rank, layout);
    const [values, positions] = call.graph.multi('MaxPool', [x], 2, { ...window(call, rank, layout), ...placed }) as [
      TensorValue,
      TensorValue,
    ];
    // ONNX counts positions through the whole tensor.
    const period = call.node('ReduceProd', [call.node('Shape', [x], { start: positionsIn === 'image' ? 1 : 2 })], { keepdims: 0 });
    return tupleOf([values, call.node('Mod', [positions, period])]);
  };
}

/** Bounds of adaptive pooling's cell `index` of `cells` over `size`. */
function cellBounds(index: number, cells: number, size: number): [number, number] {
  return [Math.floor((index * size) / cells), Math.ceil(((index + 1) * size) / cells)];
}

/** Adaptive pooling along one axis: one reduction per cell. Bounds of a dynamic size are computed in the run. */
function adaptiveAxis(call: OpCall, x: TensorValue, axis: number, cells: number, opType: 'ReduceMean' | 'ReduceMax'): TensorValue {
  const { graph } = call;
  if (cells === 1) return call.node(opType, [x, graph.ints([axis])], { keepdims: 1 });
  const size = x.shape?.[axis] ?? -1;
  const dynamic = size >= 0 ? undefined : call.node('Shape', [x], { start: axis, end: axis + 1 });
  // floor((factor * size + add) / cells)
  const bound = (factor: number, add: number): TensorValue =>
    dynamic === undefined
      ? graph.ints([Math.floor((factor * size + add) / cells)])
      : call.node('Div', [call.node('Add', [call.node('Mul', [dynamic, graph.ints([factor])]), graph.ints([add])]), graph.ints([cells])]);
  const parts = sequence(call.bounded(cells, 4096), (_, index) => {
    const cell = call.node('Slice', [x, bound(index, 0), bound(index + 1, cells - 1), graph.ints([axis])]);
    return call.node(opType, [cell, graph.ints([axis])], { keepdims: 1 });
  });
  return call.node('Concat', parts, { axis });
}

function adaptive(opType: 'ReduceMean' | 'ReduceMax', rank: number): Emit {
  return (call) => {
    const x = operandOf(call);
    const dims = call.rank(x);
    const wanted = spatial(call.numbers('output_size'), rank, 1);
    let result: TensorValue = x;
    wanted.forEach((cells, index) => {
      const axis = dims - rank + index;
      // -1 and None keep the size.
      if (cells <= 0 || cells === x.shape?.[axis]) return;
      result = adaptiveAxis(call, result, axis, cells, opType);
    });
    return call.outputCount === 2 ? tupleOf([result, positionsOrNone(call, x, wanted, rank)]) : result;
  };
}

/** Most nets drop the positions: where they have no translation, None stands for them, which is refused only when something uses it. */
function positionsOrNone(call: OpCall, x: TensorValue, wanted: readonly number[], rank: number): Value {
  try {
    return adaptiveIndices(
      call,
      x,
      wanted.map((cells, index) => (cells <= 0 ? call.dim(x, call.rank(x) - rank + index) : cells)),
      rank,
    );
  } catch (thrown) {
    if (thrown instanceof Untranslatable) return noneScalar;
    throw thrown;
  }
}

/** Flat positions of the maxima inside each plane, for static spatial sizes. */
function adaptiveIndices(call: OpCall, x: TensorValue, wanted: readonly number[], rank: number): Value {
  const sizes = x.shape?.slice(-rank);
  if (!isStatic(sizes)) return call.refuse('gives positions for sizes that are not known before the run');
  const { graph } = call;
  const axes = wanted.map((_, index) => call.rank(x) - rank + index);
  const lead = call.rank(x) - rank;
  const flat = call.bounded(
    sizes.reduce((a, b) => a * b, 1),
    1_000_000,
  );
  const total = call.bounded(
    wanted.reduce((a, b) => a * b, 1),
    4096,
  );
  const cells = sequence(total, (_, cell) => {
    let rest = cell;
    const at = [...wanted]
      .reverse()
      .map((count) => {
        const position = rest % count;
        rest = Math.floor(rest / count);
        return position;
      })
      .reverse();
    const bounds = at.map((position, index) => cellBounds(position, elementAt(wanted, index), elementAt(sizes, index)));
    const inside = call.node('Slice', [
      x,
      graph.ints(bounds.map(([start]) => start)),
      graph.ints(bounds.map(([, end]) => end)),
      graph.ints(axes),
    ]);
    const positions = sequence(flat, (_, index) => index).filter((index) => {
      let remaining = index;
      return [...sizes].reverse().every((size, reverse) => {
        const position = remaining % size;
        remaining = Math.floor(remaining / size);
        const [start, end] = bounds[rank - 1 - reverse] as [number, number];
        return position >= start && position < end;
      });
    });
    const rows = call.node('Reshape', [inside, graph.ints([...sequence(lead, () => 0), -1])]);
    const best = call.node('ArgMax', [rows], { axis: lead, keepdims: 1 });
    return call.node('Gather', [graph.ints(positions), best], { axis: 0 });
  });
  const joined = call.node('Concat', cells, { axis: lead });
  return call.node('Reshape', [joined, graph.ints([...sequence(lead, () => 0), ...wanted])]);
}

/** Rows of pooling. */
export const pooling = family('Pooling', [
  op('MaxPool', 'x kernel_size strides pad_mode data_format', maxPool(2)),
  op('MaxPool3D', 'x', maxPool(3)),
  op('MaxPoolWithArgmax', 'x', maxPoolWithIndex(2, { layout: 'sizes inside', positionsIn: 'image' })),
  op('MaxPoolWithArgmaxV2', 'x', maxPoolWithIndex(2, { positionsIn: 'plane' })),
  op('MaxPoolWithIndices MaxPoolWithMask', 'x kernel_size strides pads dilation ceil_mode', maxPoolWithIndex(2, { positionsIn: 'plane' })),
  op('MaxPool3DWithArgmax', 'x', maxPoolWithIndex(3, { positionsIn: 'plane' })),
  op('FuncMaxPool2D', 'input kernel_size stride padding dilation ceil_mode', functionalPool('MaxPool', 2)),
  op('AvgPool', 'x kernel_size strides pad_mode data_format', averagePool(2)),
  op('AvgPool3D', 'x', averagePool(3)),
  op('AvgPool1D', 'input kernel_size stride padding ceil_mode count_include_pad', functionalPool('AveragePool', 1)),
  op('AvgPool2D', 'input kernel_size stride padding ceil_mode count_include_pad divisor_override', functionalPool('AveragePool', 2)),
  op('AvgPool3DExt', 'input kernel_size stride padding ceil_mode count_include_pad divisor_override', functionalPool('AveragePool', 3)),
  op('AdaptiveAvgPool1D', 'input output_size', adaptive('ReduceMean', 1)),
  op('AdaptiveAvgPool2D AdaptiveAvgPool2DExt', 'input output_size', adaptive('ReduceMean', 2)),
  op('AdaptiveAvgPool3D AdaptiveAvgPool3DExt', 'input output_size', adaptive('ReduceMean', 3)),
  op('AdaptiveMaxPool1D', 'input output_size', adaptive('ReduceMax', 1)),
  op('AdaptiveMaxPool2D', 'input output_size', adaptive('ReduceMax', 2)),
  op('AdaptiveMaxPool3D', 'input output_size', adaptive('ReduceMax', 3)),
]);
