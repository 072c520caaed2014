import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { GatewayRig } from '../testing/gateway-rig.js';
import { prefixed, RawGrpc } from '../testing/raw-grpc.js';
import { RawConnection } from '../testing/raw-connection.js';

const mebibyte = 1024 * 1024;
const path = '/v2/models/kit/infer';
const whole = Buffer.from('kit echo abc');
/** As much text of one letter as a gzip of a few KiB holds. */
const large = (mebibytes: number): Buffer => gzipSync(`kit echo ${'x'.repeat(mebibytes * mebibyte - 9)}`);

function post(rig: GatewayRig, body: Buffer, encoding: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${rig.url}${path}`, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', 'content-encoding': encoding, ...headers },
  });
}

/** Resolves when one exchange is in hand. */
async function begun(rig: GatewayRig): Promise<void> {
  while (rig.gateway.inFlight === 0) await new Promise((resolve) => setImmediate(resolve));
}

describe('compressed bodies over REST', () => {
  let rig: GatewayRig;
  beforeAll(async () => {
    rig = await GatewayRig.start({ maxMessageBytes: mebibyte, limits: { lingerMs: 100 } });
  });
  afterAll(() => rig.stop());
  afterEach(async () => {
    expect(await (await post(rig, gzipSync(whole), 'gzip')).text()).toBe('abc');
    await rig.idle();
  });

  it.each<[string, encoding: string, body: Buffer, answer: string]>([
    ['gzip', 'gzip', gzipSync(whole), 'abc'],
    ['deflate', 'deflate', deflateSync(whole), 'abc'],
    ['identity', 'identity', whole, 'abc'],
    ['nothing named', '', whole, 'abc'],
    ['a name in capitals', ' GZIP', gzipSync(whole), 'abc'],
    ['gzip of several members', 'gzip', Buffer.concat([gzipSync(whole), gzipSync('def')]), 'abcdef'],
    ['gzip with zeros behind it', 'gzip', Buffer.concat([gzipSync(whole), Buffer.alloc(9)]), 'abc'],
    ['deflate with something behind it', 'deflate', Buffer.concat([deflateSync(whole), whole]), 'abc'],
    ['exactly as much as is allowed', 'gzip', large(1), 'x'.repeat(mebibyte - 9)],
  ])('are taken: %s', async (_, encoding, body, answer) => {
    const response = await post(rig, body, encoding);
    expect([response.status, await response.text()]).toEqual([200, answer]);
  });

  it.each<[string, encoding: string, body: Buffer, status: number, error: string]>([
    ['an unknown encoding', 'br', whole, 415, "INVALID_ARGUMENT: content-encoding 'br' is not supported, gzip, deflate and identity are"],
    [
      'two encodings',
      'gzip, gzip',
      whole,
      415,
      "INVALID_ARGUMENT: content-encoding 'gzip, gzip' is not supported, gzip, deflate and identity are",
    ],
    [
      'a byte more than is allowed',
      'gzip',
      gzipSync(Buffer.alloc(mebibyte + 1)),
      413,
      `RESOURCE_EXHAUSTED: the inflated body is bigger than ${mebibyte} bytes`,
    ],
    [
      'a bomb in many members',
      'gzip',
      Buffer.concat(new Array(50).fill(large(1))),
      413,
      `RESOURCE_EXHAUSTED: the inflated body is bigger than ${mebibyte} bytes`,
    ],
    ['what is not gzip', 'gzip', whole, 400, 'INVALID_ARGUMENT: the body is not gzip'],
    ['what is not deflate', 'deflate', whole, 400, 'INVALID_ARGUMENT: the body is not deflate'],
    ['deflate without its frame', 'deflate', deflateRawSync(whole), 400, 'INVALID_ARGUMENT: the body is not deflate'],
    ['gzip with something behind it', 'gzip', Buffer.concat([gzipSync(whole), whole]), 400, 'INVALID_ARGUMENT: the body is not gzip'],
    ['half of it', 'gzip', gzipSync(whole).subarray(0, 18), 400, 'INVALID_ARGUMENT: the body is not gzip'],
    ['no byte', 'gzip', Buffer.alloc(0), 400, 'INVALID_ARGUMENT: the body is not gzip'],
    [
      'a wrong checksum',
      'gzip',
      Buffer.concat([gzipSync(whole).subarray(0, -8), Buffer.alloc(8)]),
      400,
      'INVALID_ARGUMENT: the body is not gzip',
    ],
  ])('are refused: %s', async (_, encoding, body, status, error) => {
    const seen = rig.scheduler.seen.length;
    const response = await post(rig, body, encoding);
    expect([response.status, await response.text()]).toEqual([status, error]);
    expect(rig.scheduler.seen).toHaveLength(seen);
  });

  it('are not inflated further when their time is over', async () => {
    const response = await post(rig, gzipSync(whole), 'gzip', { 'x-request-timeout-ms': '0' });
    expect([response.status, await response.text()]).toEqual([504, 'DEADLINE_EXCEEDED: the body was not inflated in time']);
  });

  it('may come in chunks, and pipelined with others: answers keep their order, also behind a refusal', async () => {
    const connection = await RawConnection.open(rig.gateway.restAddress as string);
    const head = `POST ${path} HTTP/1.1\r\nHost: x\r\n`;
    const sent = (body: Buffer): string =>
      `${head}Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body.toString('latin1')}\r\n0\r\n\r\n`;
    connection.socket.write(
      `${sent(gzipSync(whole))}${sent(whole)}${sent(gzipSync('kit echo d'))}${head}Content-Length: 10\r\nConnection: close\r\n\r\nkit echo e`,
      'latin1',
    );
    await connection.until(() => connection.closed);
    expect(
      [...connection.received.matchAll(/HTTP\/1\.1 (\d+)[^]*?\r\n\r\n([^]*?)(?=HTTP|$)/g)].map(([, status, text]) => `${status} ${text}`),
    ).toEqual(['200 abc', '400 INVALID_ARGUMENT: the body is not gzip', '200 d', '200 e']);
  });

  it('are all taken when very many come at once', async () => {
    const texts = Array.from({ length: 300 }, (_, n) => String(n));
    expect(await Promise.all(texts.map(async (text) => (await post(rig, gzipSync(`kit echo ${text}`), 'gzip')).text()))).toEqual(texts);
  });

  it('are not looked at for the original, which does not read the header', async () => {
    expect(await (await rig.post('kit echo a', { 'content-encoding': 'br' })).text()).toBe('a');
    expect((await rig.post(gzipSync(whole).toString('latin1'), { 'content-encoding': 'gzip' })).status).toBe(404);
  });
});

describe('large compressed bodies', () => {
  let rig: GatewayRig;
  beforeAll(async () => {
    rig = await GatewayRig.start();
  });
  afterAll(() => rig.stop());
  afterEach(() => rig.idle());

  it('do not keep the others waiting', async () => {
    const order: number[] = [];
    const first = post(rig, large(60), 'gzip').then(async (response) => order.push((await response.text()).length));
    await begun(rig);
    const second = rig.post('kit echo small').then(async (response) => order.push((await response.text()).length));
    await Promise.all([first, second]);
    expect(order).toEqual([5, 60 * mebibyte - 9]);
  });

  it('are let go of when their client leaves', async () => {
    const { scheduler } = rig;
    const seen = scheduler.seen.length;
    const body = large(90);
    const connection = await RawConnection.open(rig.gateway.restAddress as string);
    connection.socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: ${body.length}\r\n\r\n`);
    connection.socket.end(body);
    await begun(rig);
    connection.socket.destroy();
    await rig.idle();
    expect(scheduler.seen).toHaveLength(seen);
  });

  it('are let go of when their call is reset', async () => {
    const { scheduler } = rig;
    const seen = scheduler.seen.length;
    const raw = await RawGrpc.open(rig.gateway.grpcAddress as string);
    const stream = raw.begin({ 'grpc-encoding': 'gzip' });
    await new Promise<void>((resolve) => stream.end(prefixed(large(90), 1), () => resolve()));
    await begun(rig);
    stream.close(8);
    await rig.idle();
    raw.close();
    expect(scheduler.seen).toHaveLength(seen);
  });
});

