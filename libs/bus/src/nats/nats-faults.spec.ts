import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import { encodeHeldBytes, type Answer, type Assignment, type Cancellation, type InstanceResult, type Ticket } from '@mserve/wire';
import { startNatsServer, type NatsServer } from '../../../../test/support/nats-server.js';
import type { Bus, BusState } from '../bus.js';
import { Collected, codeOf, notes, patterned } from '../testing/bus-rig.js';
import { answers, assignments, cancellations, receipts, refusals, tickets } from '../channels.js';
import { agentSubjects, agentTopics } from '../control/agents.js';
import { documentedUsers } from './documented-users.fixture.js';
import { NatsBus, type NatsBusOptions } from '../index.js';

const empty = new Uint8Array(0);
const open: { close(): Promise<void> }[] = [];
const reports: string[] = [];
let server: NatsServer;

async function start(config?: string, maxPayload?: number): Promise<void> {
  server = await startNatsServer({ ...(config === undefined ? {} : { config }), ...(maxPayload === undefined ? {} : { maxPayload }) });
}

async function join(role: string, options: Partial<NatsBusOptions> = {}): Promise<NatsBus> {
  const bus = await NatsBus.connect({ servers: server.url, role, report: (text) => void reports.push(text), ...options });
  open.push(bus);
  return bus;
}

async function raw(options: { user?: string; pass?: string } = {}): Promise<NatsConnection> {
  const connection = await connect({ servers: server.url, ...options });
  open.push({ close: () => connection.close() });
  return connection;
}

function until(bus: Bus, state: BusState): Promise<void> {
  return new Promise((resolve) => {
    if (bus.state === state) return resolve();
    const subscription = bus.onState((now) => {
      if (now !== state) return;
      subscription.unsubscribe();
      resolve();
    });
  });
}

async function known(bus: Bus): Promise<void> {
  bus.respond('known', async (body) => body);
  await bus.request(bus.address, 'known', empty);
}

beforeEach(() => void (reports.length = 0));
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
  await server?.stop();
});

