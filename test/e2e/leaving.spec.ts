import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Balancer } from '../support/balancer.js';
import { grpcClient, type GrpcClient } from '../support/clients.js';
import { startFleet, type Fleet } from '../support/fleet.js';
import { startNatsServer, type NatsServer } from '../support/nats-server.js';
import { servableDirectory, writeTurnsServable } from '../support/servables.js';
import { SteadyLoad } from '../support/steady-load.js';

/** gRPC clients, each with a connection of its own, that ask without a pause until they are stopped. */
class GrpcLoad {
  readonly faults: string[] = [];
  answers = 0;
  private isOver = false;
  private readonly done: Promise<unknown>;

  constructor(private readonly clients: readonly GrpcClient[]) {
    this.done = Promise.all(clients.map((client) => this.run(client)));
  }

  async stop(): Promise<void> {
    this.isOver = true;
    await this.done;
    for (const client of this.clients) client.close();
  }

  private async run(client: GrpcClient): Promise<void> {
    for (let n = 1; !this.isOver; n++) {
      const tensor = (name: string, value: number): object => ({
        name,
        datatype: 'FP32',
        shape: ['1', '2'],
        contents: { fp32_contents: [value, 0.5] },
      });
      try {
        const reply = await client.call('ModelInfer', { model_name: 'turns', inputs: [tensor('x1', n), tensor('x2', 3)] });
        const [output] = reply['outputs'] as [{ contents: { fp32_contents: number[] } }];
        const [sum] = output.contents.fp32_contents;
        if (sum === n + 3) this.answers += 1;
        else this.faults.push(`wrong: ${n} ${sum}`);
      } catch (error) {
        this.faults.push((error as Error).message);
      }
    }
  }
}

describe('two gateways behind a TCP balancer, at 64 REST and 4 gRPC clients', () => {
  let nats: NatsServer;
  let fleet: Fleet;
  let rest: Balancer;
  let grpc: Balancer;
  let load: SteadyLoad;
  let calls: GrpcLoad;
  const directory = servableDirectory();

  beforeAll(async () => {
    nats = await startNatsServer();
    writeTurnsServable(directory.path, [1]);
    fleet = await startFleet(nats.url, directory.path, ['turns.predict'], ['gateway-0', 'gateway-1', 'scheduler', 'worker-0'], {
      gateway: ['--drain-delay-ms', '1500', '--max-connection-age-ms', '500'],
    });
    const readiness = ({ rest }: { rest: string }): string => `http://${rest}/v2/health/ready`;
    rest = await Balancer.start(fleet.gateways.map((gateway) => ({ address: gateway.rest, readiness: readiness(gateway) })));
    grpc = await Balancer.start(fleet.gateways.map((gateway) => ({ address: gateway.grpc, readiness: readiness(gateway) })));
    load = new SteadyLoad([rest.address], 64);
    calls = new GrpcLoad(Array.from({ length: 4 }, () => grpcClient('oip', grpc.address)));
  }, 120_000);
  afterAll(async () => {
    await load?.stop();
    await calls?.stop();
    await rest?.close();
    await grpc?.close();
    await fleet?.stop();
    await nats?.stop();
    directory.remove();
  }, 60_000);

  it('nobody sees one of them leave, and one that comes gets its share of the clients that are there', async () => {
    await load.until(1, 500);
    const [gateway] = fleet.gateways as [(typeof fleet.gateways)[number]];
    expect(await fleet.processes.get('gateway-0')?.stop('SIGTERM')).toBe(0);
    await load.until(1, 500);
    const before = [rest.connectionsOf(gateway.rest), grpc.connectionsOf(gateway.grpc)] as const;
    fleet.start('gateway-0');
    await Promise.all([rest.untilConnections(gateway.rest, before[0]), grpc.untilConnections(gateway.grpc, before[1])]);
    await load.until(1, 500);
    expect([load.figures.wrong.slice(0, 5), calls.faults.slice(0, 5)]).toEqual([[], []]);
    expect(calls.answers).toBeGreaterThan(0);
  }, 120_000);
});
