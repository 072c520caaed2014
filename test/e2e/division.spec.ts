import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { status } from '@grpc/grpc-js';
import { GrpcClients, post } from '../support/clients.js';
import { divisionModel, spectrumModel } from '../support/onnx-model.js';
import { serveDirectory, type RunningProcess, type ServerAddresses } from '../support/running-process.js';
import { servableDirectory } from '../support/servables.js';

const config = `import { addStage, declareModel, registerMethod } from '@mserve/register';
const divide = declareModel('divide.onnx', 'ONNX');
const spectrum = declareModel('spectrum.onnx', 'ONNX');
registerMethod(['y'], function quotient(a, b) { return addStage(divide, a, b, { outputsCount: 1 }); });
registerMethod(['y'], function spectrum_of(x) { return addStage(spectrum, x, { outputsCount: 1 }); });
`;
const smallest = (-(2n ** 63n)).toString();
const text = 'Predict Failed, integer division by zero in the model';

describe('integers that cannot be divided fail their instance, and the server serves on', () => {
  const directory = servableDirectory();
  let server: RunningProcess & ServerAddresses;
  let clients: GrpcClients;
  beforeAll(async () => {
    mkdirSync(join(directory.path, 'numbers/1'), { recursive: true });
    writeFileSync(join(directory.path, 'numbers/servable_config.ts'), config);
    writeFileSync(join(directory.path, 'numbers/1/divide.onnx'), divisionModel('Div', 'int64', ['n', 1]));
    writeFileSync(join(directory.path, 'numbers/1/spectrum.onnx'), spectrumModel());
    server = await serveDirectory(directory.path);
    clients = new GrpcClients(server.grpc);
  }, 60_000);
  afterAll(async () => {
    clients?.close();
    await server?.stop();
    directory.remove();
  });

  const instance = (a: string, b: string): string => `{"a":[${a}],"b":[${b}]}`;
  const quotient = async (...instances: string[]): Promise<{ status: number; body: string }> => {
    const response = await fetch(`http://${server.rest}/model/numbers:quotient`, {
      method: 'POST',
      body: `{"instances":[${instances.join()}]}`,
    });
    return { status: response.status, body: await response.text() };
  };
  const infer = (method: string, inputs: object[]): ReturnType<typeof post> =>
    post(server.rest, `/v2/models/numbers.${method}/infer`, JSON.stringify({ inputs }));
  const servesOn = async (): Promise<void> => {
    expect(await quotient(instance('7', '2'))).toEqual({ status: 200, body: '{"instances":[{"y":[3]}]}' });
  };

  it('/model REST: 400 for one by itself; among others, each has its own result', async () => {
    expect(await quotient(instance('7', '0'))).toEqual({ status: 400, body: JSON.stringify({ error_msg: text }) });
    await servesOn();
    const three = await quotient(instance('7', '2'), instance('7', '0'), instance('9', '2'));
    expect(three).toEqual({ status: 200, body: JSON.stringify({ instances: [{ y: [3] }, { error_msg: text }, { y: [4] }] }) });
    await servesOn();
  });

  it('requests at the same time do not fail each other', async () => {
    const answers = await Promise.all(Array.from({ length: 60 }, (_, i) => quotient(instance(String(2 * i), i % 3 === 0 ? '0' : '2'))));
    const expected = answers.map((_, i) =>
      i % 3 === 0 ? { status: 400, body: JSON.stringify({ error_msg: text }) } : { status: 200, body: `{"instances":[{"y":[${i}]}]}` },
    );
    expect(answers).toEqual(expected);
  });

  it('the smallest integer by -1 wraps around', async () => {
    expect(await quotient(instance(smallest, '-1'))).toEqual({ status: 200, body: `{"instances":[{"y":[${smallest}]}]}` });
    await servesOn();
  });

  it('Open Inference Protocol REST: 400', async () => {
    const integers = (name: string, value: number): object => ({ name, datatype: 'INT64', shape: [1, 1], data: [value] });
    expect(await infer('quotient', [integers('a', 7), integers('b', 0)])).toMatchObject({ status: 400, body: { error: text } });
    await servesOn();
  });

  it('Open Inference Protocol gRPC: INVALID_ARGUMENT', async () => {
    const integers = (name: string, value: bigint): object => ({
      name,
      datatype: 'INT64',
      shape: [1, 1],
      contents: { int64_contents: [value.toString()] },
    });
    const call = clients.oip.call('ModelInfer', { model_name: 'numbers.quotient', inputs: [integers('a', 7n), integers('b', 0n)] });
    await expect(call).rejects.toMatchObject({ code: status.INVALID_ARGUMENT, details: text });
    await servesOn();
  });

  it('MSService: error_code 2', async () => {
    const scalar = (value: bigint): object => ({
      shape: { dims: [1] },
      dtype: 'MS_INT64',
      data: Buffer.from(BigInt64Array.of(value).buffer),
    });
    const reply = await clients.ms.call('Predict', {
      servable_spec: { name: 'numbers', method_name: 'quotient' },
      instances: [{ items: { a: scalar(7n), b: scalar(0n) } }],
    });
    expect(
      (reply['error_msg'] as { error_code: string; error_msg: Buffer }[]).map((each) => [each.error_code, each.error_msg.toString()]),
    ).toEqual([['2', text]]);
    await servesOn();
  });

  // ONNX Runtime divides by the length without looking: x86 refuses the division, arm64 gives 0
  it('an empty tensor that makes a model divide by its length', async () => {
    const answer = await infer('spectrum_of', [{ name: 'x', datatype: 'FP32', shape: [1, 0, 1], data: [] }]);
    expect(answer).toMatchObject(process.arch === 'x64' ? { status: 400, body: { error: text } } : { status: 200 });
    await servesOn();
  });
});
