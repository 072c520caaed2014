import { once } from 'node:events';
import { constants } from 'node:http2';
import { createServer, type AddressInfo } from 'node:net';
import type { ServerWritableStream } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Connection } from '../http2/connection.js';
import type { Http2Stream } from '../http2/stream.js';
import { GatewayRig } from '../testing/gateway-rig.js';
import { prefixed, RawGrpc, replyOf } from '../testing/raw-grpc.js';
import { NodeIngress } from './node-ingress.js';
import { RpcRelay } from './rpc-relay.js';
import { lendReads } from '../http2/lent-reads.fixture.js';

const check = { ':path': '/grpc.health.v1.Health/Check' };
const reflection = { ':path': '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo' };
/** file_containing_symbol (field 4) */
const question = prefixed(Buffer.concat([Buffer.of(0x22, 33), Buffer.from('mindspore.serving.proto.MSService')]));

/** Messages, each with its prefix, that `bytes` begin with. */
function countMessages(bytes: Buffer): number {
  let count = 0;
  for (let at = 0; at + 5 <= bytes.length; at += 5 + bytes.readUInt32BE(at + 1)) count++;
  return count;
}

describe('what clients do to the rpcs that are no infer calls', () => {
  let rig: GatewayRig;
  let greedy: RawGrpc;
  let other: RawGrpc;
  beforeAll(async () => {
    rig = await GatewayRig.start({});
    [greedy, other] = await Promise.all([RawGrpc.open(rig.gateway.grpcAddress as string), RawGrpc.open(rig.gateway.grpcAddress as string)]);
  });
  afterAll(async () => {
    greedy?.close();
    other?.close();
    await rig.stop();
  });
  const others = async (): Promise<unknown> => (await other.call([prefixed('')], check)).headers['grpc-status'];

  it('one that asks much and reads nothing holds up nobody, and has all its answers when it reads', async () => {
    const count = 5000;
    const stream = greedy.begin(reflection);
    stream.write(question);
    await once(stream, 'response');
    for (let n = 1; n < count; n++) stream.write(question);
    for (let n = 0; n < 50; n++) expect(await others()).toBe('0');
    stream.end();
    const { body, headers } = await replyOf(stream);
    expect([headers['grpc-status'], countMessages(body)]).toEqual(['0', count]);
    expect(await others()).toBe('0');
  });

  it('many that leave their calls end the calls of nobody else', async () => {
    const lasting = other.begin(reflection);
    lasting.write(question);
    await once(lasting, 'response');
    const reply = replyOf(lasting);
    for (let n = 0; n < 8; n++) {
      const leaving = await RawGrpc.open(rig.gateway.grpcAddress as string);
      const calls = Array.from({ length: 300 }, () => leaving.begin(reflection));
      for (const call of calls) call.write(question);
      await Promise.all(calls.map((call) => once(call, 'response')));
      for (const call of calls) call.close(constants.NGHTTP2_CANCEL);
      await Promise.all(calls.map((call) => call.destroyed || once(call, 'close')));
      leaving.close();
      expect([n, await others()]).toEqual([n, '0']);
    }
    lasting.end(question);
    const { body, headers } = await reply;
    expect([headers['grpc-status'], countMessages(body)]).toEqual(['0', 2]);
  });

  it('a name of megabytes is refused, and holds up nobody', async () => {
    const name = Buffer.alloc(5_000_000, 'n');
    const long = greedy.call([prefixed(Buffer.concat([Buffer.of(0x0a, 0xc0, 0x96, 0xb1, 0x02), name]))], check);
    expect(await others()).toBe('0');
    expect((await long).headers).toMatchObject({ 'grpc-status': '8', 'grpc-message': expect.stringContaining('larger%20than%20max') });
    expect(await others()).toBe('0');
  });
});

describe('rpcs that are no infer calls, when their connection ends', () => {
  it('end with it, also those that have a part of their answer', async () => {
    const pass = (bytes: Buffer): Buffer => bytes;
    const codec = { requestSerialize: pass, requestDeserialize: pass, responseSerialize: pass, responseDeserialize: pass };
    const drip = { path: '/test/Drip', requestStream: false, responseStream: true, ...codec };
    const relay = new RpcRelay({}, (server) => {
      server.addService({ drip }, { drip: (call: ServerWritableStream<Buffer, Buffer>) => void call.write(Buffer.from('drop')) });
      return Promise.resolve();
    });
    const limits = {
      maxConcurrentStreams: 10,
      maxFieldBytes: 4096,
      maxFields: 32,
      streamWindowBytes: 65_535,
      connectionWindowBytes: 65_535,
      maxHeldBytes: 1_000_000,
    };
    const owner = { onStream: (stream: Http2Stream): void => relay.pass(stream, 'r') };
    const front = createServer((socket) => void lendReads(socket, new Connection(socket, owner, limits)));
    await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
    const client = await RawGrpc.open(`127.0.0.1:${(front.address() as AddressInfo).port}`);
    try {
      const stream = client.begin({ ':path': drip.path });
      stream.end(prefixed(''));
      await once(stream, 'data');
      const closed = new Promise((resolve) => stream.once('close', resolve));
      relay.close();
      await closed;
      expect(stream.rstCode).toBe(constants.NGHTTP2_INTERNAL_ERROR);
    } finally {
      client.close();
      front.close();
    }
  });
});

describe('rpcs that are no infer calls, when they cannot be started', () => {
  it('are refused, and started by a later call', async () => {
    const ingress = new NodeIngress();
    let starts = 0;
    const addServices = (): Promise<void> => (++starts === 1 ? Promise.reject(new Error('a file is missing')) : Promise.resolve());
    const unused = (): never => {
      throw new Error('no infer call is made');
    };
    const address = await ingress.listen({
      kind: 'grpc',
      address: '127.0.0.1:0',
      listener: { onRequests: unused, onGone: unused, refusalOf: unused },
      addServices,
    });
    const client = await RawGrpc.open(address);
    try {
      const call = async (): Promise<unknown> => (await client.call([prefixed('')], check)).headers['grpc-status'];
      expect(await call()).toBe('13');
      // Started, and without that service
      expect([await call(), starts]).toEqual(['12', 2]);
    } finally {
      client.close();
      await ingress.close();
    }
  });
});
