import { positiveAxis } from '../graph/shapes.js';
import { tupleOf, type TensorValue, type Value } from '../graph/value.js';
import { operandOf } from './compose.js';
import { intTensorOf, numbersOf, type OpCall } from './op-call.js';
import { family, op } from './op-table.js';
import { elementAt, sequence } from '../graph/sequence.js';

function reshape(call: OpCall): Value {
  return call.node('Reshape', [operandOf(call), call.intTensor('shape')]);
}

function transpose(call: OpCall): Value {
  const x = operandOf(call);
  const perm = call.numbers('perm|dims');
  return call.node('Transpose', [x], { perm: perm.map((axis) => positiveAxis(axis, perm.length)) });
}

/** Two axes exchanged. */
function swapAxes(call: OpCall): Value {
  const x = operandOf(call);
  const rank = call.rank(x);
  const [a, b] = [positiveAxis(call.number('dim0'), rank), positiveAxis(call.number('dim1'), rank)];
  const perm = sequence(rank, (_, axis) => (axis === a ? b : axis === b ? a : axis));
  return call.node('Transpose', [x], { perm });
}

function expandDims(call: OpCall): Value {
  return call.node('Unsqueeze', [operandOf(call), call.graph.ints(call.numbers('axis|dim'))]);
}

function squeeze(call: OpCall): Value {
  const x = operandOf(call);
  const axes = call.numbersOr('axis|dim');
  if (axes === undefined || axes.length === 0) return call.node('Squeeze', [x]);
  // Only dims of size 1 go, as in MindSpore's functional form.
  const ones = axes.filter((axis) => [1, -1, undefined].includes(x.shape?.[positiveAxis(axis, call.rank(x))]));
  return ones.length === 0 ? x : call.node('Squeeze', [x, call.graph.ints(ones)]);
}

function flattenRange(call: OpCall): Value {
  const x = operandOf(call);
  const rank = call.rank(x);
  if (rank === 0) return call.node('Reshape', [x, call.graph.ints([1])]);
  const [start, end] = [positiveAxis(call.number('start_dim', 1), rank), positiveAxis(call.number('end_dim', -1), rank)];
  if (start === end) return x;
  const before = sequence(start, () => 0);
  const after = x.shape?.slice(end + 1) ?? [];
  if (!after.includes(-1)) return call.node('Reshape', [x, call.graph.ints([...before, -1, ...after])]);
  const tail = call.node('Shape', [x], { start: end + 1 });
  return call.node('Reshape', [x, call.node('Concat', [call.graph.ints([...before, -1]), tail], { axis: 0 })]);
}

function concat(call: OpCall): Value {
  const first = call.inputs[0];
  const isTuple = first?.kind === 'tuple';
  const axisInput = isTuple ? call.numbersOr('axis|dim')?.[0] : undefined;
  const items = isTuple ? first.items : call.inputs.filter((value) => value.kind === 'tensor');
  const tensors = items.map((item) => call.toTensor(item));
  const announced = call.output()?.dtype;
  const same = announced === undefined ? tensors : tensors.map((tensor) => call.graph.cast(tensor, announced));
  return same.length === 1 ? (same[0] as TensorValue) : call.node('Concat', same, { axis: axisInput ?? call.number('axis', 0) });
}

function stack(call: OpCall): Value {
  const first = call.inputs[0];
  const items = first?.kind === 'tuple' ? first.items : call.inputs.filter((value) => value.kind === 'tensor' || value.kind === 'scalar');
  const axis = call.number('axis|dim', 0);
  const announced = call.output()?.dtype;
  const rows = items.map((item) => {
    const tensor = call.toTensor(item);
    return call.node('Unsqueeze', [announced === undefined ? tensor : call.graph.cast(tensor, announced), call.graph.ints([axis])]);
  });
  return call.node('Concat', rows, { axis });
}

