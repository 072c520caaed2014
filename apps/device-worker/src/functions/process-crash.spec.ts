import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Tensor } from '@mserve/register';
import type { Instance, InstanceResult } from '@mserve/wire';
import { LoadedFunctions } from './loaded-functions.fixture.js';

/** Functions that end the process that they run in, as native packages do: this one goes on. */

const functions = new LoadedFunctions();
const { folder, run } = functions;

beforeAll(() => {
  folder.config(
    'S',
    `
export const functionIsolation = 'process';
const functions = {
  same(x: Tensor) { return x; },
  segfaultAt(x: Tensor) { if (x.item() === 1) process.kill(process.pid, 'SIGSEGV'); while (x.item() === 1); return x; },
  abortAt(x: Tensor) { if (x.item() === 1) process.abort(); return x; },
  killedAt(x: Tensor) { if (x.item() === 1) process.kill(process.pid, 'SIGKILL'); while (x.item() === 1); return x; },
  disconnectAt(x: Tensor) { if (x.item() === 1) process.disconnect?.(); return x; },
  sendOdd(x: Tensor) { process.send?.({ kind: 'results' }); process.send?.('text'); process.send?.(null); return x; },
  print(x: Tensor) { console.log('printed by a function'); process.stderr.write('and not ended'); return x; },
  pid(_x: Tensor) { return process.pid; },
};
for (const fn of Object.values(functions)) registerMethod({ name: fn.name, outputs: 'y' }, (x) => addStage(fn, x));
`,
  );
});
afterEach(() => functions.unload());
afterAll(() => folder.remove());

const float = (value: number): Instance => [Tensor.scalar('float64', value)];
const plain = (results: readonly InstanceResult[]): unknown[] =>
  results.map((result) =>
    'failure' in result
      ? `${result.failure.code}: ${result.failure.message}`
      : Tensor.fromBytes('float64', [], result.outputs[0]?.bytes ?? new Uint8Array(8)).item(),
  );

describe('a function that ends its process', () => {
  it.each([
    ['segfaultAt', 'it was ended by SIGSEGV'],
    ['abortAt', 'it was ended by SIGABRT'],
    ['killedAt', 'it was ended by SIGKILL, perhaps by the system for want of memory'],
  ])('%s: fails alone; the servable and the function are named; what was with it is served', async (name, reason) => {
    const lines: string[] = [];
    await functions.load({ log: (level, text) => lines.push(`${level}: ${text}`) });
    expect(plain(await run(name, [float(0.5), float(1), float(2.5)]))).toEqual([
      0.5,
      `ABORTED: function 'S.${name}' was cut off because its process ended: ${reason}`,
      2.5,
    ]);
    expect(lines).toContain(`warn: a function process of servable S ended while it ran 'S.${name}': ${reason}`);
    expect(plain(await run('same', [float(3.5)]))).toEqual([3.5]);
  });

  it.each(['disconnectAt', 'sendOdd'])('%s: costs no more than the process', async (name) => {
    await functions.load();
    await run(name, [float(1)], performance.now() + 20_000);
    expect(plain(await run('same', [float(3.5)]))).toEqual([3.5]);
  });
});

it('what a function prints is logged line by line', async () => {
  const lines: string[] = [];
  const { runner } = await functions.load({ log: (level, text) => lines.push(`${level}: ${text}`) });
  await run('print', [float(1)]);
  await runner.close();
  while (lines.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(lines.sort()).toEqual(['warn: and not ended', 'warn: printed by a function']);
});

it('functions run in another process, on its main thread', async () => {
  await functions.load();
  const [result] = await run('pid', [float(1)]);
  if (result === undefined || 'failure' in result) throw new Error('it failed');
  expect(Tensor.fromBytes('int64', [], result.outputs[0]?.bytes ?? new Uint8Array(8)).item()).not.toBe(BigInt(process.pid));
});

describe('functionIsolation of a config', () => {
  const load = async (line: string): Promise<string> => {
    const other = new LoadedFunctions();
    other.folder.config('S', `${line}\nregisterMethod(['y'], function m(x) { return addStage((v: Tensor) => v, x); });`);
    try {
      await other.load();
      return 'loaded';
    } catch (thrown) {
      return (thrown as Error).message;
    } finally {
      await other.unload();
      other.folder.remove();
    }
  };

  it.each([
    [`export const functionIsolation = 'fibre';`, "functionIsolation should be 'thread' or 'process', but actually string"],
    [`const kind = 'process'; export const functionIsolation = kind;`, `export const functionIsolation = 'process';`],
    [`export const functionIsolation = "thread";`, 'loaded'],
    [`export const functionIsolation: string = 'process';`, 'loaded'],
    [`// export const functionIsolation = 'process';`, 'loaded'],
  ])('%s', async (line, expected) => expect(await load(line)).toContain(expected));
});
