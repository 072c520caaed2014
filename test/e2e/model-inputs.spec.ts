import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GrpcClients, post } from '../support/clients.js';
import { mserve } from '../support/command.js';
import { float32Bytes, type OnnxModel } from '../support/onnx-model.js';
import { serveDirectory, type RunningProcess, type ServerAddresses } from '../support/running-process.js';
import { servableDirectory, writeModelServable } from '../support/servables.js';

/** Inputs without a declared rank, and inputs that a model has a value for. */

const relu: OnnxModel = {
  inputs: [{ name: 'x', dtype: 'float32' }],
  outputs: [{ name: 'y', dtype: 'float32' }],
  nodes: [{ op: 'Relu', inputs: ['x'], outputs: ['y'] }],
};

/** y = x * scale; scale is 2 where it is not given. */
const scaled: OnnxModel = {
  inputs: [
    { name: 'x', dtype: 'float32', shape: ['n', 2] },
    { name: 'scale', dtype: 'float32', shape: [1] },
  ],
  outputs: [{ name: 'y', dtype: 'float32', shape: ['n', 2] }],
  initializers: [{ name: 'scale', dtype: 'float32', shape: [1], bytes: float32Bytes([2]) }],
  nodes: [{ op: 'Mul', inputs: ['x', 'scale'], outputs: ['y'] }],
};

/** y = bias + x; bias has a row for each instance, and is [100, 200] where it is not given. The file has it first. */
const biased: OnnxModel = {
  inputs: [
    { name: 'bias', dtype: 'float32', shape: ['n', 2] },
    { name: 'x', dtype: 'float32', shape: ['n', 2] },
  ],
  outputs: [{ name: 'y', dtype: 'float32', shape: ['n', 2] }],
  initializers: [{ name: 'bias', dtype: 'float32', shape: [1, 2], bytes: float32Bytes([100, 200]) }],
  nodes: [{ op: 'Add', inputs: ['bias', 'x'], outputs: ['y'] }],
};

/** As an exporter writes it that lists weights as inputs. */
const listed: OnnxModel = {
  inputs: [
    { name: 'w', dtype: 'float32', shape: [2, 2] },
    { name: 'x', dtype: 'float32', shape: ['n', 2] },
    { name: 'b', dtype: 'float32', shape: [2] },
  ],
  outputs: [{ name: 'y', dtype: 'float32', shape: ['n', 2] }],
  initializers: [
    { name: 'w', dtype: 'float32', shape: [2, 2], bytes: float32Bytes([1, 2, 3, 4]) },
    { name: 'b', dtype: 'float32', shape: [2], bytes: float32Bytes([10, 20]) },
  ],
  nodes: [{ op: 'Gemm', inputs: ['x', 'w', 'b'], outputs: ['y'] }],
};

const calling = `import { addStage, declareModel, registerMethod, type Tensor } from '@mserve/register';
const model = declareModel({ modelFile: 'model.onnx', modelFormat: 'ONNX' });
async function call(x: Tensor, own: Tensor) {
  const plain = await model.call(x);
  const given = await model.call(x, own);
  return [plain, given];
}
registerMethod(['plain', 'given'], function predict(x, own) {
  return addStage(call, x, own, { outputsCount: 2 });
});
`;

const listedConfig = `import { addStage, declareModel, registerMethod } from '@mserve/register';
const model = declareModel({ modelFile: 'model.onnx', modelFormat: 'ONNX' });
registerMethod(['y'], function predict(x) {
  return addStage(model, x);
});
`;

type Values = Readonly<Record<string, readonly number[]>>;