function unstack(call: OpCall): Value {
  const x = operandOf(call);
  const axis = call.number('axis|dim', 0);
  const [size, given] = [x.shape?.at(axis) ?? -1, call.find('num') === undefined ? 0 : call.number('num')];
  const count = size >= 0 ? size : given > 0 ? given : call.dim(x, axis);
  const rows = call.graph.multi('Split', [x, call.graph.ints(sequence(call.bounded(count), () => 1))], count, { axis });
  return tupleOf(rows.map((row) => call.node('Squeeze', [row, call.graph.ints([axis])])));
}

function split(call: OpCall): Value {
  const count = call.number('output_num');
  return tupleOf(call.graph.multi('Split', [operandOf(call)], count, { axis: call.number('axis', 0), num_outputs: count }));
}

function splitSizes(call: OpCall, sizes: readonly number[], axis: number): Value {
  const x = operandOf(call);
  const known = sizes.filter((size) => size >= 0).reduce((sum, size) => sum + size, 0);
  const whole = sizes.includes(-1) ? sizes.map((size) => (size === -1 ? call.dim(x, axis) - known : size)) : sizes;
  return tupleOf(call.graph.multi('Split', [x, call.graph.ints(whole)], whole.length, { axis }));
}

function splitWithSizes(call: OpCall): Value {
  return splitSizes(call, call.numbers('split_size'), call.number('dim', 0));
}

/** Pieces of a given size, the last one may be smaller; a tuple gives the size of each piece. */
function splitBySize(call: OpCall): Value {
  if (call.find('split_size')?.kind === 'tuple') return splitWithSizes(call);
  const sizes = call.numbers('split_size');
  const axis = call.number('dim', 0);
  const [size, total] = [elementAt(sizes, 0), call.dim(operandOf(call), axis)];
  call.bounded(total / size);
  return splitSizes(call, pieces(total, size), axis);
}

function chunk(call: OpCall): Value {
  const axis = call.number('dim', 0);
  const total = call.dim(operandOf(call), axis);
  call.bounded(call.number('chunks'));
  return splitSizes(call, pieces(total, Math.max(1, Math.ceil(total / call.number('chunks')))), axis);
}

function pieces(total: number, size: number): number[] {
  const sizes: number[] = [];
  for (let left = total; left > 0; left -= size) sizes.push(Math.min(left, size));
  return sizes.length === 0 ? [0] : sizes;
}

function tile(call: OpCall): Value {
  const x = operandOf(call);
  const value = call.need('multiples|dims|repeats');
  const repeats = numbersOf(value);
  const rank = call.rank(x);
  if (repeats === undefined) return call.node('Tile', [x, intTensorOf(call.graph, value)]);
  const missing = repeats.length - rank;
  const wide = missing > 0 ? call.node('Unsqueeze', [x, call.graph.ints(sequence(missing, (_, index) => index))]) : x;
  return call.node('Tile', [wide, call.graph.ints([...sequence(Math.max(0, -missing), () => 1), ...repeats])]);
}

/** -1 keeps a dim. */
function broadcastTo(call: OpCall): Value {
  const x = operandOf(call);
  const target = call.numbersOr('shape');
  if (target !== undefined) return call.node('Expand', [x, call.graph.ints(target.map((dim) => (dim === -1 ? 1 : dim)))]);
  const dims = call.intTensor('shape');
  return call.node('Expand', [x, call.node('Max', [dims, call.graph.ints([1])])]);
}

function expandAs(call: OpCall): Value {
  return call.node('Expand', [operandOf(call), call.node('Shape', [operandOf(call, 1)])]);
}

function meshgrid(call: OpCall): Value {
  const vectors = call.inputs
    .flatMap((value) => (value.kind === 'tuple' ? value.items : [value]))
    .filter((value) => value.kind === 'tensor')
    .map((value) => call.toTensor(value));
  // As an input the mode is a number: 0 ij, 1 xy.
  const mode = call.inputs[1]?.kind === 'scalar' ? call.inputs[1].value : call.text('indexing', 'xy');
  const isXy = mode === 'xy' || mode === 1;
  const rank = vectors.length;
  const axisOf = (index: number): number => (isXy && rank > 1 && index < 2 ? 1 - index : index);
  const shaped = vectors.map((vector, index) =>
    call.node('Reshape', [vector, call.graph.ints(sequence(rank, (_, axis) => (axis === axisOf(index) ? -1 : 1)))]),
  );
  const sizes = sequence(rank, (_, axis) => call.node('Shape', [vectors[axisOf(axis)] as TensorValue]));
  const full = rank === 1 ? (sizes[0] as TensorValue) : call.node('Concat', sizes, { axis: 0 });
  return tupleOf(shaped.map((vector) => call.node('Expand', [vector, full])));
}

