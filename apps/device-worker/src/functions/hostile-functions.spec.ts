import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { Tensor } from '@mserve/register';
import type { Instance, InstanceResult } from '@mserve/wire';
import { LoadedFunctions } from './loaded-functions.fixture.js';

/** Real threads; what functions can do to their thread, and through it to the process: one call fails, others are served on. */

const functions = new LoadedFunctions();
const { folder, load, run } = functions;
const fifo = `${folder.path}/fifo`;

beforeAll(() => {
  folder.config(
    'S',
    `
import { readFileSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
const reused = new Float64Array(1);
const reusedMiddling = new Float64Array(5000);
const reusedLarge = new Float64Array(50_000);
const functions = {
  same(x: Tensor) { return x; },
  add(a: Tensor, b: Tensor) { return a.add(b); },
  throwNullBehind(x: Tensor) { setTimeout(() => { throw null; }, 0); return x; },
  throwOddBehind(x: Tensor) { setTimeout(() => { throw Object.assign(new Error(), { message: { toString: 1 } }); }, 0); return x; },
  postNull(_x: Tensor) { parentPort?.postMessage(null); return new Promise(() => {}); },
  postOdd(_x: Tensor) { parentPort?.postMessage({ kind: 'results' }); return new Promise(() => {}); },
  postText(x: Tensor) { parentPort?.postMessage('ready'); return x; },
  noPush(_x: Tensor) { Array.prototype.push = () => 0; return 1; },
  noSet(x: Tensor) { Uint8Array.prototype.set = () => undefined; return x; },
  goDeaf(x: Tensor) { parentPort?.removeAllListeners(); return x; },
  openFifo(_x: Tensor) { return readFileSync(${JSON.stringify(fifo)}); },
  reuse(x: Tensor) { return reused.fill(Number(x.item())); },
  reuseMiddling(x: Tensor) { return reusedMiddling.fill(Number(x.item())); },
  reuseLarge(x: Tensor) { return reusedLarge.fill(Number(x.item())); },
  large(x: Tensor) { return new Float64Array(x.item() === 1 ? 2 ** 28 : 1); },
  overwritten(_x: Tensor) { return Object.assign(Tensor.of('int8', [1]), { dtype: 'nope' }); },
  giveAway(x: Tensor) { structuredClone(x.data, { transfer: [x.data.buffer as ArrayBuffer] }); return 0.5; },
};
for (const fn of Object.values(functions)) {
  if (fn.length === 2) registerMethod({ name: fn.name, outputs: 'y' }, (a, b) => addStage(fn, a, b));
  else registerMethod({ name: fn.name, outputs: 'y' }, (x) => addStage(fn, x));
}
`,
  );
});
afterEach(() => functions.unload());
afterAll(() => folder.remove());

const float = (value: number): Instance => [Tensor.scalar('float64', value)];
/** Per instance the first element of its first output, or its failure. */
function plain(results: readonly InstanceResult[]): unknown[] {
  const valueOf = ({ dtype, shape, bytes }: Instance[number]): unknown =>
    dtype === 'bytes' ? bytes[4] : Tensor.fromBytes(dtype as 'float64', shape, bytes).data[0];
  return results.map((result) =>
    'failure' in result ? `${result.failure.code}: ${result.failure.message}` : valueOf(result.outputs[0] as Instance[number]),
  );
}
async function works(): Promise<void> {
  expect(plain(await run('same', [float(3.5)]))).toEqual([3.5]);
}

describe('a function that throws when nobody calls it', () => {
  it.each([
    ['null', 'throwNullBehind', 'null'],
    ['an error whose text is none', 'throwOddBehind', 'an error without a text'],
  ])('%s ends its thread and no more', async (_what, name, text) => {
    let tell: (line: string) => void = () => undefined;
    const ended = new Promise<string>((resolve) => (tell = resolve));
    await load({ log: (_level, line) => tell(line) });
    await run(name, [float(0.5)]);
    expect(await ended).toBe(`a function thread of servable S ended: an error was thrown outside of any call: ${text}`);
    await works();
  });
});

describe('a function that posts to the port of its thread', () => {
  it.each([
    ['null', 'postNull'],
    ['something like a message of this server', 'postOdd'],
  ])('%s fails alone', async (_what, name) => {
    await load();
    const text = `ABORTED: function 'S.${name}' was cut off because its thread ended: it sent a message that is none of this server's`;
    expect(plain(await run(name, [float(1)]))).toEqual([expect.stringContaining(text)]);
    await works();
  });

  it('a text is not minded', async () => {
    await load();
    expect(plain(await run('postText', [float(0.5)]))).toEqual([0.5]);
  });
});

describe('a function that breaks what its thread stands on', () => {
  it('fails, and its thread is replaced', async () => {
    await load();
    expect(plain(await run('noPush', [float(1)]))).toEqual([
      "ABORTED: function 'S.noPush' was cut off because its thread ended: it gave no result",
    ]);
    await works();
  });

  it('so that the thread hears nothing any more: it is replaced, however often that happens', async () => {
    await load({ deafAfterMs: 50 });
    for (let i = 0; i < 12; i++) expect(plain(await run('goDeaf', [float(0.5)]))).toEqual([0.5]);
    await works();
  });

  it('cannot make results of memory that is not its own', async () => {
    await load();
    expect(plain(await run('noSet', [float(0.5)]))).toEqual([0.5]);
    await works();
  });

  it('by giving away the memory of its input and of the calls behind it: all are answered', async () => {
    await load();
    expect(plain(await run('giveAway', [float(1), float(2)]))).toEqual([0.5, 0.5]);
    await works();
  });
});

it('a function that blocks in the system is cut at its deadline, and keeps nobody from closing', async () => {
  execFileSync('mkfifo', [fifo]);
  const { runner } = await load();
  expect(plain(await run('openFifo', [float(1)], performance.now() + 50))).toEqual([
    "DEADLINE_EXCEEDED: function 'S.openFifo' did not finish before the deadline",
  ]);
  await works();
  await runner.close();
  writeFileSync(fifo, ''); // lets the thread go
});

describe('outputs', () => {
  it.each(['reuse', 'reuseMiddling', 'reuseLarge'])('are what they were when the function gave them (%s)', async (name) => {
    await load();
    const values = Array.from({ length: 40 }, (_, i) => i + 0.5);
    expect(plain(await run(name, values.map(float)))).toEqual(values);
  });

  it('of more than 2 GiB fail their instance alone', async () => {
    await load();
    expect(plain(await run('large', [float(1), float(2)]))).toEqual(['ABORTED: its outputs are larger than 2 GiB', 0]);
    await works();
  });

  it('whose tensor was tampered with fail their instance alone, and the thread stays', async () => {
    const lines: string[] = [];
    await load({ log: (_level, text) => lines.push(text) });
    expect(plain(await run('overwritten', [float(1)]))).toEqual([expect.stringContaining("a tensor has the unknown dtype 'nope'")]);
    await works();
    expect(lines).toEqual([]);
  });
});

it('inputs of more than 2 GiB fail their instance alone', async () => {
  await load();
  const gigabyte: Instance[number] = { dtype: 'uint8', shape: [2 ** 30], bytes: new Uint8Array(2 ** 30) };
  expect(
    plain(
      await run('add', [
        [gigabyte, gigabyte],
        [...float(1), ...float(2.5)],
      ]),
    ),
  ).toEqual([
    "RESOURCE_EXHAUSTED: the inputs of function 'S.add' could not be handed to its thread: they have more than 2147483632 bytes",
    3.5,
  ]);
});
