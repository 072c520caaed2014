import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { post, type RestAnswer } from '../support/clients.js';
import { mserve } from '../support/command.js';
import { hostileModels, writeHostileServables } from '../support/hostile-models.js';
import { serveDirectory, type RunningProcess, type ServerAddresses } from '../support/running-process.js';
import { servableDirectory } from '../support/servables.js';

describe('hostile model files among good ones', () => {
  const directory = servableDirectory();
  let server: RunningProcess & ServerAddresses;

  beforeAll(async () => {
    writeHostileServables(directory.path);
    server = await serveDirectory(directory.path);
  }, 120_000);
  afterAll(async () => {
    await server?.stop();
    directory.remove();
  });

  const infer = (name: string, datatype: string, shape: number[], data: string, timeoutMs = 30_000): Promise<RestAnswer> =>
    post(
      server.rest,
      `/v2/models/${name}.predict/infer`,
      `{"parameters":{"timeout":${timeoutMs * 1000}},"inputs":[{"name":"x","datatype":"${datatype}","shape":${JSON.stringify(shape)},"data":[${data}]}]}`,
    );
  const servesOn = async (): Promise<void> => {
    expect(await infer('sound', 'FP32', [1, 4], '1,2,3,4')).toMatchObject({ status: 200, body: { outputs: [{ data: [2, 4, 6, 8] }] } });
  };

  it.each(Object.keys(hostileModels))('%s is not served', async (name) => {
    expect(await infer(name, 'FP32', [1, 4], '1,2,3,4')).toMatchObject({ status: 404 });
    await servesOn();
  });

  it('the operator reads of each why', async () => {
    const { stdout } = await mserve('check', directory.path, '--json');
    const { servables } = JSON.parse(stdout) as { servables: { servable: string; problems: { text: string }[] }[] };
    for (const [name, [, why]] of Object.entries(hostileModels)) {
      expect(servables.find(({ servable: each }) => each === name)?.problems).toEqual([{ text: expect.stringMatching(why) as unknown }]);
    }
  }, 60_000);

  it('a run that would never end is ended at its deadline, and the model runs on', async () => {
    const forever = (2n ** 62n).toString();
    const answers = await Promise.all([300, 400, 300].map((timeoutMs) => infer('endless', 'INT64', [], forever, timeoutMs)));
    expect(answers.map(({ status }) => status)).toEqual([504, 504, 504]);
    expect(await infer('endless', 'INT64', [], '3')).toMatchObject({ status: 200, body: { outputs: [{ data: [3] }] } });
    await servesOn();
  });

  it('a run that would never end is ended when its client leaves', async () => {
    const gone = new AbortController();
    const body = `{"inputs":[{"name":"x","datatype":"INT64","shape":[],"data":[${2n ** 62n}]}]}`;
    const left = fetch(`http://${server.rest}/v2/models/endless.predict/infer`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      signal: gone.signal,
    }).catch((error: Error) => error.name);
    await servesOn();
    gone.abort();
    expect(await left).toBe('AbortError');
    expect(await infer('endless', 'INT64', [], '4')).toMatchObject({ status: 200, body: { outputs: [{ data: [4] }] } });
  });

  it.each(['17592186044416', '4611686018427387904', '-3'])('a run that asks for %s floats fails, and the model runs on', async (count) => {
    const error: unknown = expect.stringMatching(/^Predict Failed, Non-zero status code returned while running ConstantOfShape node/);
    expect(await infer('greedy', 'INT64', [1], count)).toMatchObject({ status: 400, body: { error } });
    expect(await infer('greedy', 'INT64', [1], '5')).toMatchObject({ status: 200, body: { outputs: [{ data: [0] }] } });
    await servesOn();
  });
});
