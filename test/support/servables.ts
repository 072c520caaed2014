import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BatchingChoice } from '@mserve/register';
import { addModel, onnxModel, type OnnxModel } from './onnx-model.js';
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

/** Writes servable `name`, version 1 or the given one, with one ONNX model and one method `predict` that runs it. */
export function writeModelServable(
  directory: string,
  name: string,
  model: OnnxModel,
  options: { withBatchDim?: boolean; batching?: BatchingChoice; version?: number } = {},
): void {
  const version = String(options.version ?? 1);
  mkdirSync(join(directory, name, version), { recursive: true });
  writeFileSync(join(directory, name, version, 'model.onnx'), onnxModel(model));
  const inputs = model.inputs.map((input) => input.name).join(', ');
  const outputs = JSON.stringify(model.outputs.map((output) => output.name));
  writeFileSync(
    join(directory, name, 'servable_config.ts'),
    `import { addStage, declareModel, registerMethod } from '@mserve/register';
const model = declareModel({ modelFile: 'model.onnx', modelFormat: 'ONNX', withBatchDim: ${options.withBatchDim ?? true}, batching: '${options.batching ?? 'proven'}' });
registerMethod(${outputs}, function predict(${inputs}) {
  return addStage(model, ${inputs}, { outputsCount: ${model.outputs.length} });
});
`,
  );
}

/** Writes servable `name`, version 1, with a model and a method that runs it for each of `models`: names of methods, and their models. */
export function writeModelsServable(directory: string, name: string, models: readonly (readonly [string, OnnxModel])[]): void {
  mkdirSync(join(directory, name, '1'), { recursive: true });
  const methods = models.map(([method, model]) => {
    writeFileSync(join(directory, name, '1', `${method}.onnx`), onnxModel(model));
    const inputs = model.inputs.map((input) => input.name).join(', ');
    const outputs = JSON.stringify(model.outputs.map((output) => output.name));
    return `
const ${method}Model = declareModel({ modelFile: '${method}.onnx', modelFormat: 'ONNX' });
registerMethod(${outputs}, function ${method}(${inputs}) {
  return addStage(${method}Model, ${inputs}, { outputsCount: ${model.outputs.length} });
});
`;
  });
  writeFileSync(
    join(directory, name, 'servable_config.ts'),
    `import { addStage, declareModel, registerMethod } from '@mserve/register';\n${methods.join('')}`,
  );
}

/** Servable `add`: y = x1 + x2, float32 [2] per instance, dynamic batch. */
export function writeAddServable(directory: string, versions: readonly number[] = [1]): void {
  writeModelServable(directory, 'add', {
    inputs: [
      { name: 'x1', dtype: 'float32', shape: ['n', 2] },
      { name: 'x2', dtype: 'float32', shape: ['n', 2] },
    ],
    outputs: [{ name: 'y', dtype: 'float32', shape: ['n', 2] }],
    nodes: [{ op: 'Add', inputs: ['x1', 'x2'], outputs: ['y'] }],
  });
  for (const version of versions)
    if (version !== 1) cpSync(join(directory, 'add', '1'), join(directory, 'add', String(version)), { recursive: true });
}

/** Servable `turns`: y = x1 + x2 in odd versions, y = x1 - x2 in even ones, float32 [2] per instance, dynamic batch. */
export function writeTurnsServable(directory: string, versions: readonly number[]): void {
  for (const version of versions) writeTurnsVersion(directory, version);
}

/** One version of servable `turns`; the config, which all of them share, is written anew. */
export function writeTurnsVersion(directory: string, version: number): void {
  writeModelServable(
    directory,
    'turns',
    {
      inputs: [
        { name: 'x1', dtype: 'float32', shape: ['n', 2] },
        { name: 'x2', dtype: 'float32', shape: ['n', 2] },
      ],
      outputs: [{ name: 'y', dtype: 'float32', shape: ['n', 2] }],
      nodes: [{ op: version % 2 === 1 ? 'Add' : 'Sub', inputs: ['x1', 'x2'], outputs: ['y'] }],
    },
    { version },
  );
}

/** Servable `echo`: y = x, of any dtype and shape, one string where it is text; by a function. */
export function writeEchoServable(directory: string): void {
  mkdirSync(join(directory, 'echo', '1'), { recursive: true });
  writeFileSync(
    join(directory, 'echo', 'servable_config.ts'),
    `import { addStage, registerMethod, type InputValue } from '@mserve/register';
function same(x: InputValue) {
  return x;
}
registerMethod(['y'], function predict(x) {
  return addStage(same, x, { outputsCount: 1 });
});
`,
  );
}

/** Servable `name`, the given versions: y = 2 * (x1 + x2), float32 [2] per instance; the sum by a model, the double by a function in its threads. */
export function writeDoubledSumServable(directory: string, name: string, versions: readonly number[]): void {
  for (const version of versions) {
    mkdirSync(join(directory, name, String(version)), { recursive: true });
    writeFileSync(join(directory, name, String(version), 'add.onnx'), addModel());
  }
  writeFileSync(
    join(directory, name, 'servable_config.ts'),
    `import { addStage, declareModel, registerMethod, type Tensor } from '@mserve/register';
const add = declareModel({ modelFile: 'add.onnx', modelFormat: 'ONNX' });
function double(x: Tensor) {
  return x.mul(2);
}
registerMethod(['y'], function predict(x1, x2) {
  return addStage(double, addStage(add, x1, x2, { outputsCount: 1 }), { outputsCount: 1 });
});
`,
  );
}
