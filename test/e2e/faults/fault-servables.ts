import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OnnxDtype } from '../../support/onnx-model.js';
import { loopModel } from '../../support/onnx-model.js';
import { writeEchoServable, writeModelServable, writeModelsServable } from '../../support/servables.js';

const dtypes: readonly OnnxDtype[] = [
  'bool',
  'int8',
  'uint8',
  'int32',
  'int64',
  'uint64',
  'float16',
  'bfloat16',
  'float32',
  'float64',
  'string',
];

const functions = `import { addStage, registerMethod, type InputValue, type Tensor } from '@mserve/register';
const number = (x: InputValue) => Number((x as Tensor).item());
async function wait(x: InputValue) {
  await new Promise((resolve) => setTimeout(resolve, number(x)));
  return x;
}
function picky(x: InputValue) {
  if (number(x) < 0) throw new Error('negative value');
  return x;
}
function wrong(_x: InputValue) {
  return [1, 2, 3];
}
function block(x: InputValue) {
  for (;;) if (number(x) < 0) return x;
}
registerMethod(['y'], function sleep(x) {
  return addStage(wait, x, { outputsCount: 1 });
});
registerMethod(['y'], function positive(x) {
  return addStage(picky, x, { outputsCount: 1 });
});
registerMethod(['y', 'z'], function short(x) {
  const [y, z] = addStage(wrong as never, x, { outputsCount: 2 }) as never[];
  return [y, z];
});
registerMethod(['y'], function forever(x) {
  return addStage(block, x, { outputsCount: 1 });
});
`;

/** Servables that the tables call: `echo`; `same`, y = x by a model for each dtype; `whole`, y = x of bytes as one instance; `fn`, functions that misbehave; `endless`, a model that may run for ever. */
export function writeFaultServables(directory: string): void {
  writeEchoServable(directory);
  writeModelsServable(
    directory,
    'same',
    dtypes.map((dtype) => [
      dtype,
      {
        inputs: [{ name: 'x', dtype, shape: ['n', 2] }],
        outputs: [{ name: 'y', dtype, shape: ['n', 2] }],
        nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }],
      },
    ]),
  );
  writeModelServable(
    directory,
    'whole',
    {
      inputs: [{ name: 'x', dtype: 'uint8', shape: ['n'] }],
      outputs: [{ name: 'y', dtype: 'uint8', shape: ['n'] }],
      nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }],
    },
    { withBatchDim: false },
  );
  mkdirSync(join(directory, 'fn', '1'), { recursive: true });
  writeFileSync(join(directory, 'fn', 'servable_config.ts'), functions);
  mkdirSync(join(directory, 'endless', '1'), { recursive: true });
  writeFileSync(join(directory, 'endless', '1', 'model.onnx'), loopModel());
  writeFileSync(
    join(directory, 'endless', 'servable_config.ts'),
    `import { addStage, declareModel, registerMethod } from '@mserve/register';
const model = declareModel({ modelFile: 'model.onnx', modelFormat: 'ONNX', withBatchDim: false });
registerMethod(['y'], function predict(x) { return addStage(model, x, { outputsCount: 1 }); });
`,
  );
}
