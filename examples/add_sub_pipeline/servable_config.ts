import { addStage, declareModel, registerMethod } from '@mserve/register';

const addModel = declareModel({ modelFile: 'tensor_add.mindir', modelFormat: 'MindIR', withBatchDim: false });
const subModel = declareModel({ modelFile: 'tensor_sub.mindir', modelFormat: 'MindIR', withBatchDim: false });

registerMethod(
  { doc: 'x1 + x2 - x3, float32 [2, 2] each: two models, one after the other.', outputs: { y: {} } },
  function predict(x1, x2, x3) {
    const sum = addStage(addModel, x1, x2);
    return addStage(subModel, sum, x3);
  },
);
