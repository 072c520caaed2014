import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as tlsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials, Metadata, type Client, type ServiceError } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { grpcClient } from '../../../../test/support/clients.js';
import { hasOpenssl, TestAuthority } from '../../../../test/support/test-authority.js';
import { method, servable } from '../testing/fake-scheduler.js';
import { GatewayRig, RawClient, type RigOptions } from '../testing/gateway-rig.js';
import { LogLines } from '../testing/log-lines.js';
import { RawConnection } from '../testing/raw-connection.js';

const servables = [servable('kit', [method('echo')]), servable('other', [method('echo')])];
const keys = { all: 'key-of-all-servables', kit: 'key-of-the-servable-kit' };
const hash = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;
const clients: readonly object[] = [
  { name: 'all', keys: [keys.all] },
  { name: 'only-kit', keys: [hash(keys.kit)], servables: ['kit'] },
  { name: 'robot', subject: { CN: 'robot' }, servables: ['kit'] },
];

const folder = mkdtempSync(join(tmpdir(), 'mserve-access-'));
const file = join(folder, 'clients.json');
const write = (listed: readonly object[]): void => writeFileSync(file, JSON.stringify({ clients: listed }));
afterAll(() => rmSync(folder, { recursive: true }));

const bearer = (key: string): Record<string, string> => ({ authorization: `Bearer ${key}` });

