import { generateKeyPairSync } from 'node:crypto';
import { request } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { connect, type ConnectionOptions } from 'node:tls';
import { credentials, Metadata } from '@grpc/grpc-js';
import { describe, expect, it } from '@jest/globals';
import { MetricRegistry } from '@mserve/metrics';
import { GatewayRig, predict, RawClient } from '../testing/gateway-rig.js';
import { LogLines } from '../testing/log-lines.js';
import { hasOpenssl, TestAuthority } from '../../../../test/support/test-authority.js';
import { testCertificate, testPrivateKey } from '../testing/tls-fixture.js';
import { tlsMetrics } from '../tls/handshake-failures.js';

const otherKey = generateKeyPairSync('ec', {
  namedCurve: 'prime256v1',
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
}).privateKey;
const own = { certificate: testCertificate, privateKey: testPrivateKey };

/** Body of the answer; rejects when the handshake fails. */
function post(
  address: string,
  body: string,
  options: { ca?: string; cert?: string; key?: string; maxVersion?: 'TLSv1.1' },
): Promise<string> {
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
    [
      'a key that is none',
      { privateKey: 'no key' },
      /^Serving Error: load private_key failed: the text given as privateKey holds no private key/,
    ],
    [
      'a certificate that is none',
      { certificate: 'x' },
      /^Serving Error: load certificate_chain failed: the text given as certificate holds no/,
    ],
    ['an authority that is none', { customCa: 'x' }, /^Serving Error: load root certificate failed: the text given as customCa holds no/],
    ['another key', { privateKey: otherKey }, /^Serving Error: private_key is not consistent with certificate$/],
    ['no authority of clients', { verifyClient: true }, /^Serving Error: load root certificate failed: verifyClient needs customCa/],
  ])('refuses %s', async (_name, wrong, message) => {
    const tls = { ...own, ...wrong };
    const refused = { code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) };
    await expect(GatewayRig.start({ tls, grpcAddress: undefined })).rejects.toMatchObject(refused);
    await expect(GatewayRig.start({ tls, restAddress: undefined })).rejects.toMatchObject(refused);
  });
});

const suite = hasOpenssl ? describe : describe.skip;

suite(`handshakes that fail${hasOpenssl ? '' : ' (skipped: there is no command openssl of version 3)'}`, () => {
  it('cost their own connection only, are counted, and are at level debug in the log', async () => {
    const [authority, foreign] = [new TestAuthority(), new TestAuthority()];
    const { certificateFile, privateKeyFile, certificate, privateKey } = authority.issue('server');
    const [expired, stranger] = [authority.issue('expired', -1), foreign.issue('stranger')];
    const logs = new LogLines();
    const metrics = new MetricRegistry();
    const tls = { certificateFile, privateKeyFile, customCaFile: authority.file, verifyClient: true };
    const rig = await GatewayRig.start({ tls, metrics, log: logs.log });
    const known = { ca: authority.text, cert: certificate, key: privateKey };
    const cases: readonly [reason: string, ConnectionOptions | string][] = [
      ['client-certificate-missing', { ca: authority.text }],
      ['client-certificate-refused', { ca: authority.text, cert: stranger.certificate, key: stranger.privateKey }],
      ['client-certificate-refused', { ca: authority.text, cert: expired.certificate, key: expired.privateKey }],
      ['protocol-version', { ...known, minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }],
      ['no-tls', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'],
      ['no-tls', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
      ['no-common-protocol', { ...known, ALPNProtocols: ['spdy/1'] }],
    ];
    try {
      for (const address of [rig.gateway.restAddress, rig.gateway.grpcAddress]) {
        const [host, port] = (address as string).split(':') as [string, string];
        for (const [reason, client] of cases) {
          const from = logs.lines.length;
          const isPlain = typeof client === 'string';
          const socket = isPlain ? connectPlain(Number(port), host) : connect({ ...client, host, port: Number(port) });
          socket.on('error', () => undefined).resume();
          if (isPlain) socket.write(client);
          const closed = new Promise((resolve) => socket.once('close', resolve));
          expect((await logs.line('a TLS handshake failed', from)).fields).toMatchObject({ reason });
          await closed;
        }
      }
      const { restAddress = '', grpcAddress = '' } = rig.gateway;
      expect(await post(restAddress, 'kit echo a', known)).toBe('a');
      const [ca, key, cert] = [authority.text, privateKey, certificate].map((text) => Buffer.from(text)) as [Buffer, Buffer, Buffer];
      const client = new RawClient(grpcAddress, credentials.createSsl(ca, key, cert));
      expect(await predict(client, 'kit echo b').done).toBe('b');
      client.close();
      expect(logs.lines.filter(({ level }) => level !== 'debug')).toEqual([]);
      const counted = metrics.counter(tlsMetrics.failed).all.map(({ values, state }) => [...values, state.value].join(' '));
      const expected = ['rest', 'grpc'].flatMap((port) =>
        [...new Set(cases.map(([reason]) => reason))].map(
          (reason) => `${port} ${reason} ${cases.filter(([one]) => one === reason).length}`,
        ),
      );
      expect(counted.sort()).toEqual(expected.sort());
      await expect(post(restAddress, 'kit echo a', { ...known, ca: foreign.text })).rejects.toMatchObject({
        code: 'SELF_SIGNED_CERT_IN_CHAIN',
      });
    } finally {
      await rig.stop();
      authority.remove();
      foreign.remove();
    }
  });
});
