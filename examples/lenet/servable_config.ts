import { addStage, declareModel, InvalidInput, registerMethod, Tensor } from '@mserve/register';
import sharp from 'sharp';

/** LeNet-5 as MindSpore exported it: float32 [2, 1, 32, 32] in, ten scores per image out. Its batch size is 2, which nobody has to know. */
const model = declareModel({ modelFile: 'lenet.mindir', modelFormat: 'MindIR' });

/** Bytes of a PNG or JPEG of any size to grey values float32 [1, 32, 32] in 0..1. What is not an image is the client's fault; only its own instance fails then. */
async function preprocess(image: Tensor): Promise<Tensor> {
  const bytes = image.data as Uint8Array;
  if (bytes.length === 0) throw new InvalidInput("'image' has no bytes");
  const pixels = await sharp(bytes, { limitInputPixels: 64_000_000 })
    .flatten({ background: 'black' })
    .resize(32, 32, { fit: 'fill', kernel: 'lanczos3' })
    .toColourspace('b-w')
    .raw()
    .toBuffer()
    .catch((thrown: Error) => {
      throw new InvalidInput(`'image' is not an image that can be read: ${thrown.message}`);
    });
  return Tensor.of(
    'float32',
    Float32Array.from(pixels, (pixel) => pixel / 255),
    [1, 32, 32],
  );
}

/** The digit with the highest score. */
function top1(scores: Tensor<'float32'>): bigint {
  return BigInt(scores.argMax());
}

registerMethod(
  {
    doc: 'Which digit is on the image?',
    inputs: { image: { dtype: 'bytes', shape: [], doc: 'a PNG or JPEG of one hand-written digit, bright on dark, any size' } },
    outputs: { result: { dtype: 'int64', shape: [], doc: 'the digit, 0 to 9' } },
  },
  function predict(image) {
    const pixels = addStage(preprocess, image);
    const scores = addStage(model, pixels);
    return addStage(top1, scores);
  },
);

registerMethod(
  {
    doc: 'All ten scores of an image.',
    inputs: { image: { dtype: 'bytes', shape: [] } },
    outputs: { scores: { doc: 'one per digit, not normalised' } },
  },
  function predict_scores(image) {
    return addStage(model, addStage(preprocess, image));
  },
);
