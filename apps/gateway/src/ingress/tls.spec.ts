import { generateKeyPairSync } from 'node:crypto';
import { request } from 'node:https';
import { credentials, Metadata } from '@grpc/grpc-js';
import { describe, expect, it } from '@jest/globals';
import { GatewayRig, predict, RawClient } from '../testing/gateway-rig.js';
import { testCertificate, testPrivateKey } from '../testing/tls-fixture.js';

const otherKey = generateKeyPairSync('ec', {
  namedCurve: 'prime256v1',
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
}).privateKey;
const own = { certificate: testCertificate, privateKey: testPrivateKey };

/** Body of the answer; rejects when the handshake fails. */
function post(address: string, body: string, options: { cert?: string; key?: string; maxVersion?: 'TLSv1.1' }): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request(
      `https://${address}/model/kit:echo`,
      { method: 'POST', ca: testCertificate, agent: false, ...options },
      (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString())).on('end', () => resolve(text));
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

describe('ports that speak TLS', () => {
  it('serves over TLS 1.2 and later only', async () => {
    const rig = await GatewayRig.start({ tls: own });
    try {
      const { restAddress = '', grpcAddress = '' } = rig.gateway;
      expect(await post(restAddress, 'kit echo a', {})).toBe('a');
      await expect(post(restAddress, 'kit echo a', { maxVersion: 'TLSv1.1' })).rejects.toThrow();
      await expect(fetch(`http://${restAddress}/v2`)).rejects.toThrow();
      const client = new RawClient(grpcAddress, credentials.createSsl(Buffer.from(testCertificate)));
      expect(await predict(client, 'kit echo b').done).toBe('b');
      client.close();
    } finally {
      await rig.stop();
    }
  });

  it('asks clients for a certificate when it is told to', async () => {
    const rig = await GatewayRig.start({ tls: { ...own, customCa: testCertificate, verifyClient: true } });
    try {
      const { restAddress = '', grpcAddress = '' } = rig.gateway;
      await expect(post(restAddress, 'kit echo a', {})).rejects.toThrow();
      expect(await post(restAddress, 'kit echo a', { cert: testCertificate, key: testPrivateKey })).toBe('a');
      const stranger = new RawClient(grpcAddress, credentials.createSsl(Buffer.from(testCertificate)));
      await expect(predict(stranger, 'kit echo b').done).rejects.toMatchObject({ code: 14, metadata: expect.any(Metadata) });
      stranger.close();
      const known = new RawClient(
        grpcAddress,
        credentials.createSsl(Buffer.from(testCertificate), Buffer.from(testPrivateKey), Buffer.from(testCertificate)),
      );
      expect(await predict(known, 'kit echo b').done).toBe('b');
      known.close();
    } finally {
      await rig.stop();
    }
  });

  it.each([
    ['a key that is none', { privateKey: 'no key' }, 'Serving Error: load private_key failed'],
    ['a certificate that is none', { certificate: 'x' }, 'Serving Error: load certificate_chain failed'],
    ['an authority that is none', { customCa: 'x' }, 'Serving Error: load root certificate failed'],
    ['another key', { privateKey: otherKey }, 'Serving Error: private_key is not consistent with certificate'],
  ])('refuses %s', async (_name, wrong, message) => {
    const tls = { ...own, ...wrong };
    await expect(GatewayRig.start({ tls, grpcAddress: undefined })).rejects.toMatchObject({ message });
    await expect(GatewayRig.start({ tls, restAddress: undefined })).rejects.toMatchObject({ message });
  });
});
