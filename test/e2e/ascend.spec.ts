import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Session } from '@mserve/native';
import { float32s, GrpcClients } from '../support/clients.js';
import { freePort } from '../support/free-port.js';
import { startNatsServer, type NatsServer } from '../support/nats-server.js';
import { omModel } from '../support/om-model.js';
import { addModel, float32Bytes, onnxModel } from '../support/onnx-model.js';
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

/** The same, in 20 ms. */
const slowAddOm = omModel({
  inputs: ['a', 'b'].map((name) => ({ name, dtype: 'float32', shape: [2, 2] })),
  outputs: [{ name: 'add:0:y', dtype: 'float32', shape: [2, 2], tensor: 'y' }],
  nodes: [{ op: 'Add', inputs: ['a', 'b'], output: 'y' }],
  sleepUs: 20_000,
});
const addInstances = [{ a: [[1, 2], [3, 4]], b: [[10, 20], [30, 40]] }]; // prettier-ignore
const rightSum = { status: 200, answer: { instances: [{ y: [[11, 22], [33, 44]] }] } }; // prettier-ignore

/** Weights of a small net of the form of LeNet: convolution, pooling, a dense layer, softmax over three classes. */
const lenetWeights = [
  { name: 'conv', dtype: 'float32', shape: [2, 1, 3, 3], bytes: float32Bytes(Array.from({ length: 18 }, (_, i) => Math.sin(i))) },
  { name: 'dense', dtype: 'float32', shape: [8, 3], bytes: float32Bytes(Array.from({ length: 24 }, (_, i) => Math.cos(i) / 4)) },
  { name: 'bias', dtype: 'float32', shape: [3], bytes: float32Bytes([0.5, -0.5, 0]) },
] as const;
const lenetOm = omModel({
  inputs: [{ name: 'x', dtype: 'float32', shape: [-1, 1, 6, 6] }],
  outputs: [{ name: 'p', dtype: 'float32', shape: [-1, 3] }],
  weights: lenetWeights,
  nodes: [
    { op: 'Conv2D', inputs: ['x', 'conv'], output: 'c' },
    { op: 'Relu', inputs: ['c'], output: 'r' },
    { op: 'MaxPool', inputs: ['r'], output: 'm', attributes: { kernel: 2 } },
    { op: 'Reshape', inputs: ['m'], output: 'f', attributes: { to: '0,8' } },
    { op: 'MatMul', inputs: ['f', 'dense', 'bias'], output: 'd' },
    { op: 'Softmax', inputs: ['d'], output: 'p' },
  ],
  gears: [1, 4],
});
/** The same net, for ONNX Runtime. */
const lenetOnnx = onnxModel({
  inputs: [{ name: 'x', dtype: 'float32', shape: ['n', 1, 6, 6] }],
  outputs: [{ name: 'p', dtype: 'float32', shape: ['n', 3] }],
  initializers: lenetWeights,
  nodes: [
    { op: 'Conv', inputs: ['x', 'conv'], outputs: ['c'] },
    { op: 'Relu', inputs: ['c'], outputs: ['r'] },
    { op: 'MaxPool', inputs: ['r'], outputs: ['m'], attributes: { kernel_shape: { ints: [2, 2] }, strides: { ints: [2, 2] } } },
    { op: 'Flatten', inputs: ['m'], outputs: ['f'] },
    { op: 'Gemm', inputs: ['f', 'dense', 'bias'], outputs: ['d'] },
    { op: 'Softmax', inputs: ['d'], outputs: ['p'] },
  ],
});
const lenetConfig = `const model = declareModel({ modelFile: 'lenet.om', modelFormat: 'OM', batching: 'trust' });
registerMethod(['p'], function classify(x) { return addStage(model, x, { outputsCount: 1 }); });
`;

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
    servable(directory, 'lenet', 'lenet.om', lenetOm, lenetConfig);
    // No provider is named: OM files on a machine with Ascend devices
    server = await serveDirectory(directory, ['--device-ids', '0,1', '--log-level', 'info'], fake);
  }, 120_000);
  afterAll(() => server?.stop());

  it('the provider was chosen, and the choice is in the log', async () => {
    expect(JSON.parse(await server.line((line) => line.includes('provider auto')))).toMatchObject({
      provider: 'ascend',
      devices: [{ id: 0, name: 'Ascend310P3' }, { id: 1, name: 'Ascend310P3' }], // prettier-ignore
      msg: 'provider auto: ascend, 2 devices: Ascend310P3, Ascend310P3',
    });
  });

  it('a static model with two inputs', async () => {
    expect(await post(server, '/model/add:add', { instances: addInstances })).toEqual(rightSum);
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

  it('a net like LeNet gives what ONNX Runtime gives on the CPU', async () => {
    const images = Array.from({ length: 5 }, (_, n) => Array.from({ length: 36 }, (_also, i) => Math.sin(n * 36 + i)));
    const session = await Session.open(lenetOnnx);
    const bytes = float32Bytes(images.flat());
    const [expected] = await session.run([{ dtype: 'float32', shape: [5, 1, 6, 6], bytes }]);
    await session.close();
    const rows = (image: readonly number[]): number[][] => [0, 6, 12, 18, 24, 30].map((at) => image.slice(at, at + 6));
    const { answer } = await post(server, '/model/lenet:classify', { instances: images.map((image) => ({ x: [rows(image)] })) });
    const got = (answer as { instances: { p: number[] }[] }).instances.flatMap(({ p }) => p);
    const want = [...float32s(expected!.bytes)];
    expect(got).toHaveLength(15);
    got.forEach((value, at) => expect(value).toBeCloseTo(want[at]!, 5));
  });

  it('the same over gRPC, by the original’s protocol and the Open Inference Protocol', async () => {
    const clients = new GrpcClients(server.grpc);
    try {
      const x = { dtype: 'MS_FLOAT32', shape: { dims: [2] }, data: Buffer.from(float32Bytes([3, 4])) };
      const original = await clients.ms.call('Predict', {
        servable_spec: { name: 'dense', method_name: 'predict' },
        instances: [{ items: { x } }, { items: { x } }],
      });
      const answers = original.instances as { items: { y: { data: Buffer } } }[];
      expect(answers.map(({ items }) => [...float32s(items.y.data)])).toEqual([[11.5, 0], [11.5, 0]]); // prettier-ignore
      const { outputs, raw_output_contents: contents } = await clients.oip.call('ModelInfer', {
        model_name: 'dense',
        inputs: [{ name: 'x', datatype: 'FP32', shape: [3, 2] }],
        raw_input_contents: [float32Bytes([1, 0, 0, 1, 2, 2])],
      });
      expect(outputs).toMatchObject([{ name: 'y', datatype: 'FP32', shape: ['3', '2'] }]);
      expect([...float32s((contents as Buffer[])[0]!)]).toEqual([1.5, 0, 2.5, 0, 6.5, 0]);
    } finally {
      clients.close();
    }
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

  it('startServables gives an Ascend 910 chip to one servable version, others to as many as are asked for', () => {
    const directory = join(servables.path, 'shared');
    servable(directory, 'add', 'add.om', addOm, addConfig);
    servable(directory, 'dense', 'dense.om', denseOm, denseConfig);
    const program = `
      const { ServableStartConfig, startServables } = await import('./apps/server/dist/index.js');
      const on = (servableName, deviceIds) => new ServableStartConfig({ servableDirectory: ${JSON.stringify(directory)}, servableName, deviceIds });
      const outcomes = [];
      const attempt = (start) => start().then(() => outcomes.push('started'), (error) => outcomes.push(error.code + ' ' + error.message));
      const options = { logLevel: 'silent' };
      await attempt(async () => (await startServables([on('add', [0, 1]), on('dense', 1)], options)).stop(0));
      const server = await startServables([on('add', 0), on('add', [0])], options);
      await attempt(() => server.startServables(on('dense', 0)));
      await attempt(() => server.startServables(on('dense', 1)));
      await server.stop(0);
      console.log(JSON.stringify(outcomes));
    `;
    const outcomesOn = (chip: string): unknown => {
      const env = { ...process.env, ...fake, FAKE_ACL_SOC: chip };
      const output = execFileSync(process.execPath, ['--input-type=module', '-e', program], { cwd: root, env, encoding: 'utf8' });
      return JSON.parse(output.trim().split('\n').at(-1) ?? '');
    };
    const refused = (device: number): string => `INVALID_ARGUMENT Ascend 910 device id ${device} is used repeatedly in servable dense`;
    expect(outcomesOn('Ascend910B1')).toEqual([refused(1), refused(0), 'started']);
    expect(outcomesOn('Ascend310P3')).toEqual(['started', 'started', expect.stringMatching(/runs already/)]);
  });

  describe('a fleet with two devices and two replicas on each', () => {
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

    it('loses one device and has a worker killed in the middle of its runs: every request is answered', async () => {
      const directory = join(servables.path, 'slow');
      servable(directory, 'add', 'add.om', slowAddOm, addConfig);
      const worker = (device: string, env: Record<string, string> = {}): RunningProcess =>
        start('device-worker', ['--directory', directory, '--provider', 'ascend', '--device-ids', device], { ...fake, ...env });
      const rest = `127.0.0.1:${await freePort()}`;
      start('scheduler', []);
      start('gateway', ['--rest', rest, '--grpc', '127.0.0.1:0', '--drain-delay-ms', '0']);
      const losing = worker('0', { FAKE_ACL_FAIL: 'aclmdlExecute:8:507010' });
      const killed = worker('1');
      const workers = [losing, worker('0'), killed, worker('1')];
      await Promise.all(workers.map((one) => one.line((line) => line.includes('replica is ready'))));
      const call = (): Promise<unknown> => post({ rest, grpc: '' }, '/model/add:add', { instances: addInstances }).catch(() => undefined);
      // Until the gateway has heard of the workers
      while (JSON.stringify(await call()) !== JSON.stringify(rightSum)) await new Promise((resolve) => setTimeout(resolve, 50));
      let answered = 0;
      let isOver = false;
      const clients = Array.from({ length: 16 }, async () => {
        while (!isOver) {
          expect(await call()).toEqual(rightSum);
          answered++;
        }
      });
      await losing.line((line) => line.includes('a device ended its work'));
      expect(await losing.stop()).toBe(1);
      // Each run takes 20 ms and sixteen clients wait: a worker is in the middle of one
      const more = answered + 32;
      killed.child.kill('SIGKILL');
      await killed.stop();
      while (answered < more) await call();
      isOver = true;
      await Promise.all(clients);
      expect(await call()).toEqual(rightSum);
    });
  });
});
