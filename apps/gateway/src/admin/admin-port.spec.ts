import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { silentLog } from '@mserve/app';
import { GatewayRig } from '../testing/gateway-rig.js';
import { RawConnection } from '../testing/raw-connection.js';

const token = 'a-token-of-sixteen-letters';
const bearer = { authorization: `Bearer ${token}` };

interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, unknown>>;
  readonly components: { readonly schemas: Readonly<Record<string, unknown>>; readonly securitySchemes?: unknown };
}

describe('the admin port', () => {
  let rig: GatewayRig;
  let url: string;
  const lines: Record<string, unknown>[] = [];
  beforeAll(async () => {
    const log = { ...silentLog, warn: (fields: object, text: string) => void lines.push({ ...fields, text }) };
    rig = await GatewayRig.start({ admin: { address: '127.0.0.1:0', token: () => token }, docs: true, log });
    url = `http://${rig.gateway.adminAddress}`;
  });
  afterAll(() => rig.stop());

  const ask = async (path: string, options: RequestInit = {}): Promise<[number, unknown]> => {
    const response = await fetch(`${url}${path}`, { headers: bearer, ...options });
    return [response.status, await response.json()];
  };
  const post = (path: string, body: unknown): Promise<[number, unknown]> =>
    ask(path, { method: 'POST', body: JSON.stringify(body), headers: { ...bearer, 'content-type': 'application/json' } });

  it('lets in who bears the token, and answers for its own paths only', async () => {
    expect(await ask('/admin/models')).toEqual([200, { workers: [], servables: [] }]);
    const refused = await fetch(`${url}/admin/models`);
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
    for (const path of ['/', '/v2', '/v2/health/ready', '/docs', '/model/kit:echo', '/admin', '//admin/models'])
      expect(await ask(path)).toEqual([404, { error: expect.any(String) }]);
  });

  it('refuses hosts that are not its own', async () => {
    const request = `GET /admin/models HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer ${token}\r\n\r\n`;
    expect(await RawConnection.exchange(rig.gateway.adminAddress as string, request)).toMatch(/^HTTP\/1.1 403 /);
  });

  it.each<[path: string, body: unknown, status: number, error: string]>([
    ['/admin/models/kit/load', { version: 1 }, 503, 'no worker is heard'],
    ['/admin/models/kit/load', { version: -1 }, 400, 'version: '],
    ['/admin/models/kit/load', { versoin: 1 }, 400, 'versoin: '],
    ['/admin/models/kit/unload', { reload: true }, 400, 'reload: '],
    ['/admin/models/kit/switch', { workers: [] }, 400, 'workers: '],
    ['/admin/models/..%2fkit/switch', {}, 400, 'servable must be '],
    ['/v2/repository/models/nope/load', {}, 503, 'no worker is heard'],
    ['/v2/repository/models/nope/unload', {}, 503, 'no worker is heard'],
    ['/v2/repository/models/kit/load', { parameters: { 'file:x': 'AA==' } }, 400, "parameter 'file:x'"],
  ])('POST %s with %j: %d %s', async (path, body, status, error) => {
    const [given, answer] = await post(path, body);
    expect([given, answer]).toEqual([status, { error: expect.stringContaining(error) }]);
  });

  it('leaves a line in the log for each change and each refusal, without the token', async () => {
    lines.length = 0;
    await post('/admin/models/kit/switch', { version: 3 });
    await fetch(`${url}/admin/models`, { headers: { authorization: 'Bearer nonsense' } });
    expect(lines).toMatchObject([
      { audit: true, action: 'switch', servable: 'kit', from: '127.0.0.1', error: 'no worker is heard' },
      { audit: true, status: 401 },
    ]);
    expect(JSON.stringify(lines)).not.toMatch(new RegExp(`nonsense|${token}`));
  });

  it('describes itself, and the public document does not', async () => {
    const [, document] = (await ask('/openapi.json')) as [number, Document];
    expect(document.openapi).toBe('3.1.0');
    expect(Object.keys(document.paths).sort()).toEqual([
      '/admin/models',
      '/admin/models/{servable}/load',
      '/admin/models/{servable}/switch',
      '/admin/models/{servable}/unload',
      '/admin/openapi.json',
      '/v2/repository/index',
      '/v2/repository/models/{model}/load',
      '/v2/repository/models/{model}/unload',
    ]);
    expect(Object.keys(document.components.schemas)).toEqual(
      expect.arrayContaining(['ModelListAnswer', 'ModelChangeAnswer', 'LoadRequest', 'OipError']),
    );
    const open = (await (await fetch(`${rig.url}/openapi.json`)).json()) as Document;
    expect(Object.keys(open.paths).filter((path) => path.startsWith('/admin'))).toEqual([]);
    expect(Object.keys(open.components.schemas)).not.toContain('ModelListAnswer');
  });

  it('has routes that the public port does not have, whoever bears the token', async () => {
    for (const path of ['/admin/models', '/admin/openapi.json', '/admin/models/', '//admin/models', '/admin%2fmodels'])
      expect((await fetch(`${rig.url}${path}`, { headers: bearer })).status).toBe(404);
    const load = await fetch(`${rig.url}/v2/repository/models/kit/load`, { method: 'POST', headers: bearer });
    expect([load.status, await load.json()]).toEqual([501, { error: expect.stringContaining('--model-control-mode explicit') }]);
    expect(await (await fetch(`${rig.url}/v2/repository/index`, { method: 'POST' })).json()).toEqual([
      { name: 'kit.echo', version: '1', state: 'READY', reason: '' },
      { name: 'kit.other', version: '1', state: 'READY', reason: '' },
    ]);
  });
});

it('an admin address that is taken ends the start', async () => {
  const first = await GatewayRig.start({ admin: { address: '127.0.0.1:0', token: () => token } });
  const address = first.gateway.adminAddress as string;
  await expect(GatewayRig.start({ admin: { address, token: () => token } })).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    facts: { given: address },
  });
  await first.stop();
});
