import { describe, expect, it } from '@jest/globals';
import { failureOf, grantOf } from '@mserve/wire';
import { DispatchRig, instances, signature, ticket } from './dispatch.fixture.js';

describe('batches', () => {
  it('gives a free replica what one turn brought, up to the batch size at once', () => {
    const rig = new DispatchRig();
    rig.ready('w1', 8);
    rig.submit(ticket(1), ticket(2), ticket(3), ticket(4), ticket(5));
    expect(rig.given()).toEqual(['w1.0 <- 1[0+1]', 'w1.0 <- 2[0+1]', 'w1.0 <- 3[0+1]', 'w1.0 <- 4[0+1]', 'w1.0 <- 5[0+1]']);
    expect(rig.dispatcher.stats()).toMatchObject({ batches: 2, averageBatchSize: 2.5, queued: 0, running: 5 });
  });

  it('alternates between equally free replicas', () => {
    const rig = new DispatchRig();
    rig.ready('w1', 8);
    rig.ready('w2', 8);
    for (let id = 1; id <= 4; id++) rig.submit(ticket(id));
    expect(rig.given()).toEqual(['w1.0 <- 1[0+1]', 'w2.0 <- 2[0+1]', 'w1.0 <- 3[0+1]', 'w2.0 <- 4[0+1]']);
  });

  it('stays with the replica used last while all are idle: its weights are in the caches', () => {
    const rig = new DispatchRig();
    rig.ready('w1', 8);
    rig.ready('w2', 8);
    const used: string[] = [];
    for (let id = 1; id <= 4; id++) {
      rig.submit(ticket(id));
      const [given] = rig.given();
      used.push(given as string);
      rig.receipt((given as string).split('.')[0] as string, id, 0, 1);
    }
    expect(new Set(used.map((given) => given.split(' ')[0])).size).toBe(1);
    expect(used).toHaveLength(4);
  });

  it('gives a request that fits a batch to one replica, although it does not fit the rest of a batch', () => {
    const rig = new DispatchRig();
    rig.ready('w1', 8);
    rig.ready('w2', 8);
    rig.submit(ticket(1, 3), ticket(2, 4));
    expect(rig.given()).toEqual(['w1.0 <- 1[0+3]', 'w2.0 <- 2[0+4]']);
  });

  it('prefers the replica that can take a request whole to the one that is freer', () => {
    const rig = new DispatchRig();
    rig.ready('small', 2);
    rig.ready('large', 8);
    rig.submit(ticket(1), ticket(2, 1), ticket(3, 3));
    rig.given();
    rig.submit(ticket(4, 3));
    expect(rig.given()).toEqual(['large.0 <- 4[0+3]']);
  });

  it('splits a request that no replica can take whole', () => {
    const rig = new DispatchRig();
    rig.ready('w1', 2);
    rig.ready('w2', 2);
    rig.submit(ticket(1, 5));
    expect(rig.given()).toEqual(['w1.0 <- 1[0+2]', 'w2.0 <- 1[2+2]']);
    rig.receipt('w2', 1, 2, 2);
    expect(rig.given()).toEqual(['w2.0 <- 1[4+1]']);
  });

  it('spreads a request larger than a batch over replicas, a batch each', () => {
    const rig = new DispatchRig();
    rig.ready('w1', 8);
    rig.ready('w2', 8);
    rig.submit(ticket(1, 10));
    expect(rig.given()).toEqual(['w1.0 <- 1[0+4]', 'w2.0 <- 1[4+4]', 'w1.0 <- 1[8+2]']);
  });

  it('sends consecutive parts for one replica as one assignment', () => {
    const rig = new DispatchRig();
    rig.ready('w1', 8, signature('digits', { predict: 1 }));
    rig.submit(ticket(1, 10));
    expect(rig.given()).toEqual(['w1.0 <- 1[0+8]']);
    rig.receipt('w1', 1, 0, 8);
    expect(rig.given()).toEqual(['w1.0 <- 1[8+2]']);
    rig.receipt('w1', 1, 8, 2);
    expect(rig.dispatcher.stats()).toMatchObject({ receipted: 10, running: 0, queued: 0, lateReceipts: 0 });
  });

  it('passes the ticket on as it is when it stays whole', () => {
    const rig = new DispatchRig();
    rig.ready('w1', 8);
    const whole = ticket(1, 4);
    rig.submit(whole);
    const grant = grantOf(whole.key, 1, 0, 4);
    expect(rig.outlet.assignments[0]?.assignment).toEqual({ scheduler: 'scheduler-a', replica: 'w1.0', ticket: whole, grant, queuedUs: 0 });
    expect(rig.outlet.assignments[0]?.assignment.ticket).toBe(whole);
  });

  it('cuts bytes and sizes with the instances', () => {
    const rig = new DispatchRig();
    rig.ready('w1', 2);
    rig.submit(ticket(1, 3, { instances: { kind: 'inline', sizes: [1, 2, 3], bytes: Uint8Array.of(1, 2, 2, 3, 3, 3) } }));
    rig.receipt('w1', 1, 0, 2);
    const parts = rig.outlet.assignments.map(({ assignment }) => assignment.ticket.instances);
    expect(parts).toEqual([
      { kind: 'inline', sizes: [1, 2], bytes: Uint8Array.of(1, 2, 2) },
      { kind: 'inline', sizes: [3], bytes: Uint8Array.of(3, 3, 3) },
    ]);
  });

  it('lets several devices each take a batch of what waits', () => {
    const rig = new DispatchRig();
    for (let device = 0; device < 3; device++) rig.ready(`w${device}`, 4);
    rig.submit(...Array.from({ length: 3 }, (_, id) => ticket(id, 4)), ...Array.from({ length: 4 }, (_, i) => ticket(10 + i)));
    expect(rig.given()).toEqual(['w0.0 <- 0[0+4]', 'w1.0 <- 1[0+4]', 'w2.0 <- 2[0+4]']);
    rig.receipt('w1', 1, 0, 4);
    expect(rig.given()).toEqual([10, 11, 12, 13].map((id) => `w1.0 <- ${id}[0+1]`));
  });
});

