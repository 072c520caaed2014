import type { OnnxAttribute } from '../graph/onnx-graph.js';
import type { TensorValue, Value } from '../graph/value.js';
import { operandOf } from './compose.js';
import type { OpCall } from './op-call.js';
import { family, op, type Emit } from './op-table.js';
import { elementAt, sequence } from '../graph/sequence.js';

/** How a window operator pads: to keep the size, not at all, or by given numbers. */
export type PadMode = 'same' | 'valid' | 'pad';

/** pad_mode is a word, or a number: 0 pad, 1 same, 2 valid. */
export function padModeOf(call: OpCall, names = 'pad_mode|padding'): PadMode {
  const value = call.find(names);
  if (value?.kind !== 'scalar') return 'valid';
  const word = String(value.value).toLowerCase();
  if (word === 'same' || word === '1') return 'same';
  return word === 'valid' || word === '2' ? 'valid' : 'pad';
}

/** The last `rank` of a list (strides come with batch and channel), or one number for all. */
export function spatial(values: readonly number[] | undefined, rank: number, fallback: number): number[] {
  if (values === undefined || values.length === 0) return sequence(rank, () => fallback);
  if (values.length === 1) return sequence(rank, () => elementAt(values, 0));
  return values.slice(-rank);
}

/** [top, bottom, left, right, ...] as ONNX wants it: all begins, then all ends. */
function beginsThenEnds(pairs: readonly number[]): number[] {
  return [...pairs.filter((_, index) => index % 2 === 0), ...pairs.filter((_, index) => index % 2 === 1)];
}

/** Explicit pads of a window operator, each side: pairs per axis, one number per axis, or one for all. */
export function explicitPads(values: readonly number[] | undefined, rank: number): number[] {
  if (values === undefined || values.length === 0) return sequence(2 * rank, () => 0);
  if (values.length === 2 * rank) return beginsThenEnds(values);
  const each = spatial(values, rank, 0);
  return [...each, ...each];
}

/** Refuses a use whose tensors have their channels last. */
export function refuseChannelsLast(call: OpCall): void {
  const format = call.find('format|data_format');
  if (format?.kind === 'scalar' && (format.value === 'NHWC' || format.value === 'NDHWC' || format.value === 1))
    call.refuse('works on channels-last tensors');
}

/** ONNX Runtime refuses auto_pad with dilation: then the pads are computed, from static sizes or, with stride 1, from the kernel alone. */
function samePads(
  call: OpCall,
  x: TensorValue,
  kernel: readonly number[],
  strides: readonly number[],
  dilations: readonly number[],
): Record<string, OnnxAttribute> {
  if (dilations.every((dilation) => dilation === 1)) return { auto_pad: 'SAME_UPPER' };
  const totals = kernel.map((size, axis) => {
    const reach = (size - 1) * elementAt(dilations, axis) + 1;
    const stride = elementAt(strides, axis);
    if (stride === 1) return reach - 1;
    const length = call.dim(x, axis + 2);
    return Math.max(0, (Math.ceil(length / stride) - 1) * stride + reach - length);
  });
  return { pads: [...totals.map((total) => Math.floor(total / 2)), ...totals.map((total) => Math.ceil(total / 2))] };
}

function padAttributes(call: OpCall, rank: number, x: TensorValue, kernel: readonly number[]): Record<string, OnnxAttribute> {
  const mode = padModeOf(call);
  if (mode === 'same')
    return samePads(
      call,
      x,
      kernel,
      spatial(call.numbersOr('stride|strides'), rank, 1),
      spatial(call.numbersOr('dilation|dilations'), rank, 1),
    );
  return mode === 'valid' ? {} : { pads: explicitPads(call.numbersOr('pad_list|pad'), rank) };
}

