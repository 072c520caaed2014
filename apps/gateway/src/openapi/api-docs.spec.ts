import { get } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { dtypeTable, packElements, type DType, type ExampleTensor, type MethodSignature, type TensorSignature } from '@mserve/wire';
import { MethodCatalog } from '../catalog/method-catalog.js';
import type { InferRoute, IngressRequest } from '../edge/ingress.js';
import { createProtocols } from '../protocols/index.js';
import { method, servable } from '../testing/fake-scheduler.js';
import { GatewayRig } from '../testing/gateway-rig.js';
import { lintOpenApi, schemaChecker } from '../../../../test/support/openapi-checks.mjs';

interface Described {
  readonly content?: Record<string, { schema: object }>;
}

interface Document {
  openapi: string;
  info: { title: string; version: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, unknown>; responses: Record<string, unknown> };
}

interface Operation {
  operationId: string;
  responses: Record<string, unknown>;
  requestBody?: { content: Record<string, { schema: object; example?: unknown }> };
}

const exampleOf = (dtype: DType, shape: readonly number[], bytes: Uint8Array): ExampleTensor => ({
  dtype,
  shape,
  b64: Buffer.from(bytes).toString('base64'),
});
const floats = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);
const packed = (...texts: string[]): Uint8Array => packElements(texts.map((text) => Buffer.from(text, 'latin1')));

/** Reads the whole answer, so that its connection can be closed. */
async function statusOf(url: string): Promise<number> {
  const response = await fetch(url);
  await response.arrayBuffer();
  return response.status;
}

/** Status of a GET with this Host header, which fetch does not let callers choose. */
function statusFor(url: string, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    get(url, { headers: { host }, agent: false }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode));
    }).on('error', reject);
  });
}

/** What authors may give as examples, and how the document shows it in either interface. */
const examples: Record<string, { input: Omit<TensorSignature, 'name'>; ms: unknown; oip: unknown }> = {
  given_fractions: {
    input: { dtype: 'float32', shape: [-1, 2], example: exampleOf('float32', [1, 2], floats(0.1, 2.5)) },
    ms: [[0.1, 2.5]],
    oip: { shape: [1, 1, 2], datatype: 'FP32', data: [0.1, 2.5] },
  },
  given_whole_floats: {
    input: { dtype: 'float32', shape: [1], example: exampleOf('float32', [1], floats(1)) },
    ms: { b64: 'AACAPw==', type: 'float32', shape: [1] },
    oip: { shape: [1, 1], datatype: 'FP32', data: [1] },
  },
  given_uint8: {
    input: { dtype: 'uint8', example: exampleOf('uint8', [2], Uint8Array.of(1, 200)) },
    ms: [1, 200],
    oip: { shape: [1, 2], datatype: 'UINT8', data: [1, 200] },
  },
  given_int64: {
    input: { example: exampleOf('int64', [], new Uint8Array(BigInt64Array.of(-7n).buffer)) },
    ms: -7,
    oip: { shape: [1], datatype: 'INT64', data: [-7] },
  },
  given_int8: {
    input: { example: exampleOf('int8', [1], Uint8Array.of(255)) },
    ms: { b64: '/w==', type: 'int8', shape: [1] },
    oip: { shape: [1, 1], datatype: 'INT8', data: [-1] },
  },
  given_bool: {
    input: { dtype: 'bool', example: exampleOf('bool', [2], Uint8Array.of(1, 0)) },
    ms: [true, false],
    oip: { shape: [1, 2], datatype: 'BOOL', data: [true, false] },
  },
  given_text: {
    input: { dtype: 'string', shape: [1], example: exampleOf('string', [1], packed('seven')) },
    ms: ['seven'],
    oip: { shape: [1, 1], datatype: 'BYTES', data: ['seven'] },
  },
  given_texts: {
    input: { dtype: 'string', shape: [2], example: exampleOf('string', [2], packed('a', 'b')) },
    ms: undefined,
    oip: { shape: [1, 2], datatype: 'BYTES', data: ['a', 'b'] },
  },
  given_bytes: {
    input: { dtype: 'bytes', shape: [], example: exampleOf('bytes', [], packed('\xff')) },
    ms: { b64: '/w==' },
    oip: { shape: [1], datatype: 'BYTES', data: [expect.stringContaining('<svg')] },
  },
  given_half: {
    input: { example: exampleOf('float16', [1], Uint8Array.of(0, 60)) },
    ms: { b64: 'ADw=', type: 'float16', shape: [1] },
    oip: { shape: [1, 1], datatype: 'FP16', data: [1] },
  },
  given_infinity: {
    input: { dtype: 'float32', example: exampleOf('float32', [], floats(Infinity)) },
    ms: { b64: 'AACAfw==', type: 'float32', shape: [] },
    oip: { shape: [1], datatype: 'FP32', data: ['Infinity'] },
  },
  // As a process gone wrong might say it: no tensor, so there is the guess
  given_wrongly: {
    input: { dtype: 'float32', example: exampleOf('float32', [3], floats(1)) },
    ms: 0.5,
    oip: { shape: [1, 1], datatype: 'FP32', data: [0.5] },
  },
};

