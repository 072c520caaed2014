import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Agent, request } from 'node:https';
import { connect, type TLSSocket } from 'node:tls';
import { credentials } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { MetricRegistry } from '@mserve/metrics';
import { GatewayRig, predict, RawClient, type RigOptions } from '../testing/gateway-rig.js';
import { LogLines } from '../testing/log-lines.js';
import { hasOpenssl, TestAuthority, type IssuedCertificate } from '../../../../test/support/test-authority.js';
import { CertificateWatch } from './certificate-watch.js';

const suite = hasOpenssl ? describe : describe.skip;
const skipped = hasOpenssl ? '' : ' (skipped: there is no command openssl of version 3)';

suite(`certificates of ports${skipped}`, () => {
  let authority: TestAuthority;
  let first: IssuedCertificate;
  let second: IssuedCertificate;
  beforeAll(() => {
    authority = new TestAuthority();
    first = authority.issue('first');
    second = authority.issue('second');
  });
  afterAll(() => authority.remove());
  afterEach(() => void jest.restoreAllMocks());

  /** Name in the certificate that a new connection gets, and the protocol that it agrees on. */
  const greet = (address: string | undefined, ALPNProtocols: string[]): Promise<[name: unknown, protocol: unknown]> =>
    new Promise((resolve, reject) => {
      const [host, port] = (address ?? '').split(':');
      const socket: TLSSocket = connect({ host, port: Number(port), ca: authority.text, ALPNProtocols }, () => {
        resolve([socket.getPeerCertificate().subject.CN, socket.alpnProtocol]);
        socket.destroy();
      });
      socket.on('error', reject);
    });
  const names = async ({ gateway }: GatewayRig): Promise<unknown[]> => [
    await greet(gateway.restAddress, ['h2', 'http/1.1']),
    await greet(gateway.grpcAddress, ['h2', 'http/1.1']),
    (await greet(gateway.adminAddress, ['http/1.1']))[0],
  ];
  const allHave = (name: string): unknown[] => [[name, 'http/1.1'], [name, 'h2'], name];
  const admin: RigOptions['admin'] = { address: '127.0.0.1:0', token: () => 'a-token-of-sixteen-letters' };

  it('are read again when a ConfigMap is swapped; a wrong pair is refused, once for all ports, and what is in use stays', async () => {
    const logs = new LogLines();
    const tls = authority.mount(first);
    const rig = await GatewayRig.start({ tls, admin, log: logs.log });
    try {
      expect(await names(rig)).toEqual(allHave('first'));
      authority.mount({ ...second, privateKeyFile: first.privateKeyFile });
      await logs.line('the certificate in use stays');
      expect(logs.of('error')).toEqual([
        `TLS: the key in ${tls.privateKeyFile} does not belong to the certificate in ${tls.certificateFile}; the certificate in use stays`,
      ]);
      expect(await names(rig)).toEqual(allHave('first'));
      authority.mount(second);
      await logs.line('TLS: new connections get the certificate in ');
      expect(await names(rig)).toEqual(allHave('second'));
    } finally {
      await rig.stop();
    }
  });

  it('are read again on demand, and change nothing for who is connected', async () => {
    const logs = new LogLines();
    const [certificateFile, privateKeyFile] = [join(authority.folder, 'live.pem'), join(authority.folder, 'live.key')];
    const put = (pair: IssuedCertificate): void => {
      copyFileSync(pair.certificateFile, certificateFile);
      copyFileSync(pair.privateKeyFile, privateKeyFile);
    };
    put(first);
    const rig = await GatewayRig.start({ tls: { certificateFile, privateKeyFile }, admin, log: logs.log });
    const load = new Load(rig, authority.text, 64);
    try {
      for (const [pair, name] of [[second, 'second'] as const, [first, 'first'] as const, [second, 'second'] as const]) {
        await load.further();
        put(pair);
        await rig.gateway.reloadCertificates();
        expect(await names(rig)).toEqual(allHave(name));
      }
      await load.further();
      writeFileSync(certificateFile, first.certificate.slice(0, 200));
      await rig.gateway.reloadCertificates();
      expect(logs.of('error')).toEqual([`TLS: ${certificateFile} is cut off within a certificate; the certificate in use stays`]);
      await load.further();
      expect(await load.end()).toEqual([]);
      expect(await names(rig)).toEqual(allHave('second'));
    } finally {
      await load.end();
      await rig.stop();
    }
  });

  it('are told of 30 days before they end, at the start and once a day', async () => {
    const logs = new LogLines();
    const watch = new CertificateWatch(logs.log, new MetricRegistry());
    const { certificateFile, privateKeyFile } = authority.issue('soon', 12);
    const tls = { certificateFile, privateKeyFile };
    try {
      for (let port = 0; port < 2; port++) await watch.open(tls, () => undefined);
      const text = `TLS: the certificate of CN=soon in ${certificateFile} `;
      expect(logs.of('warn')).toEqual([expect.stringMatching(`^${text}ends in 1[12] days `)]);
      const now = Date.now();
      const clock = jest.spyOn(Date, 'now').mockReturnValue(now + 86_400_000);
      await logs.line(text, 1);
      clock.mockReturnValue(now + 13 * 86_400_000);
      await logs.line('has expired: clients refuse it');
      expect(logs.lines).toHaveLength(3);
    } finally {
      watch.beforeApplicationShutdown();
    }
  });
});

