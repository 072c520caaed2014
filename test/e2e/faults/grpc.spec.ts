import { constants, type ClientSessionOptions } from 'node:http2';
import { gzipSync } from 'node:zlib';
import { prefixed, RawGrpc, replyOf } from '../../../apps/gateway/src/testing/raw-grpc.js';
import { http2Preface, literals, rawFrame } from '../../../apps/gateway/src/testing/raw-http2.js';
import { RawConnection } from '../../../apps/gateway/src/testing/raw-connection.js';
import { replyText, type FaultServer } from './fault-server.js';
import { oipRequest } from './messages.js';
import { faultTable, type FaultRow } from './fault-table.js';

const infer = { ':path': '/inference.GRPCInferenceService/ModelInfer' };
const spec = (name: string, method_name = 'predict', version_number = 0): object => ({
  servable_spec: { name, method_name, version_number },
  instances: [{ items: { x: { dtype: 'MS_INT32', shape: { dims: [] }, data: Buffer.from([100, 0, 0, 0]) } } }],
});
const model = (model_name: string, model_version = ''): object => ({
  model_name,
  model_version,
  inputs: [{ name: 'x', datatype: 'INT32', shape: [1] }],
  raw_input_contents: [Buffer.from([7, 0, 0, 0])],
});
const loop = (times: bigint): object => {
  const raw = Buffer.alloc(8);
  raw.writeBigInt64LE(times);
  return { model_name: 'endless', inputs: [{ name: 'x', datatype: 'INT64', shape: [] }], raw_input_contents: [raw] };
};

/** Runs `use` with a connection that is closed afterwards. */
async function withRaw(server: FaultServer, use: (raw: RawGrpc) => Promise<string>, options: ClientSessionOptions = {}): Promise<string> {
  const raw = await RawGrpc.open(server.ready.grpc, options);
  try {
    return await use(raw);
  } finally {
    raw.close();
  }
}

const headers = 1;
const settings = 4;
const ping = 6;
const continuation = 9;
const preface = Buffer.concat([Buffer.from(http2Preface), rawFrame(settings, 0, 0)]);
/** Says `pieces` without reading what comes, reads then, and tells whether the server ended the connection, or answers on it still. */
async function flood(server: FaultServer, pieces: readonly Buffer[]): Promise<string> {
  const connection = await RawConnection.open(server.ready.grpc);
  const { socket } = connection;
  socket.pause();
  for (const piece of [preface, ...pieces]) if (!socket.destroyed) socket.write(piece);
  socket.resume();
  const mark = Buffer.from('the last');
  socket.write(rawFrame(ping, 0, 0, mark));
  await connection.until(() => connection.closed || connection.received.includes(mark.toString()));
  const outcome = connection.closed ? 'closed' : 'answered to the last';
  socket.destroy();
  return outcome;
}

/** Node's client would not send them else. */
const largeHeaders = { maxSendHeaderBlockLength: 2 ** 20 };