const kinds: MethodSignature[] = [
  method('unknown', { doc: 'Takes anything.' }),
  method('several', {
    inputs: [
      { name: 'a', dtype: 'float32', shape: [2, 2] },
      { name: 'b', dtype: 'int64', shape: [3], doc: 'numbers' },
      { name: 'c', dtype: 'string', shape: [] },
    ],
    outputs: [
      { name: 'p', dtype: 'float32', shape: [10] },
      { name: 'q', dtype: 'bytes' },
    ],
  }),
  method('alone', { batched: false, inputs: [{ name: 'x', dtype: 'float32', shape: [-1, 4] }] }),
  method('image', { inputs: [{ name: 'x', dtype: 'float32', shape: [1, 28, 28] }] }),
  ...Object.entries(examples).map(([name, { input }]) => method(name, { inputs: [{ name: 'x', ...input }] })),
  method('empty', { inputs: [{ name: 'x', dtype: 'int32', shape: [2, 0] }] }),
  ...dtypeTable.flatMap(({ dtype }) => [
    method(`scalar_${dtype}`, { inputs: [{ name: 'x', dtype, shape: [] }], outputs: [{ name: 'y', dtype, shape: [] }] }),
    method(`any_${dtype}`, { inputs: [{ name: 'x', dtype }], outputs: [{ name: 'y', dtype }] }),
    ...(dtype === 'string' || dtype === 'bytes' ? [] : [method(`matrix_${dtype}`, { inputs: [{ name: 'x', dtype, shape: [2, 3] }] })]),
  ]),
];

/** All $ref below a value. */
function refs(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => (key === '$ref' && typeof inner === 'string' ? [inner] : refs(inner)));
}

function resolve(document: unknown, ref: string): unknown {
  return ref
    .replace('#/', '')
    .split('/')
    .reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], document);
}