/** Clients of both ports that send one request after the other; half of those of the REST port connect anew for each. */
class Load {
  private readonly failures: unknown[] = [];
  private readonly clients: Promise<void>[];
  private served: number[];
  private isEnding = false;
  private onServed = (): void => undefined;

  constructor(rig: GatewayRig, ca: string, clients: number) {
    this.served = Array.from({ length: clients }, () => 0);
    this.clients = this.served.map((_, at) => (at % 2 === 0 ? this.rest(rig, ca, at) : this.grpc(rig, ca, at)));
  }

  /** Resolves when each client has got one more answer than it had. */
  async further(): Promise<void> {
    const before = [...this.served];
    while (this.failures.length === 0 && this.served.some((count, at) => count <= (before[at] as number)))
      await new Promise<void>((resolve) => (this.onServed = resolve));
  }

  /** Resolves with what failed. */
  async end(): Promise<readonly unknown[]> {
    this.isEnding = true;
    await Promise.all(this.clients);
    return this.failures;
  }

  private async repeat(at: number, ask: (body: string) => Promise<string>): Promise<void> {
    for (let round = 0; !this.isEnding; round++) {
      const body = `${at}-${round}`;
      try {
        const answer = await ask(`kit echo ${body}`);
        if (answer !== body) this.failures.push(answer);
      } catch (error) {
        this.failures.push(error);
      }
      (this.served[at] as number)++;
      this.onServed();
    }
  }

  private async rest({ gateway }: GatewayRig, ca: string, at: number): Promise<void> {
    const agent = new Agent({ ca, keepAlive: at % 4 === 0 });
    const url = `https://${gateway.restAddress}/model/kit:echo`;
    await this.repeat(
      at,
      (body) =>
        new Promise((resolve, reject) => {
          const sent = request(url, { method: 'POST', agent }, (response) => {
            let text = '';
            response.on('data', (chunk: Buffer) => (text += chunk.toString())).on('end', () => resolve(text));
          });
          sent.on('error', reject);
          sent.end(body);
        }),
    );
    agent.destroy();
  }

  private async grpc({ gateway }: GatewayRig, ca: string, at: number): Promise<void> {
    const client = new RawClient(gateway.grpcAddress as string, credentials.createSsl(Buffer.from(ca)), {
      'grpc.use_local_subchannel_pool': 1,
    });
    await this.repeat(at, (body) => predict(client, body).done);
    client.close();
  }
}
