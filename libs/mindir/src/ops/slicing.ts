import { positiveAxis } from '../graph/shapes.js';
import { flatten, type TensorValue, type Value } from '../graph/value.js';
import { operandOf } from './compose.js';
import { intTensorOf, numbersOf, toTensor, type OpCall } from './op-call.js';
import { family, op, type Emit } from './op-table.js';
import { reversed } from './reduction.js';
import { elementAt, sequence } from '../graph/sequence.js';

const toEnd = 2 ** 62;

/** One output position of a strided slice. */
interface Cut {
  readonly axis: number;
  readonly begin: Value | number;
  readonly end: Value | number;
  readonly step: number;
}

/** begin:end:step per dim, with the masks of TensorFlow's operator of this name. */
function stridedSlice(call: OpCall): Value {
  const x = operandOf(call);
  const [begins, ends, steps] = ['begin', 'end', 'strides'].map((name) => listOf(call, name)) as [Value[], Value[], Value[]];
  const mask = (name: string): number => call.number(name, 0);
  const [beginMask, endMask, ellipsis, newAxis, shrink] = [
    mask('begin_mask'),
    mask('end_mask'),
    mask('ellipsis_mask'),
    mask('new_axis_mask'),
    mask('shrink_axis_mask'),
  ];
  if (ends.length !== begins.length || steps.length !== begins.length)
    return call.refuse('has begin, end and strides of different lengths');
  const cuts: Cut[] = [];
  const squeezed: number[] = [];
  const inserted: number[] = [];
  let axis = 0;
  let outputAxis = 0;
  const consumed = begins.filter((_, index) => !bit(newAxis, index) && !bit(ellipsis, index)).length;
  begins.forEach((begin, index) => {
    if (bit(ellipsis, index)) {
      const skipped = call.rank(x) - consumed;
      axis += skipped;
      outputAxis += skipped;
      return;
    }
    if (bit(newAxis, index)) {
      inserted.push(outputAxis++);
      return;
    }
    const step = numbersOf(steps[index] as Value)?.[0] ?? call.refuse('slices with a step that is not known before the run');
    if (bit(shrink, index)) {
      cuts.push({ axis, begin, end: afterOne(call, begin), step: 1 });
      squeezed.push(axis);
    } else {
      cuts.push({
        axis,
        step,
        begin: bit(beginMask, index) ? (step > 0 ? 0 : toEnd) : begin,
        end: bit(endMask, index) ? (step > 0 ? toEnd : -toEnd) : (ends[index] ?? call.refuse('has begins and ends of different lengths')),
      });
      outputAxis++;
    }
    axis++;
  });
  const sliced = cut(call, x, cuts);
  const shrunk = squeezed.length === 0 ? sliced : call.node('Squeeze', [sliced, call.graph.ints(squeezed)]);
  return inserted.length === 0 ? shrunk : call.node('Unsqueeze', [shrunk, call.graph.ints(inserted)]);
}

function bit(mask: number, index: number): boolean {
  return (mask >> index) % 2 !== 0;
}

/** A list parameter element by element; a tensor of known length is taken apart. */
function listOf(call: OpCall, name: string): Value[] {
  const value = call.need(name);
  if (value.kind !== 'tensor') return flatten(value);
  const numbers = numbersOf(value);
  if (numbers !== undefined) return numbers.map((number) => ({ kind: 'scalar', type: 'int', value: number }));
  const length = value.shape?.[0] ?? -1;
  if (length < 0) return call.refuse(`'${name}' has a length that is not known before the run`);
  return sequence(length, (_, index) => call.node('Gather', [value, call.graph.int(index)], { axis: 0 }));
}

/** The end that leaves one element: -1 has no successor. */
function afterOne(call: OpCall, begin: Value): Value | number {
  const known = numbersOf(begin)?.[0];
  if (known !== undefined) return known === -1 ? toEnd : known + 1;
  const tensor = call.graph.cast(toTensor(call.graph, begin), 'int64');
  const isLast = call.node('Equal', [tensor, call.graph.int(-1)]);
  return call.node('Where', [isLast, call.graph.int(toEnd), call.node('Add', [tensor, call.graph.int(1)])]);
}

function cut(call: OpCall, x: TensorValue, cuts: readonly Cut[]): TensorValue {
  const whole = cuts.filter(({ begin, end, step }) => !(begin === 0 && end === toEnd && step === 1));
  if (whole.length === 0) return x;
  const list = (pick: (cut: Cut) => Value | number): TensorValue => {
    const values = whole.map(pick).map((value): Value => (typeof value === 'number' ? { kind: 'scalar', type: 'int', value } : value));
    return intTensorOf(call.graph, { kind: 'tuple', items: values });
  };
  return call.node('Slice', [
    x,
    list((c) => c.begin),
    list((c) => c.end),
    call.graph.ints(whole.map((c) => c.axis)),
    call.graph.ints(whole.map((c) => c.step)),
  ]);
}