describe('the API document', () => {
  let rig: GatewayRig;
  let document: Document;
  const servables = [servable('kit', kinds, 2), servable('kit', [method('old')], 1)];
  const read = async (): Promise<Document> => (await fetch(`${rig.url}/openapi.json`)).json() as Promise<Document>;
  beforeAll(async () => {
    rig = await GatewayRig.start({}, servables);
    document = await read();
  });
  afterAll(() => rig.stop());

  it('is OpenAPI 3.1 by structure', () => {
    expect(document.openapi).toBe('3.1.0');
    expect(typeof document.info.title).toBe('string');
    const ids: string[] = [];
    for (const [path, operations] of Object.entries(document.paths)) {
      expect(path).toMatch(/^\//);
      const parameters = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      for (const [verb, operation] of Object.entries(operations)) {
        expect(['get', 'post']).toContain(verb);
        ids.push(operation.operationId);
        expect(Object.keys(operation.responses).length).toBeGreaterThan(0);
        for (const [status, response] of Object.entries(operation.responses)) {
          expect(status).toMatch(/^([1-5]\d\d|default)$/);
          expect(response).toEqual(
            expect.objectContaining('$ref' in (response as object) ? { $ref: expect.any(String) } : { description: expect.any(String) }),
          );
        }
        const declared = ((operation as { parameters?: { in: string; name: string }[] }).parameters ?? [])
          .filter((parameter) => parameter.in === 'path')
          .map(({ name }) => name);
        expect(declared).toEqual(parameters);
      }
    }
    expect(new Set(ids).size).toBe(ids.length);
    for (const ref of refs(document)) expect([ref, typeof resolve(document, ref)]).toEqual([ref, 'object']);
    // Words of OpenAPI 3.0 that 3.1 does not have
    expect(JSON.stringify(document)).not.toMatch(/"nullable"|"exclusiveMinimum":true/);
  });

  it('is OpenAPI 3.1 to a linter, and its schemas are JSON Schema 2020-12', async () => {
    expect(await lintOpenApi(document)).toEqual([]);
    const check = schemaChecker(document);
    for (const [path, { post }] of Object.entries(document.paths)) {
      for (const [type, { schema, example }] of Object.entries(post?.requestBody?.content ?? {}))
        expect([path, type, check(schema, example, example !== undefined)]).toEqual([path, type, []]);
      for (const [status, response] of Object.entries(post?.responses ?? {}))
        for (const { schema } of Object.values((response as Described).content ?? {}))
          expect([path, status, check(schema, undefined, false)]).toEqual([path, status, []]);
    }
  });

  it.each([
    [undefined, '/'],
    ['/models', '/models'],
    ['/models/', '/models'],
    ['/outer, /inner/v1', '/outer/inner/v1'],
    ['//attacker.example', '/'],
    ['https://attacker.example', '/'],
    ['/a b', '/'],
    ['/', '/'],
  ])('says where its paths begin, with X-Forwarded-Prefix %s', async (prefix, url) => {
    const headers: Record<string, string> = prefix === undefined ? {} : { 'x-forwarded-prefix': prefix };
    const answer = (await (await fetch(`${rig.url}/openapi.json`, { headers })).json()) as { servers: unknown };
    expect(answer.servers).toEqual([{ url }]);
  });

  it('has the operations that load and unload only where anybody may call them', async () => {
    const load = '/v2/repository/models/{model}/load';
    expect(Object.keys(document.paths)).not.toContain(load);
    const explicit = await GatewayRig.start({ modelControlMode: 'explicit' }, servables);
    try {
      const described = (await (await fetch(`${explicit.url}/openapi.json`)).json()) as Document;
      expect(Object.keys(described.paths)).toContain(load);
    } finally {
      await explicit.stop();
    }
  });

  it("has every method of every ready version, in both REST interfaces, and Nest's own routes", () => {
    const paths = Object.keys(document.paths);
    for (const { name } of kinds) {
      expect(paths).toEqual(
        expect.arrayContaining([
          `/model/kit:${name}`,
          `/model/kit/version/2:${name}`,
          `/v2/models/kit.${name}/infer`,
          `/v2/models/kit.${name}/versions/2/infer`,
        ]),
      );
    }
    expect(paths).toEqual(expect.arrayContaining(['/model/kit/version/1:old', '/v2/models/{model}/ready', '/v2']));
    expect(paths).not.toContain('/model/kit:old');
  });

  it('has examples that are accepted', () => {
    const protocols = createProtocols({ maxMessageBytes: 1024 * 1024 });
    const catalog = new MethodCatalog();
    catalog.update(servables);
    let tried = 0;
    for (const [path, { post }] of Object.entries(document.paths)) {
      const example = post?.requestBody?.content['application/json']?.example;
      if (example === undefined) continue;
      const route: InferRoute = path.startsWith('/model/') ? 'ms-rest' : 'oip-rest';
      const request: IngressRequest = {
        token: 1,
        route,
        path,
        verb: 'POST',
        headers: { 'content-type': 'application/json' },
        body: Buffer.from(JSON.stringify(example)),
        deadlineAt: Infinity,
        takeBuffer: (bytes) => Buffer.allocUnsafeSlow(bytes),
        giveBuffer: () => undefined,
        release: () => undefined,
      };
      const answered = ((): unknown => {
        try {
          return protocols[route].decode(request, catalog).instances.length;
        } catch (error) {
          return `${path}: ${(error as Error).message}`;
        }
      })();
      expect(answered).toBe(1);
      tried++;
    }
    // Some have none in one of the interfaces
    expect(tried).toBeGreaterThan(3 * kinds.length);
  });

  it.each(Object.entries(examples))("shows the author's example: %s", (name, { ms, oip }) => {
    const shown = (path: string): unknown => document.paths[path]?.['post']?.requestBody?.content['application/json']?.example;
    expect(shown(`/model/kit:${name}`)).toEqual(ms === undefined ? undefined : { instances: [{ x: ms }] });
    expect(shown(`/v2/models/kit.${name}/infer`)).toEqual(oip === undefined ? undefined : { inputs: [{ name: 'x', ...(oip as object) }] });
  });

  it.each([
    ['/v2', '/v2'],
    ['/v2/health/live', '/v2/health/live'],
    ['/v2/health/ready', '/v2/health/ready'],
    ['/v2/models/{model}', `/v2/models/kit.${kinds[0]?.name}`],
    ['/v2/models/{model}/versions/{version}', `/v2/models/kit.${kinds[0]?.name}/versions/2`],
    ['/v2/models/{model}/ready', `/v2/models/kit.${kinds[0]?.name}/ready`],
    ['/v2/models/{model}/versions/{version}/ready', `/v2/models/kit.${kinds[0]?.name}/versions/2/ready`],
  ])('describes the answer of GET %s', async (path, url) => {
    type Answered = Record<string, { content: { 'application/json': { schema: { $ref: string } } } }>;
    const { $ref } = (document.paths[path]?.['get']?.responses as Answered)['200']?.content['application/json'].schema ?? { $ref: '' };
    const schema = resolve(document, $ref) as { properties: object; required: string[] };
    const answer = (await (await fetch(`${rig.url}${url}`)).json()) as object;
    expect(Object.keys(answer).sort()).toEqual(Object.keys(schema.properties).sort());
    expect([...schema.required].sort()).toEqual(Object.keys(schema.properties).sort());
  });

  it('follows the catalog', async () => {
    rig.scheduler.list([...servables, servable('late', [method('predict')])]);
    await expect(
      (async () => {
        for (;;) if ('/model/late:predict' in (await read()).paths) return true;
      })(),
    ).resolves.toBe(true);
  });

  it('is shown by Swagger UI', async () => {
    const page = await fetch(`${rig.url}/docs`);
    expect([page.status, page.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/html')]);
    const text = await page.text();
    const links = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => link);
    expect(links.length).toBeGreaterThan(3);
    // With a prefix before it, too
    for (const link of links) {
      expect(link).not.toMatch(/^\/|:/);
      expect([link, await statusOf(new URL(link ?? '', `${rig.url}/docs`).href)]).toEqual([link, 200]);
    }
    const slashed = await (await fetch(`${rig.url}/docs/`)).text();
    for (const [, link] of slashed.matchAll(/(?:src|href)="([^"]+)"/g))
      expect([link, await statusOf(new URL(link ?? '', `${rig.url}/docs/`).href)]).toEqual([link, 200]);
    expect(await (await fetch(`${rig.url}/docs/initializer.js`)).text()).toContain('openapi.json');
    expect(await statusOf(`${rig.url}/docs/package.json`)).toBe(404);
    expect(await statusOf(`${rig.url}/docs/..%2Fpackage.json`)).toBe(404);
  });
});

describe('the API document, switched off', () => {
  it('is not found', async () => {
    const rig = await GatewayRig.start({ docs: false });
    try {
      expect(await statusOf(`${rig.url}/openapi.json`)).toBe(404);
      expect(await statusOf(`${rig.url}/docs`)).toBe(404);
    } finally {
      await rig.stop();
    }
  });
});

describe('the API document, for a page of another site', () => {
  it('answers only Host headers that are known, whatever the other routes do', async () => {
    const rig = await GatewayRig.start({ docsHosts: ['models.example'] });
    try {
      for (const path of ['/docs', '/docs/', '/docs/initializer.js', '/docs/swagger-ui.css', '/openapi.json']) {
        for (const host of ['localhost:1500', '127.0.0.1', '[::1]:80', 'MODELS.example:443'])
          expect([path, host, await statusFor(`${rig.url}${path}`, host)]).toEqual([path, host, 200]);
        for (const host of ['attacker.example', 'models.example.attacker.example'])
          expect([path, host, await statusFor(`${rig.url}${path}`, host)]).toEqual([path, host, 403]);
        expect([path, await statusFor(`${rig.url}${path}`, 'a b')]).toEqual([path, 400]);
      }
      expect(await statusFor(`${rig.url}/v2/health/live`, 'attacker.example')).toBe(200);
    } finally {
      await rig.stop();
    }
  });
});
