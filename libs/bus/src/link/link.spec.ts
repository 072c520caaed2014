import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ServingError } from '@mserve/wire';
import type { Bus, BusState } from '../bus.js';
import type { ControlBus } from '../control/agents.js';
import { MemoryExchange } from '../memory/memory-exchange.js';
import { LinkBus } from './link-bus.js';
import { linkAddressOf, LinkHub, type LinkAddress } from './link-hub.js';

const rights = { respond: ['agent.'], request: ['distributed.'], broadcast: ['agents.'] };
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const bytes = (value: string): Uint8Array => new TextEncoder().encode(value);

let folder: string;
let exchange: MemoryExchange;
let worker: Bus;
let hub: LinkHub;
const links: LinkBus[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mserve-link-'));
  exchange = new MemoryExchange();
  worker = exchange.connect('worker');
  hub = await listen();
});

afterEach(async () => {
  await Promise.all(links.splice(0).map((link) => link.close()));
  await hub.close();
  await worker.close();
  rmSync(folder, { recursive: true });
});

function listen(): Promise<LinkHub> {
  return LinkHub.listen({ path: join(folder, 'hub.sock') }, () => exchange.connect('agent'), rights);
}

async function linked(): Promise<LinkBus> {
  const link = new LinkBus(hub.address);
  links.push(link);
  await link.whenUp();
  return link;
}

function nextState(bus: ControlBus, wanted: BusState): Promise<void> {
  return new Promise((resolve) => {
    const subscription = bus.onState((state) => {
      if (state !== wanted) return;
      subscription.unsubscribe();
      resolve();
    });
  });
}

describe('a link', () => {
  it('makes its far end a participant that is asked by its address, and asks others', async () => {
    const link = await linked();
    link.respond('agent.echo', async (body) => bytes(`${text(body)}!`));
    worker.respond('distributed.acquire', async (body) => bytes(`for ${text(body)}`));
    expect(text(await link.request(undefined, 'distributed.acquire', bytes('net')))).toBe('for net');
    expect(text(await worker.request(link.address, 'agent.echo', bytes('hello')))).toBe('hello!');
  });

  it('carries large bodies both ways, many at once', async () => {
    const link = await linked();
    link.respond('agent.echo', async (body) => body);
    // A request made behind the subscription is behind it on the socket, too
    worker.respond('distributed.ready', async () => new Uint8Array(0));
    await link.request(undefined, 'distributed.ready', new Uint8Array(0));
    const bodies = Array.from({ length: 8 }, (_, index) => new Uint8Array(300_000).fill(index));
    const answers = await Promise.all(bodies.map((body) => worker.request(link.address, 'agent.echo', body)));
    expect(answers.every((answer, index) => Buffer.compare(answer, bodies[index]!) === 0)).toBe(true);
  });

  it('tells and hears topics', async () => {
    const link = await linked();
    const heard = new Promise<string>((resolve) => worker.listen('agents.hello', (body) => resolve(text(body))));
    link.broadcast('agents.hello', bytes('rank 1'));
    expect(await heard).toBe('rank 1');
    const told = new Promise<string>((resolve) => link.listen('workers.news', (body) => resolve(text(body))));
    worker.respond('distributed.ready', async () => new Uint8Array(0));
    await link.request(undefined, 'distributed.ready', new Uint8Array(0));
    worker.broadcast('workers.news', bytes('ready'));
    expect(await told).toBe('ready');
  });

  it('passes errors on with their codes, both ways', async () => {
    const link = await linked();
    worker.respond('distributed.acquire', () => Promise.reject(new ServingError('NOT_FOUND', 'no such servable')));
    await expect(link.request(undefined, 'distributed.acquire', bytes(''))).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: 'no such servable',
    });
    await expect(link.request('nobody', 'distributed.acquire', bytes(''))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    link.respond('agent.fail', () => Promise.reject(new ServingError('UNAVAILABLE', 'not now')));
    worker.respond('distributed.ready', async () => new Uint8Array(0));
    await link.request(undefined, 'distributed.ready', bytes(''));
    await expect(worker.request(link.address, 'agent.fail', bytes(''))).rejects.toMatchObject({ code: 'UNAVAILABLE', message: 'not now' });
  });

  it('ends at the hub what is waited for when it breaks, and is dialled again by its far end', async () => {
    const link = await linked();
    let reached = (): void => undefined;
    const arrived = new Promise<void>((resolve) => (reached = resolve));
    link.respond('agent.hang', () => {
      reached();
      return new Promise(() => undefined);
    });
    worker.respond('distributed.ready', async () => new Uint8Array(0));
    await link.request(undefined, 'distributed.ready', bytes(''));
    const before = link.address;
    const asked = worker.request(before, 'agent.hang', bytes(''), { timeoutMs: 20_000 });
    await arrived;
    const down = nextState(link, 'down');
    await hub.close();
    await expect(asked).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await down;
    await expect(link.request(undefined, 'distributed.ready', bytes(''))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    const up = nextState(link, 'up');
    hub = await listen();
    await up;
    expect(link.address).not.toBe(before);
    // What it answers is known at the new hub, too
    await link.request(undefined, 'distributed.ready', bytes(''));
    const again = new Promise<void>((resolve) => (reached = resolve));
    void worker.request(link.address, 'agent.hang', bytes('')).catch(() => undefined);
    await again;
  });
});

