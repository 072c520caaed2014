import { request } from 'node:https';
import { describe, expect, it } from '@jest/globals';
import { GatewayRig } from '../testing/gateway-rig.js';
import { testCertificate, testPrivateKey } from '../testing/tls-fixture.js';

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