describe('order', () => {
  function served(rig: DispatchRig): number[] {
    return rig.outlet.assignments.map(({ assignment }) => assignment.ticket.id);
  }

  /** One credit that is taken by request 0; everything else waits. */
  function busyRig(batchSizes: Record<string, number> = { predict: 1 }): DispatchRig {
    const rig = new DispatchRig();
    rig.ready('w1', 1, signature('digits', batchSizes));
    rig.submit(ticket(0, 1, { method: Object.keys(batchSizes)[0] as string }));
    return rig;
  }

  function finishAll(rig: DispatchRig): void {
    for (let i = 0; i < rig.outlet.assignments.length; i++) rig.receipt('w1', rig.outlet.assignments[i]?.assignment.ticket.id ?? -1, 0, 1);
  }

  it('watches deadlines of what waits only', () => {
    const rig = new DispatchRig();
    rig.ready('worker-a', 2, signature('digits', { predict: 2 }));
    rig.submit(ticket(1, 2, { deadlineAt: 2000 }), ticket(2, 3, { deadlineAt: 1500 }), ticket(3, 1, { deadlineAt: 1700 }));
    expect(rig.dispatcher.nextWakeAt()).toBe(1500);
    rig.receipt('worker-a', 2, 0, 2);
    expect(rig.dispatcher.nextWakeAt()).toBe(2000);
    rig.dispatcher.cancel([{ gateway: 'gateway-a', id: 1 }]);
    expect(rig.dispatcher.nextWakeAt()).toBe(Infinity);
    rig.lose('worker-a');
    expect(rig.dispatcher.nextWakeAt()).toBe(Infinity);
  });

  it('is priority, then deadline, then arrival', () => {
    const rig = busyRig();
    rig.submit(
      ticket(1),
      ticket(2, 1, { deadlineAt: 9000 }),
      ticket(3, 1, { deadlineAt: 5000 }),
      ticket(4, 1, { priority: 1 }),
      ticket(5),
      ticket(6, 1, { priority: 1, deadlineAt: 9000 }),
    );
    finishAll(rig);
    expect(served(rig)).toEqual([0, 6, 4, 3, 2, 1, 5]);
  });

  it('takes the methods of a servable in turn', () => {
    const rig = busyRig({ a: 1, b: 1, c: 1 });
    rig.submit(
      ...[1, 2, 3].map((id) => ticket(id, 1, { method: 'a' })),
      ticket(4, 1, { method: 'b' }),
      ticket(5, 1, { method: 'c' }),
      ticket(6, 1, { method: 'c' }),
    );
    finishAll(rig);
    expect(served(rig)).toEqual([0, 4, 5, 1, 6, 2, 3]);
  });

  it('puts priority before turns', () => {
    const rig = busyRig({ a: 1, b: 1 });
    rig.submit(ticket(1, 1, { method: 'b' }), ticket(2, 1, { method: 'a', priority: 2 }), ticket(3, 1, { method: 'a', priority: 2 }));
    finishAll(rig);
    expect(served(rig)).toEqual([0, 2, 3, 1]);
  });

  it('waits for a fuller batch only when asked to, and no longer than asked', () => {
    const rig = new DispatchRig({ maxQueueDelayMs: 5 });
    rig.ready('w1', 8);
    rig.submit(ticket(1));
    expect(rig.given()).toEqual([]);
    expect(rig.dispatcher.nextWakeAt()).toBe(1005);
    rig.submit(ticket(2, 3));
    expect(rig.given()).toEqual(['w1.0 <- 1[0+1]', 'w1.0 <- 2[0+3]']);
    rig.submit(ticket(3));
    rig.now = 1005;
    rig.dispatcher.wake(rig.now);
    expect(rig.given()).toEqual(['w1.0 <- 3[0+1]']);
    expect(rig.dispatcher.nextWakeAt()).toBe(Infinity);
  });
});

