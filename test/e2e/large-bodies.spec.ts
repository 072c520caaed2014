import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { join } from 'node:path';
import { inferBinary } from '../support/clients.js';
import { onnxModel } from '../support/onnx-model.js';
import { serveDirectory, type RunningProcess, type ServerAddresses } from '../support/running-process.js';
import { servableDirectory } from '../support/servables.js';

const elements = 65_536;
/** 16 MiB. */
const rows = 64;

const config = `import { addStage, declareModel, registerMethod } from '@mserve/register';
const model = declareModel({ modelFile: 'double.onnx', modelFormat: 'ONNX' });
registerMethod(['y'], function double(x) { return addStage(model, x, { outputsCount: 1 }); });
registerMethod(['y'], function same(x) { return x; });
registerMethod(['y', 'x'], function both(x) { return [addStage(model, x, { outputsCount: 1 }), x]; });
`;

/** Bodies of 256 KiB and their buffers, which are used again: each answer is its own request's. */
describe('large bodies from many clients', () => {
  const directory = servableDirectory();
  let server: RunningProcess & ServerAddresses;

  beforeAll(async () => {
    const shape = ['batch', elements];
    mkdirSync(join(directory.path, 'large', '1'), { recursive: true });
    writeFileSync(
      join(directory.path, 'large', '1', 'double.onnx'),
      onnxModel({
        inputs: [{ name: 'x', dtype: 'float32', shape }],
        outputs: [{ name: 'y', dtype: 'float32', shape }],
        nodes: [{ op: 'Add', inputs: ['x', 'x'], outputs: ['y'] }],
      }),
    );
    writeFileSync(join(directory.path, 'large', 'servable_config.ts'), config);
    server = await serveDirectory(directory.path);
  }, 60_000);
  afterAll(async () => {
    await server?.stop();
    directory.remove();
  });

  async function call(method: string, value: number, count = 1, asJson = false): Promise<Record<string, Set<number>>> {
    const about = { name: 'x', datatype: 'FP32', shape: [count, elements] };
    const values = new Float32Array(count * elements).fill(value);
    const input = asJson ? { ...about, data: Array.from(values) } : { ...about, bytes: new Uint8Array(values.buffer) };
    const outputs = await inferBinary(server.rest, `large.${method}`, input);
    return Object.fromEntries(Object.entries(outputs).map(([name, output]) => [name, new Set(new Float32Array(output.buffer))]));
  }

  it('get their own answers, whether the model made them or they are the request itself', async () => {
    const client = async (number: number): Promise<void> => {
      for (let round = 0; round < 8; round++) {
        const value = number * 100 + round;
        expect(await call('double', value)).toEqual({ y: new Set([2 * value]) });
        expect(await call('same', value)).toEqual({ y: new Set([value]) });
        expect(await call('both', value)).toEqual({ y: new Set([2 * value]), x: new Set([value]) });
      }
    };
    await Promise.all(Array.from({ length: 12 }, (_, number) => client(number)));
  });

  it('of JSON get their own answers, although their tensors lie in memory that is used again', async () => {
    const client = async (number: number): Promise<void> => {
      for (let round = 0; round < 4; round++) {
        const value = number * 100 + round + 0.5;
        expect(await call('same', value, 1, true)).toEqual({ y: new Set([value]) });
        expect(await call('both', value, 1, true)).toEqual({ y: new Set([2 * value]), x: new Set([value]) });
      }
    };
    await Promise.all(Array.from({ length: 6 }, (_, number) => client(number)));
  });

  it('that are their own answer are not written to while a client is slow to read it', async () => {
    const bytes = new Uint8Array(new Float32Array(rows * elements).fill(1).buffer);
    const head = JSON.stringify({
      inputs: [{ name: 'x', datatype: 'FP32', shape: [rows, elements], parameters: { binary_data_size: bytes.length } }],
      parameters: { binary_data_output: true },
    });
    const slow = request(`http://${server.rest}/v2/models/large.same/infer`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream', 'inference-header-content-length': head.length },
    });
    slow.write(head);
    slow.end(bytes);
    // Its head is here; of its 16 MiB only what fits into the buffers of the sockets is on its way
    const [response] = (await once(slow, 'response')) as [IncomingMessage];
    expect(await call('double', 2, rows)).toEqual({ y: new Set([4]) });
    const answer = await buffer(response);
    const output = answer.subarray(Number(response.headers['inference-header-content-length']));
    expect(new Set(new Float32Array(Uint8Array.from(output).buffer))).toEqual(new Set([1]));
  });
});
