import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { DirectPlace, HeldBytes } from '@mserve/wire';
import { startNatsServer, type NatsServer } from '../../../test/support/nats-server.js';
import { helloFrame, requestFrame } from './direct/direct-frames.js';
import { BusTensorStore, DirectReader, DirectServer, MemoryExchange, NatsBus } from './index.js';
import { describeTensorStore, large, travelled } from './testing/tensor-store.contract.js';

let nats: NatsServer;
beforeAll(async () => void (nats = await startNatsServer()));
afterAll(() => nats.stop());

describeTensorStore('from owner to reader over TCP', 'direct', async () => {
  const connectAs = (role: string): Promise<NatsBus> => NatsBus.connect({ servers: nats.url, role, report: () => undefined });
  const [owner, reader] = await Promise.all([connectAs('gateway'), connectAs('worker')]);
  const server = await DirectServer.listen('127.0.0.1', 0);
  const direct = new DirectReader();
  return {
    owner,
    owned: new BusTensorStore(owner, { directPlace: server.placeOf(owner) }),
    reading: new BusTensorStore(reader, { direct }),
    async close() {
      await Promise.all([owner.close(), reader.close()]);
      direct.close();
      server.close();
    },
  };
});

describe('tensors over TCP', () => {
  const exchange = new MemoryExchange();
  const owner = exchange.connect('gateway');
  const reader = exchange.connect('worker');
  const ends: (() => void)[] = [];
  afterEach(() => {
    for (const end of ends.splice(0)) end();
  });

  async function serve(): Promise<{ readonly server: DirectServer; readonly place: DirectPlace }> {
    const server = await DirectServer.listen('127.0.0.1', 0);
    ends.push(() => server.close());
    return { server, place: server.placeOf(owner) };
  }
  function newReader(): DirectReader {
    const direct = new DirectReader();
    ends.push(() => direct.close());
    return direct;
  }
  const patterned = (length: number): Uint8Array => new Uint8Array(length).map((_, i) => i % 251);
  const holding = (bytes: Uint8Array, place: DirectPlace): HeldBytes => ({ ...owner.hold(bytes), direct: place });
  /** A server that says this to everybody. */
  async function saying(...words: readonly Uint8Array[]): Promise<DirectPlace> {
    const server: Server = createServer((socket) => {
      socket.on('error', () => undefined);
      for (const word of words) socket.write(word);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const sockets = new Set<Socket>();
    server.on('connection', (socket) => sockets.add(socket));
    ends.push(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, token: 1 };
  }

  it('takes many at a time over one stream, small ones beside large ones', async () => {
    const { place } = await serve();
    const direct = newReader();
    const all = [40_000_000, 1, 300_000, 262_144, 1000].map(patterned);
    const order: number[] = [];
    const taken = await Promise.all(
      all.map(async (bytes, index) => {
        const got = await direct.fetch(holding(bytes, place));
        order.push(index);
        return got;
      }),
    );
    for (const [index, bytes] of all.entries()) expect(Buffer.compare(taken[index] as Uint8Array, bytes)).toBe(0);
    expect(order.at(-1)).toBe(0);
    const part = { ...holding(all[0] as Uint8Array, place), offset: 1_000_001, length: 600_000 };
    expect(Buffer.compare((await direct.fetch(part)) as Uint8Array, (all[0] as Uint8Array).subarray(1_000_001, 1_600_001))).toBe(0);
  });

  it('tells what the owner answers, and goes on', async () => {
    const { place } = await serve();
    const direct = newReader();
    const held = holding(patterned(10), place);
    owner.release(held);
    await expect(direct.fetch(held)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(direct.fetch({ ...holding(patterned(10), place), length: 11 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await direct.fetch(holding(patterned(10), place))).toEqual(patterned(10));
  });

  it('stops for a reader that left, and others get theirs', async () => {
    const { place } = await serve();
    const direct = newReader();
    const left = new AbortController();
    const reads = jest.spyOn(owner, 'fetch');
    const stopped = expect(direct.fetch(holding(patterned(30_000_000), place), left.signal)).rejects.toMatchObject({ code: 'CANCELLED' });
    const kept = direct.fetch(holding(patterned(600_000), place));
    left.abort();
    await stopped;
    expect(await kept).toHaveLength(600_000);
    expect(reads.mock.calls.length).toBeLessThan(100);
    reads.mockRestore();
  });

  it.each<[string, () => Promise<DirectPlace>]>([
    ['is closed', () => Promise.resolve({ address: '127.0.0.1:1', token: 1 })],
    ['is none', () => Promise.resolve({ address: 'nowhere', token: 1 })],
    ['wants another token', async () => ({ ...(await serve()).place, token: 2 })],
    ['says nothing of ours', () => saying(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'))],
    [
      'sends more than was asked',
      () => saying(Buffer.from('mserve-1'), Buffer.from([1, 1, 0, 0, 0, 255, 255, 255, 0]), Buffer.alloc(100_000)),
    ],
    ['sends a frame that there is not', () => saying(Buffer.from('mserve-1'), Buffer.from([9, 1, 0, 0, 0, 1, 0, 0, 0, 0]))],
  ])('goes over the bus when the place %s', async (_, placeOf) => {
    const onDetour = jest.fn();
    const owned = new BusTensorStore(owner, { directPlace: await placeOf() });
    const reading = new BusTensorStore(reader, { direct: newReader(), onDetour });
    const placed = owned.place(large);
    for (let i = 0; i < 2; i++) expect(isDeepStrictEqual(await reading.read(travelled(placed)), large)).toBe(true);
    expect(reading.counts.bytes.direct).toBe(0);
    // Told once; an address that did not answer is not tried again at once
    expect(onDetour.mock.calls.length).toBeLessThanOrEqual(1);
    expect(reading.counts.detours.unreachable).toBeLessThanOrEqual(1);
    owned.release(placed);
  });

  it('goes over the bus when the owner ends the stream in the middle', async () => {
    const { server, place } = await serve();
    const owned = new BusTensorStore(owner, { directPlace: place });
    const reading = new BusTensorStore(reader, { direct: newReader() });
    const placed = owned.place(large);
    expect(isDeepStrictEqual(await reading.read(travelled(placed)), large)).toBe(true);
    const before = reading.counts.bytes.direct;
    expect(before).toBeGreaterThan(0);
    const again = reading.read(travelled(placed));
    server.close();
    expect(isDeepStrictEqual(await again, large)).toBe(true);
    expect([reading.counts.bytes.direct, reading.counts.detours.unreachable]).toEqual([before, 1]);
    owned.release(placed);
  });

  it.each([
    ['a wrong token', helloFrame(1)],
    ['something else', Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n')],
    ['numbers that are none', 'numbers'],
    ['a frame that there is not', 'frame'],
  ])('ends a stream that brings %s', async (_, words) => {
    const { server, place } = await serve();
    const port = Number(server.address.split(':')[1]);
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.resume();
    if (typeof words !== 'string') socket.write(words);
    else {
      const request = requestFrame({ number: 1, id: 1, offset: 0, length: 1 });
      if (words === 'numbers') request.fill(255, 5);
      else request[0] = 7;
      socket.write(Buffer.concat([helloFrame(place.token), request]));
    }
    await once(socket, 'close');
    expect(await newReader().fetch(holding(patterned(5), place))).toHaveLength(5);
  });
});
