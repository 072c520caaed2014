import { addStage, declareModel, InvalidInput, registerMethod, Tensor } from '@mserve/register';

/** y = x1 + x2, float32 [2, 2]; no dim of it is a batch, so one instance is one run. */
const model = declareModel({ modelFile: 'tensor_add.mindir', modelFormat: 'MindIR', withBatchDim: false });

/** Any numbers to what the model takes. */
function toFloat32(x1: Tensor, x2: Tensor): [Tensor, Tensor] {
  // Where no dtype is declared clients may send text, which comes as a string
  for (const given of [x1, x2]) if (!(given instanceof Tensor)) throw new InvalidInput('x1 and x2 have to be numbers');
  return [x1.astype('float32'), x2.astype('float32')];
}

registerMethod({ doc: 'The model alone: x1 and x2 must be float32.', outputs: { y: {} } }, function add_common(x1, x2) {
  return addStage(model, x1, x2);
});

registerMethod(
  { doc: 'Takes numbers of any type.', inputs: { x1: { shape: [2, 2] }, x2: { shape: [2, 2] } }, outputs: { y: {} } },
  function add_cast(x1, x2) {
    const [a, b] = addStage(toFloat32, x1, x2, { outputsCount: 2 });
    return addStage(model, a, b);
  },
);
