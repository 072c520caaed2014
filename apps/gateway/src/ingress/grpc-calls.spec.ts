import { once } from 'node:events';
import { constants } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { deflateSync, gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { stringTensor } from '@mserve/wire';
import { GatewayRig, predict, rawClient } from '../testing/gateway-rig.js';
import { prefixed, RawGrpc, replyOf, type RawReply } from '../testing/raw-grpc.js';

const mebibyte = 1024 * 1024;
const echo = (text: string): Buffer => prefixed(`kit echo ${text}`);
const bytesOf = (whole: Buffer): Buffer[] => Array.from(whole, (byte) => Buffer.of(byte));

/** Status and text, or the message of an answered call. */
function shown({ headers, body }: RawReply): unknown {
  if (headers['grpc-status'] === '0') return body.subarray(5).toString();
  return headers['grpc-status'] === undefined
    ? headers[':status']
    : [Number(headers['grpc-status']), decodeURIComponent(String(headers['grpc-message']))];
}

describe('infer calls on the wire', () => {
  let rig: GatewayRig;
  let raw: RawGrpc;
  beforeAll(async () => {
    rig = await GatewayRig.start({ maxMessageBytes: mebibyte });
    raw = await RawGrpc.open(rig.gateway.grpcAddress as string);
  });
  afterAll(async () => {
    raw.close();
    await rig.stop();
  });
  afterEach(async () => {
    expect(shown(await raw.call([echo('good')]))).toBe('good');
    await rig.idle();
  });

  it('answers with status, content type and one message', async () => {
    const { headers, body } = await raw.call([echo('a')]);
    expect(headers).toMatchObject({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '0' });
    expect(body).toEqual(prefixed('a'));
  });

  it.each<[string, Buffer[], Record<string, string>, unknown]>([
    ['a message byte by byte', bytesOf(echo('abc')), {}, 'abc'],
    ['a message in two pieces, the prefix cut', [echo('abc').subarray(0, 3), echo('abc').subarray(3)], {}, 'abc'],
    [
      'a message in several frames of 100 KB',
      [
        echo('x'.repeat(300_000)).subarray(0, 100_000),
        echo('x'.repeat(300_000)).subarray(100_000, 200_000),
        echo('x'.repeat(300_000)).subarray(200_000),
      ],
      {},
      'x'.repeat(300_000),
    ],
    ['the subtype of a content type', [echo('a')], { 'content-type': 'application/grpc+proto' }, 'a'],
    ['a gzip message', [prefixed(gzipSync('kit echo abc'), 1)], { 'grpc-encoding': 'gzip' }, 'abc'],
    ['a deflate message', [prefixed(deflateSync('kit echo abc'), 1)], { 'grpc-encoding': 'deflate' }, 'abc'],
    ['a message not compressed though an encoding is named', [echo('abc')], { 'grpc-encoding': 'gzip' }, 'abc'],
    ['a timeout that is long', [echo('a')], { 'grpc-timeout': '99999999H' }, 'a'],
  ])('takes %s', async (_, pieces, headers, answer) => {
    expect(shown(await raw.call(pieces, headers))).toBe(answer);
  });

  it.each<[string, Buffer[], Record<string, string>, unknown]>([
    ['no message', [], {}, [12, 'UNIMPLEMENTED: a unary call has one request message, none was sent']],
    ['two messages', [echo('a'), echo('b')], {}, [12, 'UNIMPLEMENTED: a unary call has one request message, more than one was sent']],
    [
      'two messages in one frame',
      [Buffer.concat([echo('a'), echo('b')])],
      {},
      [12, 'UNIMPLEMENTED: a unary call has one request message, more than one was sent'],
    ],
    ['half a prefix', [Buffer.alloc(3)], {}, [13, 'INTERNAL: the request message ends within its prefix']],
    ['half a message', [prefixed('kit echo a', 0, 20)], {}, [13, 'INTERNAL: the request message ends after 10 of its 20 bytes']],
    [
      'a gzip bomb',
      [prefixed(gzipSync(Buffer.alloc(2 * mebibyte)), 1)],
      { 'grpc-encoding': 'gzip' },
      [8, 'RESOURCE_EXHAUSTED: Received message larger than max (decompressed, over 1048576)'],
    ],
    [
      'an encoding that is unknown',
      [prefixed('x', 1)],
      { 'grpc-encoding': 'br' },
      [12, "UNIMPLEMENTED: grpc-encoding 'br' is not supported, gzip, deflate and identity are"],
    ],
    [
      'a compressed message without an encoding',
      [prefixed('x', 1)],
      {},
      [13, 'INTERNAL: the request message is flagged as compressed, grpc-encoding names no compression'],
    ],
    ['a gzip message that is none', [prefixed('x', 1)], { 'grpc-encoding': 'gzip' }, [13, 'INTERNAL: the request message is not gzip']],
    ['a timeout that is none', [echo('a')], { 'grpc-timeout': '1 s' }, [13, "INTERNAL: grpc-timeout is '1 s', which is no timeout"]],
    [
      'a timeout of nothing',
      [echo('a')],
      { 'grpc-timeout': '0m' },
      [4, 'DEADLINE_EXCEEDED: the deadline of the request had passed when it arrived'],
    ],
    ['a content type that is not gRPC', [echo('a')], { 'content-type': 'application/grpcx' }, 415],
    ['another verb', [], { ':method': 'PUT' }, 405],
  ])('refuses %s', async (_, pieces, headers, answer) => {
    expect(shown(await raw.call(pieces, headers))).toEqual(answer);
  });

  it('refuses a message over the limit as soon as its length is here', async () => {
    expect(shown(await raw.call([prefixed('', 0, mebibyte + 1)], {}, true))).toEqual([
      8,
      'RESOURCE_EXHAUSTED: Received message larger than max (1048577 vs. 1048576)',
    ]);
  });

  it('refuses an answer over the limit', async () => {
    const { scheduler } = rig;
    scheduler.onTickets = (list) =>
      list.forEach((ticket) => scheduler.answer(ticket, 0, [{ outputs: [stringTensor('x'.repeat(mebibyte + 1))] }]));
    const reply = await raw.call([echo('a')]);
    scheduler.onTickets = (list) => scheduler.echo(list);
    expect(shown(reply)).toEqual([8, 'Sent message larger than max (1048577 vs. 1048576)']);
  });

  it('says what is not ASCII in percent-encoding', async () => {
    const { headers } = await raw.call([prefixed('kit n%ö')]);
    expect(headers['grpc-message']).toContain('n%25%C3%B6');
    expect(shown({ headers, body: Buffer.alloc(0), rstCode: 0 })).toEqual([5, expect.stringContaining('n%ö')]);
  });

  it('cancels what a client that resets its call leaves behind', async () => {
    const { scheduler } = rig;
    scheduler.onTickets = () => undefined;
    const seen = scheduler.seen.length;
    const stream = raw.begin();
    stream.end(echo('a'));
    await scheduler.until(() => scheduler.seen.length > seen);
    const id = scheduler.seen.at(-1)?.id;
    stream.close(8);
    await scheduler.until(() => scheduler.cancelled.some((cancellation) => cancellation.id === id));
    scheduler.onTickets = (list) => scheduler.echo(list);
  });

  it('forgets a call that was reset before its message was whole', async () => {
    const seen = rig.scheduler.seen.length;
    const stream = raw.begin();
    await new Promise<void>((resolve) => stream.write(echo('a').subarray(0, 8), () => resolve()));
    stream.close(8);
    await once(stream, 'close');
    await rig.idle();
    expect(rig.scheduler.seen).toHaveLength(seen);
  });

  it('forgets a call that was reset after its message, before its end', async () => {
    // In frames, for node's own client ends what it resets
    const frame = (type: number, flags: number, stream: number, content: Buffer): Buffer => {
      const head = Buffer.from([0, 0, 0, type, flags, 0, 0, 0, stream]);
      head.writeUIntBE(content.length, 0, 3);
      return Buffer.concat([head, content]);
    };
    const header = (name: string, value: string): Buffer =>
      Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]);
    const headers = [
      header(':method', 'POST'),
      header(':scheme', 'http'),
      header(':path', '/mindspore.serving.proto.MSService/Predict'),
      header(':authority', 'x'),
      header('content-type', 'application/grpc'),
    ];
    const { received } = rig.gateway.stats;
    const [host, port] = (rig.gateway.grpcAddress as string).split(':');
    const socket = connectSocket({ host, port: Number(port) });
    socket.write(
      Buffer.concat([
        Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
        frame(4, 0, 0, Buffer.alloc(0)),
        frame(1, 4, 1, Buffer.concat(headers)),
        frame(0, 0, 1, echo('a')),
        frame(3, 0, 1, Buffer.from([0, 0, 0, 8])),
        frame(6, 0, 0, Buffer.alloc(8)),
      ]),
    );
    // The answer to the ping is the last frame
    let answered = Buffer.alloc(0);
    const pong = frame(6, 1, 0, Buffer.alloc(8));
    while (!answered.includes(pong)) answered = Buffer.concat([answered, ...((await once(socket, 'data')) as Buffer[])]);
    socket.destroy();
    expect(shown(await raw.call([echo('next')]))).toBe('next');
    expect(rig.gateway.stats.received).toBe(received + 1);
  });

  it('outlives a flood of resets', async () => {
    const flood = await RawGrpc.open(rig.gateway.grpcAddress as string);
    let begun = 0;
    while (begun < 3000 && !flood.session.destroyed && !flood.session.closed) {
      flood.begin().close(8);
      if (++begun % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    // Whether all came through or the connection was ended for it: others are served, and no call is left
    expect(begun).toBeGreaterThanOrEqual(100);
    expect(shown(await raw.call([echo('other')]))).toBe('other');
    flood.close();
    await rig.idle();
    expect(rig.gateway.inFlight).toBe(0);
    const next = await RawGrpc.open(rig.gateway.grpcAddress as string);
    expect(shown(await next.call([echo('next')]))).toBe('next');
    next.close();
  });

  it('passes other rpcs on, errors and resets as well', async () => {
    const ready = await raw.call([prefixed('')], { ':path': '/inference.GRPCInferenceService/ServerReady' });
    expect(ready).toMatchObject({ headers: { 'grpc-status': '0' }, body: prefixed(Buffer.of(8, 1)) });
    expect(shown(await raw.call([prefixed('')], { ':path': '/inference.GRPCInferenceService/Nope' }))).toEqual([
      12,
      expect.stringContaining('Nope'),
    ]);
    const watch = raw.begin({ ':path': '/grpc.health.v1.Health/Watch' });
    const reply = replyOf(watch);
    watch.end(prefixed(''));
    await once(watch, 'response');
    watch.close(8);
    expect((await reply).headers['grpc-status']).toBeUndefined();
  });
});

describe('time limits of the gRPC port', () => {
  it('ends connections that say nothing, and calls whose message does not come in', async () => {
    const rig = await GatewayRig.start({ limits: { headersTimeoutMs: 100, requestTimeoutMs: 100 } });
    const address = rig.gateway.grpcAddress as string;
    const raw = await RawGrpc.open(address);
    try {
      const [host, port] = address.split(':');
      const silent = connectSocket({ host, port: Number(port) });
      silent.on('error', () => undefined);
      silent.resume();
      await once(silent, 'close');
      expect(shown(await raw.call([echo('a').subarray(0, 8)], {}, true))).toEqual([
        4,
        'DEADLINE_EXCEEDED: the body came in too slowly: at least 1024 bytes per second over 100 ms are expected',
      ]);
      const client = rawClient(address);
      expect(await predict(client, 'kit echo good').done).toBe('good');
      client.close();
    } finally {
      raw.close();
      await rig.stop();
    }
  });
});

describe('answers that a client has no window for', () => {
  let rig: GatewayRig;
  let greedy: RawGrpc;
  beforeAll(async () => {
    rig = await GatewayRig.start({ limits: { writeTimeoutMs: 200 } });
    greedy = await RawGrpc.open(rig.gateway.grpcAddress as string, { settings: { initialWindowSize: 0 } });
  });
  afterAll(async () => {
    greedy?.close();
    await rig.stop();
  });

  it.each([
    ['of a call', {}],
    ['of a stream', { ':path': '/inference.GRPCInferenceService/ModelStreamInfer' }],
  ])('%s are cut off, however small they are', async (_what, headers) => {
    const { rstCode } = await greedy.call([prefixed('kit echo small')], headers);
    expect(rstCode).toBe(constants.NGHTTP2_CANCEL);
    await rig.idle();
  });
});