describe('a hub', () => {
  it('hands over a connection that begins as HTTP/2 does, with all that came, or cuts it off', async () => {
    const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
    const dial = (address: LinkAddress): Socket => {
      const socket = 'path' in address ? connect(address.path) : connect(address.port, address.host);
      socket.on('error', () => undefined);
      socket.write(preface);
      return socket;
    };
    let take: (socket: Socket) => void = () => undefined;
    const taken = new Promise<Socket>((resolve) => (take = resolve));
    const both = await LinkHub.listen({ path: join(folder, 'both.sock') }, () => exchange.connect('agent'), rights, take);
    const caller = dial(both.address);
    const socket = await taken;
    const came = new Promise((resolve) => socket.once('data', resolve));
    socket.resume();
    expect(String(await came)).toBe(preface);
    const link = new LinkBus(both.address);
    await link.whenUp();
    await link.close();
    caller.destroy();
    await both.close();
    const cut = dial(hub.address);
    cut.resume();
    await new Promise((resolve) => cut.on('close', resolve));
  });

  it.each<[string, (link: LinkBus) => unknown]>([
    ['a subject that is not for links', (link) => link.respond('replicas.list', async () => bytes(''))],
    ['a topic that is not for links', (link) => link.broadcast('workers.hello', bytes('{}'))],
  ])('cuts off a link that uses %s', async (_, use) => {
    const link = await linked();
    const down = nextState(link, 'down');
    use(link);
    await down;
  });

  it('refuses to ask what is not for links', async () => {
    const link = await linked();
    worker.respond('servables.load', async () => bytes(''));
    await expect(link.request(worker.address, 'servables.load', bytes(''))).rejects.toMatchObject({
      message: expect.stringContaining('may not use'),
    });
  });

  it.each([
    ['noise', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['a huge frame', Buffer.from([255, 255, 255, 255, 255, 255, 255, 255])],
    ['JSON of no frame', Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('[]')])],
  ])('cuts off %s and serves on', async (_, noise) => {
    const socket = connect((hub.address as { path: string }).path);
    socket.on('error', () => undefined);
    socket.resume();
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write(noise);
    await closed;
    const link = await linked();
    worker.respond('distributed.ready', async () => bytes('yes'));
    expect(text(await link.request(undefined, 'distributed.ready', bytes('')))).toBe('yes');
  });
});

it.each([
  ['unix:/run/a.sock', { path: '/run/a.sock' }],
  ['10.0.0.1:6200', { host: '10.0.0.1', port: 6200 }],
  ['[::1]:6200', { host: '::1', port: 6200 }],
])('the address %s is read', (address, expected) => {
  expect(linkAddressOf(address)).toEqual(expected);
});
