import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Refusal } from '@mserve/wire';
import { DispatchRig, signature, ticket, type SentAssignment } from './dispatch.fixture.js';

const workers = ['w0', 'w1', 'w2'];
const receiptGraceMs = 20;
const maxQueuedRequests = 6;
const of = signature('digits', { a: 1, b: 3 });

type Step =
  | {
      readonly act: 'submit';
      readonly tickets: readonly { id: number; first: number; count: number; method: string; priority: number; timeoutMs: number }[];
    }
  | { readonly act: 'ready'; readonly worker: number; readonly credits: number }
  | { readonly act: 'lose' | 'drain' | 'cut' | 'resume'; readonly workers: readonly number[] }
  | { readonly act: 'receipt' | 'undelivered'; readonly pick: number; readonly skip: number; readonly count: number }
  | { readonly act: 'cancel'; readonly id: number }
  | { readonly act: 'pass'; readonly ms: number };

const someWorkers = fc.subarray([0, 1, 2], { minLength: 1 });
const oneTicket = fc.record({
  id: fc.nat(12),
  first: fc.nat(3),
  count: fc.nat(7),
  method: fc.constantFrom('a', 'b', 'b', 'unknown'),
  priority: fc.nat(2),
  timeoutMs: fc.oneof(fc.constant(Infinity), fc.nat(30)),
});
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        act: fc.constant('submit' as const),
        tickets: fc.uniqueArray(oneTicket, { minLength: 1, maxLength: 4, selector: ({ id }) => id }),
      }),
    },
    { weight: 3, arbitrary: fc.record({ act: fc.constant('ready' as const), worker: fc.nat(2), credits: fc.integer({ min: 1, max: 5 }) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        act: fc.constantFrom('lose' as const, 'drain' as const, 'cut' as const, 'resume' as const),
        workers: someWorkers,
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        act: fc.constantFrom('receipt' as const, 'receipt' as const, 'undelivered' as const),
        pick: fc.nat(20),
        skip: fc.nat(2),
        count: fc.integer({ min: 1, max: 4 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ act: fc.constant('cancel' as const), id: fc.nat(12) }) },
    { weight: 2, arbitrary: fc.record({ act: fc.constant('pass' as const), ms: fc.nat(25) }) },
  ),
  { maxLength: 60 },
);

interface Entry {
  state: 'queued' | 'in-hand' | 'receipted' | 'refused' | 'cancelled';
  /** Where and as which attempt it is in hand. */
  holder: string;
  deadlineAt: number;
  cancelled: boolean;
}

/** What must have become of every instance, worked out from what goes in and what comes out, without looking inside. */
class Ledger {
  readonly rig = new DispatchRig({ receiptGraceMs, maxQueuedRequests, maxQueuedInstances: 40 });
  readonly entries = new Map<string, Entry>();
  private readonly sent: SentAssignment[] = [];
  /** Assignments so far, and how many there were when one was undelivered. */
  private sentCount = 0;
  private lostAt = -1;

  apply(step: Step): void {
    const { rig } = this;
    switch (step.act) {
      case 'submit':
        return this.submit(step.tickets);
      case 'ready':
        rig.ready(workers[step.worker] as string, step.credits, of);
        break;
      case 'drain':
        rig.dispatcher.drainReplicas(replicaIds(step.workers), rig.now);
        break;
      case 'resume':
        rig.dispatcher.resume(replicaIds(step.workers), rig.now);
        break;
      case 'lose':
      case 'cut':
        for (const id of replicaIds(step.workers)) this.release((entry) => entry.holder.startsWith(`${id} `));
        rig.dispatcher.removeReplicas(
          replicaIds(step.workers),
          step.act === 'lose' ? 'died' : 'unreachable',
          rig.now,
          step.act === 'cut' ? rig.now + 10 : rig.now,
        );
        break;
      case 'receipt':
        return this.receipt(step.pick, step.skip, step.count);
      case 'undelivered':
        return this.undelivered(step.pick);
      case 'cancel':
        return this.cancel(step.id);
      case 'pass':
        rig.now += step.ms;
        rig.dispatcher.wake(rig.now);
        for (const entry of this.entries.values()) {
          const overdue = entry.state === 'in-hand' && entry.deadlineAt + receiptGraceMs <= rig.now;
          if (overdue) entry.state = entry.cancelled ? 'cancelled' : 'queued';
        }
        rig.dispatcher.sweep(rig.now);
    }
    this.read();
  }

  /** Everything in hand gets its receipt until nothing is left. */
  finish(): void {
    for (let round = 0; round < 1000 && this.rig.dispatcher.stats().running > 0; round++) {
      for (let pick = 0; pick < this.sent.length; pick++) this.receipt(pick, 0, 100);
    }
  }

  check(): void {
    const stats = this.rig.dispatcher.stats();
    const count = (state: Entry['state']): number => [...this.entries.values()].filter((entry) => entry.state === state).length;
    expect({ queued: stats.queued, running: stats.running }).toEqual({ queued: count('queued'), running: count('in-hand') });
    const refused = Object.values(stats.refused).reduce((sum, n) => sum + n, 0);
    expect(stats.accepted).toBe(stats.queued + stats.running + stats.receipted + stats.cancelled + refused);
    for (const { credits, inHand, draining, suspended } of stats.replicas) {
      expect(inHand).toBeGreaterThanOrEqual(0);
      const free = draining || suspended ? 0 : Math.max(0, credits - inHand);
      // Work-conserving: nothing waits beside a free credit.
      if (stats.queued > 0) expect(free).toBe(0);
    }
  }

