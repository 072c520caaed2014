import { describe, expect, it } from '@jest/globals';
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { loadRank } from './rank.js';
import { numberTensor, numbersOf } from './testing/numbers.js';
import { sumProgram } from './testing/rank-programs.js';
import { RankSet } from './testing/rank-set.js';

const script = join(import.meta.dirname, '..', 'test', 'rank-tests.mjs');

/** The short form of libs/native/test/rank-tests.mjs, which has the thread sanitizer and more rounds too. */
describe('the communicator between ranks, as threads without Node', () => {
  it('moves tensors, withstands peers that send what they should not, and aborts at any time, under the address sanitizer', () => {
    let result = spawnSync(process.execPath, [script, 'address'], { encoding: 'utf8' });
    // 3: this compiler has no address sanitizer; the tests themselves run all the same
    if (result.status === 3) result = spawnSync(process.execPath, [script, 'plain'], { encoding: 'utf8' });
    expect({ status: result.status, stderr: result.stderr }).toEqual({ status: 0, stderr: '' });
    expect(result.stdout).toMatch(/^peers that send what they should not$/m);
  }, 600_000);
});

describe('ranks over NCCL', () => {
  it('on the fake library: form, run, and again in the next epoch', async () => {
    const fake = execFileSync(process.execPath, [script, '--fake-nccl'], { encoding: 'utf8' }).trim();
    const set = await RankSet.load([sumProgram(2), sumProgram(2)], {}, (device) => ({ nccl: { device, ncclPath: fake, cudaPath: fake } }));
    for (let epoch = 0; epoch < 2; epoch++) {
      await set.form();
      const outputs = await set.run([[numberTensor('float32', [2], [1, 2])], [numberTensor('float32', [2], [10, 20])]]);
      expect(outputs.flat().map(numbersOf)).toEqual([
        [11, 22],
        [11, 22],
      ]);
    }
    await set.close();
  }, 300_000);

  it('where it is not installed: one sentence', async () => {
    const nccl = { device: 0, ncclPath: '/nowhere/libnccl.so.2', cudaPath: '/nowhere/libcudart.so' };
    await expect(loadRank(sumProgram(1), { rank: 0, rankSize: 1, nccl })).rejects.toMatchObject({
      kind: 'library',
      message: expect.stringMatching(
        /^the CUDA runtime cannot be loaded \(.*\): install it, or leave out the option nccl and use shared memory and TCP$/,
      ),
    });
  });
});
