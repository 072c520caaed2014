/** Writes a servable directory for the benchmark's ONNX models: make-servables.mjs MODEL_DIR OUT_DIR */
import { mkdirSync, writeFileSync, copyFileSync, existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** name -> inputs, output, whether the first dim is the batch */
const models = {
  tensor_add: { inputs: ['x1', 'x2'], output: 'y', batched: false },
  lenet5: { inputs: ['input'], output: 'logits', batched: true },
  mobilenetv2: { inputs: ['input'], output: 'logits', batched: true },
  bert_tiny: { inputs: ['input_ids', 'attention_mask'], output: 'pooled', batched: true },
  relu600k: { inputs: ['x'], output: 'y', batched: true },
};

const [modelDir, outDir] = process.argv.slice(2).map((path) => resolve(path));
for (const [name, { inputs, output, batched }] of Object.entries(models)) {
  const source = join(modelDir, `${name}.onnx`);
  if (!existsSync(source)) continue;
  mkdirSync(join(outDir, name, '1'), { recursive: true });
  copyFileSync(source, join(outDir, name, '1', 'model.onnx'));
  writeFileSync(
    join(outDir, name, 'servable_config.ts'),
    `import { addStage, declareModel, registerMethod } from '@mserve/register';

const model = declareModel({ modelFile: 'model.onnx', modelFormat: 'ONNX', withBatchDim: ${batched} });

registerMethod(['${output}'], function predict(${inputs.join(', ')}) {
  return addStage(model, ${inputs.join(', ')}, { outputsCount: 1 });
});
`,
  );
}
