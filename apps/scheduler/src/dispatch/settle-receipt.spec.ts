import { describe, expect, it } from '@jest/globals';
import { DispatchRig, ticket } from './dispatch.fixture.js';

describe('receipts', () => {
  it('count only with the grant of their assignment: a worker that has one part cannot receipt another', () => {
    const rig = new DispatchRig();
    rig.ready('w1', 1);
    rig.ready('w2', 1);
    rig.submit(ticket(1, 2), ticket(2, 1));
    const [one, other] = rig.outlet.assignments.map(({ assignment }) => assignment);
    const base = { gateway: 'gateway-a', id: 1, attempt: 1, firstInstance: 0, instances: 2 };
    for (const grant of [0, other?.grant ?? 0]) rig.dispatcher.settle([{ ...base, replica: one?.replica ?? '', grant }], rig.now);
    expect(rig.dispatcher.stats()).toMatchObject({ running: 2, receipted: 0, lateReceipts: 2 });
    rig.dispatcher.settle([{ ...base, replica: one?.replica ?? '', grant: one?.grant ?? 0 }], rig.now);
    expect(rig.dispatcher.stats()).toMatchObject({ receipted: 1, lateReceipts: 2 });
  });

  it.each([
    [
      'was cancelled',
      (rig: DispatchRig, id: number): void => {
        rig.submit(ticket(id, 1));
        rig.dispatcher.cancel([{ gateway: 'gateway-a', id }]);
        rig.now += 1;
      },
    ],
    [
      'came too late to be begun',
      (rig: DispatchRig, id: number): void => {
        rig.submit(ticket(id, 1, { deadlineAt: rig.now + 1 }));
        rig.now += 1.5;
      },
    ],
  ])('of what %s say nothing of how fast a replica is', (_, drop) => {
    const rig = new DispatchRig();
    rig.ready('w1', 1);
    const [last, dropped] = [8, 40];
    for (let id = 1; id <= last; id++) rig.submit(ticket(id, 1));
    for (let id = 1; id <= last; id++) {
      rig.now += 10;
      rig.receipt('w1', id, 0, 1);
    }
    for (let id = last + 1; id <= dropped; id++) {
      drop(rig, id);
      rig.receipt('w1', id, 0, 1);
    }
    expect(rig.refused()).toEqual([]);
    for (let id = 101; id <= 106; id++) rig.submit(ticket(id, 1));
    // It would be the next one, after the one in hand
    rig.submit(ticket(107, 1, { deadlineAt: rig.now + 20 }), ticket(108, 1, { deadlineAt: rig.now + 40 }));
    expect(rig.refused()).toEqual(['107[0+1] RESOURCE_EXHAUSTED']);
  });
});
