import { silentLog } from '@mserve/app';
import { linkSync, readFileSync, symlinkSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { ServableFolder } from '../servable/servable-folder.fixture.js';
import { workerDefaults } from './worker-defaults.js';

const root = join(import.meta.dirname, '../../../..');
const files = {
  ONNX: join(root, 'test/parity/kit-servable/kit/1/bias_b4.onnx'),
  MindIR: join(root, 'test/parity/mindir/cases/lenet5/lenet.mindir'),
};

describe('a model file that was swapped after it was looked at', () => {
  let folder: ServableFolder;
  afterEach(() => folder.remove());

  it.each([
    ['ONNX', 'a symbolic link', symlinkSync, 'is a symbolic link'],
    ['ONNX', 'another name of a file', linkSync, 'has more than one hard link'],
    ['MindIR', 'a symbolic link', symlinkSync, 'is a symbolic link'],
    ['MindIR', 'another name of a file', linkSync, 'has more than one hard link'],
  ] as const)('%s, for %s, is refused when it is opened', async (format, _what, swap, text) => {
    folder = new ServableFolder();
    const { openers } = workerDefaults(silentLog);
    const path = folder.write(`model.${format}`, readFileSync(files[format]));
    const request = { path, file: 'model', session: {} };
    await (await openers[format](request)).session.close();
    unlinkSync(path);
    swap(folder.write('elsewhere', readFileSync(files[format])), path);
    await expect(openers[format](request)).rejects.toThrow(text);
  });
});
