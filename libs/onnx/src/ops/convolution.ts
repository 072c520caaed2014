import { Dim } from '../facts/dim.js';
import { constantFact, rowFact, type Fact } from '../facts/fact.js';
import type { OpCall, OpRule } from '../facts/op-call.js';

/** Where a kind of convolution has its input, its weights and a tensor that is added. */
interface Places {
  readonly weights: number;
  readonly added?: number;
  /** Channels come last. */
  readonly channelsLast?: boolean;
  /** Weights are [in, out, ...]. */
  readonly transposed?: boolean;
  /** Inputs that move the places that are read, row by row. */
  readonly offsets?: readonly number[];
}

function convolution(places: Places): OpRule {
  return (call) => {
    const x = call.input(0);
    const shape = call.shape(x);
    const weights = call.shape(call.input(places.weights));
    call.sameForAll(places.weights, 'weights');
    const last = places.channelsLast === true;
    const spatial = last ? shape.slice(1, -1) : shape.slice(2);
    const kernel = call.ints('kernel_shape')?.map((size) => Dim.of(size)) ?? weights.slice(2);
    const group = Dim.of(call.int('group', 1));
    const channels = places.transposed ? (weights[1] as Dim).times(group) : (weights[0] as Dim);
    const sizes = spatial.map((size, i) =>
      places.transposed
        ? widened(call, size, kernel[i] as Dim, i, spatial.length)
        : windowed(call, size, kernel[i] as Dim, i, spatial.length),
    );
    const dims = last ? [shape[0] as Dim, ...sizes, channels] : [shape[0] as Dim, channels, ...sizes];
    onlyFirst(call, x);
    for (const index of [places.added, ...(places.offsets ?? [])]) checkCompanion(call, x, index);
    return x.rows === undefined ? constantFact(dims) : rowFact(dims, x.rows);
  };
}

/** A further input that goes row by row with x, or is the same for all. */
function checkCompanion(call: OpCall, x: Fact, index: number | undefined): void {
  const fact = index === undefined ? undefined : call.inputs[index];
  if (fact === undefined) return;
  if (fact.rows !== undefined && (fact.rows.dim !== 0 || x.rows === undefined || !fact.rows.inner.equals(x.rows.inner)))
    call.unknown(`takes input ${index} in another layout`);
  if (fact.rows === undefined && x.rows !== undefined && !(fact.shape?.[0]?.is(1) ?? false))
    call.unknown(`takes input ${index}, which may differ from row to row`);
}

/** Works on each entry of dim 0 by itself: rows anywhere else are brought together. */
function onlyFirst(call: OpCall, x: Fact): void {
  if (x.rows !== undefined && x.rows.dim !== 0) call.mixed(`goes over dim ${x.rows.dim} of its input, where the rows are`);
}

/** Places of a window over one dim (ONNX: Conv, the pooling operators). */
function windowed(call: OpCall, size: Dim, kernel: Dim, axis: number, rank: number): Dim {
  const stride = call.ints('strides')?.[axis] ?? 1;
  const dilation = call.ints('dilations')?.[axis] ?? 1;
  const auto = call.text('auto_pad') ?? 'NOTSET';
  const [length, window] = [size.value, kernel.value];
  const pads = call.ints('pads') ?? [];
  const padded = (pads[axis] ?? 0) + (pads[axis + rank] ?? 0);
  const isSame = auto.startsWith('SAME');
  if (length === undefined || window === undefined) {
    // A window that leaves the size as it is
    const keeps = stride === 1 && window !== undefined && (isSame || (auto === 'NOTSET' && padded === (window - 1) * dilation));
    return keeps
      ? size
      : Dim.opaque(`window${window}/${stride}/${dilation}/${auto === 'NOTSET' ? padded : auto}/${call.int('ceil_mode', 0)}`, [size]);
  }
  if (isSame) return Dim.of(Math.ceil(length / stride));
  const span = (window - 1) * dilation + 1;
  const room = length + (auto === 'VALID' ? 0 : padded) - span;
  if (call.int('ceil_mode', 0) === 0) return Dim.of(Math.floor(room / stride) + 1);
  const places = Math.ceil(room / stride) + 1;
  // A window that would begin in the padding behind is left out.
  return Dim.of((places - 1) * stride >= length + (pads[axis] ?? 0) ? places - 1 : places);
}