describe('inputs of models', () => {
  const directory = servableDirectory();
  let server: RunningProcess & ServerAddresses;
  let grpc: GrpcClients;

  beforeAll(async () => {
    writeModelServable(directory.path, 'whole', relu, { withBatchDim: false });
    writeModelServable(directory.path, 'rows', relu);
    writeModelServable(directory.path, 'scaled', scaled);
    writeModelServable(directory.path, 'single', scaled, { withBatchDim: false });
    writeModelServable(directory.path, 'biased', biased);
    writeModelServable(directory.path, 'listed', listed);
    writeFileSync(join(directory.path, 'listed/servable_config.ts'), listedConfig);
    writeModelServable(directory.path, 'calling', scaled);
    writeFileSync(join(directory.path, 'calling/servable_config.ts'), calling);
    server = await serveDirectory(directory.path);
    grpc = new GrpcClients(server.grpc);
  }, 60_000);
  afterAll(async () => {
    grpc?.close();
    await server?.stop();
    directory.remove();
  });

  const oipRest = async (model: string, inputs: readonly object[]): Promise<unknown> => {
    const { status, body } = await post(server.rest, `/v2/models/${model}/infer`, JSON.stringify({ inputs }));
    const answer = body as { outputs?: { shape: number[]; data: number[] }[]; error?: string };
    return status === 200 ? answer.outputs?.map(({ shape, data }) => [shape, data])[0] : answer.error;
  };
  const floatsOf = (bytes: Buffer): number[] => [...new Float32Array(Uint8Array.from(bytes).buffer)];

  /** One instance, values of one dim, over each protocol: the output `y`. */
  const protocols: Record<string, (servable: string, values: Values, batched: boolean) => Promise<unknown>> = {
    'REST of the Open Inference Protocol': async (servable, values, batched) => {
      const inputs = Object.entries(values).map(([name, data]) => ({
        name,
        datatype: 'FP32',
        shape: batched ? [1, data.length] : name === 'x' ? [1, data.length] : [data.length],
        data,
      }));
      return ((await oipRest(servable, inputs)) as [number[], number[]])[1];
    },
    'gRPC of the Open Inference Protocol': async (servable, values, batched) => {
      const inputs = Object.entries(values).map(([name, data]) => ({
        name,
        datatype: 'FP32',
        shape: batched ? [1, data.length] : name === 'x' ? [1, data.length] : [data.length],
        contents: { fp32_contents: data },
      }));
      const answer = (await grpc.oip.call('ModelInfer', { model_name: servable, inputs })) as {
        outputs: { contents: { fp32_contents: number[] } }[];
      };
      return answer.outputs[0]?.contents.fp32_contents;
    },
    '/model REST': async (servable, values, batched) => {
      const instance = Object.fromEntries(Object.entries(values).map(([name, data]) => [name, !batched && name === 'x' ? [data] : data]));
      const { body } = await post(server.rest, `/model/${servable}:predict`, JSON.stringify({ instances: [instance] }));
      return (body as { instances: { y: number[] }[] }).instances.map(({ y }) => y.flat())[0];
    },
    MSService: async (servable, values, batched) => {
      const items = Object.fromEntries(
        Object.entries(values).map(([name, data]) => [
          name,
          {
            dtype: 'MS_FLOAT32',
            shape: { dims: !batched && name === 'x' ? [1, data.length] : [data.length] },
            data: Buffer.from(float32Bytes(data)),
          },
        ]),
      );
      const answer = (await grpc.ms.call('Predict', {
        servable_spec: { name: servable, method_name: 'predict' },
        instances: [{ items }],
      })) as {
        instances: { items: { y: { data: Buffer } } }[];
      };
      return floatsOf(answer.instances[0]?.items.y.data as Buffer);
    },
  };

  describe.each(Object.entries(protocols))('%s', (_, call) => {
    it.each<[servable: string, batched: boolean, values: Values, y: readonly number[]]>([
      ['scaled', true, { x: [1, -2] }, [2, -4]],
      ['scaled', true, { x: [1, -2], scale: [3] }, [3, -6]],
      ['single', false, { x: [1, -2] }, [2, -4]],
      ['single', false, { x: [1, -2], scale: [3] }, [3, -6]],
      ['biased', true, { x: [1, 2] }, [101, 202]],
      ['biased', true, { x: [1, 2], bias: [10, 20] }, [11, 22]],
      ['biased', true, { bias: [10, 20], x: [1, 2] }, [11, 22]],
      ['listed', true, { x: [1, 1] }, [14, 26]],
      ['whole', false, { x: [1, -2, 3] }, [1, 0, 3]],
      ['rows', true, { x: [1, -2, 3] }, [1, 0, 3]],
    ])('%s, batched %p, of %j is %j', async (servable, batched, values, y) => {
      expect(await call(servable, values, batched)).toEqual(y);
    });
  });

  it('any rank', async () => {
    const input = (shape: readonly number[], data: readonly number[]): object => ({ name: 'x', datatype: 'FP32', shape, data });
    expect(await oipRest('whole', [input([], [-1])])).toEqual([[], [0]]);
    expect(await oipRest('whole', [input([1, 2, 1, 2], [1, -2, 3, -4])])).toEqual([
      [1, 2, 1, 2],
      [1, 0, 3, 0],
    ]);
    expect(await oipRest('rows', [input([2], [1, -2])])).toEqual([[2], [1, 0]]);
    expect(await oipRest('rows', [input([2, 1, 2], [1, -2, 3, -4])])).toEqual([
      [2, 1, 2],
      [1, 0, 3, 0],
    ]);
    expect(await oipRest('rows', [input([], [1])])).toBe("input 'x' has shape [], its first dim must be the instance count");
  });

  it('calls with and without an input that come together are never mixed up', async () => {
    const one = async (i: number): Promise<boolean> => {
      const rows = [i, -i, i + 1, -i];
      const x = { name: 'x', datatype: 'FP32', shape: [2, 2], data: rows };
      const scale = { name: 'scale', datatype: 'FP32', shape: [2, 1], data: [i % 5, i % 5] };
      const bias = { name: 'bias', datatype: 'FP32', shape: [2, 2], data: [i, i, 7, 7] };
      const isGiven = i % 2 === 0;
      const factor = isGiven ? i % 5 : 2;
      const sums = isGiven ? [2 * i, 0, i + 8, 7 - i] : [100 + i, 200 - i, 101 + i, 200 - i];
      const [scaledRows, biasedRows] = await Promise.all([
        oipRest('scaled', isGiven ? [x, scale] : [x]),
        oipRest('biased', isGiven ? [bias, x] : [x]),
      ]);
      expect(scaledRows).toEqual([[2, 2], rows.map((value) => value * factor)]);
      expect(biasedRows).toEqual([[2, 2], sums]);
      return true;
    };
    await Promise.all(Array.from({ length: 200 }, (_, i) => one(i + 1)));
  });

  it('instances of one request each have their own value, or none', async () => {
    const instances = [{ x: [1, 1], scale: [3] }, { x: [1, 1], scale: [4] }, { x: [1, 1] }, { scale: [3], x: [2, 2] }];
    const { body } = await post(server.rest, '/model/scaled:predict', JSON.stringify({ instances }));
    expect(body).toEqual({ instances: [{ y: [3, 3] }, { y: [4, 4] }, { y: [2, 2] }, { y: [6, 6] }] });
  });

  it('a function gives as many inputs as it has', async () => {
    const instance = {
      x: { b64: Buffer.from(float32Bytes([1, 2])).toString('base64'), type: 'float32', shape: [2] },
      own: { b64: Buffer.from(float32Bytes([5])).toString('base64'), type: 'float32', shape: [1] },
    };
    const { body } = await post(server.rest, '/model/calling:predict', JSON.stringify({ instances: [instance] }));
    expect(body).toEqual({ instances: [{ plain: [2, 4], given: [5, 10] }] });
  });

  it('what has no value of its own must be given', async () => {
    expect(await oipRest('scaled', [{ name: 'scale', datatype: 'FP32', shape: [1, 1], data: [1] }])).toBe("input 'x' is missing");
  });

  it('metadata, model inspect and check tell', async () => {
    const metadata = async (model: string): Promise<unknown> => (await fetch(`http://${server.rest}/v2/models/${model}`)).json();
    expect(await metadata('whole')).toMatchObject({
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1] }],
      properties: { any_shape: '["x","y"]' },
    });
    const properties = { optional_inputs: '["scale"]', batching: 'proven' };
    expect(await metadata('scaled')).toMatchObject({ properties });
    expect(await grpc.oip.call('ModelMetadata', { name: 'scaled' })).toMatchObject({ properties });
    const inspected = await mserve('model', 'inspect', join(directory.path, 'scaled/1/model.onnx'));
    expect(inspected.stdout).toContain('scale  float32 [1], may be left out');
    const { stdout } = await mserve('check', directory.path);
    expect(stdout).toContain('7 servables checked, nothing wrong.');
    expect(stdout).not.toContain('not warmed up');
  });
});
