import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { request as httpRequest } from 'node:http';
import { stringTensor } from '@mserve/wire';
import { GatewayRig } from '../testing/gateway-rig.js';
import { RawConnection } from '../testing/raw-connection.js';

const mebibyte = 1024 * 1024;
const good = '{"instances":[{"x":7}]}';

function post(body: string, headers = '', path = '/model/kit:echo'): string {
  return `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${headers}\r\n${body}`;
}

function chunked(count: number): string {
  const space = '1\r\n \r\n';
  const text = good.replace(/./g, (character) => `1\r\n${character}\r\n`);
  return `POST /model/kit:echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n${text}${space.repeat(count - good.length)}0\r\n\r\n`;
}

describe('the REST port', () => {
  let rig: GatewayRig;
  let address: string;
  beforeAll(async () => {
    rig = await GatewayRig.start({
      publicProtocols: true,
      maxMessageBytes: 2 * mebibyte,
      limits: { lingerMs: 300, headersTimeoutMs: 500, requestTimeoutMs: 700 },
    });
    address = rig.gateway.restAddress as string;
  });
  afterAll(() => rig.stop());
  // Whatever was sent: the server lives, and nothing is left in hand
  afterEach(async () => {
    const response = await rig.post(good);
    expect([response.status, await response.text()]).toEqual([200, '{"instances":[{"y":7}]}']);
    await rig.idle();
  });

  it.each<[name: string, sent: string, received: RegExp]>([
    [
      'Content-Length and Transfer-Encoding',
      'POST /model/kit:echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      /^HTTP\/1\.1 400 /,
    ],
    [
      'two Content-Length',
      'POST /model/kit:echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc',
      /^HTTP\/1\.1 400 /,
    ],
    ['a negative Content-Length', 'POST /model/kit:echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n', /^HTTP\/1\.1 400 /],
    [
      'two Host',
      `POST /model/kit:echo HTTP/1.1\r\nHost: x\r\nhost: y\r\nContent-Length: 0\r\n\r\n`,
      /^HTTP\/1\.1 400 .*\{"error_msg":"more than one Host header"\}/s,
    ],
    [
      'two Host on a route of Nest',
      'GET /v2 HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n',
      /^HTTP\/1\.1 400 .*\{"error":"more than one Host header"\}/s,
    ],
    ['no Host', 'GET /v2 HTTP/1.1\r\n\r\n', /^HTTP\/1\.1 400 /],
    ['headers over 16 KiB', `GET /v2 HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(17_000)}\r\n\r\n`, /^HTTP\/1\.1 431 /],
    ['a bad chunk size', 'POST /model/kit:echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n', /^HTTP\/1\.1 400 /],
    [
      'a bad Expect',
      'POST /model/kit:echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: much\r\nConnection: close\r\n\r\n',
      /^HTTP\/1\.1 417 /,
    ],
    ['TLS bytes', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', /^HTTP\/1\.1 400 /],
    [
      'a Content-Length of 2^63 and silence',
      'POST /model/kit:echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9223372036854775808\r\n\r\n',
      /^HTTP\/1\.1 413 (?!.*retry-after).*\r\n\r\n\{"error_msg":"http message is bigger than 2097152"\}$/is,
    ],
    [
      'the same of the Open Inference Protocol',
      'POST /v2/models/kit.echo/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 9223372036854775808\r\n\r\n',
      /^HTTP\/1\.1 413 .*\r\n\r\n\{"error":"http message is bigger than 2097152"\}$/s,
    ],
    [
      'Expect: 100-continue over the limit',
      `POST /model/kit:echo HTTP/1.1\r\nHost: x\r\nContent-Length: ${3 * mebibyte}\r\nExpect: 100-continue\r\n\r\n`,
      /^HTTP\/1\.1 413 /,
    ],
    ['65 537 chunks', chunked(65_537), /^HTTP\/1\.1 413 .*more than 65536 chunks/s],
    [
      'a chunked body over the limit',
      `POST /model/kit:echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n300000\r\n${' '.repeat(3 * mebibyte)}\r\n`,
      /^HTTP\/1\.1 413 /,
    ],
    ['half a header and silence', 'POST /model/kit:echo HTTP/1.1\r\nHo', /^HTTP\/1\.1 408 /],
    ['half a body and silence', 'POST /model/kit:echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{', /^HTTP\/1\.1 408 /],
    [
      'a timeout that is no number',
      post(good, 'X-Request-Timeout-Ms: soon\r\n'),
      /^HTTP\/1\.1 400 .*\{"error_msg":"x-request-timeout-ms is 'soon', it must be one number of milliseconds"\}$/s,
    ],
    [
      'two timeouts',
      post(good, 'X-Request-Timeout-Ms: 5\r\nX-Request-Timeout-Ms: 6\r\n'),
      /^HTTP\/1\.1 400 .*"x-request-timeout-ms is '5, 6', /s,
    ],
    [
      'XML to the Open Inference Protocol',
      post('<x/>', 'Content-Type: text/xml\r\nConnection: close\r\n', '/v2/models/kit.echo/infer'),
      /^HTTP\/1\.1 415 .*"error":"content-type 'text\/xml' is not supported/s,
    ],
  ])('refuses %s', async (_name, sent, received) => {
    const seen = rig.scheduler.seen.length;
    expect(await RawConnection.exchange(address, sent)).toMatch(received);
    expect(rig.scheduler.seen).toHaveLength(seen);
  });

  it.each(['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])('refuses %s on an infer route', async (verb) => {
    const response = await fetch(`${rig.url}/model/kit:echo`, { method: verb });
    expect([response.status, response.headers.get('allow'), await response.json()]).toEqual([
      405,
      'POST',
      { error_msg: 'http message only support POST right now' },
    ]);
    const oip = await fetch(`${rig.url}/v2/models/kit.echo/infer`, { method: verb });
    expect([oip.status, oip.headers.get('allow'), await oip.json()]).toEqual([
      405,
      'POST',
      { error: `${verb} is not supported here, POST is` },
    ]);
  });

  it.each(['/model/kit:echo', '/v2/models/kit.echo/infer', '/v2/repository/index'])(
    'answers HEAD of %s with 405, without a body',
    async (path) => {
      const answer = await RawConnection.exchange(address, `HEAD ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1\.1 405 .*\r\nallow: POST\r\n.*\r\n\r\n$/is);
    },
  );

  it('takes any content-type for the original, none for either', async () => {
    expect(await RawConnection.exchange(address, post(good, 'Content-Type: text/xml\r\nConnection: close\r\n'))).toMatch(
      /^HTTP\/1\.1 200 /,
    );
    const oip = JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: [2] }] });
    expect(await RawConnection.exchange(address, post(oip, 'Connection: close\r\n', '/v2/models/kit.echo/infer'))).toMatch(
      /^HTTP\/1\.1 200 .*"data":\[2/s,
    );
  });

  const json = JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: [2] }] });

  it.each([
    'application/x-www-form-urlencoded',
    'text/plain;charset=UTF-8',
    'application/vnd.acme+json',
    'text/json',
    'json',
    '*/*',
    'application/octet-stream',
  ])('takes JSON of the Open Inference Protocol as %s', async (type) => {
    const sent = post(json, `Content-Type: ${type}\r\nConnection: close\r\n`, '/v2/models/kit.echo/infer');
    expect(await RawConnection.exchange(address, sent)).toMatch(/^HTTP\/1\.1 200 .*"data":\[2/s);
  });

  it.each([
    'multipart/form-data; boundary=a',
    'application/atom+xml',
    'image/png',
    'application/x-protobuf',
    'text/csv',
    'application/msgpack',
  ])('refuses %s for the Open Inference Protocol', async (type) => {
    const sent = post(json, `Content-Type: ${type}\r\nConnection: close\r\n`, '/v2/models/kit.echo/infer');
    expect(await RawConnection.exchange(address, sent)).toMatch(/^HTTP\/1\.1 415 /);
  });

  it.each(['/v2/models/kit.echo/infer/', '/v2/models/kit%2Eecho/%69nfer', '/v2/models/kit.echo/infer/?a=1'])(
    'finds the infer route of %s',
    async (path) => {
      expect(await RawConnection.exchange(address, post(json, 'Connection: close\r\n', path))).toMatch(/^HTTP\/1\.1 200 .*"data":\[2/s);
    },
  );

  it.each(['/model/kit%3Aecho', '/model/k%69t:ech%6F'])('finds the method of %s', async (path) => {
    expect(await RawConnection.exchange(address, post(good, 'Connection: close\r\n', path))).toMatch(/^HTTP\/1\.1 200 .*"instances"/s);
  });

  it('takes 65 536 chunks, and Expect: 100-continue within the limit', async () => {
    expect(await RawConnection.exchange(address, chunked(65_536))).toMatch(/^HTTP\/1\.1 200 .*\{"instances":\[\{"y":7\}\]\}$/s);
    const connection = await RawConnection.open(address);
    connection.socket.write(
      `POST /model/kit:echo HTTP/1.1\r\nHost: x\r\nContent-Length: ${good.length}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n`,
    );
    await connection.until(() => connection.received.startsWith('HTTP/1.1 100 Continue\r\n\r\n'));
    connection.socket.write(good);
    await connection.until(() => connection.closed);
    expect(connection.received).toMatch(/\r\n\r\nHTTP\/1\.1 200 /);
  });

  it('puts large bodies together, announced or chunked', async () => {
    const text = 'x'.repeat(1_500_000);
    const body = `{"instances":[{"x":"${text}"}]}`;
    expect(((await (await rig.post(body)).json()) as { instances: { y: string }[] }).instances[0]?.y).toBe(text);
    const answer = await new Promise<string>((resolve, reject) => {
      const request = httpRequest(
        `${rig.url}/model/kit:echo`,
        { method: 'POST', headers: { 'transfer-encoding': 'chunked' } },
        (response) => {
          let received = '';
          response
            .setEncoding('utf8')
            .on('data', (chunk: string) => (received += chunk))
            .on('end', () => resolve(received));
        },
      );
      request.on('error', reject);
      for (let at = 0; at < body.length; at += 100_000) request.write(body.slice(at, at + 100_000));
      request.end();
    });
    expect(answer).toBe(`{"instances":[{"y":"${text}"}]}`);
  });

  it('answers 1000 pipelined requests in their order, in batches', async () => {
    const connection = await RawConnection.open(address);
    const values = Array.from({ length: 1000 }, (_, i) => i);
    connection.socket.write(values.map((i) => post(`{"instances":[{"x":${i}}]}`, i === 999 ? 'Connection: close\r\n' : '')).join(''));
    await connection.until(() => connection.closed);
    expect([...connection.received.matchAll(/"y":(\d+)/g)].map(([, i]) => Number(i))).toEqual(values);
  });

  it('runs nothing for a body that ends too early', async () => {
    const seen = rig.scheduler.seen.length;
    const connection = await RawConnection.open(address);
    connection.socket.end('POST /model/kit:echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"instances":[{"x":1}]}');
    await connection.until(() => connection.closed);
    expect(rig.scheduler.seen).toHaveLength(seen);
  });

  it('notices that the client of pipelined requests is gone, for every one of them', async () => {
    const { scheduler } = rig;
    const before = rig.gateway.stats.gone;
    scheduler.onTickets = () => undefined;
    const connection = await RawConnection.open(address);
    const seen = scheduler.seen.length;
    connection.socket.write(post(good).repeat(3));
    await scheduler.until(() => scheduler.seen.length === seen + 3);
    connection.socket.destroy();
    await scheduler.until(() => scheduler.cancelled.length >= 3);
    scheduler.onTickets = (list) => scheduler.echo(list);
    expect(rig.gateway.stats.gone).toBe(before + 3);
  });

  it('is not confused by Upgrade', async () => {
    expect(
      await RawConnection.exchange(address, post(good, 'Connection: Upgrade, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n')),
    ).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('leaves what is no infer route to Nest', async () => {
    expect((await fetch(`${rig.url}/models`)).status).toBe(404);
    expect((await fetch(`${rig.url}/v2/models/kit.echo`)).status).toBe(200);
    expect((await fetch(`${rig.url}/%zz`)).status).toBe(400);
  });
});

describe('the REST port with little memory', () => {
  it('refuses bodies that it cannot hold now, and takes them later', async () => {
    const rig = await GatewayRig.start({ maxMessageBytes: mebibyte, limits: { maxBufferedBytes: 1, lingerMs: 100 } });
    try {
      const { scheduler } = rig;
      scheduler.onTickets = () => undefined;
      const first = rig.post(`kit echo ${'x'.repeat(700_000)}`);
      await scheduler.until(() => scheduler.seen.length === 1);
      const refused = await rig.post(`kit echo ${'y'.repeat(700_000)}`);
      expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
      expect(await refused.text()).toMatch(/^UNAVAILABLE: /);
      scheduler.onTickets = (list) => scheduler.echo(list);
      scheduler.echo(scheduler.seen);
      expect(await (await first).text()).toHaveLength(700_000);
      await rig.idle();
      expect(await (await rig.post(`kit echo ${'y'.repeat(700_000)}`)).text()).toHaveLength(700_000);
    } finally {
      await rig.stop();
    }
  });
});

describe('the REST port with few connections', () => {
  it('refuses infer calls on those over the limit, and answers what else they ask for', async () => {
    const rig = await GatewayRig.start({ limits: { maxConnections: 2 } });
    try {
      const open = [
        await RawConnection.open(rig.gateway.restAddress as string),
        await RawConnection.open(rig.gateway.restAddress as string),
      ];
      const [first] = open;
      first?.socket.write(post('kit echo a'));
      await first?.until(() => first.received.endsWith('a'));
      const refused = await RawConnection.exchange(rig.gateway.restAddress as string, post('kit echo a'));
      expect(refused).toMatch(/^HTTP\/1\.1 503 .*\r\nretry-after: 1\r\n.*as many connections as it may have, 2/s);
      const probe = 'GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n';
      expect(await RawConnection.exchange(rig.gateway.restAddress as string, probe)).toMatch(
        /^HTTP\/1\.1 (?!503).*\r\nconnection: close\r\n/is,
      );
      for (const { socket } of open) socket.destroy();
    } finally {
      await rig.stop();
    }
  });
});

describe('the REST port with a client that does not read its answer', () => {
  it('cuts it off, and serves the others meanwhile', async () => {
    const rig = await GatewayRig.start({ limits: { writeTimeoutMs: 300 } });
    try {
      const { scheduler } = rig;
      // More than the buffers of both sockets hold
      const large = stringTensor('x'.repeat(50_000_000));
      scheduler.onTickets = ([ticket]) => {
        if (ticket !== undefined) scheduler.answer(ticket, 0, [{ outputs: [large] }]);
      };
      const connection = await RawConnection.open(rig.gateway.restAddress as string);
      connection.socket.pause();
      connection.socket.write(post('kit echo a'));
      await scheduler.until(() => scheduler.seen.length === 1);
      scheduler.onTickets = (list) => scheduler.echo(list);
      do expect(await (await rig.post('kit echo b')).text()).toBe('b');
      while (rig.gateway.inFlight > 0);
      connection.socket.resume();
      await connection.until(() => connection.closed);
      expect(connection.received.length).toBeLessThan(50_000_000);
    } finally {
      await rig.stop();
    }
  });
});
