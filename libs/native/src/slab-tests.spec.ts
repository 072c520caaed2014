import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';

const script = join(import.meta.dirname, '..', 'test', 'slab-tests.mjs');

/** The short form of libs/native/test/slab-tests.mjs, which has the thread sanitizer and more steps too. */
it('slabs and rings keep their bytes for readers, withstand strangers, and forget who is killed, under the address sanitizer', () => {
  let result = spawnSync(process.execPath, [script, 'address'], { encoding: 'utf8' });
  // 3: this compiler has no address sanitizer; the tests themselves run all the same
  if (result.status === 3) result = spawnSync(process.execPath, [script, 'plain'], { encoding: 'utf8' });
  expect({ status: result.status, stderr: result.stderr }).toEqual({ status: 0, stderr: '' });
  expect(result.stdout).toMatch(/^an owner that is killed at each step$/m);
  expect(result.stdout).toMatch(/^a writer that is killed at each step$/m);
  expect(result.stdout).toMatch(/^writers and readers that are killed at work$/m);
}, 600_000);
