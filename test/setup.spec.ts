import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { command } from './support/command.js';
import { root } from './support/running-process.js';

/** What `npm start` says on a machine that lacks something: the scripts in a clone without anything else, with a PATH of our own. */

describe('npm start in a fresh clone', () => {
  let clone: string;
  beforeEach(() => {
    clone = mkdtempSync(join(tmpdir(), 'mserve-clone-'));
    for (const script of ['setup.mjs', 'start.mjs']) cpSync(join(root, 'scripts', script), join(clone, 'scripts', script));
    mkdirSync(join(clone, 'bin'));
  });
  afterEach(() => rmSync(clone, { recursive: true }));

  it.each([
    [[], 'a C++ compiler, make and Python 3 (for node-gyp) are missing'],
    [['clang++', 'make'], 'Python 3 (for node-gyp) is missing'],
    [['g++', 'python3'], 'make is missing'],
  ])('beside %j says in one sentence what is missing', async (present, text) => {
    for (const name of present) writeFileSync(join(clone, 'bin', name), '#!/bin/sh\nexit 0\n', { mode: 0o755 });
    const outcome = await command(process.execPath, [join(clone, 'scripts/start.mjs')], {
      PATH: join(clone, 'bin'),
      CXX: '',
      MAKE: '',
      PYTHON: '',
    });
    expect(outcome).toEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^\nTo build the native addon .*: install \(.*\) and run this again\.\n$/),
    });
    expect(outcome.stderr).toContain(text);
  });
});

it('npm finds nothing to warn of in the lock file and the settings', async () => {
  const cache = mkdtempSync(join(tmpdir(), 'mserve-npm-cache-'));
  try {
    const settings = { npm_config_userconfig: '/dev/null', npm_config_cache: cache, npm_config_update_notifier: 'false' };
    const { code, stderr } = await command('npm', ['ci', '--dry-run', '--offline', '--no-audit', '--no-fund'], settings);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  } finally {
    rmSync(cache, { recursive: true });
  }
});