describe('a gateway that knows its clients', () => {
  let rig: GatewayRig;
  const lines = new LogLines();
  const start = async (options: RigOptions = {}): Promise<void> => {
    write(clients);
    rig = await GatewayRig.start({ access: { file, open: 'health' }, log: lines.log, ...options }, servables);
  };
  afterEach(async () => {
    await rig.stop();
    for (const line of lines.lines) expect(JSON.stringify(line)).not.toMatch(/key-of-/);
  });
  const statusOf = async (path: string, headers: Record<string, string> = {}, verb = 'GET'): Promise<number> => {
    const answer = await fetch(`${rig.url}${path}`, { method: verb, headers });
    await answer.arrayBuffer();
    return answer.status;
  };
  const infer = async (path: string, headers: Record<string, string>): Promise<[number, string]> => {
    const answer = await rig.post(`${path.slice('/model/'.length).replace(':', ' ')} a`, headers, path);
    return [answer.status, await answer.text()];
  };

  it('answers infer requests over REST for clients it knows, and for the servables they may use', async () => {
    await start();
    expect(await infer('/model/kit:echo', bearer(keys.all))).toEqual([200, 'a']);
    expect(await infer('/model/kit:echo', bearer(keys.kit))).toEqual([200, 'a']);
    expect(await infer('/model/kit:echo', { 'x-api-key': keys.kit })).toEqual([200, 'a']);
    expect(await infer('/model/other:echo', bearer(keys.all))).toEqual([200, 'a']);
    expect(await infer('/model/other:echo', bearer(keys.kit))).toEqual([
      403,
      expect.stringContaining("client 'only-kit' may not use 'other'"),
    ]);
    for (const headers of [
      {},
      bearer('key-of-nobody-at-all'),
      { authorization: `Basic ${keys.all}` },
      { 'x-api-key': '' },
      bearer(hash(keys.kit)),
    ])
      expect(await infer('/model/kit:echo', headers)).toEqual([401, expect.stringContaining('only clients that are known')]);
    expect(lines.of('warn').some((text) => text.startsWith('access: '))).toBe(true);
  });

  it('refuses before the body is there, and asks for no body that it will not take', async () => {
    await start();
    const connection = await RawConnection.open(rig.gateway.restAddress ?? '');
    connection.socket.write(`POST /model/kit:echo HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 100000\r\n\r\n`);
    await connection.until(() => connection.received.includes('only clients that are known'));
    expect(connection.received).toMatch(/^HTTP\/1\.1 401 /);
    connection.socket.destroy();
  });

  it('keeps its true status where the original would say 200', async () => {
    await start({ publicProtocols: true, legacyStatus200: true });
    expect(await infer('/model/kit:echo', {})).toEqual([401, expect.stringContaining('"error_msg"')]);
    const refused = await rig.post('{}');
    expect(refused.headers.get('www-authenticate')).toBe('Bearer');
    await refused.arrayBuffer();
  });

  it('tells what is open from what is not, over REST', async () => {
    await start();
    for (const path of ['/healthz', '/livez', '/readyz', '/ping', '/v2/health/live', '/v2/health/ready/', '/v2/models/kit/ready'])
      expect([path, await statusOf(path)]).toEqual([path, 200]);
    for (const path of ['/v2', '/v2/models/kit', '/v2/models/stats', '/docs', '/openapi.json', '/none', '/v2/models/kit/ready/x']) {
      expect([path, await statusOf(path)]).toEqual([path, 401]);
      expect([path, await statusOf(path, bearer(keys.kit))]).not.toEqual([path, 401]);
    }
  });

  it('opens metadata, or nothing, when it is told to, and never what changes something', async () => {
    await start({ access: { file, open: 'metadata' }, modelControlMode: 'explicit' });
    expect(await statusOf('/v2')).toBe(200);
    expect(await statusOf('/v2/repository/index', {}, 'POST')).toBe(200);
    expect((await infer('/model/kit:echo', {}))[0]).toBe(401);
    for (const path of ['/v2/repository/models/kit/load', '/v2/%72epository/models/kit/load', '/v2/repository/models/kit/unload/?x']) {
      expect([path, await statusOf(path, {}, 'POST')]).toEqual([path, 401]);
      expect([path, await statusOf(path, bearer(keys.kit), 'POST')]).toEqual([path, 403]);
    }
    await rig.stop();
    await start({ access: { file, open: 'none' } });
    expect(await statusOf('/healthz')).toBe(401);
    expect(await statusOf('/healthz', bearer(keys.kit))).toBe(200);
  });

  it('says UNAUTHENTICATED and PERMISSION_DENIED to gRPC clients of both services', async () => {
    await start({ publicProtocols: true, modelControlMode: 'explicit' });
    const address = rig.gateway.grpcAddress ?? '';
    const [ms, oip] = [grpcClient('ms', address), grpcClient('oip', address)];
    const outcome = (client: typeof ms, rpc: string, message: object, key?: string): Promise<number> => {
      const metadata = new Metadata();
      if (key !== undefined) metadata.set('authorization', `Bearer ${key}`);
      return client.call(rpc, message, {}, metadata).then(
        () => 0,
        (error: ServiceError) => error.code,
      );
    };
    const predict = (name: string): object => ({ servable_spec: { name, method_name: 'echo' }, instances: [] });
    const asked = (name: string): object => ({ model_name: name, inputs: [] });
    expect(await outcome(ms, 'Predict', predict('kit'))).toBe(16);
    expect(await outcome(oip, 'ModelInfer', asked('kit'), 'key-of-nobody-at-all')).toBe(16);
    // A known client gets as far as what is wrong with its request
    expect([0, 3]).toContain(await outcome(oip, 'ModelInfer', asked('kit'), keys.kit));
    const tensor = { shape: { dims: [1] }, dtype: 'MS_INT32', data: Buffer.alloc(4) };
    const whole = (name: string): object => ({ ...predict(name), instances: [{ items: { x: tensor } }] });
    expect(await outcome(ms, 'Predict', whole('other'), keys.kit)).toBe(7);
    expect(await outcome(ms, 'Predict', whole('other'), keys.all)).not.toBe(7);
    expect(await outcome(oip, 'ServerLive', {})).toBe(0);
    expect(await outcome(oip, 'ServerMetadata', {})).toBe(16);
    expect(await outcome(oip, 'ServerMetadata', {}, keys.kit)).toBe(0);
    expect(await outcome(oip, 'RepositoryModelLoad', { model_name: 'kit' })).toBe(16);
    expect(await outcome(oip, 'RepositoryModelLoad', { model_name: 'kit' }, keys.kit)).toBe(7);
    ms.close();
    oip.close();
  });

  it('refuses streams of clients that it does not know', async () => {
    await start({ publicProtocols: true });
    const client = new RawClient(rig.gateway.grpcAddress ?? '', credentials.createInsecure());
    expect(await streamStatus(client)).toBe(16);
    expect(await streamStatus(client, keys.kit)).toBe(0);
    client.close();
  });

  it('takes a changed list over, and keeps the one it has while the file is wrong', async () => {
    await start();
    write([{ name: 'late', keys: ['key-of-another-client'] }]);
    const read = await lines.line('was read again');
    expect(await infer('/model/kit:echo', bearer('key-of-another-client'))).toEqual([200, 'a']);
    expect((await infer('/model/kit:echo', bearer(keys.all)))[0]).toBe(401);
    writeFileSync(file, '{"clients":[{"name":"late","keys":["key-of-a');
    expect((await lines.line('the clients in use stay', lines.lines.indexOf(read))).text).toMatch(/clients\.json is not JSON/);
    expect(await infer('/model/kit:echo', bearer('key-of-another-client'))).toEqual([200, 'a']);
  });
});