/** Space moved to channels and back; MindSpore orders the channels as ONNX's DCR mode does. */
function spaceToDepth(call: OpCall): Value {
  return call.node('SpaceToDepth', [operandOf(call)], { blocksize: call.number('block_size') });
}

function depthToSpace(call: OpCall): Value {
  return call.node('DepthToSpace', [operandOf(call)], { blocksize: call.number('block_size'), mode: 'DCR' });
}

function pixelShuffle(call: OpCall): Value {
  return call.node('DepthToSpace', [operandOf(call)], { blocksize: call.number('upscale_factor'), mode: 'CRD' });
}

function channelShuffle(call: OpCall): Value {
  const x = operandOf(call);
  const groups = call.number('group|groups');
  const [channels, rank] = [call.dim(x, 1), call.rank(x)];
  const spatial = sequence(rank - 2, (_, index) => index + 3);
  const rest = call.node('Shape', [x], { start: 2 });
  const batch = call.node('Shape', [x], { start: 0, end: 1 });
  const grouped = call.node('Reshape', [x, call.node('Concat', [batch, call.graph.ints([groups, channels / groups]), rest], { axis: 0 })]);
  return call.node('Reshape', [call.node('Transpose', [grouped], { perm: [0, 2, 1, ...spatial] }), call.node('Shape', [x])]);
}

function batchSpace(toBatch: boolean): (call: OpCall) => Value {
  return (call) => {
    const x = operandOf(call);
    const block = call.numbers('block_size|block_shape');
    const edges = call.numbers(toBatch ? 'paddings' : 'crops');
    const rank = call.rank(x);
    const axes = rank - block.length;
    const sizes = block.length === 1 && edges.length === 4 ? [elementAt(block, 0), elementAt(block, 0)] : block;
    const lead = block.length === sizes.length ? axes : rank - sizes.length;
    return toBatch ? spaceToBatch(call, x, sizes, edges, lead) : batchToSpace(call, x, sizes, edges, lead);
  };
}

function spaceToBatch(call: OpCall, x: TensorValue, block: readonly number[], edges: readonly number[], lead: number): TensorValue {
  const { graph } = call;
  const zeros = sequence(lead, () => 0);
  const padded = call.node('Pad', [
    x,
    graph.ints([...zeros, ...block.map((_, i) => elementAt(edges, 2 * i)), ...zeros, ...block.map((_, i) => elementAt(edges, 2 * i + 1))]),
  ]);
  const dims = [...sequence(lead, (_, axis) => call.dim(x, axis)), ...block.map((_, i) => call.dim(padded, lead + i))];
  const split = call.node('Reshape', [
    padded,
    graph.ints([...dims.slice(0, lead), ...block.flatMap((size, i) => [elementAt(dims, lead + i) / size, size])]),
  ]);
  const spatial = block.map((_, i) => lead + 2 * i);
  const inner = block.map((_, i) => lead + 2 * i + 1);
  const moved = call.node('Transpose', [split], { perm: [...inner, ...sequence(lead, (_, axis) => axis), ...spatial] });
  return call.node('Reshape', [
    moved,
    graph.ints([-1, ...dims.slice(1, lead), ...block.map((size, i) => elementAt(dims, lead + i) / size)]),
  ]);
}

