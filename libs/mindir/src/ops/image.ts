import { real, type OnnxAttribute } from '../graph/onnx-graph.js';
import { tupleOf, type TensorValue, type Value } from '../graph/value.js';
import { composer, operandOf } from './compose.js';
import type { OpCall } from './op-call.js';
import { family, op, type Emit } from './op-table.js';
import { sequence } from '../graph/sequence.js';

type Mode = 'nearest' | 'linear' | 'cubic';

/** Spatial sizes after batch and channels. */
function resizeTo(call: OpCall, x: TensorValue, size: TensorValue, attributes: Record<string, OnnxAttribute>): TensorValue {
  const lead = x.shape?.slice(0, 2);
  const kept = lead === undefined || lead.includes(-1) ? call.node('Shape', [x], { start: 0, end: 2 }) : call.graph.ints(lead);
  return call.node('Resize', [x, undefined, undefined, call.node('Concat', [kept, size], { axis: 0 })], attributes);
}

function coordinates(call: OpCall, plain: string): string {
  if (call.bool('align_corners')) return 'align_corners';
  return call.bool('half_pixel_centers') ? 'half_pixel' : plain;
}

/** Resizing with a size operand and the two flags of TensorFlow's family. */
function resize(mode: Mode): Emit {
  return (call) => {
    const x = operandOf(call);
    const transformation = coordinates(call, 'asymmetric');
    const attributes: Record<string, OnnxAttribute> = { mode, coordinate_transformation_mode: transformation };
    if (mode === 'nearest') attributes['nearest_mode'] = transformation === 'asymmetric' ? 'floor' : 'round_prefer_ceil';
    if (mode === 'cubic') {
      attributes['cubic_coeff_a'] = real(transformation === 'half_pixel' ? -0.5 : -0.75);
      attributes['exclude_outside'] = transformation === 'half_pixel' ? 1 : 0;
    }
    return resizeTo(call, x, call.intTensor('size'), attributes);
  };
}

function resizeLinear1d(call: OpCall): Value {
  const value = call.find('coordinate_transformation_mode');
  const word = value?.kind === 'scalar' ? String(value.value) : 'align_corners';
  // Numbers of the enumeration: 0 asymmetric, 1 align_corners, 2 half_pixel.
  const transformation = { '0': 'asymmetric', '1': 'align_corners', '2': 'half_pixel' }[word] ?? word;
  return resizeTo(call, operandOf(call), call.intTensor('size'), { mode: 'linear', coordinate_transformation_mode: transformation });
}

/** Resizing by an output size or by factors. */
function upsample(mode: Mode): Emit {
  return (call) => {
    const x = operandOf(call);
    const scales = call.numbersOr('scales');
    const transformation = call.bool('align_corners') ? 'align_corners' : mode === 'nearest' ? 'asymmetric' : 'half_pixel';
    const attributes: Record<string, OnnxAttribute> = { mode, coordinate_transformation_mode: transformation };
    if (mode === 'nearest') attributes['nearest_mode'] = 'floor';
    if (mode === 'cubic') attributes['cubic_coeff_a'] = real(-0.75);
    if (call.find('output_size') !== undefined) return resizeTo(call, x, call.intTensor('output_size'), attributes);
    if (scales === undefined) return call.refuse('has neither a size nor factors');
    const factors = call.graph.constant('float32', [scales.length + 2], [1, 1, ...scales]);
    return call.node('Resize', [x, undefined, factors], attributes);
  };
}

/** ResizeV2: the mode is an attribute. */
function resizeV2(call: OpCall): Value {
  const mode = call.text('mode', 'nearest');
  const transformation = call.text('coordinate_transformation_mode', 'half_pixel');
  const attributes: Record<string, OnnxAttribute> = { mode, coordinate_transformation_mode: transformation };
  if (mode === 'nearest') attributes['nearest_mode'] = 'floor';
  if (mode === 'cubic') attributes['cubic_coeff_a'] = real(-0.75);
  const sizes = call.intTensor('sizes');
  return resizeTo(
    call,
    operandOf(call),
    call.node('Slice', [sizes, call.graph.ints([2]), call.graph.ints([2 ** 31]), call.graph.ints([0])]),
    attributes,
  );
}

/** A word of an enumeration, given as a number or as itself. */
function wordOf(call: OpCall, name: string, words: readonly string[]): string {
  const value = call.find(name);
  if (value?.kind !== 'scalar') return words[0] as string;
  return typeof value.value === 'number' ? (words[value.value] ?? call.refuse(`'${name}' is ${value.value}`)) : String(value.value);
}