/** Begin and size per dim; size -1 goes to the end. */
function sliceBySize(call: OpCall): Value {
  const x = operandOf(call);
  const [begins, sizes] = [listOf(call, 'begin'), listOf(call, 'size')];
  const cuts = begins.map((begin, axis): Cut => {
    const [start, size] = [numbersOf(begin)?.[0], numbersOf(sizes[axis] as Value)?.[0]];
    if (size === -1) return { axis, begin, end: toEnd, step: 1 };
    if (start !== undefined && size !== undefined) return { axis, begin: start, end: start + size, step: 1 };
    const end = call.node('Add', [
      call.graph.cast(toTensor(call.graph, begin), 'int64'),
      call.graph.cast(toTensor(call.graph, sizes[axis] as Value), 'int64'),
    ]);
    return { axis, begin, end, step: 1 };
  });
  return cut(call, x, cuts);
}

function sliceAxis(call: OpCall): Value {
  const x = operandOf(call);
  const axis = call.number('dim', 0);
  const scalar = (name: string, fallback: number): TensorValue =>
    call.find(name) === undefined ? call.graph.ints([fallback]) : call.intTensor(name);
  return call.node('Slice', [x, scalar('start', 0), scalar('end', toEnd), call.graph.ints([axis]), scalar('step', 1)]);
}

function narrow(call: OpCall): Value {
  const [axis, start, length] = [call.number('dim'), call.intTensor('start'), call.intTensor('length')];
  return call.node('Slice', [operandOf(call), start, call.node('Add', [start, length]), call.graph.ints([axis])]);
}

function reverse(call: OpCall): Value {
  const axes = call.numbers('axis|dims');
  return axes.reduce((x, axis) => reversed(call, x, axis), operandOf(call));
}

function roll(call: OpCall): Value {
  const x = operandOf(call);
  const [shifts, dims] = [call.numbers('shift|shifts'), call.numbersOr('axis|dims') ?? []];
  const rolledAxis = (tensor: TensorValue, shift: number, axis: number): TensorValue => {
    const { graph } = call;
    const size = tensor.shape?.at(axis) ?? -1;
    // Cut where the last `shift` elements start and exchange the parts.
    const at = size > 0 ? ((-shift % size) + size) % size : -shift;
    if (at === 0) return tensor;
    const head = call.node('Slice', [tensor, graph.ints([0]), graph.ints([at]), graph.ints([axis])]);
    const tail = call.node('Slice', [tensor, graph.ints([at]), graph.ints([toEnd]), graph.ints([axis])]);
    return call.node('Concat', [tail, head], { axis });
  };
  if (dims.length === 0) {
    const flat = call.node('Reshape', [x, call.graph.ints([-1])]);
    return call.node('Reshape', [rolledAxis(flat, elementAt(shifts, 0), 0), call.node('Shape', [x])]);
  }
  return dims.reduce((tensor, axis, index) => rolledAxis(tensor, elementAt(shifts, index), axis), x);
}

/** Pairs (before, after) per dim, first dim first, to ONNX's order. */
function padDims(pairs: readonly number[]): number[] {
  return [...pairs.filter((_, index) => index % 2 === 0), ...pairs.filter((_, index) => index % 2 === 1)];
}

/** Pads that start at the last dim, as (left, right, top, bottom, ...). */
function padLastDims(call: OpCall, x: TensorValue, pads: readonly number[]): number[] {
  const rank = call.rank(x);
  const pairs = sequence(2 * rank, () => 0);
  for (let index = 0; index < pads.length / 2; index++) {
    pairs[2 * (rank - 1 - index)] = elementAt(pads, 2 * index);
    pairs[2 * (rank - 1 - index) + 1] = elementAt(pads, 2 * index + 1);
  }
  return padDims(pairs);
}

function padWith(call: OpCall, x: TensorValue, pads: readonly number[], mode: string, value?: TensorValue): TensorValue {
  if (pads.every((pad) => pad === 0)) return x;
  if (pads.some((pad) => pad < 0) && mode !== 'constant') call.refuse(`pads negatively in mode ${mode}`);
  return call.node('Pad', [x, call.graph.ints(pads), mode === 'constant' ? value : undefined], { mode });
}

function pad(call: OpCall): Value {
  const x = operandOf(call);
  return padWith(call, x, padDims(call.numbers('paddings')), 'constant', call.like(x, 0));
}

const padModes = new Map([
  ['constant', 'constant'],
  ['reflect', 'reflect'],
  ['edge', 'edge'],
  ['circular', 'wrap'],
  ['symmetric', 'symmetric'],
  ['replicate', 'edge'],
]);

