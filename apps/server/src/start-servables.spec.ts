import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createLog } from '@mserve/app';
import { hasOpenssl, TestAuthority } from '../../../test/support/test-authority.js';
import { ServableStartConfig, SSLConfig, type ServableStartParameters, type SSLParameters } from './start-config.js';
import { startServables } from './start-servables.js';

const options = { log: createLog('silent', 'server') };
const templates = fileURLToPath(new URL('../templates', import.meta.url));
const tmp = fileURLToPath(new URL('../../../tmp', import.meta.url));
let directory: string;

beforeAll(() => {
  mkdirSync(tmp, { recursive: true });
  directory = mkdtempSync(join(tmp, 'start-'));
  cpSync(join(templates, 'servable'), join(directory, 'kit'), { recursive: true });
  cpSync(join(directory, 'kit/1'), join(directory, 'kit/2'), { recursive: true });
  mkdirSync(join(directory, 'kit/3'));
  writeFileSync(join(directory, 'kit/3/double.onnx'), 'no model');
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const kit = (parameters: Partial<ServableStartParameters> = {}): ServableStartConfig =>
  new ServableStartConfig({ servableDirectory: directory, servableName: 'kit', ...parameters });

/** What a caller without types gives. */
const untyped = <T>(value: unknown): T => value as T;

async function ask(rest: string | undefined, version: number): Promise<unknown> {
  const body = JSON.stringify({ instances: [{ x: [1, 2, 3] }] });
  const answer = await fetch(`http://${rest}/model/kit/version/${version}:predict`, { method: 'POST', body });
  return answer.json();
}
const doubled = { instances: [{ y: [2, 4, 6] }] };

describe('ServableStartConfig', () => {
  it.each<[unknown, string]>([
    [{ servableDirectory: '' }, "Parameter 'servableDirectory' should not be empty string"],
    [{ servableDirectory: 1 }, "Parameter 'servableDirectory' should be string, but actually number"],
    [{ servableName: '' }, "Parameter 'servableName' should not be empty string"],
    [{ versionNumber: -1 }, "Parameter 'versionNumber' should be >= 0"],
    [{ versionNumber: '1' }, "Parameter 'versionNumber' should be integer, but actually string"],
    [{ deviceIds: '0' }, "Parameter 'deviceIds' should be integer or array of integer, but actually string"],
    [{ deviceIds: -1 }, "The item value '-1' in parameter 'deviceIds' should be >= 0"],
    [{ deviceIds: [0, 0] }, "The item value '0' in parameter 'deviceIds' should not be repeated"],
    [{ deviceType: 'TPU' }, "Unsupported device type 'TPU', only support 'Ascend', 'GPU', 'CPU' and null, case ignored"],
    [{ numParallelWorkers: 65 }, "Parameter 'numParallelWorkers' should be in range [0,64]"],
    [{ decKey: 'a' }, "Parameter 'decKey' should be Uint8Array, but actually string"],
    [{ decKey: new Uint8Array(0) }, "Parameter 'decKey' should not be empty Uint8Array"],
    [{ decKey: new Uint8Array(5) }, "Parameter 'decKey' length 5 expected to be 16, 24 or 32"],
    [{ decMode: 'ECB' }, "Parameter 'decMode' expected to be 'AES-GCM' or 'AES-CBC'"],
  ])('refuses %j', (parameters, text) => {
    expect(() => kit(untyped(parameters))).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', message: text }));
  });
});

describe('SSLConfig', () => {
  it.each<[unknown, string]>([
    [{ certificate: '', privateKey: 'k' }, "Parameter 'certificate' should not be empty string"],
    [{ certificate: 'c', privateKey: 'k', verifyClient: true }, "Parameter 'customCa' should be string, but actually undefined"],
  ])('refuses %j', (parameters, text) => {
    expect(() => new SSLConfig(untyped<SSLParameters>(parameters))).toThrow(text);
  });
});

describe('startServables', () => {
  it.each<[string, () => unknown, string | RegExp]>([
    [
      'what is no config',
      () => 'x',
      "Parameter 'configs' should be ServableStartConfig or array of ServableStartConfig, but actually string",
    ],
    ['no configs', () => [], "Parameter 'configs' should not be empty"],
    ['an absent servable', () => kit({ servableName: 'nope' }), /^Check servable config failed, directory '.*nope' not exist/],
    ['two directories', () => [kit(), kit({ servableDirectory: templates })], /should be the same in all configs|nope|not exist/],
    [
      'two keys',
      () => [kit(), kit({ decKey: new Uint8Array(16) })],
      /decKey and decMode of servable name kit, version 3 should be the same/,
    ],
    [
      'another device',
      () => kit({ deviceType: 'Ascend' }),
      /inconsistent with current running environment, supported device type: null or 'CPU'/,
    ],
    [
      'an absent version',
      () => kit({ versionNumber: 7 }),
      /^Fail to start workers: \{servable name:kit, device id:0, <.*specified version number: 7/,
    ],
  ])('refuses %s', async (_name, configs, text) => {
    await expect(startServables(untyped(configs()), options)).rejects.toThrow(text);
  });

  it('switches versions of what was started, from the directory that it was started from', async () => {
    const server = await startServables(kit({ versionNumber: 1 }), options);
    try {
      const rest = await server.startRestfulServer('127.0.0.1:0');
      expect(await server.models.switch('kit', 2)).toMatchObject({ ok: true, workers: [{ loaded: [2], unloaded: [1] }] });
      expect(await ask(rest, 2)).toEqual(doubled);
      expect(await ask(rest, 1)).toMatchObject({ error_msg: expect.stringContaining('not available') });
      // The highest on disk is no model
      expect(await server.models.switch('kit')).toMatchObject({ ok: false, versions: [3] });
      expect(server.servables.map(({ version }) => version)).toEqual([2]);
      expect((await server.models.list('kit')).servables[0]?.versions.map(({ state }) => state)).toEqual(['unloaded', 'ready', 'failed']);
    } finally {
      await server.stop();
    }
  });

  it('serves versions side by side, takes more while it runs, and keeps them when a call fails', async () => {
    const server = await startServables([kit({ versionNumber: 1, deviceIds: 0 }), kit({ versionNumber: 1, deviceIds: [0, 1] })], options);
    try {
      expect([server.rest, server.grpc]).toEqual([undefined, undefined]);
      await expect(server.startRestfulServer('127.0.0.1')).rejects.toThrow(
        "Serving Error: The format of the RESTful server address '127.0.0.1' is illegal",
      );
      const rest = await server.startRestfulServer('127.0.0.1:0');
      const socket = `unix:${join(directory, 'grpc.sock')}`;
      expect(await server.startGrpcServer(socket)).toBe(socket);
      expect(await ask(rest, 1)).toEqual(doubled);
      await server.startServables(kit({ versionNumber: 2 }));
      expect(server.servables.map(({ version }) => version)).toEqual([1, 2]);

      await expect(server.startServables(kit())).rejects.toThrow(/^Fail to start workers: \{servable name:kit, device id:0, </);
      await expect(server.startServables(kit({ versionNumber: 2 }))).rejects.toThrow("version 2 of servable 'kit' runs already");
      await expect(server.startServables(kit({ servableDirectory: templates }))).rejects.toThrow(
        /'kit' should be the same|kit should be the same/,
      );
      await expect(server.startGrpcServer('127.0.0.1:0')).rejects.toThrow('Serving Error: Serving gRPC server is already running');
      await expect(server.startRestfulServer('127.0.0.1:0', 513)).rejects.toThrow("Parameter 'maxMsgMbSize' should be in range [1,512]");
      await expect(server.startRestfulServer('127.0.0.1:0', 1, untyped(3))).rejects.toThrow(
        'The type of sslConfig should be type of SSLConfig',
      );
      const absent = new SSLConfig({ certificate: '/nowhere/c', privateKey: '/nowhere/k' });
      await expect(server.startRestfulServer('127.0.0.1:0', 1, absent)).rejects.toThrow('load certificate_chain from /nowhere/c failed');
      expect(() => server.setMaxEnqueuedRequests(0)).toThrow("Parameter 'maxEnqueuedRequests' should be >= 1");
      server.setMaxEnqueuedRequests(1);

      expect([await ask(rest, 1), await ask(rest, 2)]).toEqual([doubled, doubled]);
      expect(server.servables.map(({ version }) => version)).toEqual([1, 2]);
    } finally {
      await server.stop();
    }
    await expect(server.startServables(kit({ versionNumber: 1 }))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  (hasOpenssl ? it : it.skip)(
    `takes the certificate of a port, and the one that replaces it${hasOpenssl ? '' : ' (skipped: there is no command openssl of version 3)'}`,
    async () => {
      const authority = new TestAuthority();
      const [first, second, expired] = [authority.issue('first'), authority.issue('second'), authority.issue('expired', -1)];
      const nameAt = (address: string): Promise<unknown> =>
        new Promise((resolve, reject) =>
          get(`https://${address}/v2/health/ready`, { ca: authority.text, agent: false }, (answer) => {
            resolve((answer.socket as TLSSocket).getPeerCertificate().subject.CN);
            answer.resume();
          }).once('error', reject),
        );
      const server = await startServables(kit({ versionNumber: 2 }), options);
      try {
        const { certificateFile, privateKeyFile } = expired;
        await expect(
          server.startRestfulServer('127.0.0.1:0', 1, new SSLConfig({ certificate: certificateFile, privateKey: privateKeyFile })),
        ).rejects.toMatchObject({
          code: 'INVALID_ARGUMENT',
          message: expect.stringMatching(
            /^Raise failed: Serving Error: load certificate_chain from .*expired\.pem failed: the certificate in .* has expired/,
          ),
        });
        const mounted = authority.mount(first);
        const ssl = new SSLConfig({ certificate: mounted.certificateFile, privateKey: mounted.privateKeyFile });
        const rest = await server.startRestfulServer('127.0.0.1:0', 1, ssl);
        expect(await nameAt(rest)).toBe('first');
        authority.mount(second);
        await server.reloadCertificates();
        expect(await nameAt(rest)).toBe('second');
      } finally {
        await server.stop();
        authority.remove();
      }
    },
  );

  it('can start again in the same process', async () => {
    for (let round = 0; round < 2; round++) {
      const server = await startServables(kit({ versionNumber: 2 }), options);
      expect(await ask(await server.startRestfulServer('127.0.0.1:0'), 2)).toEqual(doubled);
      await server.stop();
    }
  });
});
