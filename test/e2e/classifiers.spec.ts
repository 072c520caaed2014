import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GrpcClients, post } from '../support/clients.js';
import { root, serveDirectory, type RunningProcess, type ServerAddresses } from '../support/running-process.js';
import { servableDirectory } from '../support/servables.js';

/** Classifiers of scikit-learn, LightGBM and XGBoost as their exporters write them: test/fixtures/classifiers/make.py. */

const fixtures = join(root, 'test/fixtures/classifiers');

interface Expected {
  readonly rows: readonly (readonly number[])[];
  readonly models: Readonly<
    Record<string, { classes: (string | number)[]; label: (string | number)[]; probabilities: readonly (readonly number[])[] }>
  >;
}
const expected = JSON.parse(readFileSync(join(fixtures, 'expected.json'), 'utf8')) as Expected;

const config = (
  model: string,
  outputs: readonly string[],
): string => `import { addStage, declareModel, registerMethod } from '@mserve/register';
const model = declareModel({ modelFile: '${model}.onnx', modelFormat: 'ONNX' });
registerMethod(${JSON.stringify(outputs)}, function predict(x) {
  return addStage(model, x, { outputsCount: ${outputs.length} });
});
`;

describe('classifiers', () => {
  const directory = servableDirectory();
  let server: RunningProcess & ServerAddresses;
  let grpc: GrpcClients;
  const { rows } = expected;

  beforeAll(async () => {
    const write = (servable: string, model: string, outputs: readonly string[]): void => {
      mkdirSync(join(directory.path, servable, '1'), { recursive: true });
      copyFileSync(join(fixtures, `${model}.onnx`), join(directory.path, servable, '1', `${model}.onnx`));
      writeFileSync(join(directory.path, servable, 'servable_config.ts'), config(model, outputs));
    };
    for (const model of Object.keys(expected.models)) write(model, model, ['label', 'probabilities']);
    write('label-only', 'forest-text', ['label']);
    server = await serveDirectory(directory.path);
    grpc = new GrpcClients(server.grpc);
  }, 60_000);
  afterAll(async () => {
    grpc?.close();
    await server?.stop();
    directory.remove();
  });

  describe.each(Object.entries(expected.models))('%s', (model, { classes, label, probabilities }) => {
    it('gives labels and probabilities', async () => {
      const input = { name: 'x', datatype: 'FP32', shape: [rows.length, 3], data: rows.flat() };
      const { status, body } = await post(server.rest, `/v2/models/${model}/infer`, JSON.stringify({ inputs: [input] }));
      const { outputs } = body as { outputs: { shape: number[]; datatype: string; data: (string | number)[] }[] };
      expect([status, outputs[0]?.data, outputs[1]?.shape, outputs[1]?.datatype]).toEqual([200, label, [rows.length, 3], 'FP32']);
      (outputs[1]?.data as number[]).forEach((value, i) => expect(value).toBeCloseTo(probabilities.flat()[i] as number, 5));
      const ms = await post(server.rest, `/model/${model}:predict`, JSON.stringify({ instances: rows.map((x) => ({ x })) }));
      const instances = (ms.body as { instances: { label: string | number; probabilities: number[] }[] }).instances;
      expect(instances.map((instance) => instance.label)).toEqual(label);
      instances.forEach((instance, i) =>
        instance.probabilities.forEach((value, k) => expect(value).toBeCloseTo(probabilities[i]?.[k] as number, 5)),
      );
    });

    it('has the names of its classes and proven batching in its metadata', async () => {
      const expectedMetadata = {
        outputs: [{ name: 'label' }, { name: 'probabilities', datatype: 'FP32', shape: [-1, 3] }],
        properties: { class_names: JSON.stringify({ probabilities: classes }), batching: 'proven' },
      };
      expect(await (await fetch(`http://${server.rest}/v2/models/${model}`)).json()).toMatchObject(expectedMetadata);
      const { properties } = (await grpc.oip.call('ModelMetadata', { name: model })) as { properties: unknown };
      expect(properties).toMatchObject(expectedMetadata.properties);
    });
  });

  it('a method may take the label alone', async () => {
    const { body } = await post(server.rest, '/model/label-only:predict', JSON.stringify({ instances: rows.map((x) => ({ x })) }));
    expect(body).toEqual({ instances: expected.models['forest-text']?.label.map((label) => ({ label })) });
  });
});
