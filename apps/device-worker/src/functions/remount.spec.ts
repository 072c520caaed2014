import { afterAll, afterEach, expect, it } from '@jest/globals';
import { renameSync, rmSync, symlinkSync } from 'node:fs';
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
