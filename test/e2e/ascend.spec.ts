import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../support/fleet.js';
import { startNatsServer, type NatsServer } from '../support/nats-server.js';
import { omModel } from '../support/om-model.js';
import { float32Bytes, addModel } from '../support/onnx-model.js';
import { root, serveDirectory, startProcess, type RunningProcess, type ServerAddresses } from '../support/running-process.js';
import { servableDirectory, type ServableDirectory } from '../support/servables.js';

/** The fake is written for Linux (memfd). */
const onLinux = process.platform === 'linux' ? describe : describe.skip;

let servables: ServableDirectory;
beforeAll(() => {
  servables = servableDirectory();
});
afterAll(() => servables.remove());

function servable(directory: string, name: string, file: string, model: Uint8Array, config: string): void {
  mkdirSync(join(directory, name, '1'), { recursive: true });
  writeFileSync(join(directory, name, '1', file), model);
  writeFileSync(
    join(directory, name, 'servable_config.ts'),
    `import { AclOptions, addStage, declareModel, registerMethod } from '@mserve/register';\n${config}`,
  );
}

const addOm = omModel({
  inputs: ['a', 'b'].map((name) => ({ name, dtype: 'float32', shape: [2, 2] })),
  outputs: [{ name: 'add:0:y', dtype: 'float32', shape: [2, 2], tensor: 'y' }],
  nodes: [{ op: 'Add', inputs: ['a', 'b'], output: 'y' }],
});

/** y = relu(x w + b), compiled for batches of 2, 4 and 8. */
const denseOm = omModel({
  inputs: [{ name: 'x', dtype: 'float32', shape: [-1, 2] }],
  outputs: [{ name: 'y', dtype: 'float32', shape: [-1, 2] }],
  weights: [
    { name: 'w', dtype: 'float32', shape: [2, 2], bytes: float32Bytes([1, -1, 2, 1]) },
    { name: 'b', dtype: 'float32', shape: [2], bytes: float32Bytes([0.5, -10]) },
  ],
  nodes: [
    { op: 'MatMul', inputs: ['x', 'w', 'b'], output: 'h' },
    { op: 'Relu', inputs: ['h'], output: 'y' },
  ],
  gears: [2, 4, 8],
});

const addConfig = `const model = declareModel({ modelFile: 'add.om', modelFormat: 'OM', withBatchDim: false });
registerMethod(['y'], function add(a, b) { return addStage(model, a, b, { outputsCount: 1 }); });
`;
const denseConfig = `const model = declareModel({ modelFile: 'dense.om', modelFormat: 'OM', batching: 'trust' });
registerMethod(['y'], function predict(x) { return addStage(model, x, { outputsCount: 1 }); });
`;

