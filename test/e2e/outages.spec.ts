import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startFleet, type Fleet } from '../support/fleet.js';
import { startNatsServer, type NatsServer } from '../support/nats-server.js';
import { servableDirectory, writeTurnsServable } from '../support/servables.js';
import { SteadyLoad } from '../support/steady-load.js';

describe('a fleet with one of each, at 16 clients', () => {
  let nats: NatsServer;
  let fleet: Fleet;
  let load: SteadyLoad;
  const directory = servableDirectory();

  beforeAll(async () => {
    nats = await startNatsServer();
    writeTurnsServable(directory.path, [1]);
    fleet = await startFleet(nats.url, directory.path, ['turns.predict'], ['gateway-0', 'scheduler', 'worker-0']);
    load = new SteadyLoad(
      fleet.gateways.map(({ rest }) => rest),
      16,
    );
  }, 120_000);
  afterAll(async () => {
    await load?.stop();
    await fleet?.stop();
    await nats?.stop();
    directory.remove();
  }, 60_000);

  it.each(['SIGKILL', 'SIGTERM'] as const)(
    'nobody sees the only scheduler restart (%s)',
    async (signal) => {
      await load.until(1, 100);
      await fleet.processes.get('scheduler')?.stop(signal);
      fleet.start('scheduler');
      await load.until(1, 100);
      expect(load.figures.wrong).toEqual([]);
    },
    60_000,
  );

  it('nobody sees nats-server restart', async () => {
    await load.until(1, 100);
    await nats.kill();
    await nats.restart();
    await load.until(1, 100);
    expect(load.figures.wrong).toEqual([]);
  }, 60_000);
});
