import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { post } from '../support/clients.js';
import { mserve } from '../support/command.js';
import type { OnnxModel } from '../support/onnx-model.js';
import { root, serveDirectory } from '../support/running-process.js';
import { servableDirectory, writeModelServable } from '../support/servables.js';

const model: OnnxModel = {
  inputs: [{ name: 'x', dtype: 'float32', shape: ['n', 2] }],
  outputs: [{ name: 'y', dtype: 'float32', shape: ['n', 2] }],
  nodes: [{ op: 'Twice', domain: 'my.ops', inputs: ['x'], outputs: ['y'] }],
  opsets: { 'my.ops': 1 },
};

const compiler = ['cc', 'gcc', 'clang'].find((name) => spawnSync(name, ['--version']).status === 0);
const withCompiler = compiler === undefined ? it.skip : it;
const needing = compiler === undefined ? ' (skipped: no C compiler here)' : '';

describe('operators of a library', () => {
  const directory = servableDirectory();
  const library = join(directory.path, 'libtwice.so');
  const file = join(directory.path, 'doubled/1/model.onnx');

  beforeAll(() => {
    writeModelServable(directory.path, 'doubled', model);
    const source = join(root, 'test/fixtures/operator-library/twice.c');
    if (compiler !== undefined) expect(spawnSync(compiler, ['-shared', '-fPIC', '-o', library, source]).status).toBe(0);
  });
  afterAll(() => directory.remove());

  it('without the setting the error names operator, domain and setting, in check and model inspect', async () => {
    const text = 'Twice of domain my.ops. Name the library that has it in the setting operatorLibraries';
    expect((await mserve('check', directory.path)).stdout).toContain(text);
    expect((await mserve('model', 'inspect', file)).stderr).toContain(text);
  });

  it('a library that cannot be used is named', async () => {
    const { code, stdout } = await mserve('check', directory.path, '--operator-libraries', file);
    expect([code, stdout]).toEqual([1, expect.stringContaining(`the operator library '${file}' cannot be used`)]);
  });

  withCompiler(`with it the model is served${needing}`, async () => {
    const server = await serveDirectory(directory.path, ['--operator-libraries', library]);
    try {
      const { body } = await post(server.rest, '/model/doubled:predict', JSON.stringify({ instances: [{ x: [1, -2.5] }, { x: [3, 4] }] }));
      expect(body).toEqual({ instances: [{ y: [2, -5] }, { y: [6, 8] }] });
    } finally {
      await server.stop();
    }
    const [checked, inspected] = [
      await mserve('check', directory.path, '--operator-libraries', library),
      await mserve('model', 'inspect', file, '--operator-libraries', library),
    ];
    expect([checked.code, inspected.code, inspected.stdout]).toEqual([0, 0, expect.stringContaining('y  float32')]);
  });
});
