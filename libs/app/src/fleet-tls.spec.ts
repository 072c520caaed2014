import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Bus } from '@mserve/bus';
import { defaults, type FleetSettings } from '@mserve/config';
import { nkeys } from '@nats-io/transport-node';
import { pino } from 'pino';
import { command } from '../../../test/support/command.js';
import { startNatsServer, type NatsServer } from '../../../test/support/nats-server.js';
import { hasOpenssl, TestAuthority, type IssuedCertificate } from '../../../test/support/test-authority.js';
import { connectFleetBus } from './index.js';

/** An app at a nats-server with TLS, client certificates and logins from files, all of which may be replaced while it runs. */

const openssl = hasOpenssl ? describe : describe.skip;

openssl('a bus with TLS (needs openssl 3)', () => {
  let authority: TestAuthority;
  let server: NatsServer | undefined;
  const buses: Bus[] = [];
  beforeAll(() => {
    authority = new TestAuthority();
  });
  afterEach(async () => {
    await Promise.all(buses.splice(0).map((bus) => bus.close()));
    await server?.stop();
  });
  afterAll(() => authority.remove());

  const tlsBlock = ({ certificateFile, privateKeyFile }: IssuedCertificate, verify = false): string =>
    `tls { cert_file: "${certificateFile}", key_file: "${privateKeyFile}", ca_file: "${authority.file}", verify: ${verify} }`;

  const joined = async (settings: Partial<FleetSettings>): Promise<Bus> => {
    const gaveUp = new AbortController();
    const log = pino({ level: 'silent' });
    const bus = await connectFleetBus({ ...defaults.gateway, ...settings }, 'gateway', log, gaveUp.signal);
    buses.push(bus);
    return bus;
  };
  /** The server may be set up otherwise one day: the app says that it waits, and is asked to end. */
  const waitsForAnother = async (settings: Partial<FleetSettings>): Promise<void> => {
    const gaveUp = new AbortController();
    const log = { ...pino({ level: 'silent' }), warn: (): void => gaveUp.abort() };
    const join = connectFleetBus({ ...defaults.gateway, ...settings }, 'gateway', log, gaveUp.signal);
    await expect(join).rejects.toMatchObject({ code: 'CANCELLED' });
  };
  const tlsUrl = (host = '127.0.0.1'): string => `tls://${host}:${server?.port ?? 0}`;
  const becomes = (bus: Bus, state: string): Promise<void> =>
    new Promise((resolve) => {
      bus.onState((now) => {
        if (now === state) resolve();
      });
    });

  it('is joined when its certificate is of the authority and names the server, by IP address or by name', async () => {
    server = await startNatsServer({ config: tlsBlock(authority.issue('by-ip', 365, 'IP:127.0.0.1')) });
    expect((await joined({ bus: tlsUrl(), natsTlsCa: authority.file })).state).toBe('up');
    await expect(joined({ bus: tlsUrl('localhost'), natsTlsCa: authority.file })).rejects.toThrow(/set up wrongly.*localhost/);
  });

  it('is not joined under an IP address by a certificate for localhost, or one of another authority, or without TLS', async () => {
    server = await startNatsServer({ config: tlsBlock(authority.issue('by-name', 365, 'DNS:localhost')) });
    expect((await joined({ bus: tlsUrl('localhost'), natsTlsCa: authority.file })).state).toBe('up');
    await expect(joined({ bus: tlsUrl(), natsTlsCa: authority.file })).rejects.toThrow(/set up wrongly.*127\.0\.0\.1/);
    await expect(joined({ bus: tlsUrl('localhost') })).rejects.toThrow(/--bus: tls:.* set up wrongly/);
    await server.stop();
    server = await startNatsServer();
    await waitsForAnother({ bus: tlsUrl() });
  });

  it('is not joined with a certificate that has expired, or is of an authority that nobody named: the app ends with 78 and says why', async () => {
    const stranger = new TestAuthority();
    const expired = authority.issue('expired', -1);
    server = await startNatsServer({ config: tlsBlock(expired) });
    await expect(joined({ bus: tlsUrl(), natsTlsCa: authority.file })).rejects.toThrow(/set up wrongly.*expired/);
    const scheduler = (ca: string): ReturnType<typeof command> =>
      command(process.execPath, ['apps/scheduler/dist/main.js', '--bus', tlsUrl(), '--nats-tls-ca', ca]);
    const line = new RegExp(`^scheduler: --bus: tls://127\\.0\\.0\\.1:${server.port}: .*certificate has expired.*\\n$`);
    expect(await scheduler(authority.file)).toEqual({ code: 78, stdout: '', stderr: expect.stringMatching(line) });
    await server.stop();
    server = await startNatsServer({ config: tlsBlock(authority.issue('sound')) });
    const wrong = await scheduler(stranger.file);
    expect([wrong.code, wrong.stderr]).toEqual([78, expect.stringMatching(/^scheduler: --bus: .*set up wrongly.*\n$/)]);
    stranger.remove();
  }, 60_000);

  it('takes a client certificate, from files that are read again at every connection', async () => {
    const own = authority.issue('server');
    const other = new TestAuthority();
    server = await startNatsServer({ config: tlsBlock(own, true) });
    const stranger = other.issue('stranger');
    const withCertificate = ({ certificateFile, privateKeyFile }: IssuedCertificate): Partial<FleetSettings> => ({
      bus: tlsUrl(),
      natsTlsCa: authority.file,
      natsTlsCertificate: certificateFile,
      natsTlsPrivateKey: privateKeyFile,
    });
    await waitsForAnother(withCertificate(stranger));
    const client = authority.issue('client');
    const bus = await joined(withCertificate(client));
    await server.kill();
    // The server now trusts another authority, and the client's files are replaced
    const next = other.issue('next');
    copyFileSync(next.certificateFile, client.certificateFile);
    copyFileSync(next.privateKeyFile, client.privateKeyFile);
    const up = becomes(bus, 'up');
    await server.restart(tlsBlock(own, true).replace(authority.file, other.file));
    await up;
    other.remove();
  });

  it('takes nkeys, passwords and tokens from files that are read again at every connection', async () => {
    const [first, second] = [nkeys.createUser(), nkeys.createUser()];
    const users = (user: ReturnType<typeof nkeys.createUser>, password: string): string =>
      `authorization { users: [ { nkey: ${user.getPublicKey()} }, { user: me, password: "${password}" } ] }`;
    const file = (name: string, text: string): string => {
      const path = join(authority.folder, name);
      writeFileSync(path, `${text}\n`);
      return path;
    };
    const seedOf = (user: ReturnType<typeof nkeys.createUser>): string => Buffer.from(user.getSeed()).toString();
    server = await startNatsServer({ config: users(first, 'one') });
    const [seed, password] = [file('me.nk', seedOf(first)), file('password', 'one')];
    const both = [
      await joined({ bus: server.url, natsNkey: seed }),
      await joined({ bus: server.url, natsUser: 'me', natsPasswordFile: password }),
    ];
    await server.kill();
    file('me.nk', seedOf(second));
    file('password', 'two');
    const up = both.map((bus) => becomes(bus, 'up'));
    await server.restart(users(second, 'two'));
    await Promise.all(up);
    await expect(joined({ bus: server.url, natsNkey: join(authority.folder, 'none') })).rejects.toThrow(/^--nats-nkey: cannot read /);
    await server.stop();
    server = await startNatsServer({ config: 'authorization { token: "open sesame" }' });
    expect((await joined({ bus: server.url, natsTokenFile: file('token', 'open sesame') })).state).toBe('up');
  });
});