function gridSample(call: OpCall): Value {
  const mode = wordOf(call, 'interpolation_mode', ['bilinear', 'nearest', 'bicubic']);
  const onnxMode = mode === 'bilinear' ? 'linear' : mode === 'bicubic' ? 'cubic' : 'nearest';
  const padding = wordOf(call, 'padding_mode', ['zeros', 'border', 'reflection']);
  return call.node('GridSample', [operandOf(call, 0), operandOf(call, 1)], {
    mode: onnxMode,
    padding_mode: padding,
    align_corners: call.bool('align_corners') ? 1 : 0,
  });
}

function affineGrid(call: OpCall): Value {
  return call.node('AffineGrid', [operandOf(call), call.intTensor('output_size')], { align_corners: call.bool('align_corners') ? 1 : 0 });
}

/** Rows of [batch index, x1, y1, x2, y2]. */
function roiAlign(call: OpCall): Value {
  const [features, rois] = [operandOf(call, 0), operandOf(call, 1)];
  const { graph } = call;
  const columns = (from: number, to: number): TensorValue =>
    call.node('Slice', [rois, graph.ints([from]), graph.ints([to]), graph.ints([1])]);
  const end = call.number('roi_end_mode', 1);
  const boxes = call.node('Add', [columns(1, 5), graph.constant(rois.dtype, [4], [0, 0, end, end])]);
  const batch = graph.cast(call.node('Squeeze', [columns(0, 1), graph.ints([1])]), 'int64');
  return call.node('RoiAlign', [features, boxes, batch], {
    output_height: call.number('pooled_height'),
    output_width: call.number('pooled_width'),
    sampling_ratio: call.number('sample_num', 2),
    spatial_scale: real(call.number('spatial_scale')),
    mode: 'avg',
    coordinate_transformation_mode: 'output_half_pixel',
  });
}

/** Crops of normalised boxes [y1, x1, y2, x2] from images in NHWC, sampled at the corners and between. */
function cropAndResize(call: OpCall): Value {
  const { add, sub, mul } = composer(call);
  const { graph } = call;
  const [images, boxes, index] = [operandOf(call, 0), graph.cast(operandOf(call, 1), 'float32'), operandOf(call, 2)];
  const [height, width] = call.numbers('crop_size') as [number, number];
  const mode = call.text('method', 'bilinear');
  if (mode !== 'bilinear' && mode !== 'nearest') return call.refuse(`crops with the method '${mode}'`);
  const part = (column: number): TensorValue => call.node('Gather', [boxes, graph.ints([column])], { axis: 1 });
  // Positions on [0, 1] along an axis of `count` samples: [boxes, count].
  const along = (low: TensorValue, high: TensorValue, count: number): TensorValue => {
    if (count === 1) return mul(add(low, high), graph.scalar('float32', 0.5));
    const steps = graph.constant(
      'float32',
      [1, count],
      sequence(count, (_, step) => step / (count - 1)),
    );
    return add(low, mul(sub(high, low), steps));
  };
  const rows = call.node('Unsqueeze', [along(part(0), part(2), height), graph.ints([2, 3])]);
  const columns = call.node('Unsqueeze', [along(part(1), part(3), width), graph.ints([1, 3])]);
  const two = graph.scalar('float32', 2);
  const one = graph.scalar('float32', 1);
  const zero = graph.scalar('float32', 0);
  const whole = call.node('Concat', [call.node('Shape', [boxes], { start: 0, end: 1 }), graph.ints([height, width, 1])], { axis: 0 });
  const spread = (tensor: TensorValue): TensorValue => call.node('Expand', [tensor, whole]);
  const [y, x] = [spread(rows), spread(columns)];
  const grid = call.node(
    'Concat',
    [x, y].map((position) => sub(mul(position, two), one)),
    { axis: -1 },
  );
  const source = call.node('Gather', [call.node('Transpose', [graph.cast(images, 'float32')], { perm: [0, 3, 1, 2] }), index], { axis: 0 });
  const sampled = call.node('GridSample', [source, grid], {
    mode: mode === 'bilinear' ? 'linear' : 'nearest',
    padding_mode: 'border',
    align_corners: 1,
  });
  const isOutside = (position: TensorValue): TensorValue =>
    call.node('Or', [call.node('Less', [position, zero]), call.node('Greater', [position, one])]);
  const outside = call.node('Or', [isOutside(y), isOutside(x)]);
  return call.node('Where', [
    outside,
    graph.scalar('float32', call.number('extrapolation_value', 0)),
    call.node('Transpose', [sampled], { perm: [0, 2, 3, 1] }),
  ]);
}