describe('refusals', () => {
  it('names a servable without replicas, and a method that is not there, with reason and facts', () => {
    const rig = new DispatchRig();
    rig.submit(ticket(1));
    rig.ready('w1', 1);
    rig.submit(ticket(2, 1, { method: 'train' }), ticket(3, 1, { version: 2 }), ticket(4, 0));
    expect(rig.outlet.refusals.map(({ refusal }) => refusal.failure)).toEqual([
      failureOf('servable-unavailable', { servable: 'digits', method: 'predict' }),
      failureOf('method-not-found', { servable: 'digits', method: 'train' }),
      failureOf('servable-unavailable', { servable: 'digits', method: 'predict' }),
      failureOf('no-instances', { servable: 'digits', method: 'predict' }),
    ]);
  });

  it('bounds the queued requests, refusing the newest', () => {
    const rig = new DispatchRig({ maxQueuedRequests: 2 });
    rig.ready('w1', 1);
    rig.submit(ticket(1), ticket(2), ticket(3), ticket(4), ticket(5));
    expect(rig.given()).toEqual(['w1.0 <- 1[0+1]']);
    expect(rig.outlet.refusals.map(({ refusal }) => refusal)).toEqual(
      [5, 4].map((id) => ({
        id,
        attempt: 1,
        firstInstance: 0,
        instances: 1,
        failure: failureOf('too-many-requests', { limit: 2 }),
        key: 7,
      })),
    );
    rig.receipt('w1', 1, 0, 1);
    rig.submit(ticket(6), ticket(7));
    expect(rig.refused().slice(2)).toEqual(['7[0+1] RESOURCE_EXHAUSTED']);
  });

  it('bounds the queued instances', () => {
    const rig = new DispatchRig({ maxQueuedInstances: 10 });
    rig.ready('w1', 2);
    rig.submit(ticket(1, 11), ticket(2, 10), ticket(3, 3));
    expect(rig.refused()).toEqual(['1[0+11] RESOURCE_EXHAUSTED', '3[0+3] RESOURCE_EXHAUSTED']);
    expect(rig.given()).toEqual(['w1.0 <- 2[0+2]']);
  });

  it('answers what expires in the queue, and never runs it', () => {
    const rig = new DispatchRig();
    rig.ready('w1', 1);
    rig.submit(
      ticket(1, 1, { deadlineAt: 2000 }),
      ticket(2, 1, { deadlineAt: 1500 }),
      ticket(3, 1, { deadlineAt: 1700 }),
      ticket(4, 1, { deadlineAt: 1000 }),
    );
    expect(rig.refused()).toEqual(['4[0+1] DEADLINE_EXCEEDED']);
    expect(rig.given()).toEqual(['w1.0 <- 2[0+1]']);
    expect(rig.dispatcher.nextWakeAt()).toBe(1700);
    rig.now = 1700;
    rig.dispatcher.wake(rig.now);
    expect(rig.refused()).toEqual(['3[0+1] DEADLINE_EXCEEDED']);
    rig.now = 2100;
    rig.receipt('w1', 2, 0, 1);
    expect(rig.refused()).toEqual(['1[0+1] DEADLINE_EXCEEDED']);
    expect(rig.given()).toEqual([]);
    expect(rig.dispatcher.stats()).toMatchObject({ queued: 0, running: 0, refused: { DEADLINE_EXCEEDED: 3 } });
  });

  it('takes a ticket that is delivered twice once, and of a resent one what is missing', () => {
    const rig = new DispatchRig();
    rig.ready('w1', 2);
    rig.submit(ticket(1, 4), ticket(1, 4));
    expect(rig.given()).toEqual(['w1.0 <- 1[0+2]']);
    rig.receipt('w1', 1, 0, 1);
    rig.submit(ticket(1, 6, { attempt: 2 }));
    expect(rig.dispatcher.stats()).toMatchObject({ accepted: 7, duplicates: 7, queued: 4, running: 2 });
  });
});

