import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import { SharedRings } from '@mserve/native/shared-memory';
import type { Answer } from '@mserve/wire';
import { startNatsServer, type NatsServer } from '../../../../test/support/nats-server.js';
import { startProcess, type RunningProcess } from '../../../../test/support/running-process.js';
import type { Bus, BusState } from '../bus.js';
import { answers, receipts, tickets } from '../channels.js';
import { NatsBus, type NatsBusOptions } from '../index.js';
import { Collected, blobs, notes, patterned } from '../testing/bus-rig.js';
import { documentedUsers } from './documented-users.fixture.js';

const empty = new Uint8Array(0);
const open: { close(): Promise<unknown> }[] = [];
let server: NatsServer;
let other: RunningProcess | undefined;

async function join(role: string, options: Partial<NatsBusOptions> = {}): Promise<NatsBus> {
  const bus = await NatsBus.connect({ servers: server.url, role, report: () => undefined, rings: new SharedRings(), ...options });
  open.push(bus);
  return bus;
}

async function known(bus: Bus): Promise<void> {
  bus.respond('known', async (body) => body);
  await bus.request(bus.address, 'known', empty);
}

/** What passes the server on a subject, in words. */
async function observed(
  subject: string,
): Promise<{ readonly seen: string[]; settled(): Promise<void>; readonly connection: NatsConnection }> {
  const connection = await connect({ servers: server.url });
  open.push({ close: () => connection.close() });
  const seen: string[] = [];
  connection.subscribe(subject, { callback: (_, { headers: head }) => void seen.push(head?.get('Mserve-Ring') || 'list') });
  await connection.flush();
  return { seen, connection, settled: () => connection.flush() };
}

function until(bus: Bus, state: BusState): Promise<void> {
  return new Promise((resolve) => {
    if (bus.state === state) return resolve();
    bus.onState((now) => {
      if (now === state) resolve();
    });
  });
}

/** A participant in a process of its own, which says what it gets. */
const receiver = `import { answers, NatsBus } from '@mserve/bus';
import { SharedRings } from '@mserve/native/shared-memory';
const bus = await NatsBus.connect({ servers: process.argv[1], role: 'gateway', rings: new SharedRings(), report: () => undefined });
bus.receive(answers, (list) => list.forEach(({ id }) => console.log('got ' + id)));
bus.respond('known', async (body) => body);
await bus.request(bus.address, 'known', new Uint8Array(0));
console.log('at ' + bus.address);`;

/** One that sends back what it gets, and says whether it has a ring for that; it begins with `before`. */
const echo = (before: string): string => `import { answers, NatsBus } from '@mserve/bus';
import { SharedRings } from '@mserve/native/shared-memory';
const [url, to] = process.argv.slice(1);
// All that is loaded is loaded before it becomes somebody else
new SharedRings().close();
${before}
const bus = await NatsBus.connect({ servers: url, role: 'worker', rings: new SharedRings(), report: () => undefined });
bus.receive(answers, (list) => list.forEach((answer) => bus.send(answers, to, answer)));
bus.respond('known', async (body) => body);
await bus.request(bus.address, 'known', new Uint8Array(0));
console.log('ring ' + (await bus.openRing(answers, to)));
console.log('at ' + bus.address);`;

const needsRoot = process.getuid?.() === 0 ? undefined : 'needs root';

/** Processes that have less in common with this one than others: what starts them, and whether there is a ring to them and one from them. */
const others = [
  {
    what: 'are not there for another user',
    missing: needsRoot,
    wrapped: [],
    before: 'process.setgroups([]); process.setgid(65534); process.setuid(65534);',
    toIt: false,
    fromIt: false,
  },
  {
    // Of files, in blocks of 512 bytes; memory that it is given is not its own
    what: 'are not read, but written, by who may not have such memory',
    missing: undefined,
    wrapped: ['sh', '-c', 'ulimit -f 64; exec "$0" "$@"'],
    before: '',
    toIt: false,
    fromIt: true,
  },
  {
    what: 'need no /dev/shm',
    missing: needsRoot ?? whyNoMounts(),
    wrapped: ['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs -o ro,size=4k none /dev/shm && exec "$0" "$@"'],
    before: '',
    toIt: true,
    fromIt: true,
  },
] as const;

function whyNoMounts(): string | undefined {
  return spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'none', '/dev/shm']).status === 0 ? undefined : 'needs unshare --mount';
}