/** Convolutions whose parameters are attributes. */
function convolution(rank: number): Emit {
  return (call) => {
    refuseChannelsLast(call);
    const [x, weight] = [operandOf(call, 0), operandOf(call, 1)];
    const kernel = spatial(call.numbersOr('kernel_size') ?? weight.shape?.slice(2), rank, 1);
    return call.node('Conv', [x, weight], {
      kernel_shape: kernel,
      strides: spatial(call.numbersOr('stride|strides'), rank, 1),
      dilations: spatial(call.numbersOr('dilation|dilations'), rank, 1),
      group: call.number('group|groups', 1),
      ...padAttributes(call, rank, x, kernel),
    });
  };
}

/** Depthwise weights come as [multiplier, channels, h, w]. */
function depthwise(call: OpCall): Value {
  const [x, weight] = [operandOf(call, 0), operandOf(call, 1)];
  const channels = call.dim(x, 1);
  const swapped = call.node('Transpose', [weight], { perm: [1, 0, 2, 3] });
  const [height, width] = [call.dim(weight, 2), call.dim(weight, 3)];
  const kernel = call.node('Reshape', [swapped, call.graph.ints([-1, 1, height, width])]);
  return call.node('Conv', [x, kernel], {
    kernel_shape: [height, width],
    strides: spatial(call.numbersOr('stride'), 2, 1),
    dilations: spatial(call.numbersOr('dilation'), 2, 1),
    group: channels,
    ...padAttributes(call, 2, x, [height, width]),
  });
}

/** What differs between the convolutions whose parameters are inputs. */
interface FunctionalKind {
  /** Spatial dims; absent = as many as the weight has. */
  readonly rank?: number;
  /** `padding` is a mode, not sizes. */
  readonly named?: boolean;
  readonly transposed?: boolean;
}

/** Convolutions whose parameters are inputs. A missing batch dim is added and taken away again. */
function functionalConvolution({ rank, named = false, transposed: always = false }: FunctionalKind): Emit {
  return (call) => {
    const [input, weight, bias] = [call.tensor('input'), call.tensor('weight'), call.optionalTensor('bias')];
    const dims = rank ?? call.rank(weight) - 2;
    const transposed = always || call.bool('transposed');
    const batched = call.rank(input) === dims + 2;
    const x = batched ? input : call.node('Unsqueeze', [input, call.graph.ints([0])]);
    const padding = call.find('padding');
    const word = padding?.kind === 'scalar' && typeof padding.value === 'string' ? padding.value.toLowerCase() : undefined;
    const isSame = word === 'same' || (named && word === undefined && padModeOf(call, 'padding') === 'same');
    const [strides, dilations] = [spatial(call.numbersOr('stride'), dims, 1), spatial(call.numbersOr('dilation'), dims, 1)];
    const kernel = weight.shape?.slice(2) ?? [];
    const pads: Record<string, OnnxAttribute> =
      named || word !== undefined
        ? isSame
          ? samePads(call, x, kernel, strides, dilations)
          : {}
        : { pads: explicitPads(spatial(call.numbersOr('padding'), dims, 0), dims) };
    const common: Record<string, OnnxAttribute> = { strides, dilations, group: call.number('groups', 1), ...pads };
    const y = transposed
      ? call.node('ConvTranspose', [x, weight, bias], { ...common, output_padding: spatial(call.numbersOr('output_padding'), dims, 0) })
      : call.node('Conv', [x, weight, bias], common);
    return batched ? y : call.node('Squeeze', [y, call.graph.ints([0])]);
  };
}

/** Pads and output padding of one axis of a transposed convolution. */
interface TransposedAxis {
  readonly begin: number;
  readonly end: number;
  readonly extra: number;
}

