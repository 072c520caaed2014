import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { SharedReads } from './shared-reads.js';

let server: Server;
/** Accepted sockets, and those that took their place. */
let accepted: Socket[];
let taken: Socket[];
let seen: string[];
let opened: Socket[];
/** Fields that sockets have not while they are taken. */
let lacking: readonly string[];

beforeEach(() => {
  const reads = new SharedReads();
  [accepted, taken, seen, opened, lacking] = [[], [], [], [], []];
  server = createServer({ pauseOnConnect: true }, (socket) => {
    const index = accepted.push(socket) - 1;
    seen[index] = '';
    const before = lacking.map((field): [string, unknown] => [field, Reflect.get(socket, field)]);
    for (const field of lacking) Reflect.deleteProperty(socket, field);
    const mine = reads.take(socket, (bytes) => {
      seen[index] += bytes.toString('latin1');
      mine.write(bytes);
    });
    for (const [field, value] of before) Reflect.set(socket, field, value);
    mine.on('error', () => undefined);
    taken.push(mine);
  });
});

afterEach(async () => {
  await Promise.all([...taken, ...opened].map(destroyed));
  if (server.listening) await new Promise((resolve) => server.close(resolve));
});

async function listen(path?: string): Promise<() => Promise<Socket>> {
  server.listen(path === undefined ? { host: '127.0.0.1', port: 0 } : { path });
  await once(server, 'listening');
  return async () => {
    const client = path === undefined ? connect((server.address() as AddressInfo).port, '127.0.0.1') : connect(path);
    opened.push(client.on('error', () => undefined));
    await Promise.all([once(client, 'connect'), once(server, 'connection')]);
    return client;
  };
}

async function destroyed(socket: Socket): Promise<void> {
  if (socket.closed) return;
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.destroy();
  await closed;
}

async function countOf(of: Server): Promise<number> {
  return new Promise((resolve, reject) => of.getConnections((error, count) => (error === null ? resolve(count) : reject(error))));
}

it.each([['TCP', undefined] as const, ['a socket file', join(tmpdir(), `shared-reads-${process.pid}.sock`)] as const])(
  'gives each connection over %s what its client sent, and takes its answer',
  async (_name, path) => {
    const open = await listen(path);
    const clients = [await open(), await open(), await open()];
    const large = 'l'.repeat(300_000);
    const answers = clients.map(async (client, index) => {
      let answer = '';
      const wanted = `client ${index}${large}`.length;
      for await (const piece of client) if ((answer += String(piece)).length === wanted) break;
      return answer;
    });
    clients.forEach((client, index) => client.write(`client ${index}`));
    clients.forEach((client) => client.write(large));
    expect(await Promise.all(answers)).toEqual(clients.map((_, index) => `client ${index}${large}`));
    expect(seen).toEqual(clients.map((_, index) => `client ${index}${large}`));
    // This node has what it is built on: none was read in node's own way
    expect(taken.some((socket) => accepted.includes(socket))).toBe(false);
  },
);

it('reads as node does where node has not what it is built on', async () => {
  lacking = ['_server'];
  const client = await (await listen())();
  client.write('as ever');
  expect(String((await once(client, 'data'))[0])).toBe('as ever');
  expect(taken).toEqual(accepted);
});

it('says that the client has ended, and that the connection is closed', async () => {
  const client = await (await listen())();
  const [socket] = taken as [Socket];
  const [ended, closed] = [once(socket, 'end'), once(socket, 'close')];
  client.end('the last');
  await Promise.all([ended, closed]);
  expect(seen).toEqual(['the last']);
});

it('fails where the client breaks off', async () => {
  const client = await (await listen())();
  const [socket] = taken as [Socket];
  const failed = once(socket, 'error');
  client.resetAndDestroy();
  await expect(failed).resolves.toEqual([expect.objectContaining({ code: 'ECONNRESET' })]);
});

it('stays one of the connections of its server, which has ended when the last of them has', async () => {
  server.maxConnections = 2;
  const open = await listen();
  const clients = [await open(), await open()];
  expect(await countOf(server)).toBe(2);
  const dropped = once(server, 'drop');
  const third = connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => undefined);
  await dropped;
  await destroyed(third);
  const [first, second] = taken as [Socket, Socket];
  const gone = once(first, 'close');
  clients[0]?.destroy();
  await gone;
  expect(await countOf(server)).toBe(1);
  let isOver = false;
  const over = new Promise<void>((resolve) => server.close(() => resolve())).then(() => (isOver = true));
  await new Promise(setImmediate);
  expect(isOver).toBe(false);
  second.destroy();
  await over;
});
