import { Tensor } from './tensor.js';
import type { NumericDType } from './element.js';
import { isInteger } from './element.js';

/** What servables do to images before a model: the transforms of mindspore.dataset.vision under the same words. Images are [height, width, channels] or [height, width]. */

function checkImage(image: Tensor, name: string): readonly [height: number, width: number, channels: number] {
  const [height = 0, width = 0, channels = 1] = image.shape;
  if (image.rank !== 2 && image.rank !== 3)
    throw new RangeError(
      `${name} takes an image of shape [height, width] or [height, width, channels], but got [${image.shape.join(', ')}]`,
    );
  return [height, width, channels];
}

function checkSize(size: readonly number[], name: string): readonly [height: number, width: number] {
  const [height = 0, width = 0] = size;
  if (size.length !== 2 || !size.every((side) => Number.isInteger(side) && side > 0))
    throw new RangeError(`${name} takes [height, width] of whole numbers above 0, but got [${size.join(', ')}]`);
  return [height, width];
}

/** [height, width, channels] to [channels, height, width] (vision.HWC2CHW). Throws RangeError unless the rank is 3. */
export function hwcToChw<D extends NumericDType>(image: Tensor<D>): Tensor<D> {
  if (image.rank !== 3) throw new RangeError(`hwcToChw takes a tensor of rank 3, but got [${image.shape.join(', ')}]`);
  return image.transpose(2, 0, 1);
}

/** [channels, height, width] to [height, width, channels]. Throws RangeError unless the rank is 3. */
export function chwToHwc<D extends NumericDType>(image: Tensor<D>): Tensor<D> {
  if (image.rank !== 3) throw new RangeError(`chwToHwc takes a tensor of rank 3, but got [${image.shape.join(', ')}]`);
  return image.transpose(1, 2, 0);
}

/** How {@link resizeImage} finds a pixel between pixels. */
export type Interpolation = 'linear' | 'nearest';

interface ResizeSteps {
  readonly low: Int32Array;
  readonly high: Int32Array;
  readonly share: Float64Array;
}

/** For each place of the result: the two entries of the source that it lies between, and how near it is to the second. */
function resizeSteps(from: number, to: number, interpolation: Interpolation): ResizeSteps {
  const [low, high, share] = [new Int32Array(to), new Int32Array(to), new Float64Array(to)];
  for (let at = 0; at < to; at++) {
    const place = interpolation === 'nearest' ? Math.floor((at * from) / to) : ((at + 0.5) * from) / to - 0.5;
    const clamped = Math.min(from - 1, Math.max(0, place));
    low[at] = Math.floor(clamped);
    high[at] = Math.min(from - 1, Math.floor(clamped) + 1);
    share[at] = clamped - Math.floor(clamped);
  }
  return { low, high, share };
}

/**
 * The image in another size (vision.Resize with both sides given). `linear` weighs the four nearest pixels by the distance of pixel centres, without
 * smoothing when it shrinks, as OpenCV and MindSpore's C++ kernels do; `nearest` takes the pixel at floor(position * scale). The dtype stays;
 * for integers the result is rounded to the nearest. Throws RangeError for a shape that is no image, an empty one, and sizes below 1.
 */
export function resizeImage<D extends NumericDType>(
  image: Tensor<D>,
  size: readonly [height: number, width: number],
  interpolation: Interpolation = 'linear',
): Tensor<D> {
  const [height, width, channels] = checkImage(image, 'resizeImage');
  const [toHeight, toWidth] = checkSize(size, 'resizeImage');
  if (image.size === 0) throw new RangeError(`resizeImage of an empty image [${image.shape.join(', ')}]`);
  if (interpolation !== 'linear' && interpolation !== 'nearest')
    throw new RangeError(`an interpolation can be 'linear' or 'nearest', but not '${String(interpolation)}'`);
  const pixels = image.astype('float64').data;
  const rows = resizeSteps(height, toHeight, interpolation);
  const columns = resizeSteps(width, toWidth, interpolation);
  const out = new Float64Array(toHeight * toWidth * channels);
  const rounds = isInteger(image.dtype);
  let at = 0;
  for (let y = 0; y < toHeight; y++) {
    const [top, bottom, down] = [(rows.low[y] ?? 0) * width, (rows.high[y] ?? 0) * width, rows.share[y] ?? 0];
    for (let x = 0; x < toWidth; x++) {
      const [left, right, along] = [columns.low[x] ?? 0, columns.high[x] ?? 0, columns.share[x] ?? 0];
      for (let c = 0; c < channels; c++) {
        const pixel = (row: number, column: number): number => pixels[(row + column) * channels + c] ?? 0;
        const upper = pixel(top, left) * (1 - along) + pixel(top, right) * along;
        const lower = pixel(bottom, left) * (1 - along) + pixel(bottom, right) * along;
        const value = upper * (1 - down) + lower * down;
        out[at++] = rounds ? Math.round(value) : value;
      }
    }
  }
  return Tensor.from(out, [toHeight, toWidth, ...image.shape.slice(2)]).astype(image.dtype);
}

/**
 * (pixel - mean) / std per channel, as float32 (vision.Normalize). One mean and std for all channels, or one per channel; `channelAxis` is -1 for
 * [height, width, channels] (default) and 0 for [channels, height, width]. Divide by 255 before, where mean and std are of pixels between 0 and 1.
 * Throws RangeError when their count is not 1 or that of the channels, and for a std of 0.
 */
export function normalizeImage(
  image: Tensor,
  mean: number | readonly number[],
  std: number | readonly number[],
  channelAxis: 0 | -1 = -1,
): Tensor<'float32'> {
  const channels = image.shape.at(channelAxis) ?? 1;
  const [means, stds] = [mean, std].map((given) => (typeof given === 'number' ? [given] : given)) as [readonly number[], readonly number[]];
  for (const [name, given] of [
    ['mean', means],
    ['std', stds],
  ] as const)
    if (given.length !== 1 && given.length !== channels)
      throw new RangeError(`normalizeImage got ${given.length} values of ${name} for an image with ${channels} channels`);
  if (stds.includes(0)) throw new RangeError('normalizeImage cannot divide by a std of 0');
  const perChannel = (given: readonly number[]): Tensor => {
    const values = Tensor.of('float64', given);
    return channelAxis === -1 || given.length === 1 ? values : values.reshape(-1, ...new Array<number>(image.rank - 1).fill(1));
  };
  return image.astype('float64').sub(perChannel(means)).div(perChannel(stds)).astype('float32');
}

/** The middle of an image (vision.CenterCrop). Throws RangeError for a size beyond the image's. */
export function centerCropImage<D extends NumericDType>(image: Tensor<D>, size: readonly [height: number, width: number]): Tensor<D> {
  const [height, width] = checkImage(image, 'centerCropImage');
  const [toHeight, toWidth] = checkSize(size, 'centerCropImage');
  if (toHeight > height || toWidth > width)
    throw new RangeError(`an image of ${height} x ${width} has no middle of ${toHeight} x ${toWidth}`);
  const [top, left] = [Math.floor((height - toHeight) / 2), Math.floor((width - toWidth) / 2)];
  const rows = image.slice(top, top + toHeight);
  return rows.split([left, left + toWidth], 1)[1] ?? rows;
}
