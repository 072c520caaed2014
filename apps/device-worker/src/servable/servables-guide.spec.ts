import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from '@jest/globals';
import { Tensor } from '@mserve/register';
import { loadServable } from './load-servable.js';
import { ServableFolder } from './servable-folder.fixture.js';

/** What docs/servables.md shows is what loads. */

const guide = readFileSync(new URL('../../../../docs/servables.md', import.meta.url), 'utf8');
const blocks = [...guide.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code as string);
const folder = new ServableFolder();
afterAll(() => folder.remove());

describe('docs/servables.md', () => {
  it.each(blocks.filter((code) => code.includes('declareModel(')).map((code, index) => [index + 1, code] as const))('config %d loads', async (index, code) => {
    folder.write(`digits${index}/servable_config.ts`, code);
    folder.write(`digits${index}/1/digits.onnx`, 'not looked into here');
    const { declaration, runner } = await loadServable(folder.path, `digits${index}`);
    await runner.close();
    expect(declaration.methods).toHaveLength(1);
  });

  it('shows a pipeline whose functions do what it says', async () => {
    folder.write('digits/servable_config.ts', blocks.find((code) => code.includes('recognize')) ?? '');
    folder.write('digits/1/digits.onnx', 'not looked into here');
    const { runner } = await loadServable(folder.path, 'digits');
    const [normalized] = await runner.run(0, [[Tensor.full('uint8', [28, 28], 255)]], { deadlineAt: Infinity });
    const [labelled] = await runner.run(1, [[Tensor.of('float32', [0, 3, 1])]], { deadlineAt: Infinity });
    await runner.close();
    const outputs = [normalized, labelled].map((result) => (result !== undefined && 'outputs' in result ? result.outputs : []));
    expect(outputs[0]?.map(({ dtype, shape }) => [dtype, shape])).toEqual([['float32', [1, 28, 28]]]);
    expect(outputs[1]?.map(({ dtype, bytes }) => [dtype, Buffer.from(bytes.subarray(dtype === 'string' ? 4 : 0)).toString('latin1')])).toEqual([
      ['string', 'one'],
      ['float32', '\0\0@@'],
    ]);
  });
});