function widened(call: OpCall, size: Dim, kernel: Dim, axis: number, rank: number): Dim {
  const given = call.ints('output_shape')?.slice(-rank)[axis];
  if (given !== undefined) return Dim.of(given);
  const stride = call.ints('strides')?.[axis] ?? 1;
  const dilation = call.ints('dilations')?.[axis] ?? 1;
  const pads = call.ints('pads') ?? [];
  const more = call.ints('output_padding')?.[axis] ?? 0;
  if ((call.text('auto_pad') ?? 'NOTSET').startsWith('SAME')) return size.times(Dim.of(stride));
  const span = kernel.minus(Dim.one).times(Dim.of(dilation)).plus(Dim.one);
  return size
    .minus(Dim.one)
    .times(Dim.of(stride))
    .plus(span)
    .plus(Dim.of(more - (pads[axis] ?? 0) - (pads[axis + rank] ?? 0)));
}

function pooling(channelsLast = false): OpRule {
  return (call) => {
    const x = call.input(0);
    const shape = call.shape(x);
    const last = channelsLast || call.int('channels_last', 0) === 1;
    const kernel = call.ints('kernel_shape') ?? [];
    const spatial = last ? shape.slice(1, -1) : shape.slice(2);
    const sizes = spatial.map((size, i) => windowed(call, size, Dim.of(kernel[i] ?? 1), i, spatial.length));
    const dims = last ? [shape[0] as Dim, ...sizes, shape[shape.length - 1] as Dim] : [...shape.slice(0, 2), ...sizes];
    if (x.rows !== undefined && x.rows.dim !== 0 && (last || x.rows.dim !== 1)) call.notOver(x, [x.rows.dim]);
    const fact = x.rows === undefined ? constantFact(dims) : rowFact(dims, x.rows);
    // The places that MaxPool tells are counted over the whole tensor, rows included.
    return [fact, x.rows === undefined ? constantFact(dims) : call.mixedOutput('tells places in the whole batch (its second output)')];
  };
}

function globalPooling(channelsLast = false): OpRule {
  return (call) => {
    const x = call.input(0);
    const shape = call.shape(x);
    const last = channelsLast || call.int('channels_last', 0) === 1;
    const dims = shape.map((dim, i) => (i === 0 || i === (last ? shape.length - 1 : 1) ? dim : Dim.one));
    call.notOver(
      x,
      shape.flatMap((_, i) => (i === 0 || i === (last ? shape.length - 1 : 1) ? [] : [i])),
    );
    return x.rows === undefined ? constantFact(dims) : rowFact(dims, x.rows);
  };
}

/** Resize and Upsample: rows are neither stretched nor mixed where their dim keeps its size. */
const resize: OpRule = (call) => {
  const x = call.input(0);
  const shape = call.shape(x);
  const [scalesAt, sizesAt] = call.op === 'Upsample' || call.opset < 11 ? [1, -1] : [2, 3];
  for (const at of [scalesAt, sizesAt]) if (at >= 0) call.sameForAll(at, 'size');
  const attribute = call.node.attributes.get('scales')?.floats.map((scale) => Dim.of(scale));
  const scales = attribute ?? (call.numbers(scalesAt)?.length === 0 ? undefined : call.numbers(scalesAt));
  const sizes = call.numbers(sizesAt);
  const axes = call.ints('axes');
  const place = (axis: number): number => (axes === undefined ? axis : axes.findIndex((given) => call.axis(given, shape.length) === axis));
  const dims = shape.map((size, axis) => {
    const at = place(axis);
    if (at < 0) return size;
    if (sizes !== undefined) return sizes[at] ?? size;
    const scale = scales?.[at];
    if (scale?.is(1)) return size;
    const exact = scale?.value !== undefined && size.value !== undefined ? Dim.of(Math.floor(size.value * scale.value + 1e-6)) : undefined;
    return exact ?? (scale?.value !== undefined && Number.isInteger(scale.value) ? size.times(scale) : call.fresh(axis));
  });
  if (x.rows === undefined) return constantFact(dims);
  const at = x.rows.dim;
  if (!(dims[at] as Dim).equals(shape[at] as Dim)) {
    if (scales === undefined && sizes === undefined) call.unknown('stretches to a size that the graph does not tell');
    call.mixed(`stretches dim ${at}, where the rows are`);
  }
  if (dims.some((dim, i) => i !== at && dim.hasRows)) call.unknown('stretches by how many rows run together');
  return rowFact(dims, x.rows);
};