/** Boxes sorted by score, their numbers in this order (as MindSpore's kernel counts them), and which of them survive. */
function nmsWithMask(call: OpCall): Value {
  const { graph } = call;
  const boxes = operandOf(call);
  const scores = call.node('Gather', [boxes, graph.int(4)], { axis: 1 });
  const count = call.node('Shape', [boxes], { start: 0, end: 1 });
  const [, order] = graph.multi('TopK', [scores, count], 2, { axis: 0 }) as [TensorValue, TensorValue];
  const sorted = call.node('Gather', [boxes, order], { axis: 0 });
  const corners = call.node('Unsqueeze', [
    graph.cast(call.node('Slice', [sorted, graph.ints([0]), graph.ints([4]), graph.ints([1])]), 'float32'),
    graph.ints([0]),
  ]);
  // Ranks instead of scores: NonMaxSuppression keeps this order also for equal scores.
  const length = call.node('Squeeze', [count, graph.ints([0])]);
  const numbers = call.node('Range', [graph.int(0), length, graph.int(1)]);
  const ranks = call.node('Neg', [graph.cast(numbers, 'float32')]);
  const kept = call.node('NonMaxSuppression', [
    corners,
    call.node('Unsqueeze', [ranks, graph.ints([0, 1])]),
    count,
    graph.scalar('float32', call.number('iou_threshold', 0.5)),
  ]);
  const rows = call.node('Gather', [kept, graph.ints([2])], { axis: 1 });
  const nothing = call.node('Expand', [graph.scalar('int32', 0), count]);
  const ones = call.node('Expand', [graph.scalar('int32', 1), call.node('Shape', [rows], { start: 0, end: 1 })]);
  const mask = graph.cast(call.node('ScatterND', [nothing, rows, ones]), 'bool');
  return tupleOf([sorted, numbers, mask]);
}

function nonMaxSuppression(call: OpCall): Value {
  const { graph } = call;
  const [boxes, scores] = [operandOf(call, 0), operandOf(call, 1)];
  const threshold = (name: string): TensorValue => graph.cast(call.tensor(name), 'float32');
  const batch = (tensor: TensorValue, axes: number[]): TensorValue =>
    call.node('Unsqueeze', [graph.cast(tensor, 'float32'), graph.ints(axes)]);
  const kept = call.node('NonMaxSuppression', [
    batch(boxes, [0]),
    batch(scores, [0, 1]),
    call.intTensor('max_output_size'),
    threshold('iou_threshold'),
    threshold('score_threshold'),
  ]);
  return graph.cast(call.node('Gather', [kept, graph.int(2)], { axis: 1 }), 'int32');
}

/** Intersection over union (or over the first box) of boxes [x1, y1, x2, y2], one column per anchor. */
function iou(call: OpCall): Value {
  const { add, sub, mul, div } = composer(call);
  const { graph } = call;
  const [anchors, truths] = [operandOf(call, 0), operandOf(call, 1)];
  const [one, zero] = [call.like(anchors, 1), call.like(anchors, 0)];
  const corner = (boxes: TensorValue, index: number, axis: number): TensorValue =>
    call.node('Unsqueeze', [call.node('Gather', [boxes, graph.int(index)], { axis: 1 }), graph.ints([axis])]);
  const [a, b] = [[0, 1, 2, 3].map((index) => corner(anchors, index, 0)), [0, 1, 2, 3].map((index) => corner(truths, index, 1))] as [
    TensorValue[],
    TensorValue[],
  ];
  const length = (low: TensorValue, high: TensorValue): TensorValue => call.node('Max', [add(sub(high, low), one), zero]);
  const side = (low: number, high: number): TensorValue =>
    length(
      call.node('Max', [a[low] as TensorValue, b[low] as TensorValue]),
      call.node('Min', [a[high] as TensorValue, b[high] as TensorValue]),
    );
  const area = (box: TensorValue[]): TensorValue =>
    mul(length(box[0] as TensorValue, box[2] as TensorValue), length(box[1] as TensorValue, box[3] as TensorValue));
  const common = mul(side(0, 2), side(1, 3));
  const whole = call.text('mode', 'iou') === 'iou' ? sub(add(area(a), area(b)), common) : add(area(b), call.node('Mul', [area(a), zero]));
  return div(common, add(whole, call.like(anchors, 1e-10)));
}

