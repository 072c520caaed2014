import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { startNatsServer, type NatsServer } from '../../../../test/support/nats-server.js';
import { documentedUsers } from './documented-users.fixture.js';
import { NatsBus } from './nats-bus.js';

/** The commands that the docs recommend to operators, on a nats-server with the users of docs/bus.md. */

interface DocumentedCommand {
  readonly user: string;
  readonly inboxPrefix: string | undefined;
  readonly subject: string;
  readonly request: string;
}

const commands = ['fleet', 'bus', 'versions', 'cli'].flatMap((page) => {
  const text = readFileSync(new URL(`../../../../docs/${page}.md`, import.meta.url), 'utf8');
  return [...text.matchAll(/\bnats ((?:--\S+ \S+ )*)request (\S+) '([^']*)'/g)].map(
    ([, flags = '', subject = '', request = '']): DocumentedCommand => {
      const flag = (name: string): string | undefined => new RegExp(`--${name} (\\S+)`).exec(flags)?.[1];
      return { user: flag('user') ?? '', inboxPrefix: flag('inbox-prefix'), subject, request };
    },
  );
});

describe('a command of the docs', () => {
  let server: NatsServer;
  let scheduler: NatsBus;
  let worker: NatsBus;
  beforeAll(async () => {
    server = await startNatsServer({ config: await documentedUsers() });
    const join = (role: string): Promise<NatsBus> => NatsBus.connect({ servers: server.url, role, user: role, password: `${role}-secret` });
    [scheduler, worker] = await Promise.all([join('scheduler'), join('worker')]);
    const echo = (body: Uint8Array): Promise<Uint8Array> => Promise.resolve(body);
    for (const subject of ['catalog.list', 'scheduler.stats']) scheduler.respond(subject, echo);
    for (const subject of ['replicas.list', 'worker.stats', 'servables.load', 'servables.unload', 'servables.found'])
      worker.respond(subject, echo);
  });
  afterAll(async () => {
    await Promise.all([scheduler?.close(), worker?.close()]);
    await server?.stop();
  });

  const operator = (inboxPrefix: string | undefined): Promise<NatsConnection> =>
    connect({ servers: server.url, user: 'operator', pass: 'operator-secret', ...(inboxPrefix !== undefined && { inboxPrefix }) });

  it('there are some, each as the operator', () => {
    expect(commands.length).toBeGreaterThanOrEqual(3);
    expect(new Set(commands.map(({ user }) => user))).toEqual(new Set(['operator']));
  });

  it.each(commands.map((command) => [command.subject, command] as const))(
    '%s is answered',
    async (_subject, { inboxPrefix, subject, request }) => {
      const connection = await operator(inboxPrefix);
      const answer = await connection.request(subject.replace('ADDRESS', worker.address), request, { timeout: 5_000 });
      expect(answer.string()).toBe(request);
      await connection.close();
    },
  );

  it('without the inbox prefix that the docs name it hears nothing, as they say', async () => {
    const connection = await operator(undefined);
    await expect(connection.request('mserve.v1.ask.any.scheduler.stats', '{}', { timeout: 500 })).rejects.toThrow();
    await connection.close();
  });
});