const calls: readonly FaultRow[] = [
  [
    '45',
    'a message over the limit',
    (server) => server.call([prefixed('x', 0, 101 * 2 ** 20)], {}),
    /^RESOURCE_EXHAUSTED Received message larger than max \(105906176 vs\. 104857600\)$/,
  ],
  ['45b', 'a message of 4 GiB - 1', (server) => server.call([prefixed('x', 0, 2 ** 32 - 1)], infer), /^RESOURCE_EXHAUSTED /],
  ['46a', 'a deadline of 0', (server) => server.call([prefixed(oipRequest)], { ...infer, 'grpc-timeout': '0n' }), /^DEADLINE_EXCEEDED /],
  [
    '46b',
    'a negative deadline',
    (server) => server.call([prefixed('')], { ...infer, 'grpc-timeout': '-1m' }),
    /^(INVALID_ARGUMENT|INTERNAL) .*-1m/,
  ],
  [
    '46c',
    'a deadline that has passed',
    (server) => server.oip(model('echo'), { deadline: new Date(Date.now() - 1000) }),
    /^DEADLINE_EXCEEDED /,
  ],
  [
    '47',
    'a deadline before the end of the run',
    async (server) => {
      const late = await server.oip(loop(2n ** 62n), { deadline: new Date(Date.now() + 400) });
      // The run was ended: else the next one would wait for it
      const next = await server.oip(loop(3n));
      return `${late.split(' ', 1)[0]} ${next.split(' ', 1)[0]}`;
    },
    /^DEADLINE_EXCEEDED OK$/,
  ],
  [
    '48a',
    'cancelled before its message is whole',
    (server) =>
      withRaw(server, async (raw) => {
        const stream = raw.begin(infer);
        const reply = replyOf(stream);
        stream.write(prefixed('x', 0, 1000));
        stream.close(constants.NGHTTP2_CANCEL);
        return replyText(await reply);
      }),
    /^reset 8$/,
  ],
  [
    '48b',
    'cancelled while its run goes on',
    async (server) => {
      const call = server.clients.oip.call('ModelInfer', loop(2n ** 62n), { deadline: new Date(Date.now() + 500) }).then(
        () => 'OK',
        (error: { code: number }) => `code ${error.code}`,
      );
      const next = server.oip(loop(4n));
      return `${await call} ${(await next).split(' ', 1)[0]}`;
    },
    /^code 4 OK$/,
  ],
  [
    '48c',
    'cancelled after its answer',
    (server) =>
      withRaw(server, async (raw) => {
        const stream = raw.begin({ ':path': '/inference.GRPCInferenceService/ServerReady' });
        const reply = replyOf(stream);
        stream.write(prefixed(''));
        stream.end();
        const answer = await reply;
        stream.close(constants.NGHTTP2_CANCEL);
        return replyText(answer).slice(0, 2);
      }),
    /^OK$/,
  ],
  [
    '49a',
    '80 KB of metadata',
    (server) =>
      withRaw(
        server,
        async (raw) => {
          const big = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`x-more-${i}`, 'm'.repeat(8_000)]));
          const first = raw.call([prefixed('')], { ...infer, ...big });
          const second = raw.call([prefixed('')], { ':path': '/inference.GRPCInferenceService/ServerReady' });
          return `${replyText(await first)} then ${replyText(await second).slice(0, 2)}`;
        },
        largeHeaders,
      ),
    /^(RESOURCE_EXHAUSTED .*|reset 11) then OK$/,
  ],
  [
    '49c',
    'one field of 80 KB',
    (server) =>
      withRaw(
        server,
        async (raw) => {
          const first = raw.call([prefixed('')], { ...infer, 'x-more': 'm'.repeat(80_000) });
          const second = raw.call([prefixed('')], { ':path': '/inference.GRPCInferenceService/ServerReady' });
          return `${replyText(await first)} then ${replyText(await second).slice(0, 2)}`;
        },
        largeHeaders,
      ),
    /^(RESOURCE_EXHAUSTED .*|reset 11) then OK$/,
  ],
  [
    '49b',
    '300 fields of metadata',
    (server) =>
      withRaw(
        server,
        async (raw) => {
          const many = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`x-more-${i}`, 'm']));
          const first = raw.call([prefixed('')], { ...infer, ...many });
          const second = raw.call([prefixed('')], { ':path': '/inference.GRPCInferenceService/ServerReady' });
          return `${replyText(await first)} then ${replyText(await second).slice(0, 2)}`;
        },
        largeHeaders,
      ),
    /^(RESOURCE_EXHAUSTED .*|reset 11) then OK$/,
  ],
  [
    '50',
    'an unknown method',
    (server) => server.call([prefixed('')], { ':path': '/inference.GRPCInferenceService/Nothing' }),
    /^UNIMPLEMENTED /,
  ],
  ['50b', 'an unknown service', (server) => server.call([prefixed('')], { ':path': '/no.Service/Call' }), /^UNIMPLEMENTED /],
  [
    '51',
    'ten thousand streams that are reset at once',
    (server) =>
      withRaw(server, async (raw) => {
        const { session } = raw;
        const closed = new Promise<string>((resolve) => session.once('close', () => resolve('closed')));
        for (let n = 0; n < 10_000 && !session.closed && !session.destroyed; n++) {
          raw.begin(infer).close(constants.NGHTTP2_CANCEL);
          if (n % 100 === 99) await new Promise((resolve) => setImmediate(resolve));
        }
        if (!session.closed && !session.destroyed) {
          const ready = replyText(await raw.call([prefixed('')], { ':path': '/inference.GRPCInferenceService/ServerReady' }));
          if (ready.startsWith('OK')) return 'serves on';
        }
        return closed;
      }),
    /^(closed|serves on)$/,
  ],
  [
    '52a',
    'a flood of CONTINUATION',
    (server) => {
      const block = literals(Array.from({ length: 100 }, (_, i) => [`x-${i}`, 'v'.repeat(100)] as const));
      const begin = rawFrame(headers, 0, 1, block);
      return flood(server, [begin, ...Array.from({ length: 2_000 }, () => rawFrame(continuation, 0, 1, block))]);
    },
    /^closed$/,
  ],
  [
    '52b',
    'a flood of empty CONTINUATION',
    (server) => flood(server, [rawFrame(headers, 0, 1), ...Array.from({ length: 20_000 }, () => rawFrame(continuation, 0, 1))]),
    /^closed$/,
  ],
  [
    '52c',
    'a flood of SETTINGS',
    (server) => flood(server, [Buffer.concat(Array.from({ length: 100_000 }, () => rawFrame(settings, 0, 0)))]),
    /^(closed|answered to the last)$/,
  ],
  [
    '52d',
    'a flood of PING',
    (server) => flood(server, [Buffer.concat(Array.from({ length: 100_000 }, () => rawFrame(ping, 0, 0, Buffer.alloc(8))))]),
    /^(closed|answered to the last)$/,
  ],
  [
    '53a',
    'a gzip bomb of 10 GB',
    (server) => server.call([prefixed(bomb(), 1)], { ...infer, 'grpc-encoding': 'gzip' }),
    /^RESOURCE_EXHAUSTED .*larger than max \(decompressed, over 104857600\)$/,
  ],
  [
    '53b',
    'a gzip bomb in a stream',
    (server) =>
      server.call([prefixed(bomb(), 1)], { ':path': '/inference.GRPCInferenceService/ModelStreamInfer', 'grpc-encoding': 'gzip' }),
    /^OK .*Received message larger than max \(decompressed, over 104857600\)$/s,
    'what is wrong with a request of a stream is told in its answer, and the stream goes on',
  ],
  [
    '54',
    '1000 calls at a time on a connection that may have 100',
    (server) =>
      withRaw(server, async (raw) => {
        const ready = { ':path': '/inference.GRPCInferenceService/ServerReady' };
        const replies = await Promise.all(Array.from({ length: 1000 }, () => raw.call([prefixed('')], ready)));
        return `${replies.filter((reply) => replyText(reply).startsWith('OK')).length} answered`;
      }),
    /^1000 answered$/,
  ],
  [
    '55',
    'HTTP/1 on the gRPC port',
    async (server) =>
      `${(await RawConnection.exchange(server.ready.grpc, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n')).length < 200 ? '' : 'much '}closed`,
    /^closed$/,
  ],
  [
    '56a',
    'a servable that is not there',
    (server) => server.ms(spec('nothing')),
    /^error 2 Request servable\(nothing\) method\(predict\) , servable is not available$/,
  ],
  [
    '56b',
    'a method that is not there',
    (server) => server.ms(spec('echo', 'nothing')),
    /^error 2 Request servable\(echo\) method\(nothing\) , method is not available$/,
  ],
  [
    '56c',
    'a version that is not there',
    (server) => server.ms(spec('echo', 'predict', 9)),
    /^error 2 .*version\(9\).* servable is not available$/,
  ],
  ['56d', 'no name', (server) => server.ms(spec('')), /^error 2 /],
  ['56e', 'no method', (server) => server.ms(spec('echo', '')), /^error 2 /],
  ['56f', 'a model that is not there', (server) => server.oip(model('nothing')), /^NOT_FOUND .*nothing/],
  ['56g', 'a version of a model that is not there', (server) => server.oip(model('echo', '9')), /^NOT_FOUND .*9/],
  ['56h', 'no model', (server) => server.oip(model('')), /^(INVALID_ARGUMENT|NOT_FOUND) /],
];

/** Members of gzip may follow each other: ten thousand of them, each a megabyte of zeros. */
function bomb(): Buffer {
  const member = gzipSync(Buffer.alloc(2 ** 20));
  return Buffer.concat(Array.from({ length: 10_000 }, () => member));
}

faultTable('gRPC', { maxConcurrentStreams: 100, writeTimeoutMs: 2000 }, calls);