function streamStatus(client: Client, key?: string): Promise<number> {
  const pass = (bytes: Buffer): Buffer => bytes;
  const metadata = new Metadata();
  if (key !== undefined) metadata.set('x-api-key', key);
  return new Promise((resolve) => {
    const stream = client.makeBidiStreamRequest('/inference.GRPCInferenceService/ModelStreamInfer', pass, pass, metadata);
    stream.on('data', () => undefined);
    stream.on('error', (error: ServiceError) => resolve(error.code));
    stream.on('end', () => resolve(0));
    stream.end();
  });
}

(hasOpenssl ? describe : describe.skip)('clients by their certificates (skipped without the command openssl of version 3)', () => {
  let authority: TestAuthority;
  beforeAll(() => {
    authority = new TestAuthority();
  });
  afterAll(() => authority.remove());

  it('are known by the subject, and may use what it may', async () => {
    write(clients);
    const server = authority.issue('server');
    const [robot, stranger] = [authority.issue('robot'), authority.issue('stranger')];
    const tls = { certificate: server.certificate, privateKey: server.privateKey, customCa: authority.text, verifyClient: true };
    const rig = await GatewayRig.start({ access: { file, open: 'health' }, tls }, servables);
    const { restAddress = '', grpcAddress = '' } = rig.gateway;
    const post = (path: string, own: typeof robot, headers = {}): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const options = { method: 'POST', ca: authority.text, cert: own.certificate, key: own.privateKey, agent: false, headers };
        const sent = tlsRequest(`https://${restAddress}${path}`, options, (response) =>
          response.resume().on('end', () => resolve(response.statusCode)),
        );
        sent.on('error', reject);
        sent.end(`${path.slice('/model/'.length).replace(':', ' ')} a`);
      });
    try {
      expect(await post('/model/kit:echo', robot)).toBe(200);
      expect(await post('/model/other:echo', robot)).toBe(403);
      expect(await post('/model/kit:echo', stranger)).toBe(401);
      expect(await post('/model/other:echo', stranger, bearer(keys.all))).toBe(200);
      for (const [own, status] of [
        [robot, 0],
        [stranger, 16],
      ] as const) {
        const secure = credentials.createSsl(Buffer.from(authority.text), Buffer.from(own.privateKey), Buffer.from(own.certificate));
        const client = new RawClient(grpcAddress, secure);
        expect(await streamStatus(client)).toBe(status);
        client.close();
      }
    } finally {
      await rig.stop();
    }
  });
});