/** DepthToSpace and SpaceToDepth: [N, C, H, W]. */
function blocks(towards: 'space' | 'depth'): OpRule {
  return (call) => {
    const x = call.input(0);
    const [n, c, ...spatial] = call.shape(x) as [Dim, Dim, ...Dim[]];
    const size = Dim.of(call.int('blocksize', 1));
    const all = size.times(size);
    onlyFirst(call, x);
    const dims =
      towards === 'space'
        ? [n, c.floorDividedBy(all), ...spatial.map((dim) => dim.times(size))]
        : [n, c.times(all), ...spatial.map((dim) => dim.floorDividedBy(size))];
    return x.rows === undefined ? constantFact(dims) : rowFact(dims, x.rows);
  };
}

/** GridSample: [N, C, H, W] read at the places of a grid [N, H', W', 2]. */
const gridSample: OpRule = (call) => {
  const [x, grid] = [call.input(0), call.input(1)];
  const [n, c] = call.shape(x) as [Dim, Dim];
  const places = call.shape(grid).slice(1, -1);
  onlyFirst(call, x);
  onlyFirst(call, grid);
  if (x.rows === undefined || grid.rows === undefined || !x.rows.inner.equals(grid.rows.inner)) {
    if (x.rows === undefined && grid.rows === undefined) return constantFact([n, c, ...places]);
    call.unknown('takes one tensor from the rows and one that is the same for all');
  }
  return rowFact([n, c, ...places], x.rows as NonNullable<Fact['rows']>);
};

/** AffineGrid: a grid for each matrix theta [N, 2, 3]. */
const affineGrid: OpRule = (call) => {
  const theta = call.input(0);
  const size = call.numbers(1);
  const rank = call.inputs[1]?.shape?.[0]?.value ?? call.unknown('makes a grid of unknown rank');
  onlyFirst(call, theta);
  const places = Array.from({ length: rank - 2 }, (_, i) => size?.[i + 2] ?? call.fresh(i));
  if (places.some(({ hasRows }) => hasRows)) call.unknown('makes a grid as large as the number of rows');
  const dims = [call.shape(theta)[0] as Dim, ...places, Dim.of(rank - 2)];
  return theta.rows === undefined ? constantFact(dims) : rowFact(dims, theta.rows);
};

const columns: OpRule = (call) => {
  const x = call.input(0);
  const [n, c] = call.shape(x) as [Dim, Dim];
  onlyFirst(call, x);
  const image = call.numbers(1);
  const block = call.numbers(2);
  const rank = call.inputs[1]?.shape?.[0]?.value ?? call.unknown('makes an image of unknown rank');
  const channels = block === undefined ? call.fresh('channels') : c.floorDividedBy(Dim.product(block));
  const dims = [n, channels, ...Array.from({ length: rank }, (_, i) => image?.[i] ?? call.fresh(i))];
  return x.rows === undefined ? constantFact(dims) : rowFact(dims, x.rows);
};

/** Operators over [N, C, ...] that work on each entry of dim 0 by itself. */
export const convolutionRules: Readonly<Record<string, OpRule>> = {
  Conv: convolution({ weights: 1 }),
  ConvTranspose: convolution({ weights: 1, transposed: true }),
  ConvInteger: convolution({ weights: 1 }),
  QLinearConv: convolution({ weights: 3 }),
  DeformConv: convolution({ weights: 1, offsets: [2, 4] }),
  'com.microsoft:FusedConv': convolution({ weights: 1, added: 3 }),
  'com.microsoft:QLinearConv': convolution({ weights: 3 }),
  MaxPool: pooling(),
  AveragePool: pooling(),
  LpPool: pooling(),
  GlobalMaxPool: globalPooling(),
  GlobalAveragePool: globalPooling(),
  GlobalLpPool: globalPooling(),
  'com.microsoft:QLinearAveragePool': pooling(),
  'com.microsoft:QLinearGlobalAveragePool': globalPooling(),
  'com.microsoft:NhwcMaxPool': pooling(true),
  Resize: resize,
  Upsample: resize,
  DepthToSpace: blocks('space'),
  SpaceToDepth: blocks('depth'),
  GridSample: gridSample,
  AffineGrid: affineGrid,
  Col2Im: columns,
};