/** Whether boxes lie inside an image whose height, width and ratio are given. */
function checkValid(call: OpCall): Value {
  const { graph } = call;
  const [boxes, meta] = [operandOf(call, 0), graph.cast(operandOf(call, 1), 'float32')];
  const place = (index: number): TensorValue => graph.cast(call.node('Gather', [boxes, graph.int(index)], { axis: 1 }), 'float32');
  const of = (index: number): TensorValue => call.node('Gather', [meta, graph.int(index)], { axis: 0 });
  const limit = (index: number): TensorValue => call.node('Sub', [call.node('Mul', [of(index), of(2)]), graph.scalar('float32', 1)]);
  const zero = graph.scalar('float32', 0);
  const checks = [
    ...[0, 1].map((index) => call.node('GreaterOrEqual', [place(index), zero])),
    call.node('LessOrEqual', [place(2), limit(1)]),
    call.node('LessOrEqual', [place(3), limit(0)]),
  ];
  return checks.reduce((all, check) => call.node('And', [all, check]));
}

/** Offsets between boxes and their ground truth, normalised. */
function boundingBoxEncode(call: OpCall): Value {
  const { add, sub, mul, div, one } = composer(call);
  const { graph } = call;
  const [anchors, truths] = [graph.cast(operandOf(call, 0), 'float32'), graph.cast(operandOf(call, 1), 'float32')];
  const measure = (boxes: TensorValue): { centre: TensorValue; size: TensorValue } => {
    const low = call.node('Slice', [boxes, graph.ints([0]), graph.ints([2]), graph.ints([1])]);
    const high = call.node('Slice', [boxes, graph.ints([2]), graph.ints([4]), graph.ints([1])]);
    return { centre: mul(add(low, high), graph.scalar('float32', 0.5)), size: add(sub(high, low), graph.scalar('float32', 1)) };
  };
  const [a, t] = [measure(anchors), measure(truths)];
  const deltas = call.node('Concat', [div(sub(t.centre, a.centre), a.size), one('Log', div(t.size, a.size))], { axis: 1 });
  const row = (name: string, fallback: number): TensorValue =>
    graph.constant('float32', [4], call.numbersOr(name) ?? sequence(4, () => fallback));
  return div(sub(deltas, row('means', 0)), row('stds', 1));
}

/** Boxes from anchors and deltas; sizes are limited by wh_ratio_clip, corners by max_shape. */
function boundingBoxDecode(call: OpCall): Value {
  const { add, sub, mul, one } = composer(call);
  const { graph } = call;
  const [anchors, raw] = [graph.cast(operandOf(call, 0), 'float32'), graph.cast(operandOf(call, 1), 'float32')];
  const row = (name: string, fallback: number): TensorValue =>
    graph.constant('float32', [4], call.numbersOr(name) ?? sequence(4, () => fallback));
  const deltas = add(mul(raw, row('stds', 1)), row('means', 0));
  const pair = (boxes: TensorValue, from: number): TensorValue =>
    call.node('Slice', [boxes, graph.ints([from]), graph.ints([from + 2]), graph.ints([1])]);
  const number = (value: number): TensorValue => graph.scalar('float32', value);
  const limit = Math.abs(Math.log(call.number('wh_ratio_clip', 0.016)));
  const stretch = call.node('Clip', [pair(deltas, 2), number(-limit), number(limit)]);
  const size = add(sub(pair(anchors, 2), pair(anchors, 0)), number(1));
  const centre = mul(add(pair(anchors, 0), pair(anchors, 2)), number(0.5));
  const [newCentre, newSize] = [add(centre, mul(size, pair(deltas, 0))), mul(size, one('Exp', stretch))];
  const half = mul(sub(newSize, number(1)), number(0.5));
  const corners = call.node('Concat', [sub(newCentre, half), add(newCentre, half)], { axis: 1 });
  const [height, width] = call.numbersOr('max_shape') ?? [];
  if (height === undefined || width === undefined) return corners;
  const top = graph.constant('float32', [4], [width, height, width, height]);
  return call.node('Min', [call.node('Max', [corners, number(0)]), top]);
}

