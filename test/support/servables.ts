import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onnxModel, type OnnxModel } from './onnx-model.js';
import { root } from './running-process.js';

export interface ServableDirectory {
  readonly path: string;
  remove(): void;
}

/** A fresh, empty directory for servables, inside the project so that configs find the project's packages. */
export function servableDirectory(): ServableDirectory {
  mkdirSync(join(root, 'tmp'), { recursive: true });
  const path = mkdtempSync(join(root, 'tmp/servables-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** A copy of an example's servable. */
export function copyExample(directory: string, name: string): void {
  cpSync(join(root, 'examples', name), join(directory, name), { recursive: true });
}

/** Writes servable `name`, version 1, with one ONNX model and one method `predict` that runs it. */
export function writeModelServable(directory: string, name: string, model: OnnxModel, options: { withBatchDim?: boolean } = {}): void {
  mkdirSync(join(directory, name, '1'), { recursive: true });
  writeFileSync(join(directory, name, '1', 'model.onnx'), onnxModel(model));
  const inputs = model.inputs.map((input) => input.name).join(', ');
  const outputs = JSON.stringify(model.outputs.map((output) => output.name));
  writeFileSync(
    join(directory, name, 'servable_config.ts'),
    `import { addStage, declareModel, registerMethod } from '@mserve/register';
const model = declareModel({ modelFile: 'model.onnx', modelFormat: 'ONNX', withBatchDim: ${options.withBatchDim ?? true} });
registerMethod(${outputs}, function predict(${inputs}) {
  return addStage(model, ${inputs}, { outputsCount: ${model.outputs.length} });
});
`,
  );
}

/** Servable `add`: y = x1 + x2, float32 [2] per instance, dynamic batch. */
export function writeAddServable(directory: string): void {
  writeModelServable(directory, 'add', {
    inputs: [
      { name: 'x1', dtype: 'float32', shape: ['n', 2] },
      { name: 'x2', dtype: 'float32', shape: ['n', 2] },
    ],
    outputs: [{ name: 'y', dtype: 'float32', shape: ['n', 2] }],
    nodes: [{ op: 'Add', inputs: ['x1', 'x2'], outputs: ['y'] }],
  });
}
