import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { NatsBus, type Bus } from '@mserve/bus';
import { Random } from '../support/random.js';
import { post } from '../support/clients.js';
import { imageTensor } from '../support/digits.js';
import { startFleet, type Fleet } from '../support/fleet.js';
import { startNatsServer, type NatsServer } from '../support/nats-server.js';
import { serveDirectory, type RunningProcess, type ServerAddresses } from '../support/running-process.js';
import { copyExample, servableDirectory, writeAddServable } from '../support/servables.js';
import { describeDigits } from './digits.contract.js';

const order = ['gateway-0', 'gateway-1', 'scheduler', 'worker-0', 'worker-1'];

/** Fisher-Yates by Jest's seed: `npm test -- --seed N` repeats a run whose order (printed, with the seed) has failed. */
function shuffled(names: readonly string[]): string[] {
  const random = new Random(jest.getSeed());
  const result = [...names];
  for (let i = result.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [result[i], result[j]] = [result[j] as string, result[i] as string];
  }
  return result;
}

describe('a fleet of 2 gateways, 1 scheduler and 2 device-workers, started through nx serve in any order', () => {
  let nats: NatsServer;
  let fleet: Fleet;
  let bus: Bus;
  const directory = servableDirectory();

  beforeAll(async () => {
    nats = await startNatsServer();
    const started = shuffled(order);
    process.stdout.write(`fleet started in the order ${started.join(', ')} (--seed ${jest.getSeed()})\n`);
    copyExample(directory.path, 'digits');
    writeAddServable(directory.path);
    bus = await NatsBus.connect({ servers: nats.url, role: 'spec' });
    fleet = await startFleet(nats.url, directory.path, ['digits.classify', 'add.predict'], started, { through: 'nx' });
  }, 180_000);
  afterAll(async () => {
    await bus?.close();
    await fleet?.stop();
    await nats?.stop();
    directory.remove();
  }, 60_000);

  describeDigits(() => fleet.gateways[0] as ServerAddresses);

  async function schedulerStats(): Promise<{ accepted: number; batches: number }> {
    const body = await bus.request(undefined, 'scheduler.stats', Buffer.from('{}'));
    return JSON.parse(Buffer.from(body).toString()) as { accepted: number; batches: number };
  }

  it('answers 10 000 different requests at concurrency 64 over both gateways, each with its own answer, in batches', async () => {
    const before = await schedulerStats();
    const total = 10_000;
    let next = 0;
    const wrong: number[] = [];
    const ask = async (): Promise<void> => {
      for (let n = next++; n < total; n = next++) {
        const body = JSON.stringify({
          id: `r${n}`,
          inputs: [
            { name: 'x1', datatype: 'FP32', shape: [1, 2], data: [n, -n] },
            { name: 'x2', datatype: 'FP32', shape: [1, 2], data: [0.5, 2 * n] },
          ],
        });
        const gateway = fleet.gateways[n % 2] as ServerAddresses;
        const answer = (await post(gateway.rest, '/v2/models/add/infer', body)).body as { id: string; outputs?: { data: number[] }[] };
        const [a, b] = answer.outputs?.[0]?.data ?? [];
        if (answer.id !== `r${n}` || a !== n + 0.5 || b !== n) wrong.push(n);
      }
    };
    await Promise.all(Array.from({ length: 64 }, ask));
    expect(wrong).toEqual([]);
    const after = await schedulerStats();
    const batch = (after.accepted - before.accepted) / (after.batches - before.batches);
    process.stdout.write(`10 000 requests in ${after.batches - before.batches} batches, ${batch.toFixed(2)} instances each\n`);
    expect(batch).toBeGreaterThan(1);
  }, 120_000);

  it('gives the same bytes as the embedded server', async () => {
    const embedded: RunningProcess & ServerAddresses = await serveDirectory('examples', ['--servable', 'digits']);
    try {
      const body = JSON.stringify({
        instances: [{ image: { b64: Buffer.from(imageTensor(7).buffer).toString('base64'), type: 'float32', shape: [1, 28, 28] } }],
      });
      const here = await fetch(`http://${embedded.rest}/model/digits:logits`, { method: 'POST', body });
      const there = await fetch(`http://${fleet.gateways[1]?.rest}/model/digits:logits`, { method: 'POST', body });
      expect(Buffer.from(await there.arrayBuffer())).toEqual(Buffer.from(await here.arrayBuffer()));
    } finally {
      await embedded.stop();
    }
  }, 60_000);
});
