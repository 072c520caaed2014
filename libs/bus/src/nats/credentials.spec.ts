import { createHash } from 'node:crypto';
import { once, EventEmitter } from 'node:events';
import { afterEach, describe, expect, it } from '@jest/globals';
import { nkeys } from '@nats-io/transport-node';
import { startNatsServer, type NatsServer } from '../../../../test/support/nats-server.js';
import { NatsBus } from '../index.js';
import { Reconnecting } from './reconnecting.js';

type KeyPair = ReturnType<typeof nkeys.createUser>;

function base32(bytes: Uint8Array): string {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('');
  return (bits.match(/.{1,5}/g) ?? []).map((five) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[parseInt(five.padEnd(5, '0'), 2)]).join('');
}

/** A JWT as nats-server reads it: signed with ed25519-nkey. `seconds`: its life, without end when left out. */
function jwt(signer: KeyPair, subject: string, nats: Record<string, unknown>, seconds?: number): string {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iat: now,
    iss: signer.getPublicKey(),
    sub: subject,
    name: 'x',
    nats: { ...nats, version: 2 },
    ...(seconds === undefined ? {} : { exp: now + seconds }),
  };
  const id = base32(createHash('sha256').update(JSON.stringify(claims)).digest());
  const parts = [
    { typ: 'JWT', alg: 'ed25519-nkey' },
    { ...claims, jti: id },
  ];
  const text = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${text}.${Buffer.from(signer.sign(Buffer.from(text))).toString('base64url')}`;
}

/** A nats-server in operator mode, and who makes users of its one account. */
async function startOperatorServer(): Promise<{ server: NatsServer; userCreds: (seconds?: number) => string }> {
  const [operator, account] = [nkeys.createOperator(), nkeys.createAccount()];
  const any = { subs: -1, data: -1, payload: -1 };
  const limits = { ...any, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
  const accountJwt = jwt(operator, account.getPublicKey(), { type: 'account', limits, default_permissions: { pub: {}, sub: {} } });
  const server = await startNatsServer({
    config: `operator: ${jwt(operator, operator.getPublicKey(), { type: 'operator' })}
resolver: MEMORY
resolver_preload: { ${account.getPublicKey()}: ${accountJwt} }`,
  });
  const userCreds = (seconds?: number): string => {
    const user = nkeys.createUser();
    const token = jwt(account, user.getPublicKey(), { type: 'user', pub: {}, sub: {}, ...any }, seconds);
    const seed = Buffer.from(user.getSeed()).toString();
    return `-----BEGIN NATS USER JWT-----\n${token}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`;
  };
  return { server, userCreds };
}

describe('credentials that are replaced', () => {
  let server: NatsServer | undefined;
  afterEach(() => server?.stop());

  it('are read before each try, may be half written for a while, and a refusal is told once per outage', async () => {
    const operator = await startOperatorServer();
    server = operator.server;
    let creds = operator.userCreds(2);
    const reads = new EventEmitter();
    /** Reports, each under the number of its outage: credentials that are about to expire may be taken once more before they are refused. */
    const reports: { outage: number; text: string }[] = [];
    let outages = 0;
    const bus = await NatsBus.connect({
      servers: server.url,
      role: 'gateway',
      credentials: () => {
        reads.emit('read');
        return creds;
      },
      report: (text, cause) => void reports.push({ outage: outages, text: `${text}: ${(cause as Error).name}` }),
    });
    const becomes = (state: string): Promise<void> =>
      new Promise((resolve) => {
        bus.onState((now) => {
          if (now === state) resolve();
        });
      });
    bus.onState((now) => (outages += now === 'down' ? 1 : 0));
    await becomes('down');
    for (let tries = 0; tries < 3; tries++) await once(reads, 'read');
    creds = 'half wri';
    await once(reads, 'read');
    const up = becomes('up');
    creds = operator.userCreds();
    await up;
    await bus.close();
    expect(reports.length).toBeGreaterThan(0);
    expect(new Set(reports.map(({ outage }) => outage)).size).toBe(reports.length);
    for (const { text } of reports) expect(text).toMatch(/^the bus server refuses the credentials; they are read again before each try: /);
  });
});

describe('how often a lost connection is tried again', () => {
  const delays = (tries: number, error?: Error): number => {
    const reconnecting = new Reconnecting();
    if (error !== undefined) reconnecting.reportOnce(error, true, () => undefined);
    for (let i = 0; i < tries; i++) reconnecting.tried();
    return Math.floor(reconnecting.delayMs() / 50) * 50;
  };

  it.each([
    [0, 100],
    [10, 100],
    [12, 400],
    [100, 1_000],
    [100_000, 1_000],
  ])('after %i tries of a server that is away: %i ms and up to 50 more', (tries, delayMs) => expect(delays(tries)).toBe(delayMs));

  it('begins anew when the connection was there', () => {
    const reconnecting = new Reconnecting();
    for (let i = 0; i < 100; i++) reconnecting.tried();
    reconnecting.succeeded();
    expect(reconnecting.delayMs()).toBeLessThan(151);
  });
});
