import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { status } from '@grpc/grpc-js';
import { GrpcClients, post } from '../support/clients.js';
import { embeddingModel, shapedByValueModel } from '../support/onnx-model.js';
import { serveDirectory, type RunningProcess, type ServerAddresses } from '../support/running-process.js';
import { servableDirectory } from '../support/servables.js';

const config = `import { addStage, declareModel, registerMethod } from '@mserve/register';
const embedding = declareModel('embedding.onnx', 'ONNX');
const shaped = (op) => declareModel(op + '.onnx', 'ONNX', false);
const models = { Reshape: shaped('Reshape'), Expand: shaped('Expand'), Tile: shaped('Tile') };
registerMethod(['y'], function embed(x) { return addStage(embedding, x, { outputsCount: 1 }); });
registerMethod(['y'], function reshape(x) { return addStage(models.Reshape, x, { outputsCount: 1 }); });
registerMethod(['y'], function expand(x) { return addStage(models.Expand, x, { outputsCount: 1 }); });
registerMethod(['y'], function tile(x) { return addStage(models.Tile, x, { outputsCount: 1 }); });
`;
/** ONNX Runtime's own words, without a path of its sources. */
const beyond =
  /^Predict Failed, Non-zero status code returned while running Gather node\. Name:'[^']*' Status Message: indices element out of data bounds, idx=9 must be within the inclusive range \[-4,3\]$/;

describe('values that a model refuses fail their instance with the text of ONNX Runtime', () => {
  const directory = servableDirectory();
  let server: RunningProcess & ServerAddresses;
  let clients: GrpcClients;
  beforeAll(async () => {
    mkdirSync(join(directory.path, 'words/1'), { recursive: true });
    writeFileSync(join(directory.path, 'words/servable_config.ts'), config);
    writeFileSync(join(directory.path, 'words/1/embedding.onnx'), embeddingModel());
    for (const op of ['Reshape', 'Expand', 'Tile'] as const)
      writeFileSync(join(directory.path, `words/1/${op}.onnx`), shapedByValueModel(op));
    server = await serveDirectory(directory.path);
    clients = new GrpcClients(server.grpc);
  }, 60_000);
  afterAll(async () => {
    clients?.close();
    await server?.stop();
    directory.remove();
  });

  const predict = async (
    method: string,
    ...xs: string[]
  ): Promise<{ status: number; body: { error_msg?: string; instances?: unknown[] } }> => {
    const instances = xs.map((x) => `{"x":${x}}`).join();
    const response = await fetch(`http://${server.rest}/model/words:${method}`, { method: 'POST', body: `{"instances":[${instances}]}` });
    return { status: response.status, body: (await response.json()) as { error_msg?: string; instances?: unknown[] } };
  };
  const ids = (...values: number[]): object => ({ name: 'x', datatype: 'INT64', shape: [values.length, 1], data: values });

  it('/model REST: 400; the others of the batch have their results', async () => {
    expect(await predict('embed', '[9]')).toEqual({ status: 400, body: { error_msg: expect.stringMatching(beyond) } });
    expect(await predict('embed', '[1]', '[9]', '[3]')).toEqual({
      status: 200,
      body: { instances: [{ y: [[2, 3]] }, { error_msg: expect.stringMatching(beyond) }, { y: [[6, 7]] }] },
    });
  });

  it('requests at the same time do not fail each other', async () => {
    const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => predict('embed', i % 3 === 0 ? '[9]' : `[${i % 4}]`)));
    expect(answers.map((answer) => answer.status)).toEqual(answers.map((_, i) => (i % 3 === 0 ? 400 : 200)));
  });

  it('Open Inference Protocol REST: 400', async () => {
    const answer = await post(server.rest, '/v2/models/words.embed/infer', JSON.stringify({ inputs: [ids(9)] }));
    expect(answer).toMatchObject({ status: 400, body: { error: expect.stringMatching(beyond) } });
  });

  it('Open Inference Protocol gRPC: INVALID_ARGUMENT', async () => {
    const input = { name: 'x', datatype: 'INT64', shape: [1, 1], contents: { int64_contents: ['9'] } };
    await expect(clients.oip.call('ModelInfer', { model_name: 'words.embed', inputs: [input] })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringMatching(beyond),
    });
  });

  it('MSService: error_code 2', async () => {
    const data = Buffer.from(BigInt64Array.of(9n).buffer);
    const instance = { items: { x: { shape: { dims: [1] }, dtype: 'MS_INT64', data } } };
    const reply = await clients.ms.call('Predict', { servable_spec: { name: 'words', method_name: 'embed' }, instances: [instance] });
    const [error] = reply['error_msg'] as { error_code: string; error_msg: Buffer }[];
    expect(error?.error_code).toBe('2');
    expect(error?.error_msg.toString()).toMatch(beyond);
  });

  it.each([
    ['reshape', '[2,4]', '[3,5]'],
    ['expand', '[4,2]', '[3,5]'],
    ['tile', '[1,1]', '[-1,2]'],
  ])('%s by the values of an input: %s is fine, %s is 400', async (method, good, bad) => {
    expect(await predict(method, good)).toMatchObject({ status: 200 });
    const refused = await predict(method, bad);
    expect(refused).toMatchObject({
      status: 400,
      body: { error_msg: expect.stringMatching(/^Predict Failed, Non-zero status code .*\w/) },
    });
    expect(refused.body.error_msg).not.toMatch(/\/\w+\/|\.(?:cc|h):\d/);
    expect(await predict(method, good)).toMatchObject({ status: 200 });
  });
});
