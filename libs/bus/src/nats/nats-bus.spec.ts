import { afterAll, beforeAll } from '@jest/globals';
import { startNatsServer, type NatsServer } from '../../../../test/support/nats-server.js';
import { describeBus } from '../bus.contract.js';
import { NatsBus } from './nats-bus.js';

let server: NatsServer;
beforeAll(async () => {
  server = await startNatsServer();
});
afterAll(() => server.stop());

describeBus('NatsBus', async () => ({ connect: (role) => NatsBus.connect({ servers: server.url, role, report: () => undefined }) }));