describe('cancellation', () => {
  it('frees the place of what is queued and tells the workers that hold the rest', () => {
    const rig = new DispatchRig();
    rig.ready('w1', 2);
    rig.ready('w2', 2);
    rig.submit(ticket(1, 6), ticket(2));
    rig.dispatcher.cancel([
      { gateway: 'gateway-a', id: 1 },
      { gateway: 'gateway-a', id: 1 },
      { gateway: 'gateway-b', id: 2 },
    ]);
    expect(rig.outlet.cancellations.map(({ worker }) => worker).sort()).toEqual(['w1', 'w2']);
    expect(rig.dispatcher.stats()).toMatchObject({ cancelled: 2, queued: 1, running: 4 });
    rig.given();
    rig.receipt('w1', 1, 0, 2);
    expect(rig.given()).toEqual(['w1.0 <- 2[0+1]']);
    rig.lose('w2');
    expect(rig.given()).toEqual([]);
    expect(rig.dispatcher.stats()).toMatchObject({ cancelled: 4, receipted: 2, queued: 0, running: 1, retried: 0 });
    expect(rig.refused()).toEqual([]);
  });
});

describe('lost workers', () => {
  it('gives what they had to another replica, once more', () => {
    const rig = new DispatchRig();
    rig.ready('w1', 8);
    rig.submit(ticket(1, 4), ticket(2, 2));
    rig.given();
    rig.ready('w2', 8);
    rig.receipt('w1', 1, 1, 2);
    rig.lose('w1');
    expect(rig.given()).toEqual(['w2.0 <- 1[0+1]#2', 'w2.0 <- 1[3+1]#2', 'w2.0 <- 2[0+2]#2']);
    rig.receipt('w1', 2, 0, 2);
    rig.receipt('w2', 2, 0, 2, 1);
    expect(rig.dispatcher.stats()).toMatchObject({ running: 4, lateReceipts: 2, retried: 4 });
    rig.receipt('w2', 2, 0, 2, 2);
    expect(rig.dispatcher.stats()).toMatchObject({ running: 2, receipted: 4 });
  });

  it('refuses what two workers had in hand when they died', () => {
    const rig = new DispatchRig({ maxAttempts: 5 });
    for (const worker of ['w1', 'w2', 'w3']) rig.ready(worker, 4);
    rig.submit(ticket(1, 2));
    rig.lose('w1');
    rig.lose('w2');
    expect(rig.given()).toEqual(['w1.0 <- 1[0+2]', 'w2.0 <- 1[0+2]#2']);
    expect(rig.outlet.refusals.map(({ refusal }) => [refusal.attempt, refusal.failure])).toEqual([
      [2, failureOf('workers-died', { servable: 'digits', method: 'predict' })],
    ]);
  });

  it('counts attempts that another scheduler made', () => {
    const rig = new DispatchRig();
    rig.ready('w1', 4);
    rig.ready('w2', 4);
    rig.submit(ticket(1, 1, { attempt: 2 }));
    rig.lose('w1');
    expect(rig.refused()).toEqual(['1[0+1] UNAVAILABLE']);
  });

  it('never moves work to a replica that is lost with it', () => {
    const rig = new DispatchRig();
    rig.ready('w1', 4);
    rig.ready('w2', 4);
    rig.ready('w3', 4);
    rig.submit(ticket(1, 4));
    rig.given();
    rig.lose('w1', 'w2');
    expect(rig.given()).toEqual(['w3.0 <- 1[0+4]#2']);
  });

  it('refuses everything at once when no replica is left', () => {
    const rig = new DispatchRig();
    rig.ready('w1', 1);
    rig.submit(ticket(1), ticket(2));
    rig.lose('w1');
    expect(rig.refused().sort()).toEqual(['1[0+1] UNAVAILABLE', '2[0+1] UNAVAILABLE']);
    rig.submit(ticket(3));
    expect(rig.refused()).toEqual(['3[0+1] UNAVAILABLE']);
  });

  it('keeps the queue for a while when the bus, not the workers, went away', () => {
    const rig = new DispatchRig();
    rig.ready('w1', 1);
    rig.submit(ticket(1), ticket(2));
    rig.given();
    rig.dispatcher.removeReplicas(['w1.0'], 'unreachable', rig.now, rig.now + 3000);
    expect(rig.refused()).toEqual([]);
    rig.ready('w1', 2);
    expect(rig.given()).toEqual(['w1.0 <- 1[0+1]#2', 'w1.0 <- 2[0+1]']);
    rig.submit(ticket(3));
    rig.dispatcher.removeReplicas(['w1.0'], 'unreachable', rig.now, rig.now + 3000);
    rig.refused();
    rig.now += 3000;
    rig.dispatcher.sweep(rig.now);
    // An outage is no fault of a request: it may happen to it any number of times
    expect(rig.refused().sort()).toEqual(['1[0+1] UNAVAILABLE', '2[0+1] UNAVAILABLE', '3[0+1] UNAVAILABLE']);
  });

  it('gives nothing to a draining replica, whose receipts still count', () => {
    const rig = new DispatchRig();
    rig.ready('w1', 4);
    rig.submit(ticket(1));
    rig.ready('w2', 4);
    rig.dispatcher.drainReplicas(['w1.0'], rig.now);
    rig.given();
    rig.submit(ticket(2), ticket(3));
    expect(rig.given()).toEqual(['w2.0 <- 2[0+1]', 'w2.0 <- 3[0+1]']);
    rig.receipt('w1', 1, 0, 1);
    rig.dispatcher.removeReplicas(['w1.0'], 'died', rig.now);
    expect(rig.given()).toEqual([]);
    expect(rig.dispatcher.stats()).toMatchObject({ receipted: 1, running: 2 });
  });

  it('gives what was queued to draining replicas that are the last of their version, and refuses what comes later', () => {
    const rig = new DispatchRig();
    rig.ready('w1', 1);
    rig.submit(ticket(1), ticket(2), ticket(3));
    rig.given();
    rig.dispatcher.drainReplicas(['w1.0'], rig.now);
    rig.submit(ticket(4));
    expect(rig.refused()).toEqual(['4[0+1] UNAVAILABLE']);
    rig.receipt('w1', 1, 0, 1);
    expect(rig.given()).toEqual(['w1.0 <- 2[0+1]']);
    rig.ready('w2', 1);
    expect(rig.given()).toEqual(['w2.0 <- 3[0+1]']);
    rig.receipt('w1', 2, 0, 1);
    rig.submit(ticket(5));
    expect(rig.given()).toEqual([]);
    rig.lose('w2');
    expect(rig.given()).toEqual(['w1.0 <- 3[0+1]#2']);
    rig.dispatcher.removeReplicas(['w1.0'], 'died', rig.now);
    expect(rig.refused()).toHaveLength(2);
  });

  it('gives an undelivered assignment to another one, and its worker nothing until it is heard again', () => {
    const rig = new DispatchRig();
    rig.ready('w1', 4);
    rig.ready('w2', 4);
    rig.submit(ticket(1));
    rig.outlet.assignments.splice(0)[0]?.onUndelivered(rig.now);
    expect(rig.given()).toEqual(['w2.0 <- 1[0+1]']);
    rig.submit(ticket(2));
    expect(rig.given()).toEqual(['w2.0 <- 2[0+1]']);
    rig.dispatcher.resume(['w1.0'], rig.now);
    rig.submit(ticket(3));
    expect(rig.given()).toEqual(['w1.0 <- 3[0+1]']);
  });

  it('gives up on what never reaches anybody', () => {
    const rig = new DispatchRig();
    rig.ready('w1', 4);
    rig.submit(ticket(1));
    for (let i = 0; i < 3; i++) {
      rig.outlet.assignments.splice(0)[0]?.onUndelivered(rig.now);
      rig.dispatcher.resume(['w1.0'], rig.now);
    }
    expect(rig.given()).toEqual([]);
    expect(rig.refused()).toEqual(['1[0+1] UNAVAILABLE']);
  });

  it('takes credits back when a receipt is long overdue', () => {
    const rig = new DispatchRig({ receiptGraceMs: 100 });
    rig.ready('w1', 1);
    rig.submit(ticket(1, 1, { deadlineAt: 1100 }), ticket(2));
    rig.now = 1199;
    rig.dispatcher.sweep(rig.now);
    expect(rig.given()).toEqual(['w1.0 <- 1[0+1]']);
    rig.now = 1200;
    rig.dispatcher.sweep(rig.now);
    expect(rig.given()).toEqual(['w1.0 <- 2[0+1]']);
    expect(rig.refused()).toEqual(['1[0+1] DEADLINE_EXCEEDED']);
    expect(rig.dispatcher.stats().missingReceipts).toBe(1);
  });
});

