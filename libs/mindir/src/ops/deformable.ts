import { sequence } from '../graph/sequence.js';
import type { TensorValue, Value } from '../graph/value.js';
import { composer, operandOf } from './compose.js';
import type { OpCall } from './op-call.js';
import { family, op } from './op-table.js';

/** The elements of one axis of the offsets: x, y or mask. */
function plane(call: OpCall, offsets: TensorValue, index: number): TensorValue {
  return call.node('Gather', [offsets, call.graph.int(index)], { axis: 1 });
}

/**
 * Samples each window's pixels at shifted places, one output pixel per pixel of the window, so that a convolution with the
 * kernel's size as stride follows. Offsets: [batch, (x, y, mask) * groups * kernel, rows, columns].
 */
function deformableOffsets(call: OpCall): Value {
  const { add, sub, mul, div } = composer(call);
  const { graph } = call;
  const [x, offsets] = [operandOf(call, 0), operandOf(call, 1)];
  const [kh, kw] = call.numbers('ksize') as [number, number];
  const [sh, sw] = call.numbers('strides').slice(-2) as [number, number];
  const [dh, dw] = call.numbers('dilations').slice(-2) as [number, number];
  const [top, , left] = call.numbers('pads') as [number, number, number, number];
  const groups = call.number('deformable_groups', 1);
  const isModulated = call.bool('modulated', true);
  const [channels, height, width] = [call.dim(x, 1), call.dim(x, 2), call.dim(x, 3)];
  const [rows, columns] = [call.dim(offsets, 2), call.dim(offsets, 3)];
  // [batch, 3, groups, kh, kw, rows, columns] -> [batch, 3, groups, rows * kh, columns * kw]
  const parts = call.node('Reshape', [offsets, graph.ints([-1, isModulated ? 3 : 2, groups, kh, kw, rows, columns])]);
  const laid = call.node('Reshape', [
    call.node('Transpose', [parts], { perm: [0, 1, 2, 5, 3, 6, 4] }),
    graph.ints([-1, isModulated ? 3 : 2, groups, rows * kh, columns * kw]),
  ]);
  const yBase = sequence(rows * kh, (_, index) => Math.floor(index / kh) * sh - top + (index % kh) * dh);
  const xBase = sequence(columns * kw, (_, index) => Math.floor(index / kw) * sw - left + (index % kw) * dw);
  const placeX = add(plane(call, laid, 0), graph.constant(x.dtype, [1, 1, 1, columns * kw], xBase));
  const placeY = add(plane(call, laid, 1), graph.constant(x.dtype, [1, 1, rows * kh, 1], yBase));
  // Pixel to [-1, 1] where the ends are the outer edges of the border pixels.
  const scaled = (place: TensorValue, size: number): TensorValue => {
    const doubled = add(mul(place, call.like(place, 2)), call.like(place, 1));
    return sub(div(doubled, call.like(place, size)), call.like(place, 1));
  };
  const last = graph.ints([-1]);
  const grid = call.node(
    'Concat',
    [call.node('Unsqueeze', [scaled(placeX, width), last]), call.node('Unsqueeze', [scaled(placeY, height), last])],
    { axis: -1 },
  );
  const perGroup = call.node('Reshape', [x, graph.ints([-1, channels / groups, height, width])]);
  const flatGrid = call.node('Reshape', [grid, graph.ints([-1, rows * kh, columns * kw, 2])]);
  const sampled = call.node('GridSample', [perGroup, flatGrid], { mode: 'linear', padding_mode: 'zeros', align_corners: 0 });
  const weight = isModulated ? call.node('Reshape', [plane(call, laid, 2), graph.ints([-1, 1, rows * kh, columns * kw])]) : undefined;
  const weighted = weight === undefined ? sampled : mul(sampled, weight);
  return call.node('Reshape', [weighted, graph.ints([-1, channels, rows * kh, columns * kw])]);
}

/** Rows of deformable windows. */
export const deformable = family('Deformable windows', [op('DeformableOffsets', 'x offsets', deformableOffsets)]);
