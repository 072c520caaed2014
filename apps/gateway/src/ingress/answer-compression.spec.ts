import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GatewayRig } from '../testing/gateway-rig.js';
import { prefixed, RawGrpc } from '../testing/raw-grpc.js';
import { acceptedCompression } from './answer-compression.js';

const madeHere = /^[0-9a-f]{12}-\d+$/;

it.each<[string | undefined, string | undefined]>([
  [undefined, undefined],
  ['', undefined],
  ['*', undefined],
  ['br, identity', undefined],
  ['gzip', 'gzip'],
  ['deflate', 'deflate'],
  ['deflate, GZIP;q=0.5', 'gzip'],
  ['gzip;q=0, deflate', 'deflate'],
  ['gzip ; q=0.000', undefined],
])('Accept-Encoding %s asks for %s', (header, compression) => {
  expect(acceptedCompression(header)).toBe(compression);
});

describe('answers', () => {
  let rig: GatewayRig;
  beforeAll(async () => {
    rig = await GatewayRig.start({ publicProtocols: true });
  });
  afterAll(() => rig.stop());

  async function infer(values: number, headers: Record<string, string>): Promise<Response> {
    const data = new Array<number>(values).fill(7);
    const body = JSON.stringify({ inputs: [{ name: 'x', datatype: 'INT32', shape: [1, values], data }] });
    const response = await fetch(`${rig.url}/v2/models/kit.echo/infer`, { method: 'POST', body, headers });
    const { outputs } = (await response.json()) as { outputs: { data: number[] }[] };
    expect(outputs[0]?.data).toEqual(data);
    return response;
  }

  it('are compressed where the client asks and they are long enough', async () => {
    const codingOf = async (values: number, accepted: string): Promise<string | null> =>
      (await infer(values, { 'accept-encoding': accepted })).headers.get('content-encoding');
    expect(await codingOf(2000, 'gzip')).toBe('gzip');
    expect(await codingOf(2000, 'deflate')).toBe('deflate');
    expect(await codingOf(2000, 'identity')).toBe(null);
    expect(await codingOf(2, 'gzip')).toBe(null);
  });

  it('have the request id of the client, else one of their own', async () => {
    const idOf = async (path: string, headers: Record<string, string>, method = 'GET'): Promise<string | null> =>
      (await fetch(`${rig.url}${path}`, { method, headers })).headers.get('x-request-id');
    const given = { 'x-request-id': 'a/b-7' };
    expect((await infer(1, given)).headers.get('x-request-id')).toBe('a/b-7');
    expect((await infer(1, {})).headers.get('x-request-id')).toMatch(madeHere);
    expect(await idOf('/v2/models/nope/infer', given, 'POST')).toBe('a/b-7');
    expect(await idOf('/model/kit:nope', {}, 'POST')).toMatch(madeHere);
    expect(await idOf('/v2', given)).toBe('a/b-7');
    expect(await idOf('/nope', {})).toMatch(madeHere);
    expect(await idOf('/v2', { 'x-request-id': 'two words' })).toMatch(madeHere);
    expect(await idOf('/v2', { 'x-request-id': 'a'.repeat(257) })).toMatch(madeHere);
  });
});

describe('answers over gRPC', () => {
  let rig: GatewayRig;
  let raw: RawGrpc;
  beforeAll(async () => {
    rig = await GatewayRig.start({});
    raw = await RawGrpc.open(rig.gateway.grpcAddress as string);
  });
  afterAll(async () => {
    raw.close();
    await rig.stop();
  });

  const text = 'x'.repeat(5000);
  const compressed = prefixed(gzipSync(`kit echo ${text}`), 1);

  it('are compressed as the request was', async () => {
    const { headers, body } = await raw.call([compressed], { 'grpc-encoding': 'gzip', 'grpc-accept-encoding': 'identity, deflate,gzip' });
    expect([headers['grpc-encoding'], body[0], gunzipSync(body.subarray(5)).toString()]).toEqual(['gzip', 1, text]);
  });

  it.each<[string, Buffer, Record<string, string>, Buffer]>([
    ['the client does not read that', compressed, { 'grpc-encoding': 'gzip' }, prefixed(text)],
    [
      'the request was not compressed',
      prefixed(`kit echo ${text}`),
      { 'grpc-encoding': 'gzip', 'grpc-accept-encoding': 'gzip' },
      prefixed(text),
    ],
    ['they are short', prefixed(gzipSync('kit echo a'), 1), { 'grpc-encoding': 'gzip', 'grpc-accept-encoding': 'gzip' }, prefixed('a')],
  ])('are not compressed when %s', async (_, message, headers, answer) => {
    const reply = await raw.call([message], headers);
    expect([reply.headers['grpc-encoding'], reply.body]).toEqual([undefined, answer]);
  });

  it('have the request id of the client, else one of their own', async () => {
    const idOf = async (message: string, headers: Record<string, string>): Promise<unknown> =>
      (await raw.call([prefixed(message)], headers)).headers['x-request-id'];
    expect(await idOf('kit echo a', { 'x-request-id': 'b7' })).toBe('b7');
    expect(await idOf('kit echo a', {})).toMatch(madeHere);
    expect(await idOf('kit nope a', { 'x-request-id': 'b7' })).toBe('b7');
  });
});
