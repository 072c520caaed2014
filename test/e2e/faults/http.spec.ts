import { RawConnection } from '../../../apps/gateway/src/testing/raw-connection.js';
import { answersOf, type FaultServer } from './fault-server.js';
import { faultTable, type FaultRow } from './fault-table.js';

const good = '{"instances":[{"x":7}]}';
const post = (headers: string, body = good, end = 'Connection: close\r\n'): string =>
  `POST /model/echo:predict HTTP/1.1\r\nHost: x\r\n${headers}${end}\r\n${body}`;
const whole = post(`Content-Length: ${good.length}\r\n`);
const chunked = (body: string): string => post('Transfer-Encoding: chunked\r\n', body);
const pieces = (count: number): string =>
  chunked(`${good.replace(/./g, (one) => `1\r\n${one}\r\n`)}${'1\r\n \r\n'.repeat(count - good.length)}0\r\n\r\n`);
const raw =
  (text: string) =>
  (server: FaultServer): Promise<string> =>
    server.raw(text);

const framing: readonly FaultRow[] = [
  [
    '1',
    'Content-Length and Transfer-Encoding',
    raw(post('Content-Length: 3\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n')),
    /^400 .*closed$/,
  ],
  ['2', 'two different Content-Length', raw(post('Content-Length: 3\r\nContent-Length: 4\r\n')), /^400 .*closed$/],
  ['3a', 'Content-Length: -1', raw(post('Content-Length: -1\r\n')), /^400 .*closed$/],
  ['3b', 'Content-Length: +4', raw(post('Content-Length: +4\r\n')), /^400 .*closed$/],
  ['3c', 'Content-Length: 1e20', raw(post('Content-Length: 1e20\r\n')), /^400 .*closed$/],
  ['4', 'Content-Length: 2^63 and silence', raw(post(`Content-Length: ${2n ** 63n}\r\n`, '')), /^413 .*bigger than 104857600.*closed$/],
  ['5a', 'a bad chunk size', raw(chunked('zz\r\n\r\n')), /^400 .*closed$/],
  ['5b', 'a chunk size of 17 digits', raw(chunked('fffffffffffffffff\r\n')), /^400 .*closed$/],
  [
    '5c',
    'a chunk size of 2^63 and silence',
    raw(chunked('8000000000000000\r\n')),
    /^408 .*closed$/,
    'node:http does not tell chunk sizes; nothing is allocated for one, and a body that does not come is refused as any slow one',
  ],
  ['5d', 'chunk extensions of 20 KB', raw(chunked(`1;${'a'.repeat(20_000)}\r\n`)), /^413 .*closed$/],
  ['6a', '65 536 chunks of one byte', raw(pieces(65_536)), /^200 \{"instances":\[\{"y":7\}\]\} closed$/],
  ['6b', '65 537 chunks of one byte', raw(pieces(65_537)), /^413 .*more than 65536 chunks.*closed$/],
  ['7', 'two Host', raw(post(`Host: y\r\nContent-Length: ${good.length}\r\n`)), /^400 .*more than one Host header.*closed$/s],
  ['8a', 'a header of 17 KB', raw(post(`A: ${'a'.repeat(17_000)}\r\n`)), /^431 .*closed$/],
  ['8b', '3000 headers', raw(post(Array.from({ length: 3000 }, (_, i) => `A${i}: a\r\n`).join(''))), /^431 .*closed$/],
  ['9a', 'a folded header', raw(post(`A: b\r\n c\r\nContent-Length: ${good.length}\r\n`)), /^400 .*closed$/],
  ['9b', 'NUL in a header', raw(post('A: \0\r\n')), /^400 .*closed$/],
  ['9c', 'line feeds alone', raw(whole.replaceAll('\r\n', '\n')), /^400 .*closed$/],
  ['9d', 'HTTP/9.9', raw('GET /v2 HTTP/9.9\r\nHost: x\r\n\r\n'), /^400 .*closed$/],
  ['9e', 'TLS on the plain port', raw('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'), /^400 .*closed$/],
  [
    '10a',
    'an unknown verb',
    raw('BREW /v2 HTTP/1.1\r\nHost: x\r\n\r\n'),
    /^400 .*method.*closed$/,
    "node:http's parser knows the registered verbs only, others are no HTTP to it",
  ],
  ['10b', 'TRACE', raw('TRACE /model/echo:predict HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'), /^405 .*only support POST.*closed$/],
  ['10c', 'GET of an infer route', (server) => server.post('/model/echo:predict', '', {}, 'GET'), /^405 .*only support POST/],
  [
    '11a',
    'Expect: 100-continue over the limit',
    raw(post(`Content-Length: ${200 * 2 ** 20}\r\nExpect: 100-continue\r\n`, '')),
    /^413 .*closed$/,
  ],
  ['11b', 'a bad Expect', raw(post('Content-Length: 1\r\nExpect: much\r\n', '')), /^417 .*closed$/s],
  [
    '12',
    '1000 pipelined requests',
    async (server) => {
      const one = (x: number): string => {
        const body = `{"instances":[{"x":${x}}]}`;
        return post(`Content-Length: ${body.length}\r\n`, body, x === 999 ? 'Connection: close\r\n' : '');
      };
      const received = await server.raw(Array.from({ length: 1000 }, (_, x) => one(x)).join(''));
      const values = [...received.matchAll(/"y":(\d+)/g)].map(([, y]) => Number(y));
      return values.every((y, x) => y === x) ? `${values.length} in order` : received;
    },
    /^1000 in order$/,
  ],
  [
    '13',
    'a body that ends before its length',
    async (server) => {
      const connection = await RawConnection.open(server.rest);
      connection.socket.end(post('Content-Length: 100\r\n'));
      await connection.until(() => connection.closed);
      return answersOf(connection.received);
    },
    /^(400 .*)?$/,
  ],
  ['14a', 'a URL of 15 KB', (server) => server.post(`/model/${'a'.repeat(15_000)}:predict`, good), /^40[04] .{0,1024}$/],
  ['14b', '%zz in the path', (server) => server.post('/v2/%zz', good), /^40[04] /],
  ['14c', '%00 in the name', (server) => server.post('/model/ec%00ho:predict', good), /^40[04] /],
  ['14d', 'overlong UTF-8 in the name', (server) => server.post('/model/%c0%af:predict', good), /^40[04] /],
];

