import { addStage, declareModel, InvalidInput, registerMethod, type Tensor } from '@mserve/register';

/** Two files, one model: subgraph 0 takes float32 [128, 96], subgraph 1 float32 [8, 96]; each gives float32 [16]. */
const model = declareModel({ modelFile: ['matmul_0.mindir', 'matmul_1.mindir'], modelFormat: 'MindIR', withBatchDim: false });

/** A stage runs subgraph 0 only; functions may call any. Both calls wait at the same time. */
async function process(x: Tensor, y: Tensor): Promise<Tensor> {
  // What a client sends wrongly is its fault; what the model itself says to a function would be a fault of this servable
  if (`${x.shape}` !== '128,96' || `${y.shape}` !== '8,96') throw new InvalidInput("'x' has to be [128, 96] and 'y' [8, 96]");
  const [z1, z2] = await Promise.all([model.call(x, { subgraph: 0 }), model.call(y, { subgraph: 1 })]);
  return (z1 as Tensor).add(z2 as Tensor);
}

registerMethod(
  {
    doc: 'Subgraph 0 of x plus subgraph 1 of y.',
    inputs: { x: { dtype: 'float32', shape: [128, 96] }, y: { dtype: 'float32', shape: [8, 96] } },
    outputs: { z: { dtype: 'float32', shape: [16] } },
  },
  function predict(x, y) {
    return addStage(process, x, y);
  },
);
