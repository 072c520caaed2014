import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { literals, http2Preface, rawFrame, RawHttp2, type RawFrame } from '../testing/raw-http2.js';
import { Connection } from './connection.js';
import { errorCode } from './frames.js';
import { encodeFields } from './hpack-encoder.js';
import type { Http2Stream, StreamListener } from './stream.js';
import { lendReads } from './lent-reads.fixture.js';

const [data, headers, priority, rst, settings, push, ping, goaway, windowUpdate, continuation] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
const [endStream, endHeaders, padded, withPriority] = [1, 4, 8, 0x20];
const whole = endStream | endHeaders;

const request = { ':method': 'POST', ':scheme': 'http', ':path': '/echo' };
const fields = literals(request);
const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const setting = (id: number, value: number): Buffer => Buffer.concat([Buffer.of(0, id), uint32(value)]);
const withPath = (path: string, more: Record<string, string> = {}): Buffer => literals({ ...request, ':path': path, ...more });
const large = 3_000_000;
const overWindow = Array.from({ length: 7 }, () => rawFrame(data, 0, 1, Buffer.alloc(16_000)));

const answerHead = encodeFields([[':status', '200']]);
const longHead = encodeFields([
  [':status', '200'],
  ['long', 'x'.repeat(1_000)],
]);
const answerTrailers = encodeFields([['grpc-status', '0']]);

/** Answers with what came (`/echo`), with much (`/large`), at once with nothing (`/head`), or never (`/hold`). `/paused`, `/stumbling`: paused, the latter at each piece. */
class Asked implements StreamListener {
  readonly pieces: Buffer[] = [];
  isEnded = false;
  closedWith: number | undefined;
  written = 0;

  constructor(readonly stream: Http2Stream) {
    const path = stream.headers[':path'];
    if (path === '/paused' || path === '/stumbling') stream.pause();
    if (path === '/head') stream.respond(longHead, true);
  }

  onData(piece: Buffer): void {
    expect(this.isEnded).toBe(false);
    this.pieces.push(Buffer.from(piece));
    if (this.stream.headers[':path'] !== '/stumbling') return;
    this.stream.pause();
    this.stream.resume();
  }

  onEnd(): void {
    this.isEnded = true;
    const path = this.stream.headers[':path'];
    if (path === '/hold') return;
    this.stream.respond(answerHead);
    const body = path === '/large' ? Buffer.alloc(large, 'l') : Buffer.concat(this.pieces);
    this.stream.write(body, () => this.written++);
    this.stream.end(answerTrailers);
  }

  onClose(code: number): void {
    this.closedWith = code;
  }
}

