import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { post } from '../support/clients.js';
import { doubleModel } from '../support/onnx-model.js';
import { serveDirectory, type RunningProcess, type ServerAddresses } from '../support/running-process.js';
import { servableDirectory } from '../support/servables.js';

const config = `import { addStage, declareModel, registerMethod, Tensor } from '@mserve/register';
const double = declareModel('double.onnx', 'ONNX');

function endless(x: Tensor) { for (;;) if (Math.random() > 2) return x; }
function never(_x: Tensor) { return new Promise<Tensor>(() => undefined); }
function half(x: Tensor) { return x.div(2); }

registerMethod(['y'], function spin(x) { return addStage(endless, x); });
registerMethod(['y'], function hang(x) { return addStage(never, x); });
registerMethod(['y'], function by_function(x) { return addStage(half, x); });
registerMethod(['y'], function by_model(x) { return addStage(double, x); });
registerMethod(['y'], function by_both(x) { return addStage(double, addStage(half, x)); });
`;

describe('a function that spins and one that hangs are their own methods’ trouble', () => {
  const directory = servableDirectory();
  let server: RunningProcess & ServerAddresses;
  beforeAll(async () => {
    mkdirSync(join(directory.path, 'trouble/1'), { recursive: true });
    writeFileSync(join(directory.path, 'trouble/servable_config.ts'), config);
    writeFileSync(join(directory.path, 'trouble/1/double.onnx'), doubleModel(['n', 1]));
    server = await serveDirectory(directory.path);
  }, 60_000);
  afterAll(async () => {
    await server?.stop();
    directory.remove();
  });

  const factors = { by_function: 0.5, by_model: 2, by_both: 1 };
  const names = Object.keys(factors) as (keyof typeof factors)[];

  /** 1 000 requests to the other methods, 16 at a time; those with another answer than theirs. */
  async function askOthers(): Promise<unknown[]> {
    const wrong: unknown[] = [];
    let next = 0;
    const ask = async (): Promise<void> => {
      for (let n = next++; n < 1000; n = next++) {
        const name = names[n % names.length] as keyof typeof factors;
        const { body } = await post(server.rest, `/model/trouble:${name}`, `{"instances":[{"x":[${n}.5]}]}`);
        const expected = { instances: [{ y: [(n + 0.5) * factors[name]] }] };
        if (JSON.stringify(body) !== JSON.stringify(expected)) wrong.push({ name, n, body });
      }
    };
    await Promise.all(Array.from({ length: 16 }, ask));
    return wrong;
  }

  it('all other methods are answered while they are at it, over REST', async () => {
    const gone = new AbortController();
    const troubled = ['spin', 'hang', 'hang', 'hang'].map(async (method) => {
      const answer = await fetch(`http://${server.rest}/model/trouble:${method}`, {
        method: 'POST',
        body: '{"instances":[{"x":[1.5]}]}',
        signal: gone.signal,
      }).then(
        (response) => `answered ${response.status}`,
        (error: Error) => error.name,
      );
      return answer;
    });
    let settled = 0;
    for (const one of troubled) void one.then(() => settled++);
    expect(await askOthers()).toEqual([]);
    // They were at it all the time
    expect(settled).toBe(0);
    gone.abort();
    expect(await Promise.all(troubled)).toEqual(['AbortError', 'AbortError', 'AbortError', 'AbortError']);
  }, 120_000);

  it('their callers get DEADLINE_EXCEEDED at the deadline, and the others are answered after it', async () => {
    const timeout = { timeout: 500_000 }; // microseconds
    const request = JSON.stringify({ parameters: timeout, inputs: [{ name: 'x', datatype: 'FP32', shape: [1], data: [1.5] }] });
    const answers = await Promise.all(
      ['spin', 'hang', 'spin', 'hang'].map((method) => post(server.rest, `/v2/models/trouble.${method}/infer`, request)),
    );
    expect(answers.map(({ status, body }) => ({ status, error: (body as { error?: string }).error }))).toEqual(
      answers.map(() => ({ status: 504, error: expect.stringMatching(/deadline/i) })),
    );
    expect(await askOthers()).toEqual([]);
  }, 120_000);

  it('the server ends with exit code 0 while functions spin', async () => {
    const gone = new AbortController();
    const spinning = fetch(`http://${server.rest}/model/trouble:spin`, {
      method: 'POST',
      body: '{"instances":[{"x":[1.5]}]}',
      signal: gone.signal,
    }).catch(() => undefined);
    expect(await askOthers()).toEqual([]);
    gone.abort();
    await spinning;
    expect(await server.stop()).toBe(0);
  }, 120_000);
});
