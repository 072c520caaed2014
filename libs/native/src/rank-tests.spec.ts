import { describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const script = join(import.meta.dirname, '..', 'test', 'rank-tests.mjs');

/** The short form of libs/native/test/rank-tests.mjs, which has the thread sanitizer and more rounds too. */
describe('the communicator between ranks, as threads without Node', () => {
  it('moves tensors, withstands peers that send what they should not, and aborts at any time, under the address sanitizer', () => {
    let result = spawnSync(process.execPath, [script, 'address'], { encoding: 'utf8' });
    // 3: this compiler has no address sanitizer; the tests themselves run all the same
    if (result.status === 3) result = spawnSync(process.execPath, [script, 'plain'], { encoding: 'utf8' });
    expect({ status: result.status, stderr: result.stderr }).toEqual({ status: 0, stderr: '' });
    expect(result.stdout).toMatch(/^peers that send what they should not$/m);
  }, 180_000);
});
