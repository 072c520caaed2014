import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GatewayRig } from '../testing/gateway-rig.js';
import { RawConnection } from '../testing/raw-connection.js';
import { originForm } from './http-malformed.js';

const good = '{"instances":[{"x":7}]}';
const post = (target: string): string =>
  `POST ${target} HTTP/1.1\r\nHost: x\r\nContent-Length: ${good.length}\r\nConnection: close\r\n\r\n${good}`;

describe('what is hardly HTTP', () => {
  let rig: GatewayRig;
  let address: string;
  beforeAll(async () => {
    rig = await GatewayRig.start({ publicProtocols: true, limits: { headersTimeoutMs: 200, requestTimeoutMs: 300 } });
    address = rig.gateway.restAddress as string;
  });
  afterAll(() => rig.stop());

  it.each<[name: string, sent: string, received: RegExp]>([
    [
      'a URL that is not ASCII',
      post('/model/kit:\u00e9'),
      /^HTTP\/1\.1 400 .*\r\n\r\n\{"error":"the request is not HTTP\/1\.1: [^"]*url[^"]*"\}$/is,
    ],
    [
      'an unknown verb',
      'BREW /v2 HTTP/1.1\r\nHost: x\r\n\r\n',
      /^HTTP\/1\.1 400 .*\{"error":"the request is not HTTP\/1\.1: [^"]*method[^"]*"\}$/is,
    ],
    [
      'a head that is too large',
      `GET /v2 HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(17_000)}\r\n\r\n`,
      /^HTTP\/1\.1 431 .*\{"error":"the head of the request is too large"\}$/s,
    ],
    ['half a head', 'POST /model/kit:echo HTTP/1.1\r\nHo', /^HTTP\/1\.1 408 .*\{"error":"the request did not come in in time"\}$/s],
    [
      'chunk extensions that are too large',
      `POST /model/kit:echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;${'a'.repeat(20_000)}\r\n`,
      /^HTTP\/1\.1 413 .*\{"error":"the chunk extensions/s,
    ],
  ])('%s is refused in words', async (_name, sent, received) => {
    expect(await RawConnection.exchange(address, sent)).toMatch(received);
  });

  it.each<[target: string, received: RegExp]>([
    ['http://x/model/kit:echo', /^HTTP\/1\.1 200 .*\{"instances":\[\{"y":7\}\]\}$/s],
    ['HTTP://user@x:80/model/kit:echo?a=b', /^HTTP\/1\.1 200 /],
    ['http://x/v2/models/kit.echo/infer', /^HTTP\/1\.1 400 .*\{"error":"the request has no 'inputs'"\}$/s],
    ['http://x', /^HTTP\/1\.1 400 .*keyword:\[model\] must contain/s],
    ['ftp://x/model/kit:echo', /^HTTP\/1\.1 400 .*keyword:\[model\] must contain/s],
  ])('POST %s', async (target, received) => {
    expect(await RawConnection.exchange(address, post(target))).toMatch(received);
  });

  it.each([
    ['/model/a:b?c=http://x/y', '/model/a:b?c=http://x/y'],
    ['https://x?c', '/?c'],
    ['*', '*'],
    ['', ''],
    ['/model/relu%3Apredict', '/model/relu:predict'],
    ['/v2/models/m/%69nfer?a=%69', '/v2/models/m/infer?a=%69'],
    ['/model/a%2Fb:c%2569', '/model/a%2Fb:c%2569'],
    ['http://host/model/r%65lu%3apredict', '/model/relu:predict'],
    ['/model/gr%C3%B6%7e', '/model/gr%C3%B6~'],
  ])('the target %j is %j', (target, path) => expect(originForm(target)).toBe(path));
});