describe('replicas', () => {
  it('share their credits between methods', () => {
    const rig = new DispatchRig();
    rig.ready('w1', 3, signature('digits', { a: 4, b: 4 }));
    rig.submit(ticket(1, 2, { method: 'a' }), ticket(2, 2, { method: 'b' }));
    expect(rig.given()).toEqual(['w1.0 <- 1[0+2]', 'w1.0 <- 2[0+1]']);
  });

  it('are taken for as fast as the others while nobody has had to wait for them', () => {
    const rig = new DispatchRig();
    const put = (worker: string): void =>
      void rig.dispatcher.putReplica({ replica: `${worker}.0`, worker, credits: 16, leastCredits: 2, signature: signature() }, rig.now);
    put('w1');
    rig.submit(...Array.from({ length: 8 }, (_, i) => ticket(i)));
    expect(rig.given()).toHaveLength(2);
    for (let id = 0; id < 8; id++) {
      rig.now += 1;
      rig.receipt('w1', id, 0, 1);
    }
    rig.given();
    put('w2');
    rig.submit(...Array.from({ length: 16 }, (_, i) => ticket(100 + i)));
    const given = rig.given().map((text) => text.split(' ')[0]);
    expect([given.filter((id) => id === 'w1.0'), given.filter((id) => id === 'w2.0')].map(({ length }) => length)).toEqual([8, 8]);
  });

  it('may change their credits', () => {
    const rig = new DispatchRig();
    rig.ready('w1', 1);
    rig.submit(ticket(1), ticket(2), ticket(3));
    rig.given();
    expect(rig.ready('w1', 2)).toBe('updated');
    expect(rig.given()).toEqual(['w1.0 <- 2[0+1]']);
    rig.ready('w1', 1);
    rig.receipt('w1', 1, 0, 1);
    expect(rig.given()).toEqual([]);
    rig.receipt('w1', 2, 0, 1);
    expect(rig.given()).toEqual(['w1.0 <- 3[0+1]']);
  });

  it('with another signature of the same version are not taken', () => {
    const rig = new DispatchRig();
    expect(rig.ready('w1', 1)).toBe('added');
    expect(rig.ready('w2', 1, signature('digits', { predict: 8 }))).toBe('conflict');
    expect(rig.ready('w3', 1, signature('digits', { predict: 8 }, 2))).toBe('added');
    rig.submit(ticket(1), ticket(2));
    expect(rig.given()).toEqual(['w1.0 <- 1[0+1]']);
  });
});

describe('instances', () => {
  it('in this process are passed by reference', () => {
    const rig = new DispatchRig();
    rig.ready('w1', 1);
    const local = { kind: 'local' as const, instances: [[], [], []] };
    rig.submit(ticket(1, 0, { instances: local }));
    rig.receipt('w1', 1, 0, 1);
    expect(rig.given()).toEqual(['w1.0 <- 1[0+1]', 'w1.0 <- 1[1+1]']);
    expect(instances(2)).toMatchObject({ sizes: [0, 0] });
  });
});
