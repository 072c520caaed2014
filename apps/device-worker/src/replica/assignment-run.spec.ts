import { BorrowedMemory, type SharedMemory } from '@mserve/bus';
import { describe, expect, it } from '@jest/globals';
import type { Assignment, Instance, InstanceResult } from '@mserve/wire';
import { AssignmentRun } from './assignment-run.js';

const tensor = (bytes: Uint8Array): Instance => [{ dtype: 'uint8', shape: [bytes.byteLength], bytes }];
const assignment: Assignment = {
  ...{ scheduler: 'scheduler-1', replica: 'worker-1.0', grant: 1, queuedUs: 0 },
  ticket: {
    ...{ gateway: 'gateway-1', id: 1, key: 0, attempt: 1, servable: 's', version: 1, method: 'm', firstInstance: 0, priority: 0 },
    ...{ deadlineAt: Infinity, watch: undefined, context: undefined, instances: { kind: 'local', instances: [] } },
  },
};
const failed: InstanceResult = { failure: { code: 'INTERNAL', message: 'no' } };

describe('AssignmentRun with tensors in the memory of its gateway', () => {
  const inputs = new Uint8Array(64);
  /** How often the memory of the inputs was given back, after the run had these results, list by list. */
  function givenBack(lists: readonly (readonly InstanceResult[])[], isCancelled = false): number {
    let given = 0;
    const memory: SharedMemory = {
      ...{ sizeBytes: 0, usedBytes: 0, place: () => undefined, read: () => undefined },
      isLent: (buffer) => buffer === inputs.buffer,
      giveBack: (buffer) => void (given += buffer === inputs.buffer ? 1 : 0),
    };
    const run = new AssignmentRun(assignment, undefined, lists.flat().length, 0, () => undefined);
    run.borrow(BorrowedMemory.of(memory, [tensor(inputs.subarray(8, 16))]));
    if (isCancelled) run.cancel();
    for (const list of lists) run.left(list);
    expect(given).toBe(0);
    run.giveBack();
    run.giveBack();
    return given;
  }
  const right: InstanceResult = { outputs: tensor(new Uint8Array(8)) };

  it('gives it back once, when all have results of their own', () => {
    expect(givenBack([[right, right], [right]])).toBe(1);
  });

  it.each([
    ['one failed: something may still be at work on them', [[right, failed], [right]], false],
    ['one failed before', [[failed], [right]], false],
    ['one is a view of them', [[right, { outputs: tensor(inputs.subarray(0, 4)) }]], false],
    ['it was cancelled', [[right]], true],
  ])('leaves it to the garbage collector when %s', (_, lists, isCancelled) => {
    expect(givenBack(lists, isCancelled)).toBe(0);
  });
});
