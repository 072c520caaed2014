import { afterAll, beforeAll } from '@jest/globals';
import { startNatsServer, type NatsServer } from '../../../../test/support/nats-server.js';
import { describeBus } from '../bus.contract.js';
import { SharedRings } from '@mserve/native/shared-memory';
import { blobs, notes } from '../testing/bus-rig.js';
import { NatsBus } from './nats-bus.js';

let server: NatsServer;
beforeAll(async () => {
  server = await startNatsServer();
});
afterAll(() => server.stop());

describeBus('NatsBus', async () => ({ connect: (role) => NatsBus.connect({ servers: server.url, role, report: () => undefined }) }));

/** The rings are there before anything is sent: else the first messages, which are all of most tests, go over the server. */
describeBus('NatsBus with rings', async () => ({
  connect: (role) => NatsBus.connect({ servers: server.url, role, report: () => undefined, rings: new SharedRings() }),
  settled: async (sender, receiver) => {
    await (sender as NatsBus).openRing(notes, receiver.address);
    await (sender as NatsBus).openRing(blobs, receiver.address);
  },
}));

/** Rings that are asked for by the first messages come into use while others are on their way. */
describeBus('NatsBus whose rings come later', async () => ({
  connect: (role) => NatsBus.connect({ servers: server.url, role, report: () => undefined, rings: new SharedRings() }),
}));
