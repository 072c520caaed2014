import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { doubleModel, loopModel, onnxModel, type OnnxModel } from './onnx-model.js';

const value = (name: string) => ({ name, dtype: 'float32' as const, shape: ['n', 4] });

/** y = x + w, the bytes of w being in another file. */
function externalModel(location: string): Uint8Array {
  return onnxModel({
    inputs: [value('x')],
    outputs: [value('y')],
    initializers: [{ name: 'w', dtype: 'float32', shape: [4], external: { location } }],
    nodes: [{ op: 'Add', inputs: ['x', 'w'], outputs: ['y'] }],
  });
}

function withNode(more: Partial<OnnxModel>): Uint8Array {
  return onnxModel({ inputs: [value('x')], outputs: [value('y')], nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }], ...more });
}

/** A hundred bytes that declare a weight of 256 GiB. */
function hugeModel(): Uint8Array {
  const any = (name: string) => ({ name, dtype: 'float32' as const, shape: ['n', 'm'] });
  return withNode({
    inputs: [any('x')],
    outputs: [any('y')],
    initializers: [{ name: 'w', dtype: 'float32', shape: [2 ** 36], bytes: new Uint8Array(4) }],
    nodes: [{ op: 'Add', inputs: ['x', 'w'], outputs: ['y'] }],
  });
}

/** y = the sum of as many zeros as x says: a client chooses how much memory that takes. */
function zerosModel(): Uint8Array {
  return onnxModel({
    inputs: [{ name: 'x', dtype: 'int64', shape: [1] }],
    outputs: [{ name: 'y', dtype: 'float32', shape: [1] }],
    nodes: [
      { op: 'ConstantOfShape', inputs: ['x'], outputs: ['zeros'] },
      { op: 'ReduceSum', inputs: ['zeros'], outputs: ['y'] },
    ],
  });
}

/** Servables that cannot be served: how their model file is made, and what the operator reads. */
export const hostileModels: Readonly<Record<string, readonly [(path: string, folder: string) => void, RegExp]>> = {
  nothing: [(path) => writeFileSync(path, ''), /is empty/],
  pipe: [(path) => void execFileSync('mkfifo', [path]), /is not a plain file/],
  folder: [(path) => void mkdirSync(path), /is a folder, and the file of a model is expected/],
  device: [(path) => symlinkSync('/dev/zero', path), /is a symbolic link/],
  linked: [(path, folder) => linkSync(join(folder, '../../good/1/model.onnx'), path), /has more than one hard link/],
  noise: [(path) => writeFileSync(path, Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919) % 251))), /not a readable ONNX file/],
  zeros: [(path) => writeFileSync(path, new Uint8Array(5000)), /holds zeros, as a download/],
  short: [(path) => writeFileSync(path, doubleModel().subarray(0, 60)), /not a readable ONNX file/],
  operator: [(path) => writeFileSync(path, withNode({ nodes: [{ op: 'Nonsense', inputs: ['x'], outputs: ['y'] }] })), /Nonsense/],
  opset: [(path) => writeFileSync(path, withNode({ opset: 999 })), /opset/],
  huge: [(path) => writeFileSync(path, hugeModel()), /exceeds the .* limit/],
  up: [(path) => writeFileSync(path, externalModel('../../secret.bin')), /only a path inside the model's folder/],
  absolute: [(path) => writeFileSync(path, externalModel('/etc/passwd')), /only a path inside the model's folder/],
  data_linked: [
    (path, folder) => {
      linkSync(join(folder, '../../secret.bin'), join(folder, 'weights.bin'));
      writeFileSync(path, externalModel('weights.bin'));
    },
    /it is a hard link/,
  ],
  data_pointed: [
    (path, folder) => {
      symlinkSync(join(folder, '../../secret.bin'), join(folder, 'weights.bin'));
      writeFileSync(path, externalModel('weights.bin'));
    },
    /leads out of the model's folder/,
  ],
  data_pipe: [
    (path, folder) => {
      execFileSync('mkfifo', [join(folder, 'weights.bin')]);
      writeFileSync(path, externalModel('weights.bin'));
    },
    /it is not a regular file/,
  ],
};

/** Servables `good` and `sound` (y = x + x), `endless` (may run for ever), `greedy` (takes as much memory as x says), and those of {@link hostileModels}. */
export function writeHostileServables(directory: string): void {
  writeFileSync(join(directory, 'secret.bin'), new Uint8Array(16));
  writeServable(directory, 'good', (path) => writeFileSync(path, doubleModel(['n', 4])));
  for (const [name, [write]] of Object.entries(hostileModels)) writeServable(directory, name, write);
  // The first hard link made the good model one of two
  writeServable(directory, 'sound', (path) => writeFileSync(path, doubleModel(['n', 4])));
  writeServable(directory, 'endless', (path) => writeFileSync(path, loopModel()), false);
  writeServable(directory, 'greedy', (path) => writeFileSync(path, zerosModel()), false);
}

function writeServable(directory: string, name: string, write: (path: string, folder: string) => void, withBatchDim = true): void {
  const folder = join(directory, name, '1');
  mkdirSync(folder, { recursive: true });
  write(join(folder, 'model.onnx'), folder);
  writeFileSync(
    join(directory, name, 'servable_config.ts'),
    `import { addStage, declareModel, registerMethod } from '@mserve/register';
const model = declareModel({ modelFile: 'model.onnx', modelFormat: 'ONNX', withBatchDim: ${withBatchDim} });
registerMethod(['y'], function predict(x) { return addStage(model, x, { outputsCount: 1 }); });
`,
  );
}
