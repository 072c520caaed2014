import { chmodSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ServableFolder } from './servable-folder.fixture.js';
import { sourceCache } from './source-cache.js';

const uid = process.getuid?.() ?? 0;
let folder: ServableFolder;
let path: string;
beforeEach(() => {
  folder = new ServableFolder();
  path = join(folder.path, `mserve-sources-${uid}`);
});
afterEach(() => folder.remove());

describe('the cache of transformed sources', () => {
  it('is made for this user alone, and found again', () => {
    expect(sourceCache(folder.path)).toBe(path);
    expect(statSync(path).mode & 0o777).toBe(0o700);
    expect(sourceCache(folder.path)).toBe(path);
  });

  it.each<readonly [string, () => void]>([
    ['others may write to', () => (mkdirSync(path), chmodSync(path, 0o777))],
    ['others may read', () => (mkdirSync(path), chmodSync(path, 0o750))],
    ['is a link', () => symlinkSync(folder.path, path)],
    ['is a file', () => writeFileSync(path, '')],
  ])('is not used when it %s', (_what, make) => {
    make();
    expect(sourceCache(folder.path)).toBeUndefined();
  });

  it('is not used when it belongs to somebody else, or cannot be made', () => {
    mkdirSync(join(folder.path, `mserve-sources-${uid + 1}`), { mode: 0o700 });
    expect(sourceCache(folder.path, uid + 1)).toBeUndefined();
    expect(sourceCache(join(folder.path, 'nope'))).toBeUndefined();
  });
});
