import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import { ServingError } from '@mserve/wire';
import { startNatsServer, type NatsServer } from '../../../../test/support/nats-server.js';
import type { Bus, BusState } from '../bus.js';
import { Collected, notes, patterned } from '../bus.contract.js';
import { tickets } from '../channels.js';
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

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'no error',
    (error: unknown) => (error instanceof ServingError ? error.code : String(error)),
  );
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

  it('ends the wait of a receiver for a large message whose sender died', async () => {
    await start();
    const [gateway, scheduler] = [await join('gateway'), await join('scheduler')];
    const got = new Collected<string>();
    scheduler.receive(notes, got.take);
    await known(scheduler);
    const observer = await raw();
    const head = headers();
    head.set('Mserve-Held', '1');
    observer.publish(`mserve.v1.to.${scheduler.address}.notes`, new TextEncoder().encode('\n\x05g-123\x10\x01 \x64'), { reply: 'mserve.inbox.gateway.g-123.u1', headers: head });
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
    const bodies = [empty, new Uint8Array([0xff]), new Uint8Array(1000).fill(0xff), new TextEncoder().encode('{"version":0}'), patterned(333)];
    const subjects = ['notes', 'tickets'].map((channel) => `mserve.v1.to.${address}.${channel}`);
    subjects.push(`mserve.v1.held.${address}`, `mserve.v1.release.${address}`, `mserve.v1.ask.${address}.known`, 'mserve.v1.ask.any.known', 'mserve.v1.topic.schedulers.hello');
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
    rogue.publish(`mserve.v1.to.${address}.notes`, new TextEncoder().encode('\n\x05g-123\x10\x01 \x7f\x7f'), { headers: held });
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

describe('a nats-server with users (docs/bus.md)', () => {
  const config = `
authorization {
  users: [
    { user: gateway, password: g, permissions: {
      publish: ["mserve.v1.to.*.tickets", "mserve.v1.to.*.cancellations", "mserve.v1.ask.>", "mserve.v1.topic.gateways.>", "mserve.v1.held.*", "mserve.v1.release.*", "mserve.v1.to.*.notes"],
      subscribe: ["mserve.inbox.gateway.>", "mserve.v1.to.*.answers", "mserve.v1.to.*.refusals", "mserve.v1.topic.>", "mserve.v1.held.*", "mserve.v1.release.*"],
      allow_responses: { max: 1, expires: "1m" } } }
    { user: worker, password: w, permissions: {
      publish: ["mserve.v1.to.*.answers", "mserve.v1.to.*.receipts", "mserve.v1.held.*", "mserve.v1.release.*", "mserve.v1.topic.workers.>"],
      subscribe: ["mserve.inbox.worker.>", "mserve.v1.to.*.assignments", "mserve.v1.to.*.cancellations", "mserve.v1.to.*.notes", "mserve.v1.ask.*.known", "mserve.v1.ask.*.replicas.list", "mserve.v1.topic.>", "mserve.v1.held.*", "mserve.v1.release.*"],
      allow_responses: { max: 1, expires: "1m" } } }
  ]
}`;

  it('refuses wrong and missing credentials at once and for good', async () => {
    await start(config);
    for (const wrong of [{ user: 'gateway', password: 'x' }, {}, { token: 'x' }]) {
      await expect(join('gateway', wrong)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: 'the bus server refuses the credentials' });
    }
  });

  it('lets roles talk as they are meant to, large messages and undelivered ones included', async () => {
    await start(config);
    const gateway = await join('gateway', { user: 'gateway', password: 'g' });
    const worker = await join('worker', { user: 'worker', password: 'w' });
    const got = new Collected<string>();
    worker.receive(notes, got.take);
    worker.respond('replicas.list', async (body) => body);
    await new Promise<void>((resolve) => {
      gateway.listen('workers.hello', () => resolve());
      const beacon = setInterval(() => worker.broadcast('workers.hello', empty), 5);
      open.push({ close: async () => clearInterval(beacon) });
    });
    gateway.send(notes, worker.address, 'x'.repeat(3_000_000));
    expect((await got.until(1))[0]).toHaveLength(3_000_000);
    const big = patterned(2_500_000);
    expect(Buffer.compare(await gateway.request(worker.address, 'replicas.list', big, { timeoutMs: 20_000 }), big)).toBe(0);
    expect(await new Promise((resolve) => gateway.send(notes, 'worker-x', 'y', resolve))).toMatchObject({ code: 'UNAVAILABLE' });
    expect(Buffer.compare(await worker.fetch(gateway.hold(big)), big)).toBe(0);
    expect(reports).toEqual([]);
  });

  it('says that a message was undelivered when the server forbids it', async () => {
    await start(config);
    const worker = await join('worker', { user: 'worker', password: 'w' });
    expect(await new Promise((resolve) => worker.send(notes, 'gateway-1', 'forged', resolve))).toMatchObject({ code: 'UNAVAILABLE' });
    expect(reports).toContain('the bus server reports an error');
  });

  it('keeps a stolen role away from what others get', async () => {
    await start(config);
    const thief = await raw({ user: 'worker', pass: 'w' });
    const refused = new Promise<Error | null>((resolve) => {
      thief.subscribe('mserve.v1.to.*.answers', { callback: (error) => resolve(error) });
    });
    expect((await refused)?.name).toBe('PermissionViolationError');
    const inbox = new Promise<Error | null>((resolve) => {
      thief.subscribe('mserve.inbox.gateway.>', { callback: (error) => resolve(error) });
    });
    expect((await inbox)?.name).toBe('PermissionViolationError');
  });
});
