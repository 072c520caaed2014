import { afterAll, describe, expect, it } from '@jest/globals';
import { input, method, model, output, servable, stage } from '../../../../test/support/declarations.js';
import { elementwise } from '../../../../test/support/fake-session.js';
import { ServableFolder } from '../servable/servable-folder.fixture.js';
import { checkModels } from './check-models.js';
import { modelOpeners } from './model-loader.js';

const folder = new ServableFolder();
afterAll(() => folder.remove());

/** Model files of one input, `plain`, of two, `sum`, and one that cannot be read. */
const openers = modelOpeners(
  (path) => {
    if (String(path).endsWith('junk.onnx')) return Promise.reject(new Error('not a readable ONNX file'));
    return Promise.resolve(elementwise([4, 2], String(path).endsWith('sum.onnx') ? 2 : 1, (x, y = 0) => x + y));
  },
  () => Promise.reject(new Error('no MindIR here')),
);

describe('checkModels', () => {
  const files = ['plain.onnx', 'sum.onnx', 'junk.onnx', 'absent.onnx'];
  const call = (name: string, of: number, inputs: number) =>
    method(
      name,
      ['x'],
      [
        stage(
          1,
          'model',
          of,
          Array.from({ length: inputs }, () => input(0)),
        ),
      ],
      [output(1)],
    );
  for (const file of files.slice(0, 3)) folder.write(`S/1/${file}`, 'x');

  it('compares a method with its models also when others cannot be read', async () => {
    const declaration = servable({
      models: files.map((file) => model(file)),
      methods: [
        call('fits', 0, 1),
        call('misfits', 1, 1),
        call('usesJunk', 2, 7),
        call('usesAbsent', 3, 7),
        method('passes', ['x'], [], [input(0)]),
      ],
    });
    const { problems } = await checkModels(folder.path, declaration, 1, {}, openers);
    expect(problems.map(({ message }) => message)).toEqual([
      "version 1: model file 'junk.onnx': not a readable ONNX file",
      "version 1, method 'misfits': The inputs count 1 in registerMethod not equal to the count 2 defined in model, model info: sum.onnx, subgraph: 0",
    ]);
  });

  it('has nothing to compare when no model can be read', async () => {
    const declaration = servable({
      models: [model('junk.onnx')],
      methods: [call('usesJunk', 0, 7), method('passes', ['x'], [], [input(0)])],
    });
    expect((await checkModels(folder.path, declaration, 1, {}, openers)).problems.map(({ message }) => message)).toEqual([
      "version 1: model file 'junk.onnx': not a readable ONNX file",
    ]);
  });
});
