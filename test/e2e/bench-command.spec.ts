import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { writeNpy } from '../../apps/server/src/npy.js';
import { mserve, type CommandOutcome } from '../support/command.js';
import { freePort } from '../support/free-port.js';
import { root, serveDirectory, startProcess, type RunningProcess, type ServerAddresses } from '../support/running-process.js';
import { servableDirectory, writeAddServable, writeEchoServable } from '../support/servables.js';

/** `mserve bench` against a server that runs. */

const directory = servableDirectory();
let server: RunningProcess & ServerAddresses;
beforeAll(async () => {
  writeAddServable(directory.path);
  writeEchoServable(directory.path);
  server = await serveDirectory(directory.path);
}, 60_000);
afterAll(async () => {
  await server?.stop();
  directory.remove();
});

const quick = ['--warm-up', '0', '--json'] as const;
const addresses = (): string[] => ['--rest', server.rest, '--grpc', server.grpc];
const bench = (...args: readonly string[]): Promise<CommandOutcome> => mserve('bench', ...args, ...addresses());

/** Instances that the server has answered. */
async function served(model: string): Promise<number> {
  const answer = (await (await fetch(`http://${server.rest}/v2/models/${model}/stats`)).json()) as {
    model_stats: { inference_count: number }[];
  };
  return answer.model_stats[0]?.inference_count ?? NaN;
}

describe('mserve bench', () => {
  it.each(['oip-rest', 'oip-grpc', 'ms-rest', 'ms-grpc'])('%s: what it counts is what the server served', async (protocol) => {
    const before = await served('add.predict');
    const { code, stdout } = await bench('add', 'predict', '--protocol', protocol, '--requests', '60', '--instances', '3', ...quick);
    expect([code, JSON.parse(stdout)]).toEqual([
      0,
      expect.objectContaining({
        ...{ protocol, loop: 'closed', requests: 60, failed: 0, unfinished: 0, instances: 3, interrupted: false },
        inputs: ['x1 float32 [2], random', 'x2 float32 [2], random'],
        latency: expect.objectContaining({ count: 60 }),
      }),
    ]);
    expect((await served('add.predict')) - before).toBe(180);
  });

  it('open loop: sends what was asked for', async () => {
    const { code, stdout } = await bench('add', 'predict', '--rate', '200', '--requests', '40', '--arrivals', 'random', ...quick);
    expect([code, JSON.parse(stdout)]).toEqual([0, expect.objectContaining({ loop: 'open', rate: 200, requests: 40, unsent: 0 })]);
  });

  it('takes given inputs: JSON, .npy files, files as bytes, text', async () => {
    const tensor = join(directory.path, 'x.npy');
    writeFileSync(tensor, writeNpy({ dtype: 'float32', shape: [2], bytes: new Uint8Array(Float32Array.of(1, 2).buffer) }));
    const args = ['add', 'predict', '--input', 'x1=[1,2]', '--input', `x2=@${tensor}`, '--requests', '5', ...quick];
    const { code, stdout } = await bench(...args);
    expect([code, JSON.parse(stdout)]).toEqual([
      0,
      expect.objectContaining({ inputs: ['x1 float32 [2], as given', 'x2 float32 [2], as given'] }),
    ]);
    for (const protocol of ['oip-rest', 'oip-grpc', 'ms-rest', 'ms-grpc'])
      for (const input of [`x=@${join(root, 'LICENSE')}`, 'x="text"'])
        expect((await bench('echo', 'predict', '--protocol', protocol, '--input', input, '--requests', '3', ...quick)).code).toBe(0);
  }, 60_000);

  it('requests that fail: by status, exit code 1', async () => {
    const { code, stdout } = await bench('add', 'predict', '--input', 'x1=[1,2,3]', '--requests', '7', ...quick);
    const figures: unknown = JSON.parse(stdout);
    expect([code, figures]).toEqual([
      1,
      expect.objectContaining({
        ...{ requests: 7, failed: 7, requestsPerSecond: 0 },
        failures: [{ status: '400', count: 7, text: expect.stringContaining('x1') }],
      }),
    ]);
  });

  it('prints a table for people', async () => {
    const { code, stdout } = await bench('add', 'predict', '--requests', '30', '--warm-up', '0');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^add predict: oip-rest at [\d.:]+\n {2}closed loop, 16 at a time; /);
    expect(stdout).toMatch(/\n {2}30 requests, \S+\/s; 0 failed\n\n {2}latency: min .* p99\.9 .* max .*\n\n( +<= .* %  .*\n)+/);
  });

  it('Ctrl+C prints what it has', async () => {
    const args = ['apps/server/bin/mserve.mjs', 'bench', 'add', 'predict', '--duration', '600', ...quick, ...addresses()];
    const running = startProcess(process.execPath, args);
    await running.line((line) => /[1-9]\d* answered/.test(line));
    expect(await running.stop('SIGINT')).toBe(0);
    const line = running.output().split('\n').at(-1) as string;
    expect(JSON.parse(line)).toEqual(expect.objectContaining({ interrupted: true, failed: 0, requests: expect.any(Number) }));
  });

  it.each<[args: string[], code: number, text: RegExp]>([
    [['add', 'nothing'], 1, /answered 404: .*nothing/],
    [['echo', 'predict'], 2, /input 'x' takes text or bytes, which cannot be made up/],
    [['add', 'predict', '--input', 'x9=1'], 2, /no input 'x9'; it takes x1, x2/],
    [['add', 'predict', '--input', 'x1=1,'], 2, /is not JSON/],
    [['add', 'predict', '--input', 'x1=[[1],2]'], 2, /numbers, lists of numbers or one text are expected/],
    [['add', 'predict', '--shape', 'x1=-2'], 2, /dims are whole numbers/],
    [['add', 'predict', '--rate', '0'], 2, /a number above 0/],
    [['add', 'predict', '--protocol', 'soap'], 2, /Allowed choices are oip-rest/],
    [['add'], 2, /missing required argument 'method'/],
  ])('%j ends with %d', async (args, code, text) => {
    expect(await bench(...args, ...quick)).toEqual({ code, stdout: '', stderr: expect.stringMatching(text) });
  });

  it('says where nobody answers', async () => {
    const rest = `127.0.0.1:${await freePort()}`;
    expect(await mserve('bench', 'add', 'predict', '--rest', rest)).toEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/no answer from .* \(ECONNREFUSED\)/),
    });
  });
});
