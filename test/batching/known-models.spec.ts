import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { loadMindir } from '@mserve/mindir';
import { proveRows, readOnnxModel, type OnnxModel } from '@mserve/onnx';
import { root } from '../support/running-process.js';

function outcomeOf({ graph, ...model }: OnnxModel): string {
  const inputs = graph.inputs.filter(({ name }) => !graph.initializers.has(name));
  const first = inputs[0]?.dims?.[0];
  return proveRows(
    { graph, ...model },
    { rowInputs: inputs.map(({ name }) => name), rowCount: typeof first === 'number' ? first : undefined },
  ).outcome;
}

/** Every value of the model's ports has the same first dim, more than 1: instances could share its runs. */
function isBatched({ graph }: OnnxModel): boolean {
  const firsts = new Set([...graph.inputs, ...graph.outputs].map(({ dims }) => (typeof dims?.[0] === 'string' ? 'any' : dims?.[0])));
  const [first] = firsts;
  return firsts.size === 1 && first !== undefined && first !== 1;
}

describe('models that are served in batches', () => {
  it.each([
    ['digits', 'examples/digits/1/digits.onnx'],
    ['the template', 'apps/server/templates/servable/1/double.onnx'],
    ...['add_b4', 'sub_b2', 'sumdiff_b2'].map((name) => [name, `test/parity/kit-servable/kit/1/${name}.onnx`] as const),
  ])('%s', (_, path) => {
    expect(outcomeOf(readOnnxModel(join(root, path)))).toBe('proven');
  });

  // Both branches add up over all rows.
  const mixing = ['if_net', 'ms20_if_net'];
  const cases = join(root, 'test/parity/mindir/cases');
  const files = readdirSync(cases, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.mindir') && !/enc|graph|ms10/.test(file),
  );
  it.each(files)('%s', async (file) => {
    const model = readOnnxModel((await loadMindir(join(cases, file))).model);
    if (isBatched(model)) expect(outcomeOf(model)).toBe(mixing.includes(file.split('/')[0] ?? '') ? 'mixed' : 'proven');
  });
});