async function otherProcess(): Promise<{ readonly process: RunningProcess; readonly address: string }> {
  other = startProcess(process.execPath, ['--input-type=module', '-e', receiver, server.url]);
  const address = (await other.line((line) => line.startsWith('at '))).slice(3);
  return { process: other, address };
}

function sendAnswer(bus: Bus, to: string, id: number, bytes: number, onUndelivered?: (error: Error) => void): void {
  const results = [{ outputs: [{ dtype: 'uint8' as const, shape: [bytes], bytes: patterned(bytes) }] }];
  bus.send(answers, to, { id, attempt: 1, firstInstance: 0, grantedFirst: 0, grantedInstances: 0, grant: 0, results }, onUndelivered);
}

/** Bytes of one that another one needs no more; resolves when the owner has forgotten them. */
function held(owner: Bus, reader: Bus): Promise<void> {
  return new Promise((resolve) => reader.release(owner.hold(patterned(100), resolve)));
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

beforeEach(async () => void (server = await startNatsServer()));
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
  other?.child.kill('SIGCONT');
  await other?.stop('SIGKILL');
  other = undefined;
  await server.stop();
});

describe('rings of NatsBus', () => {
  it('are asked for by the first message; then nothing passes the server', async () => {
    const [sender, taker] = [await join('gateway'), await join('scheduler')];
    const got = new Collected<string>();
    taker.receive(notes, got.take);
    await known(taker);
    const server1 = await observed(`mserve.v1.to.${taker.address}.notes`);
    sender.send(notes, taker.address, '1');
    await got.until(1);
    expect(await sender.openRing(notes, taker.address)).toBe(true);
    for (let i = 2; i <= 20; i++) {
      sender.send(notes, taker.address, `${i}`);
      await got.until(i);
    }
    expect(got.lists.flat()).toEqual(Array.from({ length: 20 }, (_, i) => `${i + 1}`));
    await server1.settled();
    expect(server1.seen.sort()).toEqual(['ask', 'begin', 'list']);
    expect(sender.traffic).toEqual({ sent: { ring: 19, server: 1 }, ringsWritten: 1, ringsRead: 0 });
    expect(taker.traffic).toEqual({ sent: { ring: 0, server: 0 }, ringsWritten: 0, ringsRead: 1 });
  });

  it('keep the order among small lists and large ones, and with what goes over the server', async () => {
    const [sender, taker] = [await join('gateway'), await join('scheduler')];
    const got = new Collected<string>();
    taker.receive(notes, got.take);
    await known(taker);
    const seen = await observed(`mserve.v1.to.${taker.address}.notes`);
    await sender.openRing(notes, taker.address);
    const sent: string[] = [];
    for (let i = 0; i < 300; i++) {
      // To the ring, over the server, held
      const length = i % 50 === 9 ? 2_000_000 : i % 20 === 5 ? 200_000 : i % 7;
      sent.push(`${i} ${'x'.repeat(length)}`);
      sender.send(notes, taker.address, sent.at(-1) as string);
      if (i % 3 === 0) await turn();
    }
    expect((await got.until(300)).map((note) => note.split(' ')[0])).toEqual(sent.map((note) => note.split(' ')[0]));
    await seen.settled();
    const begun = seen.seen.filter((what) => what === 'begin').length;
    expect(begun).toBeGreaterThan(3);
    expect(seen.seen.filter((what) => what === 'list').length).toBeLessThan(60);
  });

  it('are not there for who has none, on either side', async () => {
    const [sender, taker] = [await join('gateway'), await join('scheduler', { rings: undefined })];
    const got = new Collected<string>();
    taker.receive(notes, got.take);
    sender.receive(notes, got.take);
    await Promise.all([known(taker), known(sender)]);
    expect(await sender.openRing(notes, taker.address)).toBe(false);
    expect(await taker.openRing(notes, sender.address)).toBe(false);
    expect(await sender.openRing(notes, 'nobody-1')).toBe(false);
    sender.send(notes, taker.address, 'there');
    taker.send(notes, sender.address, 'and back');
    expect([...(await got.until(2))].sort()).toEqual(['and back', 'there']);
    expect(taker.dropped).toBe(0);
    for (const { traffic } of [sender, taker]) expect(traffic).toEqual({ sent: { ring: 0, server: 1 }, ringsWritten: 0, ringsRead: 0 });
  });

  it('count as messages of their channel in the service discovery', async () => {
    const service = { name: 'mserve-scheduler', version: '1.0.0', description: 'x' };
    const [sender, taker] = [await join('gateway'), await join('scheduler', { service })];
    const got = new Collected<string>();
    taker.receive(notes, got.take);
    await known(taker);
    await sender.openRing(notes, taker.address);
    for (let i = 1; i <= 5; i++) {
      sender.send(notes, taker.address, 'x');
      await got.until(i);
    }
    const { connection } = await observed('nothing');
    const stats = (await connection.request('$SRV.STATS.mserve-scheduler')).json<{ endpoints: { name: string; num_requests: number }[] }>();
    expect(stats.endpoints.find(({ name }) => name === 'notes')?.num_requests).toBe(5);
  });

  it('that are full give way to the server, and nothing is lost or out of order when their reader goes on', async () => {
    const { process: reader, address } = await otherProcess();
    const sender = await join('worker');
    expect(await sender.openRing(answers, address)).toBe(true);
    reader.child.kill('SIGSTOP');
    const count = 400;
    const failed: number[] = [];
    for (let id = 1; id <= count; id++) {
      sendAnswer(sender, address, id, 5_000, () => failed.push(id));
      if (id % 4 === 0) await turn();
    }
    reader.child.kill('SIGCONT');
    await reader.line((line) => line === `got ${count}`);
    const lines = reader.output().split('\n');
    const ids = lines.filter((line) => line.startsWith('got ')).map((line) => Number(line.slice(4)));
    expect(ids).toEqual(Array.from({ length: count }, (_, i) => i + 1));
    expect(failed).toEqual([]);
  });

  it('tell their sender at once what a reader that was killed had not taken', async () => {
    const { process: reader, address } = await otherProcess();
    const sender = await join('worker');
    await sender.openRing(answers, address);
    sendAnswer(sender, address, 1, 10, () => expect('undelivered').toBe('taken'));
    await reader.line((line) => line === 'got 1');
    reader.child.kill('SIGSTOP');
    const told = [2, 3].map(async (id) => {
      const error = new Promise<Error>((resolve) => sendAnswer(sender, address, id, 10, resolve));
      await turn();
      return error;
    });
    await turn();
    await turn();
    await reader.stop('SIGKILL');
    for (const error of await Promise.all(told)) expect(error).toMatchObject({ code: 'UNAVAILABLE' });
    expect(sender.traffic).toEqual({ sent: { ring: 3, server: 0 }, ringsWritten: 0, ringsRead: 0 });
  });

  it('end with an outage of the server, and are there again after it', async () => {
    const [sender, taker] = [await join('gateway'), await join('scheduler')];
    const got = new Collected<string>();
    taker.receive(notes, got.take);
    await known(taker);
    await sender.openRing(notes, taker.address);
    sender.send(notes, taker.address, 'before');
    await got.until(1);
    await server.kill();
    await Promise.all([until(sender, 'down'), until(taker, 'down')]);
    const lost = await new Promise((resolve) => sender.send(notes, taker.address, 'lost', resolve));
    expect(lost).toMatchObject({ code: 'UNAVAILABLE' });
    expect([sender.traffic.ringsWritten, taker.traffic.ringsRead]).toEqual([0, 0]);
    await server.restart();
    await Promise.all([until(sender, 'up'), until(taker, 'up')]);
    expect(await sender.openRing(notes, taker.address)).toBe(true);
    sender.send(notes, taker.address, 'after');
    expect(await got.until(2)).toEqual(['before', 'after']);
  });

  it('take back to its owner what is needed no more, without the server', async () => {
    const [owner, reader] = [await join('worker'), await join('gateway')];
    await known(owner);
    const server1 = await observed(`mserve.v1.release.${owner.address}`);
    while (reader.traffic.ringsWritten === 0) await held(owner, reader);
    await server1.settled();
    const before = server1.seen.filter((what) => what === 'list').length;
    for (let i = 0; i < 20; i++) await held(owner, reader);
    await server1.settled();
    expect(server1.seen.filter((what) => what === 'list')).toHaveLength(before);
    expect([owner.heldBytes, owner.traffic.ringsRead, reader.traffic.ringsWritten]).toEqual([0, 1, 1]);
    await server.kill();
    await Promise.all([until(owner, 'down'), until(reader, 'down')]);
    expect(reader.traffic.ringsWritten).toBe(0);
    await server.restart();
    await Promise.all([until(owner, 'up'), until(reader, 'up')]);
    while (reader.traffic.ringsWritten === 0) await held(owner, reader);
    await held(owner, reader);
    expect([owner.heldBytes, owner.dropped]).toEqual([0, 0]);
  });

  it('are not all had by who releases, which everybody may', async () => {
    const [sender, owner] = [await join('gateway'), await join('worker')];
    owner.receive(notes, () => undefined);
    await known(owner);
    const { connection } = await observed('nothing');
    const head = headers();
    head.set('Mserve-Ring', 'ask');
    const asked = Array.from({ length: 300 }, () =>
      connection.request(`mserve.v1.release.${owner.address}`, empty, { headers: head, timeout: 10_000 }),
    );
    const places = (await Promise.all(asked)).filter(({ data }) => data.byteLength === 16);
    expect(places.length).toBe(64);
    expect(await sender.openRing(notes, owner.address)).toBe(true);
    await held(owner, sender);
    expect([owner.heldBytes, owner.dropped]).toEqual([0, 0]);
  });

  it('are not begun by garbage on their channel, and what is wrong is counted', async () => {
    const [sender, taker] = [await join('gateway'), await join('scheduler')];
    const got = new Collected<Uint8Array>();
    taker.receive(blobs, got.take);
    await known(taker);
    await sender.openRing(blobs, taker.address);
    const { connection } = await observed('nothing');
    for (const word of ['ask', 'begin', 'later']) {
      const head = headers();
      head.set('Mserve-Ring', word);
      for (const body of [empty, patterned(8), patterned(16)])
        connection.publish(`mserve.v1.to.${taker.address}.blobs`, body, { headers: head });
    }
    await connection.flush();
    await sender.request(taker.address, 'known', empty);
    sender.send(blobs, taker.address, patterned(77));
    expect((await got.until(1)).map((bytes) => bytes.byteLength)).toEqual([77]);
    expect(taker.dropped).toBe(8);
  });
});