function padV3(call: OpCall): Value {
  const x = operandOf(call);
  const pads = call.numbers('paddings');
  const mode = padModes.get(call.text('mode', 'constant').toLowerCase()) ?? call.refuse(`pads in mode '${call.text('mode', '')}'`);
  const ordered =
    call.find('paddings_contiguous') === undefined || call.bool('paddings_contiguous')
      ? pads
      : [...pads.slice(0, pads.length / 2).flatMap((begin, index) => [begin, elementAt(pads, pads.length / 2 + index)])];
  const value = call.find('constant_value|value');
  return padWith(
    call,
    x,
    padLastDims(call, x, ordered),
    mode,
    value === undefined ? call.like(x, 0) : call.graph.cast(toTensor(call.graph, value, x.dtype), x.dtype),
  );
}

function mirrorPad(call: OpCall): Value {
  const x = operandOf(call);
  const pads = padDims(call.numbers('paddings'));
  if (call.text('mode', 'REFLECT').toUpperCase() === 'REFLECT') return padWith(call, x, pads, 'reflect');
  return symmetric(call, x, pads);
}

/** Mirrors with the edge repeated: each side is a reversed slice. */
function symmetric(call: OpCall, x: TensorValue, pads: readonly number[]): TensorValue {
  const rank = call.rank(x);
  const { graph } = call;
  let result = x;
  for (let axis = 0; axis < rank; axis++) {
    const [before, after] = [elementAt(pads, axis), elementAt(pads, axis + rank)];
    const flip = (from: number, to: number): TensorValue =>
      reversed(call, call.node('Slice', [result, graph.ints([from]), graph.ints([to]), graph.ints([axis])]), axis);
    const parts = [...(before > 0 ? [flip(0, before)] : []), result, ...(after > 0 ? [flip(-after, toEnd)] : [])];
    if (parts.length > 1) result = call.node('Concat', parts, { axis });
  }
  return result;
}

function fixedMode(mode: string): Emit {
  return (call) => {
    const x = operandOf(call);
    return padWith(call, x, padLastDims(call, x, call.numbers('padding')), mode);
  };
}

function constantPad(call: OpCall): Value {
  const x = operandOf(call);
  const value = call.find('value');
  return padWith(
    call,
    x,
    padLastDims(call, x, call.numbers('padding')),
    'constant',
    value === undefined ? call.like(x, 0) : call.graph.cast(toTensor(call.graph, value, x.dtype), x.dtype),
  );
}

function triangle(upper: 0 | 1): Emit {
  return (call) => {
    const x = operandOf(call);
    return call.node('Trilu', [x, call.graph.int(call.number('diagonal', 0))], { upper });
  };
}

/** Keeps the diagonals lower..upper of each matrix. */
function bandPart(call: OpCall): Value {
  const x = operandOf(call);
  const [lower, upper] = [call.number('lower'), call.number('upper')];
  const top = upper < 0 ? x : call.node('Trilu', [x, call.graph.int(upper)], { upper: 0 });
  return lower < 0 ? top : call.node('Trilu', [top, call.graph.int(-lower)], { upper: 1 });
}

function selectIndex(call: OpCall): Value {
  const index = call.find('index') as Value;
  return call.node('Gather', [operandOf(call), call.graph.cast(toTensor(call.graph, index), 'int64')], {
    axis: positiveAxis(call.number('dim'), call.rank(operandOf(call))),
  });
}

/** Rows of slicing and padding. */
export const slicing = family('Slicing and padding', [
  op('StridedSlice', 'x begin end strides begin_mask end_mask ellipsis_mask new_axis_mask shrink_axis_mask', stridedSlice),
  op('Slice', 'x begin size', sliceBySize),
  op('SliceExt SliceExtView', 'x dim start end step', sliceAxis),
  op('Narrow NarrowView', 'x dim start length', narrow),
  op('SelectExtView SelectView', 'x dim index', selectIndex),
  op('ReverseV2 Reverse', 'x axis', reverse),
  op('Roll', 'x shifts dims', roll),
  op('Pad', 'x', pad),
  op('PadV3', 'x paddings constant_value', padV3),
  op('MirrorPad', 'x paddings', mirrorPad),
  op('ConstantPadND', 'x padding value', constantPad),
  op('ReflectionPad1D ReflectionPad2D ReflectionPad3D', 'x padding', fixedMode('reflect')),
  op('ReplicationPad1D ReplicationPad2D ReplicationPad3D', 'x padding', fixedMode('edge')),
  op('Tril TrilExt', 'x diagonal', triangle(0)),
  op('Triu', 'x diagonal', triangle(1)),
  op('MatrixBandPart', 'x lower upper', bandPart),
]);
