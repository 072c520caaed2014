import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GrpcClients, post } from '../support/clients.js';
import { mserve } from '../support/command.js';
import type { OnnxModel } from '../support/onnx-model.js';
import { serveDirectory, type RunningProcess, type ServerAddresses } from '../support/running-process.js';
import { servableDirectory, writeModelServable } from '../support/servables.js';

/** Models as people have them: folders, names and versions that this project would not have chosen. */

const negation: OnnxModel = {
  inputs: [{ name: 'x', dtype: 'float32', shape: ['n', 2] }],
  outputs: [{ name: 'y', dtype: 'float32', shape: ['n', 2] }],
  nodes: [{ op: 'Neg', inputs: ['x'], outputs: ['y'] }],
};

/** What exporters call inputs: no parameter of a function can be called so. */
const inputNames = ['input.1', 'input_ids:0', 'a/b', 'class', '0', 'größe'];

const sumConfig = `import { addStage, declareModel, registerMethod } from '@mserve/register';
const model = declareModel({ modelFile: 'model.onnx', modelFormat: 'ONNX' });
registerMethod({ inputs: { ${inputNames.map((name, i) => `p${i}: { name: ${JSON.stringify(name.normalize('NFD'))} }`).join(', ')} }, outputs: ['y:0'] }, function predict(${inputNames.map((_, i) => `p${i}`).join(', ')}) {
  return addStage(model, ${inputNames.map((_, i) => `p${i}`).join(', ')});
});
`;

const names: readonly (readonly [servable: string, folder: string, version: number])[] = [
  ['resnet50-v1.5', '1', 1],
  ['my net', '00000123', 123],
  ['größe', '1654584802', 1_654_584_802],
  ['模型', '20240131120000', 20_240_131_120_000],
  ['a.b', '9007199254740991', 9_007_199_254_740_991],
];

describe('names and versions of folders', () => {
  const directory = servableDirectory();
  let server: RunningProcess & ServerAddresses;
  let grpc: GrpcClients;

  beforeAll(async () => {
    for (const [servable, folder] of names) {
      writeModelServable(directory.path, servable, negation);
      const made = join(directory.path, servable, '1');
      if (folder === '1') continue;
      cpSync(made, join(directory.path, servable, folder), { recursive: true });
      rmSync(made, { recursive: true });
    }
    writeModelServable(directory.path, 'v', negation);
    cpSync(join(directory.path, 'v/1'), join(directory.path, 'v/v2'), { recursive: true });
    writeModelServable(directory.path, 'left*out', negation);
    const parts = inputNames.map((name) => ({ name, dtype: 'float32', shape: ['n', 2] }) as const);
    writeModelServable(directory.path, 'named', { ...negation, inputs: parts, nodes: [{ op: 'Sum', inputs: inputNames, outputs: ['y'] }] });
    writeFileSync(join(directory.path, 'named/servable_config.ts'), sumConfig);
    mkdirSync(join(directory.path, 'no servable'));
    server = await serveDirectory(directory.path);
    grpc = new GrpcClients(server.grpc);
  }, 60_000);
  afterAll(async () => {
    grpc?.close();
    await server?.stop();
    directory.remove();
  });

  it.each(names)('%s, folder %s, is served over every protocol', async (servable, _, version) => {
    const tensor = { name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, -2] };
    const oip = JSON.stringify({ inputs: [tensor] });
    const ms = JSON.stringify({ instances: [{ x: [1, -2] }] });
    const path = encodeURIComponent(servable);
    for (const model of [path, `${path}.predict`, `${path}/versions/${version}`])
      expect(await post(server.rest, `/v2/models/${model}/infer`, oip)).toMatchObject({
        status: 200,
        body: { model_version: String(version), outputs: [{ data: [-1, 2] }] },
      });
    for (const target of [path, `${path}/version/${version}`])
      expect(await post(server.rest, `/model/${target}:predict`, ms)).toMatchObject({ status: 200, body: { instances: [{ y: [-1, 2] }] } });

    const floats = Buffer.from(new Float32Array([1, -2]).buffer);
    const msAnswer = await grpc.ms.call('Predict', {
      servable_spec: { name: servable, method_name: 'predict', version_number: version },
      instances: [{ items: { x: { dtype: 'MS_FLOAT32', shape: { dims: [2] }, data: floats } } }],
    });
    expect(msAnswer).toMatchObject({ servable_spec: { name: servable, version_number: String(version) }, error_msg: [] });
    const oipAnswer = await grpc.oip.call('ModelInfer', {
      model_name: servable,
      model_version: String(version),
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], contents: { fp32_contents: [1, -2] } }],
    });
    expect(oipAnswer).toMatchObject({ model_version: String(version), outputs: [{ name: 'y' }] });
  });

  it('inputs have whatever names, however a client writes their letters', async () => {
    for (const form of ['NFC', 'NFD']) {
      const asked = inputNames.map((name) => name.normalize(form));
      const tensors = asked.map((name, i) => ({ name, datatype: 'FP32', shape: [1, 2], data: [i, -i] }));
      const oip = await post(server.rest, '/v2/models/named/infer', JSON.stringify({ inputs: tensors }));
      expect(oip).toMatchObject({ status: 200, body: { outputs: [{ name: 'y:0', data: [15, -15] }] } });
      const instance = Object.fromEntries(asked.map((name, i) => [name, [i, -i]]));
      const ms = await post(server.rest, '/model/named:predict', JSON.stringify({ instances: [instance] }));
      expect(ms).toMatchObject({ status: 200, body: { instances: [{ 'y:0': [15, -15] }] } });
      const bytes = (i: number): Buffer => Buffer.from(new Float32Array([i, -i]).buffer);
      const items = Object.fromEntries(asked.map((name, i) => [name, { dtype: 'MS_FLOAT32', shape: { dims: [2] }, data: bytes(i) }]));
      const msGrpc = await grpc.ms.call('Predict', { servable_spec: { name: 'named', method_name: 'predict' }, instances: [{ items }] });
      expect(msGrpc).toMatchObject({ error_msg: [], instances: [{ items: { 'y:0': { data: bytes(15) } } }] });
      const inputs = asked.map((name, i) => ({ name, datatype: 'FP32', shape: [1, 2], contents: { fp32_contents: [i, -i] } }));
      const oipGrpc = await grpc.oip.call('ModelInfer', { model_name: 'named', inputs });
      expect(oipGrpc).toMatchObject({ outputs: [{ name: 'y:0' }] });
    }
  });

  it('what is passed over is said, by serve and by check', async () => {
    const { stdout } = await mserve('check', directory.path);
    for (const said of [server.output(), stdout]) {
      expect(said).toContain("the folder 'left*out' is passed over");
      expect(said).toContain("'v2' is not a version and passed over");
      expect(said).not.toContain("'no servable'");
    }
  });
});
