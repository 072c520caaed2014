import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { method, servable } from '../testing/fake-scheduler.js';
import { GatewayRig } from '../testing/gateway-rig.js';

describe('the Open Inference Protocol over REST, less infer', () => {
  let rig: GatewayRig;
  beforeAll(async () => {
    const typed = method('logits', { inputs: [{ name: 'x', dtype: 'float32', shape: [1, 28, 28] }], outputs: [{ name: 'y', dtype: 'float32', shape: [10] }] });
    rig = await GatewayRig.start({}, [servable('kit', [method('echo')]), servable('digits', [typed], 3), { ...servable('digits', [typed], 4), readyReplicas: 0 }]);
  });
  afterAll(() => rig.stop());

  it.each<[path: string, status: number, body: unknown]>([
    ['/v2', 200, { name: 'mserve', version: expect.any(String), extensions: expect.arrayContaining(['binary_tensor_data']) }],
    ['/v2/health/live', 200, { live: true }],
    ['/v2/health/ready', 200, { ready: true }],
    [
      '/v2/models/digits',
      200,
      { name: 'digits', versions: ['3'], platform: 'mserve', inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1, 28, 28] }], outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 10] }] },
    ],
    ['/v2/models/digits.logits/versions/3', 200, expect.objectContaining({ name: 'digits.logits', versions: ['3'] })],
    ['/v2/models/digits/ready', 200, { name: 'digits', ready: true }],
    ['/v2/models/digits/versions/3/ready', 200, { name: 'digits', ready: true }],
    ['/v2/models/digits/versions/4/ready', 503, { error: "model 'digits' is not ready" }],
    ['/v2/models/digits/versions/4', 503, { error: "model 'digits' version 4 is not available" }],
    ['/v2/models/digits/versions/9/ready', 404, { error: "model 'digits' version 9 is not available" }],
    ['/v2/models/digits/versions/x', 404, { error: "model 'digits' version 'x' is not a version, it should be a positive integer" }],
    ['/v2/models/nope', 404, { error: "model 'nope' is not available" }],
    ['/v2/models/nope/ready', 404, { error: "model 'nope' is not available" }],
    ['/v2/models/..%2f..%2fetc', 404, { error: "model '../../etc' is not available" }],
    ['/v2/models/%zz', 400, { error: "'/v2/models/%zz' is not a valid url component" }],
    ['/v2/nope', 404, { error: 'Cannot GET /v2/nope' }],
    ['/nope', 404, { error: 'Cannot GET /nope' }],
    [`/v2/${'x'.repeat(9000)}`, 404, { error: `Cannot GET /v2/${'x'.repeat(185)}...` }],
    [`/v2/models/${'x'.repeat(9000)}`, 414, { error: `'/v2/models/${'x'.repeat(188)}...` }],
  ])('GET %s', async (path, status, body) => {
    const response = await fetch(`${rig.url}${path}`);
    expect([response.status, await response.json()]).toEqual([status, body]);
  });

  it('lists the repository, with and without a body', async () => {
    const index = async (body?: string): Promise<unknown> => {
      const response = await fetch(`${rig.url}/v2/repository/index`, { method: 'POST', ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } }) });
      return [response.status, await response.json()];
    };
    const kit = { name: 'kit.echo', version: '1', state: 'READY', reason: '' };
    const digits = { name: 'digits.logits', version: '3', state: 'READY', reason: '' };
    const all = [kit, digits, { name: 'digits.logits', version: '4', state: 'UNAVAILABLE', reason: 'no replica is ready' }];
    expect(await index()).toEqual([200, all]);
    expect(await index('{}')).toEqual([200, all]);
    expect(await index('{"ready":true}')).toEqual([200, [kit, digits]]);
    expect(await index('{"ready":"yes"}')).toEqual([400, { error: expect.any(String) }]);
    expect(await index('{')).toEqual([400, { error: expect.stringContaining('not valid JSON') }]);
  });
});
