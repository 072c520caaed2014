import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Client } from '@grpc/grpc-js';
import { GatewayRig, predict, rawClient } from './testing/gateway-rig.js';

describe('gateway', () => {
  let rig: GatewayRig;
  let client: Client;
  beforeAll(async () => {
    rig = await GatewayRig.start();
    client = rawClient(rig.gateway.grpcAddress as string);
  });
  afterAll(async () => {
    client.close();
    await rig.stop();
  });

  it('answers over REST', async () => {
    const response = await rig.post('kit echo a|b|c');
    expect([response.status, await response.text()]).toEqual([200, 'a|b|c']);
  });

  it('answers over gRPC', async () => {
    expect(await predict(client, 'kit echo a|b').done).toBe('a|b');
  });

  it('hands everything else to Nest', async () => {
    const ready = await fetch(`${rig.url}/v2/health/ready`);
    expect([ready.status, await ready.json()]).toEqual([200, { ready: true }]);
  });

  it('is not ready while somebody holds it, and answers all the same', async () => {
    const status = async (): Promise<number> => (await fetch(`${rig.url}/v2/health/ready`)).status;
    const [first, second] = [rig.gateway.holdReadiness(), rig.gateway.holdReadiness()];
    expect([await status(), rig.gateway.isReady, (await rig.post('kit echo a')).status]).toEqual([503, false, 200]);
    first();
    expect(await status()).toBe(503);
    second();
    expect([await status(), rig.gateway.isReady]).toEqual([200, true]);
  });
});
