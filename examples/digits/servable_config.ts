import { addStage, declareModel, InvalidInput, registerMethod, Tensor } from '@mserve/register';
import sharp from 'sharp';

/** Hand-written digits: 28x28 grey images in, ten logits out. Trained on the UCI hand-written digits (README.md beside this file). */
const digits = declareModel({ modelFile: 'digits.onnx', modelFormat: 'ONNX' });

/** A seven as SVG: an image that is text, so JSON of the Open Inference Protocol can say it, too. */
const seven =
  '<svg xmlns="http://www.w3.org/2000/svg" width="28" height="28"><path d="M8 6h12l-6 16" fill="none" stroke="white" stroke-width="3"/></svg>';

/** Bytes of a PNG or JPEG of any size to float32 [1, 28, 28] in 0..1. What is not an image is the client's fault; only its own instance fails then. */
async function decode(image: Tensor): Promise<Tensor> {
  const bytes = image.data as Uint8Array;
  // sharp throws at once for these, outside of its promise
  if (bytes.length === 0) throw new InvalidInput("'image' has no bytes");
  const pixels = await sharp(bytes, { limitInputPixels: 64_000_000 })
    .resize(28, 28, { fit: 'fill' })
    .flatten({ background: 'black' })
    .toColourspace('b-w')
    .raw()
    .toBuffer()
    .catch((thrown: Error) => {
      throw new InvalidInput(`'image' is not an image that can be read: ${thrown.message}`);
    });
  return Tensor.of(
    'float32',
    Float32Array.from(pixels, (pixel) => pixel / 255),
    [1, 28, 28],
  );
}

/** Logits float32 [10] to the most probable digit (an integer) and the softmax over all ten. */
function pick(logits: Tensor): [label: number, probabilities: Tensor] {
  const values = Array.from(logits.data as Float32Array);
  const largest = Math.max(...values);
  const weights = values.map((value) => Math.exp(value - largest));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return [
    values.indexOf(largest),
    Tensor.of(
      'float32',
      Float32Array.from(weights, (weight) => weight / total),
    ),
  ];
}

registerMethod(
  {
    name: 'classify',
    doc: 'Which digit is on the image?',
    inputs: {
      image: {
        dtype: 'bytes',
        shape: [],
        doc: 'a PNG or JPEG of one hand-written digit, bright on dark, any size',
        example: seven,
      },
    },
    outputs: {
      label: { dtype: 'int64', shape: [], doc: 'the digit, 0 to 9' },
      probabilities: { dtype: 'float32', shape: [10], doc: 'softmax over the ten digits' },
    },
  },
  function classify(image) {
    const pixels = addStage(decode, image, { outputsCount: 1 });
    const logits = addStage(digits, pixels, { outputsCount: 1 });
    return addStage(pick, logits, { outputsCount: 2 });
  },
);

registerMethod(
  {
    name: 'logits',
    doc: 'The model alone.',
    inputs: { image: { doc: 'grey values divided by 255' } },
    outputs: { logits: { doc: 'one per digit' } },
  },
  function logits(image) {
    return addStage(digits, image, { outputsCount: 1 });
  },
);