function transposedAxis(
  mode: PadMode,
  kernel: number,
  stride: number,
  dilation: number,
  pads: readonly [number, number],
  wanted: number,
  size: number,
): TransposedAxis {
  const reach = (kernel - 1) * dilation + 1;
  if (mode === 'same') {
    // The output has size x stride.
    const total = reach - stride;
    const begin = Math.max(0, Math.floor(total / 2));
    return { begin, end: Math.max(0, total) - begin, extra: Math.max(0, -total) };
  }
  if (mode === 'valid') return { begin: 0, end: 0, extra: Math.max(0, stride - reach) };
  const natural = (size - 1) * stride + reach - pads[0] - pads[1];
  return { begin: pads[0], end: pads[1], extra: wanted > 0 && size > 0 ? Math.max(0, wanted - natural) : 0 };
}

/** The gradient of a convolution by its input, used forwards. The third operand is the output's shape. */
function transposedConvolution(rank: number, swapped: boolean): Emit {
  return (call) => {
    refuseChannelsLast(call);
    const [x, weight]: [TensorValue, TensorValue] = swapped
      ? [operandOf(call, 1), operandOf(call, 0)]
      : [operandOf(call, 0), operandOf(call, 1)];
    const kernel = spatial(call.numbersOr('kernel_size') ?? weight.shape?.slice(2), rank, 1);
    const strides = spatial(call.numbersOr('stride|strides'), rank, 1);
    const dilations = spatial(call.numbersOr('dilation|dilations'), rank, 1);
    const pads = explicitPads(call.numbersOr('pad_list|pad'), rank);
    const mode = padModeOf(call);
    const wanted = call.numbersOr('input_size') ?? call.output()?.shape;
    const axes = kernel.map((size, axis) =>
      transposedAxis(
        mode,
        size,
        elementAt(strides, axis),
        elementAt(dilations, axis),
        [elementAt(pads, axis), elementAt(pads, axis + rank)],
        wanted?.[axis + 2] ?? -1,
        x.shape?.[axis + 2] ?? -1,
      ),
    );
    return call.node('ConvTranspose', [x, weight], {
      kernel_shape: kernel,
      strides,
      dilations,
      group: call.number('group|groups', 1),
      pads: [...axes.map(({ begin }) => begin), ...axes.map(({ end }) => end)],
      output_padding: axes.map(({ extra }) => extra),
    });
  };
}

/** Rows of the convolutions. */
export const convolutionFamily = family('Convolutions', [
  op('Conv2D', 'x weight', convolution(2)),
  op('Conv3D', 'x weight', convolution(3)),
  op('Conv1D', 'x weight', convolution(1)),
  op('DepthwiseConv2dNative', 'x weight', depthwise),
  op('Conv2DTranspose Conv2DBackpropInput', 'x weight input_size', transposedConvolution(2, false)),
  op('Conv3DTranspose', 'x weight', transposedConvolution(3, false)),
  op('Conv3DBackpropInput', 'weight x input_size', transposedConvolution(3, true)),
  op('Conv1DExt', 'input weight bias stride padding dilation groups', functionalConvolution({ rank: 1 })),
  op('Conv1DPadding', 'input weight bias stride padding dilation groups', functionalConvolution({ rank: 1, named: true })),
  op('Conv2DExt', 'input weight bias stride padding dilation groups', functionalConvolution({ rank: 2 })),
  op('Conv2DPadding', 'input weight bias stride padding dilation groups', functionalConvolution({ rank: 2, named: true })),
  op('Conv3DExt', 'input weight bias stride padding dilation groups', functionalConvolution({ rank: 3 })),
  op('Conv3DPadding', 'input weight bias stride padding dilation groups', functionalConvolution({ rank: 3, named: true })),
  op('Convolution', 'input weight bias stride padding dilation transposed output_padding groups', functionalConvolution({})),
  op(
    'ConvolutionStr',
    'input weight bias stride padding dilation transposed output_padding groups',
    functionalConvolution({ named: true }),
  ),
  op(
    'ConvTranspose2D',
    'input weight bias stride padding output_padding groups dilation',
    functionalConvolution({ rank: 2, transposed: true }),
  ),
]);
