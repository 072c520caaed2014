import { addStage, declareModel, registerMethod, Tensor } from '@mserve/register';

/** y = 2 * x, float32 [batch, 3]. Put your own model in its place: in 1/, or in 2/ as the next version. */
const model = declareModel({ modelFile: 'double.onnx', modelFormat: 'ONNX' });

/** Runs once per instance, in a thread of its own. What it throws, the caller reads; other instances go on. */
function parse(text: string): Tensor {
  const numbers = text.split(',').map(Number);
  if (numbers.length !== 3 || numbers.some(Number.isNaN)) throw new Error('three numbers are expected, for example 1,2,3');
  return Tensor.of('float32', numbers);
}

function format(y: Tensor<'float32'>): string {
  return [...y.data].join(',');
}

/** The model alone: x and y are float32 [3] per instance. */
registerMethod(['y'], function predict(x) {
  return addStage(model, x);
});

/** A pipeline: a function, the model, a function. */
registerMethod(['y'], function predict_text(text) {
  const x = addStage(parse, text);
  const y = addStage(model, x);
  return addStage(format, y);
});