async function post(server: ServerAddresses, path: string, body: object): Promise<{ status: number; answer: unknown }> {
  const response = await fetch(`http://${server.rest}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, answer: await response.json() };
}

onLinux('OM models on a fake Ascend device', () => {
  let fake: Record<string, string>;
  let server: RunningProcess & ServerAddresses;
  beforeAll(async () => {
    const library = execFileSync(process.execPath, [join(root, 'libs', 'native', 'test', 'acl-tests.mjs'), '--fake'], { encoding: 'utf8' });
    fake = { ACL_LIBRARY: library.trim(), NODE_ENV: 'test', FAKE_ACL_DEVICES: '2', FAKE_ACL_STRICT: 'abort' };
    const directory = join(servables.path, 'good');
    servable(directory, 'add', 'add.om', addOm, addConfig);
    servable(directory, 'dense', 'dense.om', denseOm, denseConfig);
    server = await serveDirectory(directory, ['--provider', 'ascend', '--device-ids', '0,1'], fake);
  }, 120_000);
  afterAll(() => server?.stop());

  it('a static model with two inputs', async () => {
    const instances = [{ a: [[1, 2], [3, 4]], b: [[10, 20], [30, 40]] }]; // prettier-ignore
    expect(await post(server, '/model/add:add', { instances })).toEqual({
      status: 200,
      answer: { instances: [{ y: [[11, 22], [33, 44]] }] }, // prettier-ignore
    });
  });

  it('a model with gears takes any number of instances, from many clients', async () => {
    const answers = Array.from({ length: 20 }, async (_unused, count) => {
      const xs = Array.from({ length: count + 1 }, (_also, i) => [i, count]);
      const y = xs.map(([a = 0, b = 0]) => ({ y: [Math.max(0, a + 2 * b + 0.5), Math.max(0, -a + b - 10)] }));
      expect(await post(server, '/model/dense:predict', { instances: xs.map((x) => ({ x })) })).toEqual({
        status: 200,
        answer: { instances: y },
      });
    });
    await Promise.all(answers);
  });

  it('a wrong shape is the client’s error', async () => {
    const { status } = await post(server, '/model/dense:predict', { instances: [{ x: [1, 2, 3] }] });
    expect(status).toBe(400);
  });

  it('the end leaves nothing on the devices and misused nothing: the fake would have ended the process', async () => {
    expect(await server.stop()).toBe(0);
  });

  it.each([
    ['options', 'option "precisionMode" only applies when a model is compiled for Ascend; an OM file is already compiled', {}],
    ['cut', 'the OM file is cut off', {}],
    ['onnx', "model file 'add.onnx' is ONNX, but the provider ascend runs OM files only", {}],
    ['add', 'there is no Ascend device 0: this machine has 0', { FAKE_ACL_DEVICES: '0' }],
    ['add', 'Ascend devices cannot be used here: AscendCL is not installed', { ACL_LIBRARY: '' }],
    ['add', 'the AscendCL library on the path is a stand-in for tests', { NODE_ENV: 'production' }],
    ['add', 'the model cannot be loaded (AscendCL 207001): EZ9999: injected failure', { FAKE_ACL_FAIL: 'aclmdlLoadFromFile:1:207001' }],
  ])('%s: "%s"', async (name, text, env) => {
    const directory = join(servables.path, 'bad');
    servable(
      directory,
      'options',
      'add.om',
      addOm,
      addConfig.replace('withBatchDim: false', "withBatchDim: false, options: new AclOptions({ precisionMode: 'force_fp16' })"),
    );
    servable(directory, 'cut', 'add.om', addOm.subarray(0, -1), addConfig);
    servable(directory, 'onnx', 'add.onnx', addModel(), addConfig.replace('add.om', 'add.onnx').replace("'OM'", "'ONNX'"));
    servable(directory, 'add', 'add.om', addOm, addConfig);
    const args = ['serve', directory, '--servables', name, '--provider', 'ascend', '--rest', '127.0.0.1:0', '--grpc', '127.0.0.1:0'];
    const failing = startProcess(process.execPath, [join(root, 'apps', 'server', 'dist', 'main.js'), ...args], { ...fake, ...env });
    await failing.line((line) => line.includes(text));
    await failing.stop();
  });

  describe('a fleet with two devices, one of which is lost', () => {
    let nats: NatsServer;
    const processes: RunningProcess[] = [];
    beforeAll(async () => {
      nats = await startNatsServer();
    });
    afterAll(async () => {
      await Promise.all(processes.map((one) => one.stop()));
      await nats?.stop();
    });

    function start(app: string, args: readonly string[], env: Record<string, string> = {}): RunningProcess {
      const running = startProcess(process.execPath, [join(root, 'apps', app, 'dist', 'main.js'), '--nats', nats.url, ...args], env);
      processes.push(running);
      return running;
    }

    it('its worker ends, and every request is answered', async () => {
      const directory = join(servables.path, 'good');
      const worker = (device: string, env: Record<string, string> = {}): RunningProcess =>
        start('device-worker', ['--directory', directory, '--servables', 'add', '--provider', 'ascend', '--device-ids', device], {
          ...fake,
          ...env,
        });
      const rest = `127.0.0.1:${await freePort()}`;
      start('scheduler', []);
      start('gateway', ['--rest', rest, '--grpc', '127.0.0.1:0']);
      const losing = worker('0', { FAKE_ACL_FAIL: 'aclmdlExecute:8:507010' });
      const staying = worker('1');
      await Promise.all([losing, staying].map((one) => one.line((line) => line.includes('replica is ready'))));
      const server = { rest, grpc: '' };
      const instances = [{ a: [[1, 2], [3, 4]], b: [[10, 20], [30, 40]] }]; // prettier-ignore
      const call = (): Promise<unknown> => post(server, '/model/add:add', { instances }).catch(() => undefined);
      const right = { status: 200, answer: { instances: [{ y: [[11, 22], [33, 44]] }] } }; // prettier-ignore
      // Until the gateway has heard of the workers
      while (JSON.stringify(await call()) !== JSON.stringify(right)) await new Promise((resolve) => setTimeout(resolve, 50));
      const clients = Array.from({ length: 8 }, async () => {
        for (let i = 0; i < 10; i++) expect(await call()).toEqual(right);
      });
      await Promise.all(clients);
      await losing.line((line) => line.includes('a device ended its work'));
      expect(await losing.stop()).toBe(1);
      expect(await call()).toEqual(right);
    });
  });
});
