import { afterAll, afterEach, expect, it } from '@jest/globals';
import { existsSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Tensor } from '@mserve/register';
import type { Instance, InstanceResult } from '@mserve/wire';
import { LoadedFunctions } from './loaded-functions.fixture.js';

/** A config in a mount whose `..data` is made to lead elsewhere while threads that loaded it serve, as Kubernetes does it with ConfigMaps. */

const functions = new LoadedFunctions();
const { folder, load, run } = functions;
afterEach(() => functions.unload());
afterAll(() => folder.remove());

const config = (method: string, result: number): string => `
registerMethod('y', function ${method}(x) {
  return addStage(function answer(a: Tensor) { while (a.item() === 1); return ${result}; }, x);
});
`;

const x = (value: number): Instance => [Tensor.of('int32', [value])];
/** The number (int64) that a call gave, or the code of its failure. */
const valueOf = ([result]: readonly InstanceResult[]): unknown => {
  if (result === undefined || 'failure' in result) return result?.failure.code;
  return Number(Buffer.from(result.outputs[0]?.bytes ?? []).readBigInt64LE());
};

function mount(revision: string, text: string): void {
  folder.config(`S/${revision}`, text);
  symlinkSync(revision, join(folder.path, 'S/..next'));
  renameSync(join(folder.path, 'S/..next'), join(folder.path, 'S/..data'));
}

/** Calls that hang until each thread that is there was replaced. */
async function hang(): Promise<void> {
  for (let i = 0; i < 3; i++) expect(valueOf(await run('answer', [x(1)], performance.now() + 100))).toBe('DEADLINE_EXCEEDED');
}

it('a thread that hangs is replaced by one of the config that is mounted then', async () => {
  mount('..one', config('m', 1));
  symlinkSync('..data/servable_config.ts', join(folder.path, 'S/servable_config.ts'));
  await load();
  expect(valueOf(await run('answer', [x(0)]))).toBe(1);
  mount('..two', config('m', 2));
  rmSync(join(folder.path, 'S/..one'), { recursive: true });
  await hang();
  expect(valueOf(await run('answer', [x(0)]))).toBe(2);
}, 30_000);

/** 1 hangs, 2 ends the thread, 3 awaits what never comes; everything else is answered. */
const hostile = (method: string): string => `
registerMethod('y', function ${method}(x) {
  return addStage(function answer(a: Tensor) {
    const what = a.item();
    if (what === 2) process.exit(3);
    if (what === 3) return new Promise(() => undefined);
    while (what === 1);
    return 1;
  }, x);
});
`;

async function loadMounted(numParallelWorkers: number): Promise<void> {
  rmSync(join(folder.path, 'S'), { recursive: true, force: true });
  mount('..one', hostile('m'));
  symlinkSync('..data/servable_config.ts', join(folder.path, 'S/servable_config.ts'));
  await load({ numParallelWorkers });
}

it.each([
  ['another method', hostile('n')],
  ['an error', 'throw new Error("not this one");'],
])(
  'a config with %s takes the place of no thread: calls are refused, none is left waiting',
  async (_, text) => {
    await loadMounted(2);
    mount('..two', text);
    // Two threads and a spare one
    for (let i = 0; i < 3; i++) expect(valueOf(await run('answer', [x(2)]))).toMatch(/ABORTED|UNAVAILABLE/);
    const values = (await Promise.all(Array.from({ length: 4 }, () => run('answer', [x(0)])))).map(valueOf);
    expect(values).toEqual(Array(4).fill('UNAVAILABLE'));
  },
  90_000,
);

it('a call shares a thread with one that is begun again, when no other thread is to be had', async () => {
  await loadMounted(1);
  const [begun, gate] = [join(folder.path, 'begun'), join(folder.path, 'gate')];
  mount(
    '..two',
    `import { existsSync, writeFileSync } from 'node:fs';
    writeFileSync(${JSON.stringify(begun)}, '');
    while (!existsSync(${JSON.stringify(gate)})) await new Promise((resolve) => setTimeout(resolve, 5));
    throw new Error('not this one');`,
  );
  const leaving = new AbortController();
  const awaited = run('answer', [x(3)], Infinity, leaving.signal);
  expect(valueOf(await run('answer', [x(2)]))).toBe('ABORTED');
  while (!existsSync(begun)) await new Promise((resolve) => setTimeout(resolve, 5));
  const waiting = run('answer', [x(0)]);
  writeFileSync(gate, '');
  expect(valueOf(await waiting)).toBe(1);
  leaving.abort();
  await awaited;
}, 90_000);