describe('NatsBus and its server', () => {
  it('sends what one turn has for a receiver in one NATS message', async () => {
    await start();
    const gateway = await join('gateway');
    const observer = await raw();
    const seen: number[] = [];
    const two = new Promise<void>((resolve) => {
      observer.subscribe('mserve.v1.to.*.notes', {
        callback: (_, message) => {
          if (seen.push(notes.decode(message.data).length) === 2) resolve();
        },
      });
    });
    await observer.flush();
    for (let i = 0; i < 64; i++) {
      gateway.send(notes, 'scheduler-1', `${i}`);
      gateway.send(notes, 'scheduler-2', `${i}`);
    }
    await two;
    expect(seen).toEqual([64, 64]);
  });

  it('is back soon after the server was killed and started again; what is asked or sent meanwhile fails at once', async () => {
    await start();
    const gateway = await join('gateway');
    const scheduler = await join('scheduler');
    const got = new Collected<string>();
    scheduler.receive(notes, got.take);
    scheduler.respond('stuck', () => new Promise(() => undefined));
    await known(scheduler);
    const waiting = codeOf(gateway.request(scheduler.address, 'stuck', empty, { timeoutMs: 25_000 }));
    const held = scheduler.hold(patterned(3_000_000));
    await gateway.fetch(held);

    const states: BusState[] = [];
    gateway.onState((state) => states.push(state));
    await server.kill();
    await Promise.all([until(gateway, 'down'), until(scheduler, 'down')]);
    expect(await waiting).toBe('UNAVAILABLE');
    expect(await codeOf(gateway.request(scheduler.address, 'known', empty, { timeoutMs: 25_000 }))).toBe('UNAVAILABLE');
    expect(await codeOf(gateway.fetch(held))).toBe('UNAVAILABLE');
    const lost = await new Promise((resolve) => gateway.send(notes, scheduler.address, 'lost', resolve));
    expect(lost).toMatchObject({ code: 'UNAVAILABLE' });
    gateway.broadcast('topic', empty);

    await server.restart();
    await Promise.all([until(gateway, 'up'), until(scheduler, 'up')]);
    expect(states).toEqual(['down', 'up']);
    gateway.send(notes, scheduler.address, 'after');
    expect(await got.until(1)).toEqual(['after']);
    expect(await gateway.request(scheduler.address, 'known', empty)).toHaveLength(0);
    expect(Buffer.compare(await gateway.fetch(held), patterned(3_000_000))).toBe(0);
    expect(got.lists.flat()).toEqual(['after']);
  });

  it('pulls a large message on after the server was away', async () => {
    await start();
    const [gateway, scheduler] = [await join('gateway'), await join('scheduler')];
    const got = new Collected<string>();
    scheduler.receive(notes, got.take);
    await known(scheduler);
    const observer = await raw();
    const pulling = new Promise<void>((resolve) => {
      observer.subscribe(`mserve.v1.held.${gateway.address}`, { callback: () => resolve() });
    });
    await observer.flush();
    const note = 'x'.repeat(60_000_000);
    gateway.send(notes, scheduler.address, note);
    gateway.send(notes, scheduler.address, 'behind');
    await pulling;
    await server.kill();
    await until(scheduler, 'down');
    await server.restart();
    const [first, second] = await got.until(2);
    expect(first === note).toBe(true);
    expect(second).toBe('behind');
  });

  it('ends a cancelled take at once while the server is away', async () => {
    await start();
    const [worker, gateway] = [await join('worker'), await join('gateway')];
    const observer = await raw();
    const pulling = new Promise<void>((resolve) => {
      observer.subscribe(`mserve.v1.held.${worker.address}`, { callback: () => resolve() });
    });
    await observer.flush();
    const left = new AbortController();
    const taken = codeOf(gateway.take(worker.holdForOne(patterned(60_000_000)), left.signal));
    await pulling;
    await server.kill();
    await until(gateway, 'down');
    left.abort();
    expect(await taken).toBe('CANCELLED');
  });

  it('a message larger than receivers pull is told to its sender at once, and holds up none behind it', async () => {
    await start();
    const [gateway, scheduler] = [await join('gateway', { maxFetchBytes: 2_000_000 }), await join('scheduler')];
    const got = new Collected<string>();
    scheduler.receive(notes, got.take);
    await known(scheduler);
    const told = new Promise((resolve) => gateway.send(notes, scheduler.address, 'x'.repeat(3_000_000), resolve));
    gateway.send(notes, scheduler.address, 'behind');
    expect(await told).toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
    expect(await got.until(1)).toEqual(['behind']);
  });

  it('notices a server that stopped answering, and goes on when it answers again', async () => {
    await start();
    const gateway = await join('gateway');
    server.freeze();
    try {
      await until(gateway, 'down');
      expect(await codeOf(gateway.request(undefined, 'any', empty, { timeoutMs: 25_000 }))).toBe('UNAVAILABLE');
    } finally {
      server.thaw();
    }
    await until(gateway, 'up');
    await known(gateway);
  });

  it('closes while the server is away', async () => {
    await start();
    const gateway = await join('gateway');
    await server.kill();
    await until(gateway, 'down');
    expect(await gateway.drain(1000)).toBe(0);
    await gateway.close();
    expect(gateway.state).toBe('closed');
  });

  it('waits for a server that starts later, and tells so', async () => {
    await start();
    await server.kill();
    const waited = new Promise<Error>((resolve) => {
      void join('gateway', { onWaiting: resolve }).then(
        (bus) => joined(bus),
        (error: unknown) => failed(error),
      );
    });
    let joined: (bus: NatsBus) => void = () => undefined;
    let failed: (error: unknown) => void = () => undefined;
    const bus = new Promise<NatsBus>((resolve, reject) => {
      joined = resolve;
      failed = reject;
    });
    expect(await waited).toBeInstanceOf(Error);
    await server.restart();
    expect((await bus).state).toBe('up');
  });

  it('gives up after connectTimeoutMs or when told to', async () => {
    await start();
    await server.kill();
    expect(await codeOf(join('gateway', { connectTimeoutMs: 200 }))).toBe('UNAVAILABLE');
    const abort = new AbortController();
    const waiting = codeOf(join('gateway', { signal: abort.signal, onWaiting: () => abort.abort() }));
    expect(await waiting).toBe('CANCELLED');
  });

  it('handles messages over a small max_payload', async () => {
    await start(undefined, 65_536);
    const [gateway, scheduler] = [await join('gateway'), await join('scheduler')];
    const got = new Collected<string>();
    scheduler.receive(notes, got.take);
    await known(scheduler);
    const sent = Array.from({ length: 40 }, (_, i) => `${i} ${'x'.repeat(i % 7 === 3 ? 300_000 : 5000)}`);
    for (const note of sent) gateway.send(notes, scheduler.address, note);
    expect(await got.until(40)).toEqual(sent);
    expect(Buffer.compare(await scheduler.fetch(gateway.hold(patterned(1_000_000))), patterned(1_000_000))).toBe(0);
  });

  it('drains no longer than its grace for a receiver that does not pull', async () => {
    await start();
    const worker = await join('worker');
    const observer = await raw();
    const taken = new Promise<void>((resolve) => observer.subscribe('mserve.v1.to.gateway-1.notes', { callback: () => resolve() }));
    await observer.flush();
    const undelivered = new Promise<Error>((resolve) => worker.send(notes, 'gateway-2', 'x'.repeat(2_000_000), resolve));
    worker.send(notes, 'gateway-1', 'x'.repeat(2_000_000));
    expect(await worker.drain(300)).toBe(0);
    await taken;
    expect(await undelivered).toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('drains at once what nobody will pull', async () => {
    await start();
    const worker = await join('worker');
    const undelivered = new Promise<Error>((resolve) => worker.send(notes, 'gateway-2', 'x'.repeat(2_000_000), resolve));
    expect(await worker.drain(2 ** 30)).toBe(0);
    expect(await undelivered).toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('ends the wait of a receiver for a large message whose sender died', async () => {
    await start();
    const [gateway, scheduler] = [await join('gateway'), await join('scheduler')];
    const got = new Collected<string>();
    scheduler.receive(notes, got.take);
    await known(scheduler);
    const observer = await raw();
    const head = headers();
    head.set('Mserve-Held', '1');
    const held = encodeHeldBytes({ owner: 'g-123', id: 1, offset: 0, length: 100 });
    observer.publish(`mserve.v1.to.${scheduler.address}.notes`, held, { reply: 'mserve.inbox.gateway.g-123.u1', headers: head });
    observer.publish(`mserve.v1.to.${scheduler.address}.notes`, notes.encode(['behind it']), { reply: 'mserve.inbox.gateway.g-123.u2' });
    await observer.flush();
    gateway.send(notes, scheduler.address, 'of another');
    expect([...(await got.until(2))].sort()).toEqual(['behind it', 'of another']);
    expect(scheduler.dropped).toBe(1);
  });
});

describe('garbage on the subjects of NatsBus', () => {
  it('is dropped and counted on every one, and everything goes on', async () => {
    await start();
    const worker = await join('worker');
    const got = new Collected<string>();
    worker.receive(notes, got.take);
    worker.receive(tickets, () => {
      throw new Error('garbage was delivered');
    });
    worker.listen('schedulers.hello', () => undefined);
    await known(worker);
    const rogue = await raw();
    const { address } = worker;
    const held = headers();
    held.set('Mserve-Held', 'yes');
    const bodies = [
      empty,
      new Uint8Array([0xff]),
      new Uint8Array(1000).fill(0xff),
      new TextEncoder().encode('{"version":0}'),
      patterned(333),
    ];
    const subjects = ['notes', 'tickets'].map((channel) => `mserve.v1.to.${address}.${channel}`);
    subjects.push(`mserve.v1.held.${address}`, `mserve.v1.release.${address}`);
    subjects.push(`mserve.v1.ask.${address}.known`, 'mserve.v1.ask.any.known', 'mserve.v1.topic.schedulers.hello');
    subjects.push(...['r1', 'r2', 'u1', 'uNaN', 'x'].map((token) => `mserve.inbox.worker.${address}.${token}`));
    for (const subject of subjects) {
      for (const body of bodies) {
        rogue.publish(subject, body);
        rogue.publish(subject, body, { reply: 'mserve.nobody' });
        rogue.publish(subject, body, { headers: held });
        rogue.publish(subject, body, { headers: held, reply: 'a.b' });
      }
    }
    // A reference to more bytes than anybody can hold: refused before anything is allocated.
    rogue.publish(`mserve.v1.to.${address}.notes`, encodeHeldBytes({ owner: 'g-123', id: 1, offset: 0, length: 2 ** 50 }), {
      headers: held,
    });
    await rogue.flush();
    await worker.request(address, 'known', empty);
    expect(worker.dropped).toBeGreaterThan(40);
    expect(worker.state).toBe('up');
    const gateway = await join('gateway');
    gateway.send(notes, address, 'still here');
    expect(await got.until(1)).toEqual(['still here']);
    expect(await gateway.request(address, 'known', empty)).toHaveLength(0);
  });
});

const member = (role: string): Promise<NatsBus> => join(role, { user: role, password: `${role}-secret` });

function ticketOf(gateway: string, bytes: number): Ticket {
  const instances = { kind: 'inline' as const, sizes: [bytes], bytes: patterned(bytes) };
  const asked = {
    servable: 'add',
    version: 1,
    method: 'add',
    deadlineAt: Infinity,
    priority: 0,
    watch: undefined,
    context: undefined,
  };
  return { ...asked, gateway, id: 1, key: 0, attempt: 1, firstInstance: 0, instances };
}

/** Broadcasts until the listener hears it: two participants know of each other only by what they hear. */
async function heard(listener: Bus, speaker: Bus, topic: string): Promise<void> {
  await new Promise<void>((resolve) => {
    const subscription = listener.listen(topic, () => {
      subscription.unsubscribe();
      clearInterval(beacon);
      resolve();
    });
    const beacon = setInterval(() => speaker.broadcast(topic, empty), 5);
  });
}

describe('a nats-server with the users of docs/bus.md', () => {
  beforeEach(async () => start(await documentedUsers()));

  it('refuses wrong and missing credentials at once and for good', async () => {
    for (const wrong of [{ user: 'gateway', password: 'x' }, {}, { token: 'x' }]) {
      await expect(join('gateway', wrong)).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: 'the bus server refuses the credentials',
      });
    }
  });

  it("lets the operator's command of docs/fleet.md through", async () => {
    const page = await readFile(new URL('../../../../docs/fleet.md', import.meta.url), 'utf8');
    const [, user, inboxPrefix, name] =
      /^nats --user (\S+) --password \S+ --inbox-prefix (\S+) request mserve\.v1\.ask\.ADDRESS\.(servables\.load) /m.exec(page) ?? [];
    const worker = await member('worker');
    worker.respond(name as string, async (body) => body);
    const command = await connect({
      servers: server.url,
      user: user as string,
      pass: `${user}-secret`,
      inboxPrefix: inboxPrefix as string,
    });
    const answer = await command.request(`mserve.v1.ask.${worker.address}.${name}`, 'please', { timeout: 5000 });
    expect(answer.string()).toBe('please');
    await command.close();
  });

  it('lets a gateway that changes versions hear workers and ask them, and other gateways not', async () => {
    const [worker, gateway] = [await member('worker'), await member('gateway')];
    const admin = await join('gateway', { user: 'admin', password: 'admin-secret' });
    const asked = ['replicas.list', 'servables.found', 'servables.load', 'servables.unload'];
    for (const subject of asked) worker.respond(subject, async (body) => body);
    await heard(admin, worker, 'workers.hello');
    for (const subject of asked) expect(await admin.request(worker.address, subject, empty)).toHaveLength(0);
    await expect(gateway.request(worker.address, 'servables.unload', empty, { timeoutMs: 500 })).rejects.toMatchObject({
      name: 'ServingError',
    });
  });

  it('lets the worker of a distributed servable and its agents hear and ask each other, with large messages', async () => {
    const worker = await join('worker', { user: 'distributed', password: 'distributed-secret' });
    const agent = await member('agent');
    const subjectsOfAgents = Object.values(agentSubjects).filter((subject) => subject !== agentSubjects.acquire);
    for (const subject of subjectsOfAgents) agent.respond(subject, async (body) => body);
    worker.respond(agentSubjects.acquire, async (body) => body);
    await heard(worker, agent, agentTopics.hello);
    for (const subject of subjectsOfAgents)
      expect(await worker.request(agent.address, subject, patterned(2_500_000))).toHaveLength(2_500_000);
    expect(await agent.request(undefined, agentSubjects.acquire, empty)).toHaveLength(0);
    await expect(agent.request(worker.address, 'servables.unload', empty, { timeoutMs: 500 })).rejects.toMatchObject({
      name: 'ServingError',
    });
  });

  it('lets every role do its part, with small and large messages', async () => {
    const [gateway, scheduler] = [await member('gateway'), await member('scheduler')];
    const [worker, operator] = [await member('worker'), await member('operator')];
    const big = 2_500_000;
    const results = (bytes: Uint8Array): readonly InstanceResult[] => [{ outputs: [{ dtype: 'uint8', shape: [bytes.byteLength], bytes }] }];
    scheduler.receive(tickets, ([ticket]) => {
      scheduler.send(assignments, worker.address, {
        scheduler: scheduler.address,
        replica: 'r',
        ticket: ticket as Ticket,
        grant: 1,
        queuedUs: 0,
      });
    });
    const receipt = new Promise((resolve) => scheduler.receive(receipts, resolve));
    const cancelledAtScheduler = new Promise<void>((resolve) => {
      scheduler.receive(cancellations, ([cancellation]) => {
        scheduler.send(cancellations, worker.address, cancellation as Cancellation);
        resolve();
      });
    });
    const cancelled = new Promise((resolve) => worker.receive(cancellations, resolve));
    worker.receive(assignments, ([assignment]) => {
      const { gateway: asker, id, attempt, instances } = (assignment as Assignment).ticket;
      if (instances.kind === 'inline')
        worker.send(answers, asker, {
          id,
          attempt,
          firstInstance: 0,
          results: results(instances.bytes),
          grant: 1,
          grantedFirst: 0,
          grantedInstances: 1,
        });
      worker.send(receipts, scheduler.address, { replica: 'r', gateway: asker, id, attempt, firstInstance: 0, instances: 1, grant: 1 });
    });
    const answer = new Promise<readonly Answer[]>((resolve) => gateway.receive(answers, resolve));
    const refusal = new Promise((resolve) => gateway.receive(refusals, resolve));
    for (const subject of ['catalog.list', 'scheduler.stats']) scheduler.respond(subject, async () => patterned(big));
    for (const subject of ['replicas.list', 'worker.stats', 'servables.load', 'servables.unload'])
      worker.respond(subject, async (body) => body);
    await heard(gateway, scheduler, 'schedulers.hello');
    await heard(scheduler, worker, 'workers.hello');
    await heard(worker, scheduler, 'schedulers.hello');

    gateway.send(tickets, scheduler.address, ticketOf(gateway.address, big));
    const [first] = await answer;
    expect((first as Answer).results).toEqual(
      expect.arrayContaining([expect.objectContaining({ outputs: [expect.objectContaining({ shape: [big] })] })]),
    );
    await receipt;
    gateway.send(cancellations, scheduler.address, { gateway: gateway.address, id: 1 });
    await cancelledAtScheduler;
    await cancelled;
    scheduler.send(refusals, gateway.address, {
      id: 1,
      attempt: 1,
      firstInstance: 0,
      instances: 1,
      failure: { code: 'UNAVAILABLE', message: 'no' },
      key: 0,
    });
    await refusal;
    expect(await gateway.request(scheduler.address, 'catalog.list', empty, { timeoutMs: 20_000 })).toHaveLength(big);
    expect(await scheduler.request(worker.address, 'replicas.list', empty)).toHaveLength(0);
    expect(await operator.request(undefined, 'scheduler.stats', empty, { timeoutMs: 20_000 })).toHaveLength(big);
    expect(await operator.request(worker.address, 'worker.stats', empty)).toHaveLength(0);
    for (const subject of ['servables.load', 'servables.unload'])
      expect(await operator.request(worker.address, subject, empty)).toHaveLength(0);
    const held = gateway.hold(patterned(big));
    expect(await worker.fetch(held)).toHaveLength(big);
    worker.release(held);
    expect(await new Promise((resolve) => gateway.send(tickets, 'scheduler-x', ticketOf(gateway.address, 1), resolve))).toMatchObject({
      code: 'UNAVAILABLE',
    });
    expect(reports).toEqual([]);
  });

  it('says that a message was undelivered when the server forbids it', async () => {
    const worker = await member('worker');
    expect(await new Promise((resolve) => worker.send(tickets, 'scheduler-1', ticketOf('gateway-1', 1), resolve))).toMatchObject({
      code: 'UNAVAILABLE',
    });
    expect(reports).toContain('the bus server reports an error');
  });

  it('lets a stolen worker account neither listen to gateways nor answer for others', async () => {
    const gateway = await member('gateway');
    const thief = await raw({ user: 'worker', pass: 'worker-secret' });
    for (const subject of ['mserve.v1.to.*.answers', 'mserve.v1.to.*.tickets', 'mserve.inbox.gateway.>', '>']) {
      const refused = await new Promise<Error | null>((resolve) => {
        thief.subscribe(subject, { callback: (error) => resolve(error) });
      });
      expect(refused?.name).toBe('PermissionViolationError');
    }
    const errors = (async (): Promise<string> => {
      for await (const status of thief.status()) if (status.type === 'error') return status.error.name;
      return 'closed';
    })();
    thief.publish(`mserve.inbox.gateway.${gateway.address}.r1`, empty);
    expect(await errors).toBe('PermissionViolationError');
  });
});
