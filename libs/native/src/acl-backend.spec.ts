import { describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { addModel } from '../../../test/support/onnx-model.js';
import { Session } from './session.js';

const script = join(import.meta.dirname, '..', 'test', 'acl-tests.mjs');
const onLinux = process.platform === 'linux' ? describe : describe.skip;

/** The short form of libs/native/test/acl-tests.mjs, which has the thread sanitizer too. */
onLinux('the acl backend on the fake AscendCL library (Linux: the fake needs memfd)', () => {
  it('answers, refuses, undoes every failure, and every misuse is noticed, under the address sanitizer', () => {
    let result = spawnSync(process.execPath, [script, 'address'], { encoding: 'utf8' });
    // 3: this compiler has no address sanitizer; the tests themselves run all the same
    if (result.status === 3) result = spawnSync(process.execPath, [script, 'plain'], { encoding: 'utf8' });
    expect({ status: result.status, stderr: result.stderr }).toEqual({ status: 0, stderr: '' });
    expect(result.stdout).toMatch(/^every misuse is noticed$/m);
  }, 180_000);
});

onLinux('the acl backend on a toolkit of two libraries, without the functions that came later', () => {
  it('does the same', () => {
    const result = spawnSync(process.execPath, [script, 'old'], { encoding: 'utf8' });
    expect({ status: result.status, stderr: result.stderr }).toEqual({ status: 0, stderr: '' });
    expect(result.stdout).toMatch(/^answers of every batch of a model with gears$/m);
  }, 180_000);
});

describe('the acl backend without AscendCL', () => {
  it('takes OM files only', async () => {
    await expect(Session.open(addModel(), { device: { backend: 'acl', provider: 'ascend' } })).rejects.toMatchObject({
      name: 'NativeError',
      kind: 'load',
      message: 'an OM model is loaded from its file',
    });
  });

  it('has one provider', async () => {
    await expect(Session.open(addModel(), { device: { backend: 'acl', provider: 'cpu' } })).rejects.toMatchObject({
      kind: 'device',
      message: 'backend "acl" has no provider "cpu"; it has: ascend',
    });
  });
});
