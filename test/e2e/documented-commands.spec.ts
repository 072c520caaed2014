import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { command } from '../support/command.js';
import { root } from '../support/running-process.js';

/** Commands that the docs show are run as they stand. */

const pages = [
  'README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const blocks = pages.flatMap((page) =>
  [...readFileSync(join(root, page), 'utf8').matchAll(/```(?:sh)?\n(.*?)```/gs)].map(([, block = '']) => ({ page, block })),
);
/** Those that end by themselves and need nothing but the examples. */
const commands = blocks.flatMap(({ page, block }) =>
  block
    .split('\n')
    .map((line) => line.replace(/\s+#.*$/, '').trim())
    .filter((line) => /^npx mserve (?:model|check) .*\bexamples\b/.test(line))
    .map((line) => [page, line] as const),
);

describe('a command of the docs', () => {
  let folder: string;
  beforeAll(() => {
    mkdirSync(join(root, 'tmp'), { recursive: true });
    folder = mkdtempSync(join(root, 'tmp/commands-'));
    symlinkSync(join(root, 'examples'), join(folder, 'examples'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('there are some', () => expect(commands.map(([page]) => page)).toContain('docs/mindir.md'));

  it.each(commands)(
    '%s: %s',
    async (_page, line) => {
      const mserve = `${JSON.stringify(process.execPath)} ${JSON.stringify(join(root, 'apps/server/bin/mserve.mjs'))}`;
      const { code, stderr } = await command('/bin/sh', ['-c', `cd ${JSON.stringify(folder)} && ${line.replace('npx mserve', mserve)}`], {
        NODE_OPTIONS: '',
      });
      expect([code, stderr]).toEqual([0, expect.any(String)]);
    },
    60_000,
  );

  it('the test of a servable in docs/servables.md runs with the command that stands there', async () => {
    const guide = readFileSync(join(root, 'docs/servables.md'), 'utf8');
    const test = /```ts\n(\/\/ classify\.test\.ts.*?)```/s.exec(guide)?.[1] ?? '';
    const line = /run with: (node .*?\.test\.ts)/.exec(test)?.[1] ?? '';
    const normalize = /function normalize\(.*?\n\}/s.exec(guide)?.[0] ?? '';
    const servable = join(folder, 'classify');
    mkdirSync(servable);
    writeFileSync(join(servable, 'classify.test.ts'), test);
    writeFileSync(
      join(servable, 'normalize.ts'),
      `import type { Tensor } from '@mserve/register';\nexport ${normalize.replace('.reshape(1, 28, 28)', '')}\n`,
    );
    const { code, stdout } = await command(
      '/bin/sh',
      ['-c', `cd ${JSON.stringify(servable)} && ${line.replace('node', JSON.stringify(process.execPath))}`],
      { NODE_OPTIONS: '' },
    );
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^(?:#|ℹ) pass 1$/m)]);
  }, 60_000);
});