describe('the server side of HTTP/2', () => {
  let server: Server;
  let port: number;
  let asked: Asked[] = [];
  const connections: Connection[] = [];
  const clients: RawHttp2[] = [];
  const limits = {
    maxConcurrentStreams: 10,
    maxFieldBytes: 2_000,
    maxFields: 20,
    streamWindowBytes: 100_000,
    connectionWindowBytes: 200_000,
    maxHeldBytes: 250_000,
  };
  const owner = {
    onStream(stream: Http2Stream): void {
      const listener = new Asked(stream);
      stream.listener = listener;
      asked.push(listener);
    },
  };
  beforeAll(async () => {
    server = createServer((socket) => connections.push(lendReads(socket, new Connection(socket, owner, limits))));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  });
  afterEach(async () => {
    const open = connections.splice(0).filter(({ socket }) => !socket.closed);
    const closed = Promise.all(open.map(({ socket }) => once(socket, 'close')));
    for (const client of clients.splice(0)) client.close();
    await closed;
    asked = [];
  });
  afterAll(() => void server.close());

  async function open(...begin: (Buffer | string)[]): Promise<RawHttp2> {
    const client = await RawHttp2.open(port, begin.length > 0 ? begin : undefined);
    clients.push(client);
    return client;
  }
  const bodyOf = (client: RawHttp2, stream: number): Buffer =>
    Buffer.concat(client.frames.filter((frame) => frame.type === data && frame.stream === stream).map(({ payload }) => payload));
  const isEnd =
    (stream: number) =>
    (frame: RawFrame): boolean =>
      frame.stream === stream && (frame.flags & endStream) !== 0 && (frame.type === headers || frame.type === data);

  it('greets with its limits, and acknowledges the settings of the client', async () => {
    const client = await open();
    const greeting = await client.frame(({ type }) => type === settings);
    expect(greeting?.payload).toEqual(Buffer.concat([setting(3, 10), setting(4, 100_000), setting(6, 2_000)]));
    const widened = await client.frame(({ type }) => type === windowUpdate);
    expect([widened?.stream, widened?.payload.readUInt32BE()]).toEqual([0, 200_000 - 65_535]);
    expect((await client.frame(({ type, flags }) => type === settings && flags === 1))?.payload.length).toBe(0);
  });

  it('answers requests, whatever their frames look like and wherever they are cut', async () => {
    const padding = Buffer.alloc(7);
    const frames = Buffer.concat([
      rawFrame(headers, endHeaders, 1, fields),
      rawFrame(data, endStream, 1, 'one'),
      // In parts, padded, with a priority, with a frame nobody knows before the body
      rawFrame(headers, padded | withPriority, 3, Buffer.concat([Buffer.of(7), uint32(0), Buffer.of(1), fields.subarray(0, 5), padding])),
      rawFrame(continuation, 0, 3, fields.subarray(5, 9)),
      rawFrame(continuation, endHeaders, 3, fields.subarray(9)),
      rawFrame(0x42, 0xff, 3, 'unknown'),
      rawFrame(priority, 0, 3, Buffer.concat([uint32(1), Buffer.of(1)])),
      rawFrame(data, padded, 3, Buffer.concat([Buffer.of(7), Buffer.from('tw'), padding])),
      rawFrame(data, 0, 3),
      rawFrame(data, padded, 3, Buffer.concat([Buffer.of(0), Buffer.from('o')])),
      rawFrame(headers, whole, 3, literals({ trailer: 'x' })),
      rawFrame(headers, whole, 5, fields),
    ]);
    const begin = Buffer.concat([Buffer.from(http2Preface), rawFrame(settings, 0, 0)]);
    const all = Buffer.concat([begin, frames]);
    for (const size of [all.length, 1, 2, 3, 8, 10, 13]) {
      const client = await open('');
      for (let at = 0; at < all.length; at += size) {
        client.say(all.subarray(at, at + size));
        // Each piece is a read of its own
        await new Promise((resolve) => setImmediate(resolve));
      }
      await Promise.all([1, 3, 5].map((stream) => client.frame(isEnd(stream))));
      expect([size, ...[1, 3, 5].map((stream) => bodyOf(client, stream).toString())]).toEqual([size, 'one', 'two', '']);
    }
  });

  it('sends as much as the windows of the client allow, and the rest when they are wider', async () => {
    const client = await open(http2Preface, rawFrame(settings, 0, 0, setting(4, 10)));
    client.say(rawFrame(headers, endHeaders, 1, fields), rawFrame(data, endStream, 1, 'x'.repeat(50)));
    await client.frame(({ type, stream }) => type === data && stream === 1);
    expect(bodyOf(client, 1).length).toBe(10);
    client.say(rawFrame(windowUpdate, 0, 1, uint32(15)));
    client.say(rawFrame(settings, 0, 0, setting(4, 30)));
    // 10 + 15, and 20 more for all streams
    await client.frame(({ payload }) => bodyOf(client, 1).length >= 45 || payload.length < 0);
    expect([bodyOf(client, 1).length, client.frames.some(isEnd(1))]).toEqual([45, false]);
    client.say(rawFrame(windowUpdate, 0, 1, uint32(5)));
    await client.frame(isEnd(1));
    expect(bodyOf(client, 1).toString()).toBe('x'.repeat(50));
  });

  it('shares the window of a connection between its streams', async () => {
    const client = await open(http2Preface, rawFrame(settings, 0, 0, setting(4, 2 ** 31 - 1)));
    client.say(rawFrame(headers, whole, 1, withPath('/large')), rawFrame(headers, whole, 3, withPath('/large')));
    await client.frame(() => bodyOf(client, 1).length + bodyOf(client, 3).length === 65_535);
    for (let n = 0; n < 10; n++) client.say(rawFrame(windowUpdate, 0, 0, uint32(64 * 1024)));
    await client.frame(() => bodyOf(client, 1).length + bodyOf(client, 3).length === 65_535 + 10 * 64 * 1024);
    const [one, other] = [bodyOf(client, 1).length, bodyOf(client, 3).length];
    expect(Math.abs(one - other)).toBeLessThanOrEqual(2 * 64 * 1024);
    client.say(rawFrame(windowUpdate, 0, 0, uint32(2 * large)));
    await Promise.all([client.frame(isEnd(1)), client.frame(isEnd(3))]);
    expect([bodyOf(client, 1).length, bodyOf(client, 3).length]).toEqual([large, large]);
    expect(asked.map(({ written, closedWith }) => [written, closedWith])).toEqual([
      [1, errorCode.noError],
      [1, errorCode.noError],
    ]);
  });

  it('lets a client send more when what came was taken, and not before', async () => {
    const client = await open();
    client.say(rawFrame(headers, endHeaders, 1, withPath('/paused')));
    const piece = Buffer.alloc(10_000, 'p');
    for (let n = 0; n < 10; n++) client.say(rawFrame(data, 0, 1, piece));
    // Of the connection's window they are given back all the same
    const given = await client.frame(
      ({ type, stream, payload }) => type === windowUpdate && stream === 0 && payload.readUInt32BE() === 100_000,
    );
    expect(given).toBeDefined();
    expect([asked[0]?.pieces.length, client.frames.some(({ type, stream }) => type === windowUpdate && stream === 1)]).toEqual([0, false]);
    asked[0]?.stream.resume();
    await client.frame(({ type, stream }) => type === windowUpdate && stream === 1);
    client.say(
      rawFrame(data, endStream, 1, 'end'),
      rawFrame(windowUpdate, 0, 0, uint32(large)),
      rawFrame(windowUpdate, 0, 1, uint32(large)),
    );
    await client.frame(isEnd(1));
    expect(bodyOf(client, 1).length).toBe(100_003);
  });

  it('tells the end after all that was held, however its listener pauses', async () => {
    const client = await open();
    const pieces = Array.from({ length: 5 }, (_, n) => Buffer.alloc(5_000, n));
    client.say(rawFrame(headers, endHeaders, 1, withPath('/stumbling')));
    for (const piece of pieces) client.say(rawFrame(data, 0, 1, piece));
    client.say(rawFrame(data, endStream, 1, 'end'), rawFrame(ping, 0, 0, Buffer.alloc(8)));
    await client.frame(({ type }) => type === ping);
    asked[0]?.stream.resume();
    await client.frame(isEnd(1));
    expect(bodyOf(client, 1)).toEqual(Buffer.concat([...pieces, Buffer.from('end')]));
  });

  it('resets a stream when all of the connection hold too much, and holds more when some of it was taken', async () => {
    const client = await open();
    const send = (id: number): void => {
      client.say(rawFrame(headers, endHeaders, id, withPath('/paused')));
      for (let n = 0; n < 6; n++) client.say(rawFrame(data, 0, id, Buffer.alloc(15_000)));
    };
    for (const id of [1, 3, 5]) send(id);
    const reset = await client.frame(({ type }) => type === rst);
    expect([reset?.stream, reset?.payload.readUInt32BE()]).toEqual([5, errorCode.enhanceYourCalm]);
    asked[0]?.stream.resume();
    send(7);
    client.say(rawFrame(ping, 0, 0, Buffer.alloc(8)));
    await client.frame(({ type }) => type === ping);
    const taken = Buffer.concat(asked[0]?.pieces ?? []).length;
    expect([taken, client.frames.filter(({ type }) => type === rst).length]).toEqual([90_000, 1]);
  });

  it('tells what the client reset, and whose connection is gone, and says what was written that it is not needed any more', async () => {
    const client = await open();
    client.say(rawFrame(headers, whole, 1, withPath('/hold')), rawFrame(headers, whole, 3, withPath('/large')));
    await client.frame(({ stream, type }) => stream === 3 && type === data);
    client.say(rawFrame(rst, 0, 1, uint32(errorCode.cancel)));
    const mark = Buffer.from('the mark');
    client.say(rawFrame(ping, 0, 0, mark));
    await client.frame(({ type, payload }) => type === ping && payload.equals(mark));
    expect(asked.map(({ closedWith }) => closedWith)).toEqual([errorCode.cancel, undefined]);
    const gone = once(connections[0] as Connection, 'close');
    client.close();
    await gone;
    expect(asked.map(({ closedWith, written }) => [closedWith, written])).toEqual([
      [errorCode.cancel, 0],
      [errorCode.cancel, 1],
    ]);
  });

  it('closes when its streams are done: says the last stream it takes, and takes none after it', async () => {
    const client = await open();
    client.say(rawFrame(headers, endHeaders, 1, fields));
    await client.frame(({ type }) => type === windowUpdate);
    const held = await new Promise<Connection>((resolve) => {
      const look = (): void => (asked.length === 1 ? resolve(connections[0] as Connection) : void setImmediate(look));
      look();
    });
    held.close();
    const last = await client.frame(({ type }) => type === goaway);
    expect(last?.payload).toEqual(Buffer.concat([uint32(1), uint32(errorCode.noError)]));
    client.say(rawFrame(headers, whole, 3, fields), rawFrame(data, endStream, 1, 'the end'));
    await client.frame(isEnd(1));
    await client.closed();
    expect([bodyOf(client, 1).toString(), asked.length]).toEqual(['the end', 1]);
  });

  it('closes when its last answer has arrived, however slowly the client reads', async () => {
    const client = await open(http2Preface, rawFrame(settings, 0, 0, setting(4, 2 ** 30)), rawFrame(windowUpdate, 0, 0, uint32(2 ** 30)));
    client.socket.on('data', () => {
      client.say(rawFrame(windowUpdate, 0, 0, uint32(1)));
      client.socket.pause();
      setTimeout(() => client.socket.resume(), 50);
    });
    client.say(rawFrame(headers, whole, 1, withPath('/large')));
    await client.frame(({ type }) => type === data);
    connections[0]?.close();
    await client.closed();
    expect([bodyOf(client, 1).length, client.frames.some(isEnd(1))]).toEqual([large, true]);
  });

  it('asks whether the client is there', async () => {
    const client = await open();
    await client.frame(({ type }) => type === settings);
    const answers: boolean[] = [];
    const answered = new Promise<void>((resolve) =>
      connections[0]?.ping((isAnswered) => {
        answers.push(isAnswered);
        resolve();
      }),
    );
    const asking = await client.frame(({ type }) => type === ping);
    client.say(rawFrame(ping, 1, 0, asking?.payload));
    await answered;
    const closed = once(connections[0] as Connection, 'close');
    connections[0]?.ping((isAnswered) => answers.push(isAnswered));
    client.close();
    await closed;
    expect(answers).toEqual([true, false]);
  });

  const [begun, done] = [rawFrame(headers, endHeaders, 1, withPath('/hold')), rawFrame(headers, whole, 1, fields)] as const;
  /** What a client says after its settings, and the connection error that it gets. */
  const ofConnection: readonly (readonly [string, keyof typeof errorCode, ...Buffer[]])[] = [
    ['DATA on stream 0', 'protocolError', rawFrame(data, 0, 0, 'x')],
    ['DATA of a stream that has not begun', 'protocolError', rawFrame(data, 0, 1, 'x')],
    ['DATA that is all padding and more', 'protocolError', begun, rawFrame(data, padded, 1, Buffer.of(5, 1, 2))],
    ['DATA that is padded and empty', 'frameSizeError', begun, rawFrame(data, padded, 1)],
    ['a frame that is too large', 'frameSizeError', begun, rawFrame(data, 0, 1, Buffer.alloc(16_385))],
    ['HEADERS on stream 0', 'protocolError', rawFrame(headers, whole, 0, fields)],
    ['HEADERS on an even stream', 'protocolError', rawFrame(headers, whole, 2, fields)],
    ['HEADERS with more padding than payload', 'protocolError', rawFrame(headers, whole | padded, 1, Buffer.of(9, 0x82))],
    ['HEADERS with a part of a priority', 'frameSizeError', rawFrame(headers, whole | withPriority, 1, Buffer.of(0, 0, 0))],
    ['HEADERS that are no HPACK', 'compressionError', rawFrame(headers, whole, 1, Buffer.of(0x80))],
    ['trailers that are no HPACK', 'compressionError', begun, rawFrame(headers, whole, 1, Buffer.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff))],
    [
      'a header block that another frame interrupts',
      'protocolError',
      rawFrame(headers, 0, 1, fields),
      rawFrame(ping, 0, 0, Buffer.alloc(8)),
    ],
    ['a CONTINUATION of another stream', 'protocolError', rawFrame(headers, 0, 1, fields), rawFrame(continuation, endHeaders, 3)],
    ['a CONTINUATION of nothing', 'protocolError', rawFrame(continuation, endHeaders, 1)],
    [
      'CONTINUATION without end',
      'enhanceYourCalm',
      rawFrame(headers, 0, 1),
      ...Array.from({ length: 100 }, () => rawFrame(continuation, 0, 1)),
    ],
    ['PRIORITY of the wrong size, of a stream that has not begun', 'frameSizeError', rawFrame(priority, 0, 1, Buffer.alloc(4))],
    ['PRIORITY on stream 0', 'protocolError', rawFrame(priority, 0, 0, Buffer.alloc(5))],
    ['RST_STREAM on stream 0', 'protocolError', rawFrame(rst, 0, 0, uint32(8))],
    ['RST_STREAM of a stream that has not begun', 'protocolError', rawFrame(rst, 0, 1, uint32(8))],
    ['RST_STREAM of the wrong size', 'frameSizeError', begun, rawFrame(rst, 0, 1, Buffer.alloc(3))],
    ['SETTINGS on a stream', 'protocolError', rawFrame(settings, 0, 1)],
    ['SETTINGS of the wrong size', 'frameSizeError', rawFrame(settings, 0, 0, Buffer.alloc(5))],
    ['an acknowledgement with content', 'frameSizeError', rawFrame(settings, 1, 0, setting(4, 1))],
    ['a push setting that is neither 0 nor 1', 'protocolError', rawFrame(settings, 0, 0, setting(2, 2))],
    ['a first window of 2^31', 'flowControlError', rawFrame(settings, 0, 0, setting(4, 2 ** 31))],
    ['frames smaller than all take', 'protocolError', rawFrame(settings, 0, 0, setting(5, 16_383))],
    ['frames larger than there are', 'protocolError', rawFrame(settings, 0, 0, setting(5, 2 ** 24))],
    [
      'a window of a stream that SETTINGS make too wide',
      'flowControlError',
      begun,
      rawFrame(windowUpdate, 0, 1, uint32(2 ** 31 - 1 - 65_535)),
      rawFrame(settings, 0, 0, setting(4, 65_536)),
    ],
    ['PUSH_PROMISE', 'protocolError', rawFrame(push, endHeaders, 1, Buffer.concat([uint32(2), fields]))],
    ['PING on a stream', 'protocolError', rawFrame(ping, 0, 1, Buffer.alloc(8))],
    ['PING of the wrong size', 'frameSizeError', rawFrame(ping, 0, 0, Buffer.alloc(7))],
    ['GOAWAY on a stream', 'protocolError', rawFrame(goaway, 0, 1, Buffer.alloc(8))],
    ['GOAWAY of the wrong size', 'frameSizeError', rawFrame(goaway, 0, 0, Buffer.alloc(7))],
    ['WINDOW_UPDATE of the wrong size', 'frameSizeError', rawFrame(windowUpdate, 0, 0, Buffer.alloc(3))],
    ['WINDOW_UPDATE of 0', 'protocolError', rawFrame(windowUpdate, 0, 0, uint32(0))],
    ['WINDOW_UPDATE of a stream that has not begun', 'protocolError', rawFrame(windowUpdate, 0, 1, uint32(1))],
    ['a window of the connection that is too wide', 'flowControlError', rawFrame(windowUpdate, 0, 0, uint32(2 ** 31 - 1))],
    ['HEADERS of a stream that is over', 'streamClosed', done, rawFrame(headers, whole, 1, fields)],
    [
      'frames without content, without end',
      'enhanceYourCalm',
      begun,
      Buffer.concat(Array.from({ length: 10_001 }, () => rawFrame(data, 0, 1))),
    ],
    ['streams that are begun and reset, without end', 'enhanceYourCalm', Buffer.concat(resets(2_000))],
    ['settings without end', 'enhanceYourCalm', Buffer.concat(Array.from({ length: 2_000 }, () => rawFrame(settings, 0, 0)))],
    [
      'requests that are no requests, without end',
      'enhanceYourCalm',
      Buffer.concat(Array.from({ length: 2_000 }, (_, n) => rawFrame(headers, whole, 2 * n + 1, literals({ No: 'x' })))),
    ],
  ];
  it.each(ofConnection)('%s ends the connection: %s', async (_what, code, ...said) => {
    const client = await open();
    client.say(...said);
    const last = await client.frame(({ type }) => type === goaway);
    expect(last?.payload.readUInt32BE(4)).toBe(errorCode[code]);
    await client.closed();
    expect(asked.map(({ closedWith }) => closedWith)).not.toContain(undefined);
  });

  it.each([
    ['HTTP/1', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['a preface that is nearly one', http2Preface.replace('SM', 'SN')],
    ['a first frame that is no SETTINGS', Buffer.concat([Buffer.from(http2Preface), rawFrame(ping, 0, 0, Buffer.alloc(8))])],
    ['a first frame that acknowledges', Buffer.concat([Buffer.from(http2Preface), rawFrame(settings, 1, 0)])],
  ])('%s ends the connection', async (_what, said) => {
    const client = await open(said);
    expect((await client.frame(({ type }) => type === goaway))?.payload.readUInt32BE(4)).toBe(errorCode.protocolError);
    await client.closed();
  });

  const malformed = (more: Record<string, string>): Buffer => rawFrame(headers, whole, 1, literals({ ...request, ...more }));
  /** What a client says of stream 1, and the reset that it gets; the connection goes on. */
  const ofStream: readonly (readonly [string, keyof typeof errorCode, ...Buffer[]])[] = [
    ['a name in upper case', 'protocolError', malformed({ 'X-Name': 'x' })],
    ['an empty name', 'protocolError', malformed({ '': 'x' })],
    ['a name with a blank', 'protocolError', malformed({ 'x y': 'x' })],
    ['a line end in a value', 'protocolError', malformed({ x: 'a\r\nb' })],
    ['a field of the connection', 'protocolError', malformed({ connection: 'close' })],
    ['transfer-encoding', 'protocolError', malformed({ 'transfer-encoding': 'chunked' })],
    ['te that is not trailers', 'protocolError', malformed({ te: 'gzip' })],
    ['a field that HTTP/2 does not have', 'protocolError', malformed({ ':name': 'x' })],
    ['a field of answers', 'protocolError', malformed({ ':status': '200' })],
    ['a field of HTTP/2 after others', 'protocolError', rawFrame(headers, whole, 1, literals([['x', 'y'], ...Object.entries(request)]))],
    ['a field of HTTP/2 twice', 'protocolError', rawFrame(headers, whole, 1, literals([...Object.entries(request), [':path', '/']]))],
    ['no path', 'protocolError', rawFrame(headers, whole, 1, literals({ ':method': 'GET', ':scheme': 'http' }))],
    ['an empty path', 'protocolError', rawFrame(headers, whole, 1, withPath(''))],
    ['a path that is none', 'protocolError', rawFrame(headers, whole, 1, withPath('constructor'))],
    ['a tunnel', 'protocolError', malformed({ ':method': 'CONNECT' })],
    ['settings of an upgrade', 'protocolError', malformed({ 'http2-settings': 'x' })],
    ['no method', 'protocolError', rawFrame(headers, whole, 1, literals({ ':path': '/', ':scheme': 'http' }))],
    ['no fields', 'protocolError', rawFrame(headers, whole, 1)],
    ['a length of no body', 'protocolError', malformed({ 'content-length': '1' })],
    ['a length that is none', 'protocolError', malformed({ 'content-length': '-1' })],
    [
      'a body shorter than its length',
      'protocolError',
      rawFrame(headers, endHeaders, 1, withPath('/echo', { 'content-length': '3' })),
      rawFrame(data, endStream, 1, 'xy'),
    ],
    [
      'a body longer than its length',
      'protocolError',
      rawFrame(headers, endHeaders, 1, withPath('/echo', { 'content-length': '3' })),
      rawFrame(data, 0, 1, 'wxyz'),
    ],
    ['more fields than allowed', 'enhanceYourCalm', malformed(Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`x${n}`, 'x'])))],
    ['longer fields than allowed', 'enhanceYourCalm', malformed({ x: 'x'.repeat(3_000) })],
    ['trailers that do not end the stream', 'protocolError', begun, rawFrame(headers, endHeaders, 1, literals({ x: 'y' }))],
    ['trailers with a field of HTTP/2', 'protocolError', begun, rawFrame(headers, whole, 1, literals({ ':path': '/' }))],
    ['DATA after the end', 'streamClosed', rawFrame(headers, whole, 1, withPath('/hold')), rawFrame(data, 0, 1, 'x')],
    ['HEADERS after the end', 'streamClosed', rawFrame(headers, whole, 1, withPath('/hold')), rawFrame(headers, whole, 1, fields)],
    ['DATA of a stream that is over', 'streamClosed', done, rawFrame(data, 0, 1, 'x')],
    ['more than the window of the stream', 'flowControlError', rawFrame(headers, endHeaders, 1, withPath('/paused')), ...overWindow],
    ['WINDOW_UPDATE of 0', 'protocolError', begun, rawFrame(windowUpdate, 0, 1, uint32(0))],
    ['a window that is too wide', 'flowControlError', begun, rawFrame(windowUpdate, 0, 1, uint32(2 ** 31 - 1))],
    ['PRIORITY of the wrong size', 'frameSizeError', begun, rawFrame(priority, 0, 1, Buffer.alloc(4))],
    ['PRIORITY of the wrong size, of a stream that is over', 'frameSizeError', done, rawFrame(priority, 0, 1, Buffer.alloc(4))],
  ];
  it.each(ofStream)('%s resets the stream: %s', async (_what, code, ...said) => {
    const client = await open();
    client.say(...said);
    const reset = await client.frame(({ type, stream }) => type === rst && stream === 1);
    expect(reset?.payload.readUInt32BE()).toBe(errorCode[code]);
    client.say(rawFrame(headers, endHeaders, 3, fields), rawFrame(data, endStream, 3, 'goes on'));
    await client.frame(isEnd(3));
    expect(bodyOf(client, 3).toString()).toBe('goes on');
  });

  it('more streams at a time than allowed are refused, and what comes of them is dropped', async () => {
    const client = await open();
    const ids = Array.from({ length: 12 }, (_, n) => 2 * n + 1);
    client.say(...ids.map((id) => rawFrame(headers, endHeaders, id, withPath('/hold'))));
    client.say(rawFrame(data, endStream, 21, 'x'), rawFrame(data, endStream, 23, 'x'), rawFrame(rst, 0, 1, uint32(8)));
    client.say(rawFrame(headers, whole, 25, fields));
    await client.frame(isEnd(25));
    const resets = client.frames.filter(({ type }) => type === rst).map(({ stream, payload }) => [stream, payload.readUInt32BE()]);
    expect(resets).toEqual([
      [21, errorCode.refusedStream],
      [23, errorCode.refusedStream],
    ]);
  });

  const pings = Buffer.concat(Array.from({ length: 10_000 }, () => rawFrame(ping, 0, 0, Buffer.alloc(8))));
  let nextId = 1;
  const requests = (): Buffer =>
    Buffer.concat(Array.from({ length: 1_000 }, () => rawFrame(headers, whole, (nextId += 2), withPath('/head'))));
  it.each([
    ['to pings', () => pings],
    ['to requests', requests],
  ])('answers %s that are not read are not made without end', async (_what, next) => {
    const client = await open();
    await client.frame(({ type }) => type === settings);
    client.socket.pause();
    const closed = once(connections[0] as Connection, 'close');
    const more = (): void => {
      while (!client.socket.destroyed && client.socket.write(next()));
    };
    client.socket.on('drain', more);
    more();
    await closed;
    expect(connections[0]?.isDestroyed).toBe(true);
  });
});

/** Streams that are begun and reset at once. */
function resets(count: number): Buffer[] {
  return Array.from({ length: count }, (_, n) => [
    rawFrame(1, 4, 2 * n + 1, literals({ ':method': 'POST', ':scheme': 'http', ':path': '/hold' })),
    rawFrame(3, 0, 2 * n + 1, uint32(8)),
  ]).flat();
}
