import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { credentials, makeClientConstructor, status } from '@grpc/grpc-js';
import { FakeWorker } from '../testing/fake-worker.js';
import { GatewayRig } from '../testing/gateway-rig.js';

const token = 'a-token-of-sixteen-letters';
const notHeard = 'the worker is not heard any more';

/** RepositoryModelLoad; a request with field 2, model_name. */
const RepositoryClient = makeClientConstructor(
  {
    Load: {
      path: '/inference.GRPCInferenceService/RepositoryModelLoad',
      requestStream: false,
      responseStream: false,
      requestSerialize: (name: string) => Buffer.concat([Buffer.from([0x12, name.length]), Buffer.from(name)]),
      requestDeserialize: (bytes: Buffer) => bytes.toString(),
      responseSerialize: (bytes: Buffer) => bytes,
      responseDeserialize: (bytes: Buffer) => bytes,
    },
  },
  'GRPCInferenceService',
);

describe('a worker that falls silent while it loads', () => {
  let rig: GatewayRig;
  let worker: FakeWorker;
  let beating: NodeJS.Timeout;
  beforeEach(async () => {
    const admin = { address: '127.0.0.1:0', token: () => token };
    rig = await GatewayRig.start({ admin, modelControlMode: 'explicit', workerLostMs: 500, unavailableGraceMs: 100 });
    worker = new FakeWorker(rig.exchange, 'kit');
    worker.gate = new Promise(() => undefined);
    beating = setInterval(() => worker.hello(), 20);
  });
  afterEach(async () => {
    clearInterval(beating);
    await rig.stop();
  });

  const post = async (url: string): Promise<{ status: number; retryAfter: string | null; body: unknown }> => {
    const asking = fetch(url, { method: 'POST', headers: { authorization: `Bearer ${token}` } });
    while (worker.asked.length === 0) await new Promise(setImmediate);
    worker.isStopped = true;
    const response = await asking;
    return { status: response.status, retryAfter: response.headers.get('retry-after'), body: await response.json() };
  };

  it.each(['load', 'switch'])('is 503 at the admin port, with what each worker did: %s', async (change) => {
    expect(await post(`http://${rig.gateway.adminAddress}/admin/models/kit/${change}`)).toEqual({
      status: 503,
      retryAfter: '1',
      body: {
        servable: 'kit',
        versions: [2],
        ok: false,
        workers: [{ worker: worker.bus.address, loaded: [], unloaded: [], code: 'UNAVAILABLE', error: notHeard }],
      },
    });
  });

  it('is 503 to repository calls, with its name', async () => {
    expect(await post(`${rig.url}/v2/repository/models/kit/load`)).toEqual({
      status: 503,
      retryAfter: '1',
      body: { error: `failed to load 'kit', not available now: worker '${worker.bus.address}'` },
    });
  });

  it('is 503 to the repository calls of operators, with more', async () => {
    expect(await post(`http://${rig.gateway.adminAddress}/v2/repository/models/kit/load`)).toMatchObject({
      status: 503,
      body: { error: `failed to load 'kit', ${worker.bus.address}: ${notHeard}` },
    });
  });

  it('is UNAVAILABLE over gRPC', async () => {
    const client = new RepositoryClient(rig.gateway.grpcAddress ?? '', credentials.createInsecure());
    const answer = new Promise<unknown>((resolve) => void client['Load']?.('kit', resolve));
    while (worker.asked.length === 0) await new Promise(setImmediate);
    worker.isStopped = true;
    expect(await answer).toMatchObject({
      code: status.UNAVAILABLE,
      details: `failed to load 'kit', not available now: worker '${worker.bus.address}'`,
    });
    client.close();
  });

  it('is not taken for one that has nothing: unload of what only it may have', async () => {
    await fetch(`${rig.url}/v2/repository/index`, { method: 'POST' });
    worker.isStopped = true;
    const response = await fetch(`${rig.url}/v2/repository/models/nope/unload`, { method: 'POST' });
    expect([response.status, await response.json()]).toEqual([
      503,
      { error: `worker '${worker.bus.address}' does not answer; it may have 'nope'` },
    ]);
  }, 30_000);
});