describe('rings of NatsBus between processes', () => {
  for (const { what, missing, wrapped, before, toIt, fromIt } of others) {
    const title = `${what}, and messages come all the same${missing === undefined ? '' : ` (skipped: ${missing})`}`;
    (missing === undefined ? it : it.skip)(title, async () => {
      const bus = await join('gateway');
      const got = new Collected<Answer>();
      bus.receive(answers, got.take);
      await known(bus);
      const [program, ...args] = [...wrapped, process.execPath, '--input-type=module', '-e', echo(before), server.url, bus.address];
      other = startProcess(program as string, args);
      const address = (await other.line((line) => line.startsWith('at '))).slice(3);
      expect(other.output()).toContain(`ring ${fromIt}`);
      expect(await bus.openRing(answers, address)).toBe(toIt);
      for (let id = 1; id <= 50; id++) {
        sendAnswer(bus, address, id, 100 * id, () => expect('undelivered').toBe('taken'));
        if (id % 3 === 0) await turn();
      }
      expect((await got.until(50)).map(({ id }) => id)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
      const sent = toIt ? { ring: 50, server: 0 } : { ring: 0, server: 50 };
      expect(bus.traffic).toEqual({ sent, ringsWritten: Number(toIt), ringsRead: Number(fromIt) });
    });
  }
});

describe('rings on a nats-server with the users of docs/bus.md', () => {
  beforeEach(async () => {
    await server.stop();
    server = await startNatsServer({ config: await documentedUsers() });
  });

  it('are for who may publish on the channel, and for nobody else', async () => {
    const member = (role: string): Promise<NatsBus> => join(role, { user: role, password: `${role}-secret` });
    const [gateway, scheduler, worker] = [await member('gateway'), await member('scheduler'), await member('worker')];
    scheduler.receive(tickets, () => undefined);
    scheduler.receive(receipts, () => undefined);
    gateway.receive(answers, () => undefined);
    // Tried again: only the server knows when it has taken the subscriptions
    while (!(await gateway.openRing(tickets, scheduler.address)));
    while (!(await worker.openRing(receipts, scheduler.address)));
    while (!(await worker.openRing(answers, gateway.address)));
    while (gateway.traffic.ringsWritten < 2) await held(worker, gateway);
    expect(await Promise.all([worker.openRing(tickets, scheduler.address), scheduler.openRing(answers, gateway.address)])).toEqual([
      false,
      false,
    ]);
  });
});
