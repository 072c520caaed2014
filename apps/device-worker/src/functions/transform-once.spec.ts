import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createJiti } from 'jiti';
import { transformOnce } from './transform-once.js';

let folder: string;
let kept: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mserve-transform-'));
  kept = join(folder, 'kept');
  mkdirSync(kept);
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Loads a module of this text from a folder of its own. */
function load(name: string, text: string): Promise<unknown> {
  mkdirSync(join(folder, name), { recursive: true });
  const file = join(folder, name, 'servable_config.ts');
  writeFileSync(file, text);
  return createJiti(file, { fsCache: false, moduleCache: false, transform: transformOnce(kept) }).import(file);
}

describe('transformOnce', () => {
  it('keeps one result for the same text in many places, each of which knows its own', async () => {
    const text = `export const file: string = __filename;`;
    for (const name of ['first', 'second'])
      expect(await load(name, text)).toMatchObject({ file: join(folder, name, 'servable_config.ts') });
    expect(readdirSync(kept)).toHaveLength(1);
  });

  it('keeps a result for each place of a text that asks for its URL', async () => {
    const text = `export const place: string = import.meta.url;`;
    for (const name of ['first', 'second', 'first'])
      expect(await load(name, text)).toMatchObject({ place: pathToFileURL(join(folder, name, 'servable_config.ts')).href });
  });

  it('transforms a text that has changed', async () => {
    expect(await load('first', 'export const answer: number = 1;')).toMatchObject({ answer: 1 });
    expect(await load('first', 'export const answer: number = 2;')).toMatchObject({ answer: 2 });
  });

  it('keeps nothing of what cannot be transformed, and tells its file', async () => {
    await expect(load('wrong', 'export const answer: = 1;')).rejects.toThrow(join(folder, 'wrong', 'servable_config.ts'));
    expect(readdirSync(kept)).toEqual([]);
  });
});