describe('compressed bodies and what else is held', () => {
  it('many whose clients leave leave nothing behind, begun or not', async () => {
    const rig = await GatewayRig.start({ maxMessageBytes: 8 * mebibyte, limits: { maxBufferedBytes: 1 } });
    try {
      const body = large(7);
      const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: ${body.length}\r\n\r\n`;
      const open = await Promise.all(Array.from({ length: 100 }, () => RawConnection.open(rig.gateway.restAddress as string)));
      for (const { socket } of open) socket.write(Buffer.concat([Buffer.from(head), body]));
      await begun(rig);
      for (const { socket } of open) socket.destroy();
      await rig.idle();
      expect(await (await post(rig, body, 'gzip')).text()).toHaveLength(7 * mebibyte - 9);
    } finally {
      await rig.stop();
    }
  });

  it.each(['REST', 'gRPC'])('%s: what comes out counts, and counts no more afterwards', async (port) => {
    const rig = await GatewayRig.start({ maxMessageBytes: mebibyte, limits: { maxBufferedBytes: 1 } });
    const raw = await RawGrpc.open(rig.gateway.grpcAddress as string);
    const body = (letter: string): Buffer => gzipSync(`kit echo ${letter.repeat(700_000)}`);
    const ask = async (letter: string): Promise<string> => {
      if (port === 'REST') return (await post(rig, body(letter), 'gzip')).text();
      const reply = await raw.call([prefixed(body(letter), 1)], { 'grpc-encoding': 'gzip' });
      return reply.headers['grpc-status'] === '0' ? reply.body.subarray(5).toString() : String(reply.headers['grpc-message']);
    };
    try {
      const { scheduler } = rig;
      scheduler.onTickets = () => undefined;
      const first = ask('x');
      await scheduler.until(() => scheduler.seen.length === 1);
      expect(await ask('y')).toBe('UNAVAILABLE: the server holds too many bytes of requests, try again later');
      scheduler.onTickets = (list) => scheduler.echo(list);
      scheduler.echo(scheduler.seen);
      expect(await first).toHaveLength(700_000);
      for (const letter of ['y', 'z']) {
        await rig.idle();
        expect(await ask(letter)).toBe(letter.repeat(700_000));
      }
    } finally {
      raw.close();
      await rig.stop();
    }
  });

  it.each(['REST', 'gRPC'])('%s: a port that closes still answers what it inflates', async (port) => {
    const rig = await GatewayRig.start();
    const raw = await RawGrpc.open(rig.gateway.grpcAddress as string);
    try {
      const answer =
        port === 'REST'
          ? post(rig, large(20), 'gzip')
              .then((response) => response.arrayBuffer())
              .then((bytes) => bytes.byteLength)
          : raw.call([prefixed(large(20), 1)], { 'grpc-encoding': 'gzip' }).then(({ body }) => body.length - 5);
      await begun(rig);
      await rig.close();
      expect(await answer).toBe(20 * mebibyte - 9);
    } finally {
      raw.close();
      await rig.stop();
    }
  });
});