const echoed = (x: number, headers: string): string => {
  const body = `{"instances":[{"x":${x}}]}`;
  return post(`Content-Length: ${body.length}\r\n${headers}`, body, '');
};
const last = echoed(3, 'Connection: close\r\n');
const three = /^200 \{"instances":\[\{"y":1\}\]\} 200 \{"instances":\[\{"y":2\}\]\} 200 \{"instances":\[\{"y":3\}\]\} closed$/;
const h2c = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n';
const websocket =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n';

/** A request that asks for another protocol, which a server may pass over (RFC 9110, 7.8), and what is pipelined around it. */
const upgrades: readonly FaultRow[] = [
  ['15a', 'requests behind one with Upgrade: h2c', raw(echoed(1, h2c) + echoed(2, '') + last), three],
  ['15b', 'requests around one with Upgrade: h2c', raw(echoed(1, '') + echoed(2, h2c) + last), three],
  ['15c', 'each with Upgrade: h2c', raw(echoed(1, h2c) + echoed(2, h2c) + last), three],
  ['15d', 'requests behind one with Upgrade: websocket', raw(echoed(1, websocket) + echoed(2, '') + last), three],
  [
    '15e',
    'one after the other, each with Upgrade: h2c, as Java sends the first',
    async (server) => {
      const connection = await RawConnection.open(server.rest);
      for (const x of [1, 2]) {
        connection.socket.write(echoed(x, h2c));
        await connection.until(() => connection.received.includes(`"y":${x}}`));
      }
      connection.socket.write(last);
      await connection.until(() => connection.closed);
      return `${answersOf(connection.received)} closed`;
    },
    three,
  ],
  [
    '15f',
    'a body that comes in pieces behind Upgrade: h2c',
    async (server) => {
      const connection = await RawConnection.open(server.rest);
      const text = echoed(1, h2c) + echoed(2, '') + last;
      for (let at = 0; at < text.length; at += 40) {
        connection.socket.write(text.slice(at, at + 40));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await connection.until(() => connection.closed);
      return `${answersOf(connection.received)} closed`;
    },
    three,
  ],
  [
    '15g',
    'Upgrade: h2c and a chunked body that is not well formed',
    raw(post(`Transfer-Encoding: chunked\r\n${h2c}`, 'zz\r\n', '')),
    /^400 .*closed$/,
  ],
  [
    '15h',
    'CONNECT',
    async (server) => `${answersOf(await RawConnection.exchange(server.rest, 'CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n'))}closed`,
    /^(40[05] .*)?closed$/,
  ],
];

const crowded: readonly FaultRow[] = [
  [
    '19',
    'more idle connections than there may be',
    async (server) => {
      const idle = await Promise.all(Array.from({ length: 300 }, () => RawConnection.open(server.rest)));
      const health = await server.post('/v2/health/ready', '', {}, 'GET');
      const infer = await server.post('/model/echo:predict', good);
      for (const { socket } of idle) socket.destroy();
      await server.until(({ sockets }) => sockets === 0);
      return `${health.slice(0, 3)} and ${infer}`;
    },
    /^200 and 503 .*as many connections as it may have, 100/,
  ],
];

const drip = async (server: FaultServer, text: string): Promise<string> => {
  const connection = await RawConnection.open(server.rest);
  let at = 0;
  const timer = setInterval(() => void connection.socket.write(text[at++ % text.length] as string), 50);
  try {
    await connection.until(() => connection.closed);
  } finally {
    clearInterval(timer);
  }
  return answersOf(connection.received);
};

const slow: readonly FaultRow[] = [
  ['16', 'headers byte by byte', (server) => drip(server, `POST /v2 HTTP/1.1\r\nX: ${'x'.repeat(500)}`), /^408 /],
  [
    '17',
    'a body byte by byte',
    async (server) => {
      const connection = await RawConnection.open(server.rest);
      connection.socket.write(post('Content-Length: 5000\r\n', ''));
      const timer = setInterval(() => void connection.socket.write(' '), 50);
      await connection.until(() => connection.closed);
      clearInterval(timer);
      return answersOf(connection.received);
    },
    /^408 .*at least 1024 bytes per second/,
  ],
  ...(['an answer', 'a page'] as const).map((what, n): FaultRow => [
    `18${'ab'[n]}`,
    `a client that reads nothing of ${what === 'a page' ? 'the pages of the docs' : 'an answer of 50 MB'}`,
    async (server) => {
      await server.until(({ sockets }) => sockets === 0);
      const connection = await RawConnection.open(server.rest);
      // More than the buffers of both sockets hold
      const bytes = 50_000_000;
      const raw = `POST /v2/models/whole/infer HTTP/1.1\r\nHost: x\r\nInference-Header-Content-Length: 0\r\nContent-Length: ${bytes}\r\n\r\n`;
      connection.socket.write(what === 'a page' ? 'GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(50) : raw);
      if (what !== 'a page') connection.socket.write(Buffer.alloc(bytes));
      await connection.until(() => connection.received !== '');
      connection.socket.pause();
      const began = performance.now();
      await server.until(({ sockets }) => sockets === 0);
      // Others are served on meanwhile, see holds. Twice the time was what one timer of node's made of it
      const cut = performance.now() - began < 2 * times.writeTimeoutMs ? 'cut in time' : 'cut late';
      connection.socket.resume();
      await connection.until(() => connection.closed);
      return connection.received.length < 50_000_000 ? cut : 'all of it';
    },
    /^cut in time$/,
  ]),
  [
    '20',
    '2000 connections that are closed again',
    async (server) => {
      for (let n = 0; n < 100; n++) {
        const open = await Promise.all(Array.from({ length: 20 }, () => RawConnection.open(server.rest)));
        for (const { socket } of open) socket.destroy();
      }
      return 'closed';
    },
    /^closed$/,
  ],
];

const times = { headersTimeoutMs: 500, requestTimeoutMs: 1000, lingerMs: 300, writeTimeoutMs: 2000 };
faultTable('HTTP framing', times, framing);
faultTable('another protocol', times, upgrades);
faultTable('slow clients', times, slow);
faultTable('many connections', { maxConnections: 100 }, crowded);
