import { cpSync, mkdirSync, rmSync } from 'node:fs';
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

  it('what is passed over is said, by serve and by check', async () => {
    const { stdout } = await mserve('check', directory.path);
    for (const said of [server.output(), stdout]) {
      expect(said).toContain("the folder 'left*out' is passed over");
      expect(said).toContain("'v2' is not a version and passed over");
      expect(said).not.toContain("'no servable'");
    }
  });
});