/** The last dim holds red, green, blue in [0, 1]. */
function rgbToHsv(call: OpCall): Value {
  const { add, sub, div, mul } = composer(call);
  const x = operandOf(call);
  const [red, green, blue] = call.graph.multi('Split', [x], 3, { axis: -1, num_outputs: 3 }) as [TensorValue, TensorValue, TensorValue];
  const [zero, one] = [call.like(x, 0), call.like(x, 1)];
  const [high, low] = [call.node('Max', [red, green, blue]), call.node('Min', [red, green, blue])];
  const range = sub(high, low);
  const isFlat = call.node('Equal', [range, zero]);
  const safe = call.node('Where', [isFlat, one, range]);
  const sixth = (a: TensorValue, b: TensorValue, turn: number): TensorValue =>
    add(div(sub(a, b), mul(safe, call.like(x, 6))), call.like(x, turn));
  const is = (channel: TensorValue): TensorValue => call.node('Equal', [channel, high]);
  const angle = call.node('Where', [
    is(red),
    sixth(green, blue, 0),
    call.node('Where', [is(green), sixth(blue, red, 1 / 3), sixth(red, green, 2 / 3)]),
  ]);
  const hue = call.node('Where', [isFlat, zero, call.node('Where', [call.node('Less', [angle, zero]), add(angle, one), angle])]);
  const saturation = call.node('Where', [
    call.node('Greater', [high, zero]),
    div(range, call.node('Where', [call.node('Greater', [high, zero]), high, one])),
    zero,
  ]);
  return call.node('Concat', [hue, saturation, high], { axis: -1 });
}

function hsvToRgb(call: OpCall): Value {
  const { sub, mul } = composer(call);
  const x = operandOf(call);
  const [hue, saturation, value] = call.graph.multi('Split', [x], 3, { axis: -1, num_outputs: 3 }) as [
    TensorValue,
    TensorValue,
    TensorValue,
  ];
  const number = (n: number): TensorValue => call.like(x, n);
  const turn = mul(hue, number(6));
  const clip = (tensor: TensorValue): TensorValue => call.node('Clip', [tensor, number(0), number(1)]);
  const away = (from: number): TensorValue => call.node('Abs', [sub(turn, number(from))]);
  const pure = [clip(sub(away(3), number(1))), clip(sub(number(2), away(2))), clip(sub(number(2), away(4)))];
  const channels = pure.map((channel) => mul(value, sub(number(1), mul(saturation, sub(number(1), channel)))));
  return call.node('Concat', channels, { axis: -1 });
}

/** Rows of image and detection operators. */
export const image = family('Images and detection', [
  op('ResizeBilinearV2', 'x size align_corners half_pixel_centers', resize('linear')),
  op('ResizeBilinear', 'x', resize('linear')),
  op('ResizeNearestNeighbor ResizeNearestNeighborV2', 'x size align_corners half_pixel_centers', resize('nearest')),
  op('ResizeBicubic', 'x size align_corners half_pixel_centers', resize('cubic')),
  op('ResizeLinear1D', 'x size coordinate_transformation_mode', resizeLinear1d),
  op('ResizeV2', 'x roi scales sizes', resizeV2),
  op('UpsampleNearest1D UpsampleNearest2D UpsampleNearest3D', 'x output_size scales', upsample('nearest')),
  op('UpsampleLinear1D UpsampleBilinear2D UpsampleTrilinear3D', 'x output_size scales align_corners', upsample('linear')),
  op('UpsampleBicubic2D', 'x output_size scales align_corners', upsample('cubic')),
  op('GridSampler2D GridSampler3D', 'x grid interpolation_mode padding_mode align_corners', gridSample),
  op('AffineGrid', 'theta output_size', affineGrid),
  op('ROIAlign', 'features rois', roiAlign),
  op('CropAndResize', 'x boxes box_index crop_size', cropAndResize),
  op('NMSWithMask', 'bboxes', nmsWithMask),
  op('NonMaxSuppressionV3', 'boxes scores max_output_size iou_threshold score_threshold', nonMaxSuppression),
  op('IOU', 'anchors truths', iou),
  op('CheckValid', 'bboxes img_metas', checkValid),
  op('BoundingBoxEncode', 'anchors truths', boundingBoxEncode),
  op('BoundingBoxDecode', 'anchors deltas', boundingBoxDecode),
  op('RGBToHSV', 'x', rgbToHsv),
  op('HSVToRGB', 'x', hsvToRgb),
]);
