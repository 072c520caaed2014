import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { method, servable } from '../testing/fake-scheduler.js';
import type { ModelStatisticsEntry } from './model-statistics.js';
import { GatewayRig } from '../testing/gateway-rig.js';

describe('the Open Inference Protocol over REST, less infer', () => {
  let rig: GatewayRig;
  beforeAll(async () => {
    const typed = method('logits', {
      inputs: [{ name: 'x', dtype: 'float32', shape: [1, 28, 28] }],
      outputs: [{ name: 'y', dtype: 'float32', shape: [10] }],
    });
    rig = await GatewayRig.start({}, [
      servable('kit', [method('echo')]),
      servable('digits', [typed], 3),
      { ...servable('digits', [typed], 4), readyReplicas: 0 },
    ]);
  });
  afterAll(() => rig.stop());

  it.each<[path: string, status: number, body: unknown]>([
    ['/v2', 200, { name: 'mserve', version: expect.any(String), extensions: expect.arrayContaining(['binary_tensor_data']) }],
    ['/v2/health/live', 200, { live: true }],
    ['/v2/health/ready', 200, { ready: true }],
    [
      '/v2/models/digits',
      200,
      {
        name: 'digits',
        versions: ['3'],
        platform: 'mserve',
        inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1, 28, 28] }],
        outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 10] }],
      },
    ],
    ['/v2/models/digits.logits/versions/3', 200, expect.objectContaining({ name: 'digits.logits', versions: ['3'] })],
    [
      '/v2/models/digits/config',
      200,
      {
        name: 'digits',
        platform: 'mserve',
        backend: 'mserve',
        version_policy: { specific: { versions: [3] } },
        max_batch_size: 1,
        input: [{ name: 'x', data_type: 'TYPE_FP32', dims: [1, 28, 28], format: 'FORMAT_NONE', optional: false }],
        output: [{ name: 'y', data_type: 'TYPE_FP32', dims: [10] }],
        instance_group: [{ name: 'digits_0', kind: 'KIND_AUTO', count: 1 }],
      },
    ],
    [
      '/v2/models/kit.echo/versions/1/config',
      200,
      expect.objectContaining({ output: [{ name: 'y', data_type: 'TYPE_STRING', dims: [-1] }] }),
    ],
    // As long as names may be, and longer
    [`/v2/models/kit.${'m'.repeat(128)}/ready`, 404, { error: expect.stringContaining("servable 'kit' has no method") }],
    [`/v2/models/${'%C3%A9'.repeat(1000)}/ready`, 404, { error: expect.stringMatching(/is not available$/) }],
    ['/v2/models/nope/config', 404, { error: "model 'nope' is not available" }],
    ['/v2/models/nope/stats', 404, { error: "model 'nope' is not available" }],
    ['/v2/models/digits/versions/4/stats', 503, { error: "model 'digits' version 4 is not available" }],
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
    ['/v2/', 200, expect.objectContaining({ name: 'mserve' })],
    ['/v2/health/ready/', 200, { ready: true }],
    ['/v2/models/digits/?x=1', 200, expect.objectContaining({ name: 'digits' })],
    ['/v2/models/digits/versions/3/ready/', 200, { name: 'digits', ready: true }],
    ['/healthz', 200, { live: true }],
    ['/livez/', 200, { live: true }],
    ['/readyz', 200, { ready: true }],
    ['/ping', 200, { ready: true }],
    ['//v2/models/digits', 404, { error: 'Cannot GET //v2/models/digits, the path is /v2/models/digits' }],
    ['/v2//models/digits', 404, { error: 'Cannot GET /v2//models/digits, the path is /v2/models/digits' }],
    ['/V2', 404, { error: 'Cannot GET /V2, the path is /v2' }],
    [
      '/v1/models/digits',
      404,
      {
        error:
          "Cannot GET /v1/models/digits, which is of TensorFlow Serving's API; the Open Inference Protocol has POST /v2/models/digits/infer and GET /v2/models/digits",
      },
    ],
    ['/v2/nope', 404, { error: 'Cannot GET /v2/nope' }],
    ['/nope', 404, { error: 'Cannot GET /nope' }],
  ])('GET %s', async (path, status, body) => {
    const response = await fetch(`${rig.url}${path}`);
    expect([response.status, await response.json()]).toEqual([status, body]);
  });

  it.each<[verb: string, path: string, status: number, allow: string | null, error: string]>([
    ['POST', '/v2/health/live', 405, 'GET, HEAD', 'POST is not supported here, GET and HEAD are'],
    ['OPTIONS', '/v2/health/live', 405, 'GET, HEAD', 'OPTIONS is not supported here, GET and HEAD are'],
    ['QUERY', '/v2', 405, 'GET, HEAD', 'QUERY is not supported here, GET and HEAD are'],
    ['POST', '/healthz', 405, 'GET, HEAD', 'POST is not supported here, GET and HEAD are'],
    ['POST', '/ping?x', 405, 'GET, HEAD', 'POST is not supported here, GET and HEAD are'],
    ['POST', '/openapi.json', 405, 'GET, HEAD', 'POST is not supported here, GET and HEAD are'],
    ['DELETE', '/v2', 405, 'GET, HEAD', 'DELETE is not supported here, GET and HEAD are'],
    ['PUT', '/v2/models/nope/versions/9/ready?x=1', 405, 'GET, HEAD', 'PUT is not supported here, GET and HEAD are'],
    ['PROPFIND', '/v2/models/kit', 405, 'GET, HEAD', 'PROPFIND is not supported here, GET and HEAD are'],
    ['GET', '/v2/repository/index', 405, 'POST', 'GET is not supported here, POST is'],
    ['PATCH', '/docs', 405, 'GET, HEAD', 'PATCH is not supported here, GET and HEAD are'],
    ['PUT', '/v2/health/live/', 405, 'GET, HEAD', 'PUT is not supported here, GET and HEAD are'],
    ['POST', '//v2/models/kit/infer', 404, null, 'Cannot POST //v2/models/kit/infer, the path is /v2/models/kit/infer'],
    ['POST', '/V2/models/Kit/infer', 404, null, 'Cannot POST /V2/models/Kit/infer, the path is /v2/models/Kit/infer'],
    [
      'POST',
      '/v1/models/kit:predict',
      404,
      null,
      "Cannot POST /v1/models/kit:predict, which is of TensorFlow Serving's API; the Open Inference Protocol has POST /v2/models/kit/infer and GET /v2/models/kit",
    ],
    ['PUT', '/v2/nope', 404, null, 'Cannot PUT /v2/nope'],
    ['POST', '/v2/models//infer', 404, null, 'Cannot POST /v2/models//infer'],
    ['OPTIONS', '/nope', 404, null, 'Cannot OPTIONS /nope'],
    ['GET', '/docs/nope', 404, null, 'Not Found'],
  ])('%s %s', async (verb, path, status, allow, error) => {
    const response = await fetch(`${rig.url}${path}`, { method: verb });
    expect([response.status, response.headers.get('allow'), await response.json()]).toEqual([status, allow, { error }]);
  });

  it.each(['/v2', '/v2/health/live', '/v2/health/ready/', '/v2/models/digits', '/v2/models/digits/ready', '/readyz', '/ping'])(
    'HEAD %s is GET without the body',
    async (path) => {
      const [get, head] = [await fetch(`${rig.url}${path}`), await fetch(`${rig.url}${path}`, { method: 'HEAD' })];
      const shown = ({ status, headers }: Response): unknown => [status, headers.get('content-type'), headers.get('content-length')];
      expect([shown(head), await head.text()]).toEqual([shown(get), '']);
      expect(head.status).toBe(200);
    },
  );

  it('says which path is meant whatever the body is', async () => {
    const send = async (contentType: string): Promise<number> =>
      (await fetch(`${rig.url}/V2/models/kit/infer`, { method: 'POST', body: '{"inputs":', headers: { 'content-type': contentType } }))
        .status;
    expect(await Promise.all(['application/json', 'application/octet-stream', 'text/plain'].map(send))).toEqual([404, 404, 404]);
  });

  it('cuts long names in its texts', async () => {
    const long = 'n'.repeat(5000);
    const errorOf = async (path: string): Promise<unknown> => {
      const response = await fetch(`${rig.url}${path}`);
      return [response.status, ((await response.json()) as { error: string }).error];
    };
    expect(await errorOf(`/${long}`)).toEqual([404, `Cannot GET /${long.slice(0, 988)}...`]);
    expect(await errorOf(`/%zz${long}`)).toEqual([400, `'/%zz${long.slice(0, 995)}...`]);
    expect(await errorOf(`/v2/models/${long}`)).toEqual([404, expect.stringMatching(/^.{1,1003}$/)]);
  });

  it('counts what each model answers, and what it fails', async () => {
    const statsOf = async (path: string): Promise<ModelStatisticsEntry[]> =>
      ((await (await fetch(`${rig.url}/v2/models${path}/stats`)).json()) as { model_stats: ModelStatisticsEntry[] }).model_stats;
    const infer = (body: string): Promise<Response> => rig.post(body);
    const fresh = { count: 0, ns: 0 };
    // There is no worker that could tell of queues and runs
    const untold = { queue: fresh, compute_input: fresh, compute_infer: fresh, compute_output: fresh, cache_hit: fresh, cache_miss: fresh };
    const runs = { execution_count: 0, batch_stats: [] };
    const before = { last_inference: 0, inference_count: 0, ...runs, inference_stats: { success: fresh, fail: fresh, ...untold } };
    expect(await statsOf('/kit')).toEqual([{ name: 'kit', version: '1', ...before }]);
    const began = Date.now();
    expect((await infer('kit echo a')).status).toBe(200);
    expect((await infer('kit echo b')).status).toBe(200);
    rig.scheduler.onTickets = (list) => list.forEach((ticket) => rig.scheduler.refuse(ticket, { code: 'INTERNAL', message: 'no' }));
    expect((await infer('kit echo c')).status).toBe(500);
    const spent = (count: number): unknown => ({ count, ns: expect.any(Number) });
    const inferenceStats = { success: spent(2), fail: spent(1), ...untold };
    const after = { inference_count: 2, last_inference: expect.any(Number), ...runs, inference_stats: inferenceStats };
    const [one] = await statsOf('/kit/versions/1');
    expect(one).toEqual({ name: 'kit', version: '1', ...after });
    expect(one?.last_inference).toBeGreaterThanOrEqual(began);
    expect(one?.inference_stats.success.ns).toBeGreaterThan(0);
    expect(await statsOf('')).toEqual([
      { name: 'kit.echo', version: '1', ...after },
      { name: 'digits.logits', version: '3', ...before },
    ]);
  });

  it('lists the repository, with and without a body', async () => {
    const index = async (body?: string | Uint8Array<ArrayBuffer>, contentType = 'application/json'): Promise<unknown> => {
      const response = await fetch(`${rig.url}/v2/repository/index`, {
        method: 'POST',
        ...(body === undefined ? {} : { body, headers: contentType === '' ? {} : { 'content-type': contentType } }),
      });
      return [response.status, await response.json()];
    };
    const kit = { name: 'kit.echo', version: '1', state: 'READY', reason: '' };
    const digits = { name: 'digits.logits', version: '3', state: 'READY', reason: '' };
    const all = [kit, digits, { name: 'digits.logits', version: '4', state: 'UNAVAILABLE', reason: 'no replica is ready' }];
    expect(await index()).toEqual([200, all]);
    expect(await index('{}')).toEqual([200, all]);
    expect(await index('{"ready":true}')).toEqual([200, [kit, digits]]);
    for (const contentType of ['', 'application/x-www-form-urlencoded', 'text/plain'])
      expect(await index(Buffer.from('{"ready":true}'), contentType)).toEqual([200, [kit, digits]]);
    expect(await index('{}', 'text/xml')).toEqual([415, { error: expect.any(String) }]);
    expect(await index('{"ready":"yes"}')).toEqual([400, { error: expect.any(String) }]);
    expect(await index('{')).toEqual([400, { error: expect.stringContaining('not valid JSON') }]);
  });
});
