import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GatewayRig } from '../testing/gateway-rig.js';
import { prefixed, RawGrpc, replyOf } from '../testing/raw-grpc.js';

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

  it('a name of megabytes is refused, and holds up nobody', async () => {
    const name = Buffer.alloc(5_000_000, 'n');
    const long = greedy.call([prefixed(Buffer.concat([Buffer.of(0x0a, 0xc0, 0x96, 0xb1, 0x02), name]))], check);
    expect(await others()).toBe('0');
    expect((await long).headers).toMatchObject({ 'grpc-status': '8', 'grpc-message': expect.stringContaining('larger%20than%20max') });
    expect(await others()).toBe('0');
  });
});
