import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect, nkeyAuthenticator, PermissionViolationError, type NatsConnection } from '@nats-io/transport-node';
import type { Assignment, Ticket } from '@mserve/wire';
import { startNatsServer, type NatsServer } from '../../../../test/support/nats-server.js';
import { answers, assignments, receipts, tickets } from '../channels.js';
import { authorizationOf, newNkey, type FleetRole } from './fleet-users.js';
import { NatsBus } from './nats-bus.js';

/** A fleet whose processes have users of their own, and what a stolen login can do in it. */

const members: readonly [name: string, role: FleetRole][] = [
  ['gateway-1', 'gateway'],
  ['admin-1', 'admin'],
  ['scheduler-1', 'scheduler'],
  ['worker-1', 'worker'],
  ['worker-2', 'worker'],
  ['operator', 'operator'],
];
const keys = new Map(members.map(([name]) => [name, newNkey()]));
const seedOf = (name: string): string => keys.get(name)?.seed ?? '';
const empty = new Uint8Array(0);

describe('users of a fleet, one per process', () => {
  let server: NatsServer;
  const buses = new Map<string, NatsBus>();
  const busOf = (name: string): NatsBus => buses.get(name) as NatsBus;
  beforeAll(async () => {
    const users = members.map(([name, role]) => ({ name, role, publicKey: keys.get(name)?.publicKey ?? '' }));
    server = await startNatsServer({ config: authorizationOf(users) });
    for (const [name, role] of members) {
      const options = { servers: server.url, role: role === 'admin' ? 'gateway' : role, name, nkeySeed: seedOf(name) };
      buses.set(name, await NatsBus.connect(options));
    }
  });
  afterAll(async () => {
    await Promise.all([...buses.values()].map((bus) => bus.close()));
    await server?.stop();
  });

  const ticketOf = (gateway: string): Ticket => ({
    ...{ gateway, id: 1, key: 2, attempt: 1, servable: 's', version: 1, method: 'm', firstInstance: 0 },
    ...{
      instances: { kind: 'inline', sizes: [], bytes: empty },
      deadlineAt: Infinity,
      priority: 0,
      watch: undefined,
      context: undefined,
    },
  });

  /** Asks again while nobody listens yet. */
  async function untilHeard<T>(ask: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await ask();
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }

  it('let every process do its part, under addresses of its own name', async () => {
    const [gateway, scheduler, worker] = ['gateway-1', 'scheduler-1', 'worker-1'].map(busOf) as [NatsBus, NatsBus, NatsBus];
    expect(worker.address).toMatch(/^worker-1\.[0-9a-f]{8}$/);
    scheduler.receive(tickets, ([ticket]) => {
      const assignment: Assignment = { scheduler: scheduler.address, replica: 'r', ticket: ticket as Ticket, grant: 3, queuedUs: 0 };
      scheduler.send(assignments, worker.address, assignment);
    });
    worker.receive(assignments, ([given]) => {
      const { ticket, grant } = given as Assignment;
      const { id, attempt } = ticket;
      worker.send(answers, ticket.gateway, { id, attempt, firstInstance: 0, results: [], grant, grantedFirst: 0, grantedInstances: 0 });
      worker.send(receipts, (given as Assignment).scheduler, {
        ...{ replica: 'r', gateway: ticket.gateway, id, attempt, firstInstance: 0, instances: 1, grant },
      });
    });
    const answered = new Promise((resolve) => gateway.receive(answers, ([answer]) => resolve(answer?.grant)));
    const receipted = new Promise((resolve) => scheduler.receive(receipts, ([receipt]) => resolve(receipt?.grant)));
    scheduler.respond('catalog.list', async () => new Uint8Array(2_500_000));
    for (const subject of ['replicas.list', 'servables.load']) worker.respond(subject, async (body) => body);
    // The server knows what each of them hears when it has taken them there
    expect(await untilHeard(() => gateway.request(undefined, 'catalog.list', empty, { timeoutMs: 20_000 }))).toHaveLength(2_500_000);
    expect(await untilHeard(() => scheduler.request(worker.address, 'replicas.list', empty))).toEqual(empty);
    gateway.send(tickets, scheduler.address, ticketOf(gateway.address));
    expect([await answered, await receipted]).toEqual([3, 3]);
    expect(await busOf('admin-1').request(worker.address, 'servables.load', empty)).toEqual(empty);
    expect(await busOf('operator').request(worker.address, 'replicas.list', empty)).toEqual(empty);
    await expect(gateway.request(worker.address, 'servables.load', empty, { timeoutMs: 500 })).rejects.toThrow();
  });

  describe('a stolen worker', () => {
    let stolen: NatsConnection;
    beforeAll(async () => {
      const authenticator = nkeyAuthenticator(new TextEncoder().encode(seedOf('worker-2')));
      stolen = await connect({ servers: server.url, authenticator, inboxPrefix: 'mserve.inbox.worker.worker-2.x' });
    });
    afterAll(() => stolen?.close());

    /** Resolves with the subject that the server refused. */
    const refusedSubject = async (): Promise<string> => {
      for await (const status of stolen.status())
        if (status.type === 'error' && status.error instanceof PermissionViolationError) return status.error.subject;
      return 'closed';
    };

    it.each([
      'mserve.v1.to.*.*.assignments',
      'mserve.v1.to.worker-1.*.assignments',
      'mserve.v1.to.*.*.tickets',
      'mserve.v1.to.*.*.answers',
      'mserve.v1.held.*.*',
      'mserve.inbox.gateway.>',
      'mserve.inbox.worker.>',
      'mserve.inbox.worker.worker-1.*.*',
      'mserve.>',
      '>',
    ])('does not hear %s', async (subject) => {
      const refused = refusedSubject();
      stolen.subscribe(subject, { callback: () => undefined });
      expect(await refused).toBe(subject);
    });

    it.each([
      'to.a.b.tickets',
      'to.a.b.assignments',
      'to.a.b.refusals',
      'to.a.b.cancellations',
      'topic.schedulers.hello',
      'ask.a.b.servables.load',
    ])('does not publish mserve.v1.%s', async (subject) => {
      const refused = refusedSubject();
      stolen.publish(`mserve.v1.${subject}`, empty);
      expect(await refused).toBe(`mserve.v1.${subject}`);
    });
  });

  it('keep out whoever has no login, or one of another fleet', async () => {
    await expect(NatsBus.connect({ servers: server.url, role: 'worker' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    const stranger = NatsBus.connect({ servers: server.url, role: 'worker', name: 'worker-1', nkeySeed: newNkey().seed });
    await expect(stranger).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