  private submit(list: Extract<Step, { act: 'submit' }>['tickets']): void {
    const { rig } = this;
    const made = list.map(({ id, first, count, method, priority, timeoutMs }) =>
      ticket(id, count, { firstInstance: first, method, priority, deadlineAt: rig.now + timeoutMs }),
    );
    for (const { id, first, count, timeoutMs } of list) {
      for (let at = first; at < first + count; at++) {
        const known = this.entries.get(`${id}:${at}`)?.state;
        if (known === 'queued' || known === 'in-hand') continue;
        this.entries.set(`${id}:${at}`, { state: 'queued', holder: '', deadlineAt: rig.now + timeoutMs, cancelled: false });
      }
    }
    rig.submit(...made);
    this.read();
  }

  private receipt(pick: number, skip: number, count: number): void {
    const { assignment } = this.sent[pick % Math.max(1, this.sent.length)] ?? {};
    if (assignment === undefined) return;
    const { id, attempt, firstInstance } = assignment.ticket;
    const from = firstInstance + skip;
    for (let at = from; at < from + count; at++) {
      const entry = this.entries.get(`${id}:${at}`);
      if (entry?.state === 'in-hand' && entry.holder === `${assignment.replica} ${attempt} ${assignment.grant}`) entry.state = 'receipted';
    }
    this.rig.dispatcher.settle(
      [{ replica: assignment.replica, gateway: 'gateway-a', id, attempt, firstInstance: from, instances: count, grant: assignment.grant }],
      this.rig.now,
    );
    this.read();
  }

  /** At most once per assignment, and only when no receipt can have come: the fake bus lets only the newest one get lost. */
  private undelivered(pick: number): void {
    const sent = pick % 2 === 0 ? this.sent.at(-1) : undefined;
    if (sent === undefined || this.sentCount === this.lostAt) return;
    const { ticket: part, replica, grant } = sent.assignment;
    const keys = Array.from(
      { length: part.instances.kind === 'inline' ? part.instances.sizes.length : 0 },
      (_, i) => `${part.id}:${part.firstInstance + i}`,
    );
    if (
      !keys.every(
        (key) => this.entries.get(key)?.state === 'in-hand' && this.entries.get(key)?.holder === `${replica} ${part.attempt} ${grant}`,
      )
    )
      return;
    this.lostAt = this.sentCount;
    this.release((_entry, key) => keys.includes(key));
    this.sent.pop();
    sent.onUndelivered(this.rig.now);
    this.read();
  }

  private cancel(id: number): void {
    for (const [key, entry] of this.entries) {
      if (!key.startsWith(`${id}:`)) continue;
      if (entry.state === 'queued') entry.state = 'cancelled';
      else if (entry.state === 'in-hand') entry.cancelled = true;
    }
    this.rig.dispatcher.cancel([{ gateway: 'gateway-a', id }]);
    this.read();
  }

  /** These leave their replica without receipt. */
  private release(which: (entry: Entry, key: string) => boolean): void {
    for (const [key, entry] of this.entries) {
      if (entry.state === 'in-hand' && which(entry, key)) entry.state = entry.cancelled ? 'cancelled' : 'queued';
    }
  }

  /** Takes what the dispatcher decided; every decision must be about instances that were queued. */
  private read(): void {
    const { outlet } = this.rig;
    for (const refusal of outlet.refusals.splice(0)) this.readRefusal(refusal.refusal);
    for (const sent of outlet.assignments.splice(0)) {
      const { replica, ticket: part, grant } = sent.assignment;
      expect(part.deadlineAt).toBeGreaterThan(this.rig.now);
      const sizes = part.instances.kind === 'inline' ? part.instances.sizes.length : -1;
      for (let at = part.firstInstance; at < part.firstInstance + sizes; at++) {
        const entry = this.entries.get(`${part.id}:${at}`);
        expect([part.id, at, entry?.state]).toEqual([part.id, at, 'queued']);
        if (entry === undefined) continue;
        entry.state = 'in-hand';
        entry.holder = `${replica} ${part.attempt} ${grant}`;
      }
      this.sent.push(sent);
      this.sentCount += 1;
    }
  }

  private readRefusal(refusal: Refusal): void {
    for (let at = refusal.firstInstance; at < refusal.firstInstance + refusal.instances; at++) {
      const entry = this.entries.get(`${refusal.id}:${at}`);
      expect([refusal.id, at, entry?.state]).toEqual([refusal.id, at, 'queued']);
      if (entry !== undefined) entry.state = 'refused';
    }
  }
}

function replicaIds(indexes: readonly number[]): string[] {
  return indexes.map((index) => `${workers[index]}.0`);
}

describe('whatever happens', () => {
  it('every instance is exactly one of queued, in hand, receipted, refused or cancelled, and in the end none is left', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const ledger = new Ledger();
        for (const step of list) {
          ledger.apply(step);
          ledger.check();
        }
        // Every queue moves on as long as somebody is there to serve it.
        ledger.apply({ act: 'resume', workers: [0, 1, 2] });
        ledger.apply({ act: 'ready', worker: 0, credits: 5 });
        ledger.finish();
        ledger.apply({ act: 'lose', workers: [0, 1, 2] });
        ledger.check();
        expect(ledger.rig.dispatcher.stats()).toMatchObject({ queued: 0, running: 0, replicas: [] });
        expect([...ledger.rig.dispatcher.pools()]).toEqual([]);
      }),
      { numRuns: 1000 },
    );
  });
});
