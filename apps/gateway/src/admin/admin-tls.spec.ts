import { copyFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { MetricRegistry } from '@mserve/metrics';
import { hasOpenssl, TestAuthority, type IssuedCertificate } from '../../../../test/support/test-authority.js';
import { GatewayRig } from '../testing/gateway-rig.js';
import { testCertificate, testPrivateKey } from '../testing/tls-fixture.js';
import { tlsMetrics } from '../tls/handshake-failures.js';

const token = 'a-token-of-sixteen-letters';
const tls = { certificate: testCertificate, privateKey: testPrivateKey };

interface Sent {
  readonly verb?: string;
  readonly token?: string;
  readonly host?: string;
  readonly body?: object;
  /** Show the certificate that the port asks for. */
  readonly shows?: boolean;
}

/** Status and body; rejects when the handshake fails. */
function ask(
  address: string,
  path: string,
  { verb = 'GET', token: given, host, body, shows = false }: Sent = {},
): Promise<[number, unknown]> {
  const headers = {
    ...(given === undefined ? {} : { authorization: `Bearer ${given}` }),
    ...(host === undefined ? {} : { host }),
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  };
  const shown = shows ? { cert: testCertificate, key: testPrivateKey } : {};
  return new Promise((resolve, reject) => {
    const sent = request(
      `https://${address}${path}`,
      { method: verb, ca: testCertificate, servername: 'localhost', agent: false, headers, ...shown },
      (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => resolve([response.statusCode ?? 0, JSON.parse(text)]));
      },
    );
    sent.on('error', reject);
    sent.end(body && JSON.stringify(body));
  });
}

describe('the admin port over TLS', () => {
  it('takes calls with the token, and no others', async () => {
    const rig = await GatewayRig.start({ admin: { address: '127.0.0.1:0', token: () => token }, tls });
    try {
      const address = rig.gateway.adminAddress ?? '';
      expect(await ask(address, '/admin/models', { token })).toEqual([200, { workers: [], servables: [] }]);
      expect(await ask(address, '/admin/models/kit/load', { verb: 'POST', token, body: { version: 1 } })).toEqual([
        503,
        { error: 'no worker is heard' },
      ]);
      expect(await ask(address, '/admin/models')).toEqual([401, { error: expect.stringContaining('bearer token is missing') }]);
      expect((await ask(address, '/admin/models', { token: `${token}x` }))[0]).toBe(401);
      expect((await ask(address, '/admin/models', { token, host: 'attacker.example' }))[0]).toBe(403);
      await expect(fetch(`http://${address}/admin/models`, { headers: { authorization: `Bearer ${token}` } })).rejects.toThrow();
    } finally {
      await rig.stop();
    }
  });

  it('asks for a client certificate where the other ports do, before it looks at the token', async () => {
    const mutual = { ...tls, customCa: testCertificate, verifyClient: true };
    const rig = await GatewayRig.start({ admin: { address: '127.0.0.1:0', token: () => token }, tls: mutual });
    try {
      const address = rig.gateway.adminAddress ?? '';
      expect((await ask(address, '/admin/models', { token, shows: true }))[0]).toBe(200);
      expect((await ask(address, '/admin/models', { shows: true }))[0]).toBe(401);
      await expect(ask(address, '/admin/models', { token })).rejects.toThrow();
    } finally {
      await rig.stop();
    }
  });
});

const suite = hasOpenssl ? describe : describe.skip;

suite(`certificates of the admin port${hasOpenssl ? '' : ' (skipped: there is no command openssl of version 3)'}`, () => {
  const admin = { address: '127.0.0.1:0', token: () => token };
  let authority: TestAuthority;
  let foreign: TestAuthority;
  let first: IssuedCertificate;
  let second: IssuedCertificate;
  beforeAll(() => {
    [authority, foreign] = [new TestAuthority(), new TestAuthority()];
    [first, second] = [authority.issue('first'), authority.issue('second')];
  });
  afterAll(() => {
    authority?.remove();
    foreign?.remove();
  });

  /** Status, and the name in the certificate that the connection began with; rejects when the handshake fails. */
  const call = (url: string, options: { agent?: Agent; ca?: string; cert?: string; key?: string }): Promise<[unknown, unknown]> =>
    new Promise((resolve, reject) => {
      const sent = request(
        `${url}/admin/models`,
        { ca: authority.text, agent: false, headers: { authorization: `Bearer ${token}` }, ...options },
        (response) => {
          const { CN: name } = (response.socket as TLSSocket).getPeerCertificate().subject;
          response.resume().on('end', () => resolve([response.statusCode, name]));
        },
      );
      sent.on('error', reject).end();
    });

  it('are exchanged while it is used: new connections get the new one, open ones go on', async () => {
    const files = { certificateFile: join(authority.folder, 'admin.pem'), privateKeyFile: join(authority.folder, 'admin.key') };
    const put = (pair: IssuedCertificate): void => {
      copyFileSync(pair.certificateFile, files.certificateFile);
      copyFileSync(pair.privateKeyFile, files.privateKeyFile);
    };
    put(first);
    const rig = await GatewayRig.start({ admin, tls: files });
    const agent = new Agent({ ca: authority.text, keepAlive: true, maxSockets: 1 });
    try {
      const url = `https://${rig.gateway.adminAddress}`;
      expect(await call(url, { agent })).toEqual([200, 'first']);
      put(second);
      await rig.gateway.reloadCertificates();
      expect(await call(url, {})).toEqual([200, 'second']);
      expect(await call(url, { agent })).toEqual([200, 'first']);
    } finally {
      agent.destroy();
      await rig.stop();
    }
  });

  it('of another authority are refused, by the client and by the port', async () => {
    const metrics = new MetricRegistry();
    const { certificateFile, privateKeyFile } = first;
    const tls = { certificateFile, privateKeyFile, customCaFile: authority.file, verifyClient: true };
    const rig = await GatewayRig.start({ admin, tls, metrics });
    try {
      const url = `https://${rig.gateway.adminAddress}`;
      const known = { cert: second.certificate, key: second.privateKey };
      const stranger = foreign.issue('stranger');
      await expect(call(url, { ...known, ca: foreign.text })).rejects.toMatchObject({ code: 'SELF_SIGNED_CERT_IN_CHAIN' });
      await expect(call(url, { cert: stranger.certificate, key: stranger.privateKey })).rejects.toThrow();
      await expect(call(url, {})).rejects.toThrow();
      expect(await call(url, known)).toEqual([200, 'first']);
      const counted = metrics.counter(tlsMetrics.failed).all.map(({ values, state }) => [...values, state.value].join(' '));
      expect(counted).toEqual(expect.arrayContaining(['admin client-certificate-missing 1', 'admin client-certificate-refused 1']));
    } finally {
      await rig.stop();
    }
  });
});
