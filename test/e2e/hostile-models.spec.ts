import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { post, type RestAnswer } from '../support/clients.js';
import { mserve } from '../support/command.js';
import { doubleModel, loopModel, onnxModel, type OnnxModel } from '../support/onnx-model.js';
import { serveDirectory, type RunningProcess, type ServerAddresses } from '../support/running-process.js';
import { servableDirectory } from '../support/servables.js';

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
const refused: Readonly<Record<string, readonly [(path: string, folder: string) => void, RegExp]>> = {
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

describe('hostile model files among good ones', () => {
  const directory = servableDirectory();
  let server: RunningProcess & ServerAddresses;

  function servable(name: string, write: (path: string, folder: string) => void, withBatchDim = true): void {
    const folder = join(directory.path, name, '1');
    mkdirSync(folder, { recursive: true });
    write(join(folder, 'model.onnx'), folder);
    writeFileSync(
      join(directory.path, name, 'servable_config.ts'),
      `import { addStage, declareModel, registerMethod } from '@mserve/register';
const model = declareModel({ modelFile: 'model.onnx', modelFormat: 'ONNX', withBatchDim: ${withBatchDim} });
registerMethod(['y'], function predict(x) { return addStage(model, x, { outputsCount: 1 }); });
`,
    );
  }

  beforeAll(async () => {
    writeFileSync(join(directory.path, 'secret.bin'), new Uint8Array(16));
    servable('good', (path) => writeFileSync(path, doubleModel(['n', 4])));
    for (const [name, [write]] of Object.entries(refused)) servable(name, write);
    // The first hard link made the good model one of two
    servable('sound', (path) => writeFileSync(path, doubleModel(['n', 4])));
    servable('endless', (path) => writeFileSync(path, loopModel()), false);
    servable('greedy', (path) => writeFileSync(path, zerosModel()), false);
    server = await serveDirectory(directory.path);
  }, 120_000);
  afterAll(async () => {
    await server?.stop();
    directory.remove();
  });

  const infer = (name: string, datatype: string, shape: number[], data: string, timeoutMs = 30_000): Promise<RestAnswer> =>
    post(
      server.rest,
      `/v2/models/${name}.predict/infer`,
      `{"parameters":{"timeout":${timeoutMs * 1000}},"inputs":[{"name":"x","datatype":"${datatype}","shape":${JSON.stringify(shape)},"data":[${data}]}]}`,
    );
  const servesOn = async (): Promise<void> => {
    expect(await infer('sound', 'FP32', [1, 4], '1,2,3,4')).toMatchObject({ status: 200, body: { outputs: [{ data: [2, 4, 6, 8] }] } });
  };

  it.each(Object.keys(refused))('%s is not served', async (name) => {
    expect(await infer(name, 'FP32', [1, 4], '1,2,3,4')).toMatchObject({ status: 404 });
    await servesOn();
  });

  it('the operator reads of each why', async () => {
    const { stdout } = await mserve('check', directory.path, '--json');
    const { servables } = JSON.parse(stdout) as { servables: { servable: string; problems: { text: string }[] }[] };
    for (const [name, [, why]] of Object.entries(refused)) {
      expect(servables.find(({ servable: each }) => each === name)?.problems).toEqual([{ text: expect.stringMatching(why) as unknown }]);
    }
  }, 60_000);

  it('a run that would never end is ended at its deadline, and the model runs on', async () => {
    const forever = (2n ** 62n).toString();
    const answers = await Promise.all([300, 400, 300].map((timeoutMs) => infer('endless', 'INT64', [], forever, timeoutMs)));
    expect(answers.map(({ status }) => status)).toEqual([504, 504, 504]);
    expect(await infer('endless', 'INT64', [], '3')).toMatchObject({ status: 200, body: { outputs: [{ data: [3] }] } });
    await servesOn();
  });

  it('a run that would never end is ended when its client leaves', async () => {
    const gone = new AbortController();
    const body = `{"inputs":[{"name":"x","datatype":"INT64","shape":[],"data":[${2n ** 62n}]}]}`;
    const left = fetch(`http://${server.rest}/v2/models/endless.predict/infer`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      signal: gone.signal,
    }).catch((error: Error) => error.name);
    await servesOn();
    gone.abort();
    expect(await left).toBe('AbortError');
    expect(await infer('endless', 'INT64', [], '4')).toMatchObject({ status: 200, body: { outputs: [{ data: [4] }] } });
  });

  it.each(['17592186044416', '4611686018427387904', '-3'])('a run that asks for %s floats fails, and the model runs on', async (count) => {
    const error: unknown = expect.stringMatching(/^Predict Failed, Non-zero status code returned while running ConstantOfShape node/);
    expect(await infer('greedy', 'INT64', [1], count)).toMatchObject({ status: 400, body: { error } });
    expect(await infer('greedy', 'INT64', [1], '5')).toMatchObject({ status: 200, body: { outputs: [{ data: [0] }] } });
    await servesOn();
  });
});
