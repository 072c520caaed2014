import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from '@jest/globals';
import { servableDirectory } from '../../../../test/support/servables.js';
import { VersionContents, versionContent } from './version-content.js';

const folders: ReturnType<typeof servableDirectory>[] = [];
afterEach(() => folders.splice(0).forEach((folder) => folder.remove()));

function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = servableDirectory();
  folders.push(folder);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder.path, 'net', name, '..'), { recursive: true });
    writeFileSync(join(folder.path, 'net', name), text);
  }
  return folder.path;
}

const files = { 'servable_config.ts': 'config', '1/a.onnx': 'model', '1/weights/b.bin': 'weights', '2/a.onnx': 'newer' };

it('is the same wherever the same files are, whatever lies beside them', async () => {
  const content = await versionContent(folderOf(files), 'net', 1);
  expect(content).toMatch(/^[0-9a-f]{64}$/);
  const others = { 'README.md': 'notes', '1/.cache': 'x', '2/a.onnx': 'newest', '3/a.onnx': 'new' };
  expect(await versionContent(folderOf({ ...files, ...others }), 'net', 1)).toBe(content);
  const linked = folderOf({ 'servable_config.ts': 'config' });
  symlinkSync(join(folderOf(files), 'net', '1'), join(linked, 'net', '1'));
  expect(await versionContent(linked, 'net', 1)).toBe(content);
});

it.each([
  ['the bytes of a model', { '1/a.onnx': 'mode1' }],
  ['a file in a folder of the version', { '1/weights/b.bin': '' }],
  ['one file more', { '1/c': '' }],
  ['the config', { 'servable_config.ts': 'Config' }],
])('is another one with %s', async (_, change) => {
  expect(await versionContent(folderOf({ ...files, ...change }), 'net', 1)).not.toBe(await versionContent(folderOf(files), 'net', 1));
});

it('is read once while the files stay as they are', async () => {
  const path = folderOf(files);
  const contents = new VersionContents();
  const first = contents.of(path, 'net', 1, 'as they are');
  expect(contents.of(path, 'net', 1, 'as they are')).toBe(first);
  const before = await first;
  writeFileSync(join(path, 'net/1/a.onnx'), 'changed');
  expect(await contents.of(path, 'net', 1, 'otherwise')).not.toBe(before);
  expect(await contents.of(path, 'gone', 1, '')).toBeUndefined();
});
