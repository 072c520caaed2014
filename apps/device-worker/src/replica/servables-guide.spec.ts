import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from '@jest/globals';
import * as register from '@mserve/register';
import ts from 'typescript';
import { FunctionCalls } from '../functions/function-calls.fixture.js';
import { openServable } from './open-servable.js';
import { ServableFolder } from '../servable/servable-folder.fixture.js';

/** What docs/servables.md shows is what loads. */

const guide = readFileSync(new URL('../../../../docs/servables.md', import.meta.url), 'utf8');
const blocks = [...guide.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code as string);
const folder = new ServableFolder();
afterAll(() => folder.remove());

describe('docs/servables.md', () => {
  it.each(blocks.filter((code) => code.includes('declareModel(')).map((code, index) => [index + 1, code] as const))(
    'config %d loads',
    async (index, code) => {
      folder.write(`digits${index}/servable_config.ts`, code);
      folder.write(`digits${index}/1/digits.onnx`, 'not looked into here');
      const { runner } = await openServable(folder.path, `digits${index}`);
      await runner.close();
      expect(runner.declaration.methods).toHaveLength(1);
    },
  );

  it('shows types and docs that its pipeline can have', async () => {
    const [pipeline = ''] = blocks.filter((code) => code.includes('recognize') && code.includes('declareModel('));
    const typed = blocks.find((code) => code.includes('inputs: {')) ?? '';
    folder.write('typed/servable_config.ts', pipeline.slice(0, pipeline.indexOf('registerMethod([')) + typed);
    folder.write('typed/1/digits.onnx', 'not looked into here');
    const { runner } = await openServable(folder.path, 'typed');
    await runner.close();
    expect(runner.declaration.methods[0]).toMatchObject({
      name: 'recognize',
      doc: 'Reads one digit.',
      inputs: [{ name: 'image', dtype: 'uint8', shape: [28, 28] }],
    });
  });

  it('shows a pipeline whose functions do what it says', async () => {
    folder.write('digits/servable_config.ts', blocks.find((code) => code.includes('recognize')) ?? '');
    folder.write('digits/1/digits.onnx', 'not looked into here');
    const { runner } = await openServable(folder.path, 'digits');
    const calls = new FunctionCalls(runner);
    const [normalized] = await calls.run(0, [[register.Tensor.full('uint8', [28, 28], 255)]]);
    const [labelled] = await calls.run(1, [[register.Tensor.of('float32', [0, 3, 1])]]);
    await runner.close();
    const outputs = [normalized, labelled].map((result) => (result !== undefined && 'outputs' in result ? result.outputs : []));
    expect(outputs[0]?.map(({ dtype, shape }) => [dtype, shape])).toEqual([['float32', [1, 28, 28]]]);
    expect(
      outputs[1]?.map(({ dtype, bytes }) => [dtype, Buffer.from(bytes.subarray(dtype === 'string' ? 4 : 0)).toString('latin1')]),
    ).toEqual([
      ['string', 'one'],
      ['float32', '\0\0@@'],
    ]);
  });

  const mapping = guide.slice(guide.indexOf('## From'), guide.indexOf('## Calls'));
  const rows = [...mapping.matchAll(/^\| .* \| (`.*`) \|$/gm)].map(([, cell = '']) => cell.replaceAll('`<br>`', '\n'));
  const snippets = rows
    .flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code))
    .filter((code) => /[('{=]/.test(code));
  it.each(snippets)('writes TypeScript: %s', (code) => {
    const complete = code.startsWith('for (')
      ? `${code} {}`
      : /^(options|[a-z]\w*): /.test(code)
        ? `({ ${code} })`
        : code.startsWith('return ')
          ? `function f() { ${code} }`
          : code;
    const { diagnostics = [] } = ts.transpileModule(complete, { reportDiagnostics: true });
    expect(diagnostics.map(({ messageText }) => messageText)).toEqual([]);
    const known = new Set([...Object.keys(register), 'f', 'm', 'swap', 'Error']);
    const called = [...complete.matchAll(/(?<![.\w])([A-Za-z]\w*)\(/g)].map(([, name = '']) => name);
    expect(called.filter((name) => !known.has(name))).toEqual([]);
  });

  it('names everything that an author can call', () => {
    const forTheServer = [
      'declarationOf',
      'currentRegistry',
      'sealRegistry',
      'startRegistry',
      'inputValue',
      'outputTensor',
      'parametersOf',
      'typeName',
      'isInvalidInput',
      'OutputKindError',
      'outputKinds',
      'awaitHint',
    ];
    const operations = [register.Tensor.prototype, register.Tensor].flatMap((holder) => Object.getOwnPropertyNames(holder));
    const names = [
      ...Object.keys(register).filter((name) => !forTheServer.includes(name)),
      ...operations.filter((name) => !['constructor', 'length', 'name', 'prototype'].includes(name)),
    ];
    expect(names.filter((name) => !new RegExp(`\\b${name}\\b`).test(guide))).toEqual([]);
  });
});
