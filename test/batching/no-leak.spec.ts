import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { serveDirectory, type RunningProcess, type ServerAddresses } from '../support/running-process.js';
import { servableDirectory, writeModelServable, writeModelsServable } from '../support/servables.js';
import { batchingCases } from './models.js';
import type { BatchingCase } from './parts.js';

/**
 * Two clients with different rows, 64 calls in flight between them, for each model whose rows are not independent: every answer is the one that its row
 * gets when nobody else calls. The long form: LEAK_CALLS=200000 npm run jest -- test/batching/no-leak
 */
const calls = Number(process.env['LEAK_CALLS'] ?? 2000);
const inFlight = 64;

/** Their answers differ from call to call by themselves. */
const random = ['random numbers', 'Dropout in training mode', 'drawn classes', 'drawn bits'];
const served = batchingCases.filter(
  ({ outcome, title }) => (outcome === 'refuted' || outcome === 'unproven') && !random.includes(title) && !title.startsWith('Reshape to'),
);
const refused = batchingCases.filter(({ outcome }) => outcome === 'refused');
const nameOf = (one: BatchingCase): string => `m${batchingCases.indexOf(one)}`;

/** What a client sends: one row, or one sequence of three steps; values that no other client has. */
function body(one: BatchingCase, client: number): string {
  const [first, ...rest] = (one.model.inputs[0]?.shape ?? []).map((dim) => (typeof dim === 'number' ? dim : 2));
  if (first === undefined) throw new Error('the model has no input');
  const shape = [one.runs === 'whole' ? 3 : 1, ...rest];
  const size = shape.reduce((a, b) => a * b, 1);
  const data = Array.from({ length: size }, (_, i) => Math.fround((client === 0 ? 0.01 : 37) * (i + 1)));
  return JSON.stringify({ inputs: [{ name: 'x', shape, datatype: 'FP32', data }] });
}

describe('models whose rows are not independent', () => {
  const directory = servableDirectory();
  let server: RunningProcess & ServerAddresses;
  beforeAll(async () => {
    writeModelsServable(
      directory.path,
      'rows',
      served.map((one) => [nameOf(one), one.model]),
    );
    for (const one of refused) writeModelServable(directory.path, nameOf(one), one.model);
    const finds = batchingCases.find(({ title }) => title === 'NonZero') as BatchingCase;
    writeModelServable(directory.path, 'trusted', finds.model, { batching: 'trust' });
    server = await serveDirectory(directory.path);
  }, 60_000);
  afterAll(async () => {
    await server?.stop();
    directory.remove();
  });

  async function ask(one: BatchingCase, json: string): Promise<{ status: number; text: string }> {
    const response = await fetch(`http://${server.rest}/v2/models/${refused.includes(one) ? '' : 'rows.'}${nameOf(one)}/infer`, {
      method: 'POST',
      body: json,
      headers: { 'content-type': 'application/json' },
    });
    return { status: response.status, text: await response.text() };
  }
  const outputsOf = (text: string): string => JSON.stringify((JSON.parse(text) as { outputs: unknown }).outputs);

  it.each(served)(
    '$title: no answer depends on who else calls',
    async (one) => {
      const bodies = [body(one, 0), body(one, 1)];
      const alone: string[] = [];
      for (const json of bodies) {
        const { status, text } = await ask(one, json);
        expect({ status, text }).toMatchObject({ status: 200 });
        alone.push(outputsOf(text));
      }
      let sent = 0;
      let different = 0;
      const total = Math.ceil(calls / served.length);
      const client = async (): Promise<void> => {
        while (sent < total) {
          const which = sent++ % 2;
          const { status, text } = await ask(one, bodies[which] as string);
          if (status !== 200 || outputsOf(text) !== alone[which]) different++;
        }
      };
      await Promise.all(Array.from({ length: inFlight }, client));
      expect(different).toBe(0);
    },
    600_000,
  );

  it('an output that does not fit although its author vouched for the model: INTERNAL with the shapes, for each instance', async () => {
    const answers = await Promise.all(
      [2, 0.1].map(async (x) => {
        const data = [x, x, x, x];
        const json = JSON.stringify({ inputs: [{ name: 'x', shape: [1, 4], datatype: 'FP32', data }] });
        const response = await fetch(`http://${server.rest}/v2/models/trusted/infer`, { method: 'POST', body: json });
        return { status: response.status, text: await response.text() };
      }),
    );
    expect(answers).toEqual([
      { status: 500, text: expect.stringContaining('has shape [4, 2], its first dim should be the batch size 1') },
      { status: 500, text: expect.stringContaining('has shape [0, 2], its first dim should be the batch size 1') },
    ]);
  });

  it.each(refused)('$title: is not served', async (one) => {
    expect((await ask(one, body(one, 0))).status).toBeGreaterThanOrEqual(400);
  });
});
