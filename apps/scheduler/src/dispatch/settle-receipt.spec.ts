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
});
