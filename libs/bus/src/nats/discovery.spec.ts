import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect, nkeyAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { ServingError } from '@mserve/wire';
import { startNatsServer, type NatsServer } from '../../../../test/support/nats-server.js';
import { authorizationOf, newNkey } from './fleet-users.js';
import { NatsBus } from './nats-bus.js';

/** The service discovery of NATS, as `nats micro ls|info|stats` asks for it, in a fleet with a user for each process. */
describe('a participant asked by NATS’ service discovery', () => {
  let server: NatsServer;
  let operator: NatsConnection;
  let gateway: NatsBus;
  let scheduler: NatsBus;
  const reports: string[] = [];

  beforeAll(async () => {
    const [gatewayKey, schedulerKey, operatorKey] = [newNkey(), newNkey(), newNkey()];
    const config = authorizationOf([
      { role: 'gateway', name: 'gateway-1', publicKey: gatewayKey.publicKey },
      { role: 'scheduler', name: 'scheduler-1', publicKey: schedulerKey.publicKey },
      { role: 'operator', name: 'operator', publicKey: operatorKey.publicKey },
    ]);
    server = await startNatsServer({ config });
    const join = (role: string, nkeySeed: string): Promise<NatsBus> => {
      const service = { name: `mserve-${role}`, version: '1.2.3', description: `the ${role}` };
      return NatsBus.connect({ servers: server.url, role, name: `${role}-1`, nkeySeed, service, report: (text) => reports.push(text) });
    };
    gateway = await join('gateway', gatewayKey.seed);
    scheduler = await join('scheduler', schedulerKey.seed);
    const authenticator = nkeyAuthenticator(new TextEncoder().encode(operatorKey.seed));
    operator = await connect({ servers: server.url, authenticator, inboxPrefix: 'mserve.inbox.operator' });
  });
  afterAll(async () => {
    await Promise.all([gateway, scheduler].map((bus) => bus?.close()));
    await operator?.close();
    await server?.stop();
  });

  /** All answers, in the order of their names. */
  async function ask(subject: string, answers: number): Promise<Record<string, unknown>[]> {
    const found: Record<string, unknown>[] = [];
    for await (const message of await operator.requestMany(subject, '', { strategy: 'count', maxMessages: answers, maxWait: 10_000 }))
      found.push(message.json());
    return found.sort((a, b) => (String(a['name']) < String(b['name']) ? -1 : 1));
  }

  it('says what it is: all of them, those of a name, or one', async () => {
    const [ofGateway, ofScheduler] = await ask('$SRV.PING', 2);
    const id = gateway.address.replace('.', '-');
    const pong = {
      type: 'io.nats.micro.v1.ping_response',
      name: 'mserve-gateway',
      id,
      version: '1.2.3',
      metadata: { address: gateway.address },
    };
    expect(ofGateway).toEqual(pong);
    expect(ofScheduler).toMatchObject({ name: 'mserve-scheduler' });
    expect(await ask('$SRV.PING.mserve-gateway', 1)).toEqual([pong]);
    expect(await ask(`$SRV.PING.mserve-gateway.${id}`, 1)).toEqual([pong]);
    expect(reports).toEqual([]);
  });

  it('says what it serves, and what was counted there', async () => {
    scheduler.respond('catalog.list', async (body) => {
      if (body.byteLength > 0) throw new ServingError('INVALID_ARGUMENT', 'too much');
      return body;
    });
    const subject = `mserve.v1.ask.${scheduler.address}.catalog.list`;
    const endpoint = { name: 'catalog-list', subject, queue_group: '', metadata: null };
    // The server has taken the subscription when it has answered a later message of the same connection
    for (;;) {
      const isAnswered = await gateway.request(scheduler.address, 'catalog.list', new Uint8Array(0)).then(
        () => true,
        () => false,
      );
      if (isAnswered) break;
    }
    await expect(gateway.request(scheduler.address, 'catalog.list', new Uint8Array(1))).rejects.toThrow('too much');
    const [info] = await ask('$SRV.INFO.mserve-scheduler', 1);
    expect(info).toMatchObject({ type: 'io.nats.micro.v1.info_response', description: 'the scheduler', endpoints: [endpoint] });
    const [stats] = await ask('$SRV.STATS.mserve-scheduler', 1);
    expect(stats).toMatchObject({
      type: 'io.nats.micro.v1.stats_response',
      started: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) as unknown,
      endpoints: [{ ...endpoint, num_requests: 2, num_errors: 1, last_error: 'INVALID_ARGUMENT' }],
    });
  });
});
