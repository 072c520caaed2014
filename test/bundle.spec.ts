import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { bundle } from '../scripts/bundle.mjs';
import { root } from './support/running-process.js';

const load = join(root, 'scripts/bundle/load.cjs');
const folders: string[] = [];
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true })));

/** What a fresh process prints that loads program `name` of the bundle in a folder, by this function of load.cjs. */
function loaded(folder: string, name: string, by: 'load' | 'loadIfCurrent' = 'loadIfCurrent', ...flags: readonly string[]): string {
  const script = `const { exports: told } = { exports: require('./load.cjs').${by}('${name}') };
    console.log(JSON.stringify(told === undefined ? 'stale' : (told.answer ?? Object.keys(told))))`;
  return execFileSync(process.execPath, [...flags, '-e', script], { cwd: folder, encoding: 'utf8' }).trim();
}

/** A bundle of one program, made of one file. */
function smallBundle(): { folder: string; madeOf: string } {
  const folder = mkdtempSync(join(tmpdir(), 'mserve-bundle-'));
  folders.push(folder);
  const madeOf = join(folder, 'compiled');
  writeFileSync(madeOf, '');
  copyFileSync(load, join(folder, 'load.cjs'));
  writeFileSync(join(folder, 'program.cjs'), 'exports.answer = 42;\n');
  writeFileSync(join(folder, 'stamps.json'), JSON.stringify({ compiled: statSync(madeOf).mtimeMs }));
  return { folder, madeOf };
}

describe('a bundle', () => {
  it('is loaded while nothing that it was made of has changed, or when that is not there, and by what belongs to a server that has loaded it', () => {
    const { folder, madeOf } = smallBundle();
    expect(loaded(folder, 'program')).toBe('42');
    utimesSync(madeOf, new Date(), new Date(Date.now() + 5_000));
    expect(loaded(folder, 'program')).toBe('"stale"');
    expect(loaded(folder, 'program', 'load')).toBe('42');
    rmSync(madeOf);
    expect(loaded(folder, 'program')).toBe('42');
  });

  it('is loaded without what V8 has kept of it, when that is damaged or of another Node', () => {
    const { folder } = smallBundle();
    writeFileSync(join(folder, 'program.cjs.cache'), Buffer.alloc(4096, 7));
    expect(loaded(folder, 'program')).toBe('42');
  });
});

describe('the bundle of the server', () => {
  const folder = join(root, 'apps/server/dist/bundle');
  beforeAll(() => bundle(), 120_000);

  it('has the command, from what V8 has kept and without', () => {
    expect(loaded(folder, 'command')).toBe('["runCommand"]');
    expect(loaded(folder, 'command', 'loadIfCurrent', '--enable-source-maps')).toBe('["runCommand"]');
  });

  it('is compiled from what V8 has kept', () => {
    const script = `const { load, scripts } = require('./load.cjs'); load('command'); console.log([...scripts.keys()].join())`;
    expect(execFileSync(process.execPath, ['-e', script], { cwd: folder, encoding: 'utf8' }).trim()).toBe('command');
  });

  it('has source maps, by which stacks name TypeScript files', () => {
    const script = `process.exit = () => { throw new Error('here'); };
      process.argv = ['node', 'mserve', '--version'];
      require('./load.cjs').load('command').runCommand().catch(({ stack }) => console.log(stack));`;
    const told = execFileSync(process.execPath, ['--enable-source-maps', '-e', script], { cwd: folder, encoding: 'utf8' });
    expect(told).toMatch(new RegExp(`runCommand \\(${join(root, 'apps/server/src/cli/command.ts')}:[0-9]+:[0-9]+\\)`));
  });
});
