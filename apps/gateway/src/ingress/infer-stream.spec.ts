import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Ticket } from '@mserve/wire';
import { echoOf } from '../testing/fake-scheduler.js';
import { GatewayRig } from '../testing/gateway-rig.js';
import { prefixed, RawGrpc, replyOf, type RawReply } from '../testing/raw-grpc.js';

const path = { ':path': '/inference.GRPCInferenceService/ModelStreamInfer' };
const mebibyte = 1024 * 1024;
const echo = (text: string): Buffer => prefixed(`kit echo ${text}`);

/** Status, and each answer: its text, errors behind '!'. Answers here are shorter than 128 bytes. */
function shown({ headers, body }: RawReply): unknown {
  const answers: string[] = [];
  for (let at = 0; at < body.length;) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    answers.push(`${body[at + 5] === 0x0a ? '!' : ''}${body.subarray(at + 7, end).toString()}`);
    at = end;
  }
  return [Number(headers['grpc-status']), ...answers];
}

describe('a stream of infer requests', () => {
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
    rig.scheduler.onTickets = (list) => rig.scheduler.echo(list);
    expect(shown(await raw.call([echo('good')], path))).toEqual([0, 'good']);
    await rig.idle();
  });

  it.each<[string, Buffer[], unknown]>([
    ['no request', [], [0]],
    ['several in one frame', [Buffer.concat([echo('a'), echo('b'), echo('c')])], [0, 'a', 'b', 'c']],
    ['bytes that come one by one', Array.from(Buffer.concat([echo('a'), echo('b')]), (byte) => Buffer.of(byte)), [0, 'a', 'b']],
    [
      'one that is refused between others',
      [echo('a'), prefixed('kit nope b'), echo('c')],
      [0, 'a', expect.stringMatching(/^!NOT_FOUND: /), 'c'],
    ],
    ['a last message that is cut off', [echo('a'), prefixed('kit echo b', 0, 50)], [13, 'a', expect.stringMatching(/^!INTERNAL: /)]],
    ['a prefix that is cut off', [echo('a'), Buffer.of(0, 0)], [13, 'a']],
    ['a message over the limit', [echo('a'), prefixed('', 0, mebibyte + 1)], [8, 'a']],
    ['more than are taken at a time', Array.from({ length: 200 }, () => echo('a')), [0, ...new Array<string>(200).fill('a')]],
  ])('answers %s', async (_, pieces, expected) => {
    expect(shown(await raw.call(pieces, path))).toEqual(expected);
  });

  it('takes compressed messages, and tells what it cannot read in their place', async () => {
    const compressed = [prefixed(gzipSync('kit echo a'), 1), prefixed('no gzip', 1), echo('b')];
    expect(shown(await raw.call(compressed, { ...path, 'grpc-encoding': 'gzip' }))).toEqual([
      0,
      'a',
      expect.stringMatching(/^!INTERNAL: /),
      'b',
    ]);
  });

  it('answers in the order of the requests, whichever is done first', async () => {
    const held: Ticket[] = [];
    rig.scheduler.onTickets = (list) => {
      held.push(...list);
      if (held.length === 3) for (const ticket of held.reverse()) rig.scheduler.answer(ticket, 0, echoOf(ticket.instances));
    };
    expect(shown(await raw.call([echo('a'), echo('b'), echo('c')], path))).toEqual([0, 'a', 'b', 'c']);
  });

  it('cancels what is in hand when the client leaves', async () => {
    const before = rig.scheduler.cancelled.length;
    const seen = rig.scheduler.seen.length;
    rig.scheduler.onTickets = () => undefined;
    const stream = raw.begin(path);
    stream.write(Buffer.concat([echo('a'), echo('b')]));
    await rig.scheduler.until(() => rig.scheduler.seen.length === seen + 2);
    stream.close(8);
    await rig.scheduler.until(() => rig.scheduler.cancelled.length === before + 2);
  });

  it('ends at its deadline, with what is in hand', async () => {
    rig.scheduler.onTickets = () => undefined;
    const { headers } = await raw.call([echo('a')], { ...path, 'grpc-timeout': '100m' }, true);
    expect(headers['grpc-status']).toBe('4');
  });
});

it('a server that shuts down answers what is in hand, and ends the stream', async () => {
  const rig = await GatewayRig.start({});
  const raw = await RawGrpc.open(rig.gateway.grpcAddress as string);
  const stream = raw.begin(path);
  const reply = replyOf(stream);
  stream.write(echo('a'));
  await new Promise((resolve) => stream.once('data', resolve));
  await rig.stop();
  expect(shown(await reply)).toEqual([14, 'a']);
  raw.close();
});