function batchToSpace(call: OpCall, x: TensorValue, block: readonly number[], edges: readonly number[], lead: number): TensorValue {
  const { graph } = call;
  const rank = call.rank(x);
  const dims = sequence(rank, (_, axis) => call.dim(x, axis));
  const split = call.node('Reshape', [x, graph.ints([...block, -1, ...dims.slice(1)])]);
  const count = block.length;
  const leads = sequence(lead, (_, axis) => count + axis);
  const moved = call.node('Transpose', [split], { perm: [...leads, ...block.flatMap((_, i) => [count + lead + i, i])] });
  const whole = call.node('Reshape', [
    moved,
    graph.ints([-1, ...dims.slice(1, lead), ...block.map((size, i) => size * elementAt(dims, lead + i))]),
  ]);
  const starts = block.map((_, i) => elementAt(edges, 2 * i));
  const ends = block.map((size, i) => size * elementAt(dims, lead + i) - elementAt(edges, 2 * i + 1));
  return call.node('Slice', [whole, graph.ints(starts), graph.ints(ends), graph.ints(block.map((_, i) => lead + i))]);
}

function repeatInterleave(call: OpCall): Value {
  const repeats = call.numbers('repeats|rep');
  const x = operandOf(call);
  const dimValue = call.find('dim|axis');
  const flat = dimValue === undefined ? call.node('Reshape', [x, call.graph.ints([-1])]) : x;
  const axis = positiveAxis(dimValue === undefined ? 0 : call.number('dim|axis'), call.rank(flat));
  const size = call.dim(flat, axis);
  call.bounded(size * Math.max(...repeats, 1));
  const indices = sequence(size, (_, index) =>
    sequence((repeats.length === 1 ? repeats[0] : repeats[index]) as number, () => index),
  ).flat();
  return call.node('Gather', [flat, call.graph.ints(indices)], { axis });
}

function viewAs(call: OpCall): Value {
  const other = operandOf(call, 1);
  return call.node('Reshape', [operandOf(call), call.node('Shape', [other])]);
}

/** Rows of shape operators. */
export const shape = family('Shape', [
  op('Reshape View', 'x shape', reshape),
  op('ViewAs', 'x other', viewAs),
  op('Flatten', 'x', (call) => {
    const x = operandOf(call);
    return x.shape?.length === 1 ? call.node('Unsqueeze', [x, call.graph.ints([1])]) : call.node('Flatten', [x], { axis: 1 });
  }),
  op('FlattenExt', 'x start_dim end_dim', flattenRange),
  op('Transpose TransposeView', 'x perm', transpose),
  op('TransposeExtView SwapAxes', 'x dim0 dim1', swapAxes),
  op('TExt', 'x', (call) =>
    call.rank(operandOf(call)) < 2 ? operandOf(call) : call.node('Transpose', [operandOf(call)], { perm: [1, 0] }),
  ),
  op('ExpandDims ExpandDimsView Unsqueeze', 'x axis', expandDims),
  op('Squeeze', 'x axis', squeeze),
  op('Concat', 'tensors axis', concat),
  op('Stack StackExt Pack', 'tensors axis', stack),
  op('Unstack UnstackExtView Unpack', 'x axis', unstack),
  op('Split', 'x axis output_num', split),
  op('SplitV', 'x', (call) => splitSizes(call, call.numbers('size_splits'), call.number('split_dim', 0))),
  op('SplitTensor SplitTensorView', 'x split_size dim', splitBySize),
  op('SplitWithSize SplitWithSizeView', 'x split_size dim', splitWithSizes),
  op('Chunk ChunkView', 'x chunks dim', chunk),
  op('Tile', 'x multiples', tile),
  op('Repeat', 'x repeats', tile),
  op('BroadcastTo BroadcastToView DynamicBroadcastTo', 'x shape', broadcastTo),
  op('ExpandAs', 'x other', expandAs),
  op('Meshgrid', '', meshgrid),
  op('SpaceToDepth', 'x', spaceToDepth),
  op('DepthToSpace', 'x', depthToSpace),
  op('PixelShuffle', 'x upscale_factor', pixelShuffle),
  op('ChannelShuffle', 'x', channelShuffle),
  op('SpaceToBatchND SpaceToBatch', 'x', batchSpace(true)),
  op('BatchToSpaceND BatchToSpace BatchToSpaceNDV2', 'x block_shape crops', batchSpace(false)),
  op('RepeatInterleaveInt RepeatInterleaveTensor', 'x repeats dim output_size', repeatInterleave),
  op('IdentityN', 'x', (call) => tupleOf(call.tensors('x'))),
]);
