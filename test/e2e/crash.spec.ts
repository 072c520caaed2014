import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { post } from '../support/clients.js';
import { serveDirectory, type RunningProcess } from '../support/running-process.js';
import { servableDirectory } from '../support/servables.js';

/** A native package that crashes when it is loaded, or later on a thread of its own. */
const source = `
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
static void* later(void* unused) { usleep(50000); *(volatile int*)unused = 1; return 0; }
#define EXPORT __attribute__((visibility("default")))
EXPORT void* napi_register_module_v1(void* env, void* exports) {
  (void)env;
#if defined(ABORTS)
  abort();
#elif defined(LATER)
  pthread_t thread;
  pthread_create(&thread, 0, later, 0);
#else
  later(0);
#endif
  return exports;
}
`;

async function ended({ child }: RunningProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
}

const config = (isolation: string, folder: string): string => `import { createRequire } from 'node:module';
import { addStage, registerMethod, type Tensor } from '@mserve/register';
export const functionIsolation = '${isolation}';
const load = createRequire(import.meta.url);
for (const kind of ['segfault', 'abort', 'later'])
  registerMethod({ name: kind, outputs: 'y' }, (x) => addStage((v: Tensor) => { load(${JSON.stringify(folder)} + '/' + kind + '.node'); return v; }, x));
registerMethod(['y'], function same(x) { return addStage((v: Tensor) => v, x); });
`;

(process.platform === 'linux' ? describe : describe.skip)('a native package that crashes (skipped where the system is not Linux)', () => {
  const directory = servableDirectory();
  const packages = servableDirectory();
  beforeAll(() => {
    writeFileSync(join(packages.path, 'crash.c'), source);
    for (const [name, flag] of [
      ['segfault', 'SEGFAULTS'],
      ['abort', 'ABORTS'],
      ['later', 'LATER'],
    ] as const) {
      const output = join(packages.path, `${name}.node`);
      execFileSync('cc', ['-shared', '-fPIC', '-pthread', `-D${flag}`, '-o', output, join(packages.path, 'crash.c')]);
    }
    for (const isolation of ['thread', 'process']) {
      const servable = join(directory.path, `in_${isolation}`);
      mkdirSync(servable);
      writeFileSync(join(servable, 'servable_config.ts'), config(isolation, packages.path));
    }
  });
  afterAll(() => {
    directory.remove();
    packages.remove();
  });

  const call = (rest: string, path: string): Promise<{ status: number; body: unknown }> =>
    post(rest, `/model/${path}`, '{"instances":[{"x":1}]}');

  it.each([
    ['segfault', 'SIGSEGV', ', in '],
    ['abort', 'SIGABRT', ', in '],
    ['later', 'SIGSEGV', ', perhaps by what is loaded in: '],
  ])('in a thread (%s): the last line names the servable and the package', async (kind, signal, how) => {
    const server = await serveDirectory(directory.path, ['--servable', 'in_thread']);
    await call(server.rest, `in_thread:${kind}`).catch(() => undefined);
    await ended(server);
    const last = server.output().trimEnd().split('\n').at(-1);
    const name = `a function thread of servable 'in_thread', which loaded ${packages.path}/${kind}.node`;
    expect(last).toContain(`mserve: ${signal} ends this process${how}${name}`);
  });

  it('in a process: one call fails, and the log names servable, function and signal', async () => {
    const server = await serveDirectory(directory.path, ['--servable', 'in_process']);
    try {
      const crashed = await call(server.rest, 'in_process:segfault');
      expect(crashed).toMatchObject({ status: 500, body: { error_msg: expect.stringContaining('it was ended by SIGSEGV') } });
      expect(await call(server.rest, 'in_process:same')).toMatchObject({ status: 200, body: { instances: [{ y: 1 }] } });
      expect(server.output()).toMatch(
        /a function process of servable in_process ended while it ran 'in_process.segfault_function\d': it was ended by SIGSEGV/,
      );
    } finally {
      await server.stop();
    }
  });

  it('what has a call in hand when Ctrl+C ends the server finishes it', async () => {
    const slow = join(directory.path, 'slow');
    mkdirSync(slow);
    writeFileSync(
      join(slow, 'servable_config.ts'),
      `import { existsSync, writeFileSync } from 'node:fs';
import { addStage, registerMethod, type Tensor } from '@mserve/register';
export const functionIsolation = 'process';
const wait = async (v: Tensor) => {
  writeFileSync(${JSON.stringify(join(slow, 'begun'))}, '');
  while (!existsSync(${JSON.stringify(join(slow, 'flag'))})) await new Promise((resolve) => setTimeout(resolve, 10));
  return v;
};
registerMethod(['y'], function waits(x) { return addStage(wait, x); });
`,
    );
    const server = await serveDirectory(directory.path, ['--servable', 'slow'], {}, { detached: true });
    const answer = call(server.rest, 'slow:waits');
    while (!existsSync(join(slow, 'begun'))) await new Promise((resolve) => setTimeout(resolve, 10));
    // To the whole group of processes, as a terminal does it
    process.kill(-(server.child.pid ?? 0), 'SIGINT');
    writeFileSync(join(slow, 'flag'), '');
    expect(await answer).toMatchObject({ status: 200, body: { instances: [{ y: 1 }] } });
    await ended(server);
    expect(server.child.exitCode).toBe(0);
  });

  it('function processes end with their server, however that ends and whatever they do', async () => {
    const busy = join(directory.path, 'busy');
    mkdirSync(busy);
    writeFileSync(
      join(busy, 'servable_config.ts'),
      `import { addStage, registerMethod, type Tensor } from '@mserve/register';
export const functionIsolation = 'process';
registerMethod(['y'], function pid(x) { return addStage((v: Tensor) => process.pid, x); });
registerMethod(['y'], function spin(x) { return addStage((v: Tensor) => { for (;;); }, x); });
`,
    );
    const server = await serveDirectory(directory.path, ['--servable', 'busy']);
    const { body } = await call(server.rest, 'busy:pid');
    const pid = (body as { instances: { y: number }[] }).instances[0]?.y ?? 0;
    expect(pid).toBeGreaterThan(0);
    void call(server.rest, 'busy:spin').catch(() => undefined);
    process.kill(server.child.pid ?? 0, 'SIGKILL');
    await ended(server);
    const isAlive = (): boolean => {
      try {
        return process.kill(pid, 0);
      } catch {
        return false;
      }
    };
    while (isAlive()) await new Promise((resolve) => setTimeout(resolve, 20));
  });
});
