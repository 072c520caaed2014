import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  answers,
  assignments,
  BusTensorStore,
  cancellations,
  LocalTensorStore,
  MemoryExchange,
  NatsBus,
  receipts,
  subjects,
  type Bus,
  type ReplicaList,
  type TensorStore,
} from '@mserve/bus';
import { isFailure, type Answer, type Instance, type Receipt, type Ticket } from '@mserve/wire';
import { Arrivals } from '../../../test/support/arrivals.js';
import { floats, valuesOf } from '../../../test/support/fake-session.js';
import { startNatsServer, type NatsServer } from '../../../test/support/nats-server.js';
import { addModel, doubleModel, loopModel } from '../../../test/support/onnx-model.js';
import { servableDirectory, writeAddServable, type ServableDirectory } from '../../../test/support/servables.js';
import { startDeviceWorker, type RunningWorker } from './start-device-worker.js';

const config = `
import { addStage, declareModel, registerMethod } from '@mserve/register';

const add = declareModel({ modelFile: 'add.onnx', modelFormat: 'ONNX' });
const double = declareModel({ modelFile: 'double.onnx', modelFormat: 'ONNX' });
const loop = declareModel({ modelFile: 'loop.onnx', modelFormat: 'ONNX', withBatchDim: false });

function positive(x) {
  if (x.data.some((value) => value < 0)) throw new Error('negative value');
  return x;
}
async function sum(a, b) {
  return await add.call(a, b);
}
registerMethod(['y'], function addTwice(x1, x2) {
  const checked = addStage(positive, x1, { outputsCount: 1 });
  const total = addStage(add, checked, x2, { outputsCount: 1 });
  return addStage(double, total, { outputsCount: 1 });
});
registerMethod(['y'], function called(x1, x2) {
  return addStage(sum, x1, x2, { outputsCount: 1 });
});
registerMethod(['count'], function count(limit) {
  return addStage(loop, limit, { outputsCount: 1 });
});
`;

function writeServables(directory: string): void {
  mkdirSync(join(directory, 'mixed', '2'), { recursive: true });
  writeFileSync(join(directory, 'mixed', 'servable_config.ts'), config);
  writeFileSync(join(directory, 'mixed', '2', 'add.onnx'), addModel([4, 2]));
  writeFileSync(join(directory, 'mixed', '2', 'double.onnx'), doubleModel(['batch', 2]));
  writeFileSync(join(directory, 'mixed', '2', 'loop.onnx'), loopModel());
  writeAddServable(directory);
  mkdirSync(join(directory, 'torn', '1'), { recursive: true });
  writeFileSync(join(directory, 'torn', 'servable_config.ts'), config);
  for (const file of ['add.onnx', 'double.onnx', 'loop.onnx'])
    writeFileSync(join(directory, 'torn', '1', file), addModel().subarray(0, 20));
}

let folder: ServableDirectory;
let nats: NatsServer;
beforeAll(async () => {
  folder = servableDirectory();
  writeServables(folder.path);
  nats = await startNatsServer();
});
afterAll(async () => {
  folder.remove();
  await nats.stop();
});

interface Participants {
  readonly connect: (role: string) => Promise<Bus>;
  readonly store: (bus: Bus) => TensorStore;
}
const embedded = (): Participants => {
  const exchange = new MemoryExchange();
  const store = new LocalTensorStore();
  return { connect: (role) => Promise.resolve(exchange.connect(role)), store: () => store };
};
const fleet = (): Participants => ({
  connect: (role) => NatsBus.connect({ servers: nats.url, role }),
  store: (bus) => new BusTensorStore(bus),
});

describe.each([
  ['MemoryExchange', embedded],
  ['nats-server', fleet],
])('a worker with real models over %s', (_, participants) => {
  let gateway: Bus;
  let scheduler: Bus;
  let workerBus: Bus;
  let store: TensorStore;
  let worker: RunningWorker;
  let gotAnswers: Arrivals<Answer>;
  let gotReceipts: Arrivals<Receipt>;
  const progress: string[] = [];

  beforeAll(async () => {
    const { connect, store: storeOf } = participants();
    [gateway, scheduler, workerBus] = await Promise.all([connect('gateway'), connect('scheduler'), connect('worker')]);
    store = storeOf(gateway);
    gotAnswers = new Arrivals();
    gotReceipts = new Arrivals();
    gateway.receive(answers, gotAnswers.take);
    scheduler.receive(receipts, gotReceipts.take);
    worker = await startDeviceWorker(workerBus, storeOf(workerBus), {
      directory: folder.path,
      onProgress: ({ servable, version, model, state }) => progress.push(`${servable}:${version} ${model} ${state}`),
    });
  });
  afterAll(async () => {
    await worker.close(1000);
    await Promise.all([gateway.close(), scheduler.close(), workerBus.close()]);
  });

  let lastId = 0;
  function send(servable: string, method: string, instances: readonly Instance[], deadlineAt = Infinity): number {
    const status = worker.replicas.find((replica) => replica.servable === servable);
    const id = ++lastId;
    const ticket: Ticket = {
      gateway: gateway.address,
      id,
      key: 0,
      attempt: 1,
      servable,
      version: status?.version ?? 1,
      method,
      firstInstance: 0,
      instances: store.place(instances),
      deadlineAt,
      priority: 0,
      watch: undefined,
      context: undefined,
    };
    scheduler.send(assignments, worker.address, {
      scheduler: scheduler.address,
      replica: status?.replica ?? '',
      ticket,
      grant: 0,
      queuedUs: 0,
    });
    return id;
  }

  /** Results of a ticket by instance, when all are there. */
  async function resultsOf(id: number, count: number): Promise<unknown[]> {
    const mine = (list: readonly Answer[]): readonly Answer[] => list.filter((answer) => answer.id === id);
    const got = (list: readonly Answer[]): number => mine(list).reduce((sum, answer) => sum + answer.results.length, 0);
    const results: unknown[] = [];
    for (const answer of mine(await gotAnswers.until((list) => got(list) === count))) {
      answer.results.forEach((result, i) => {
        results[answer.firstInstance + i] =
          'outputs' in result
            ? valuesOf(result.outputs[0])
            : isFailure(result)
              ? `${result.failure.code} ${result.failure.message}`
              : 'held';
      });
    }
    await gotReceipts.until(
      (list) => list.filter((receipt) => receipt.id === id).reduce((sum, receipt) => sum + receipt.instances, 0) === count,
    );
    return results;
  }

  const pair = (a: number, b: number): Instance => [floats([2], [a, a]), floats([2], [b, b])];
  const limit = (value: bigint): Instance => [{ dtype: 'int64', shape: [], bytes: new Uint8Array(BigInt64Array.of(value).buffer) }];

  it('loads what can be loaded and lists it', async () => {
    expect(worker.replicas.map(({ servable, version, state }) => `${servable}:${version} ${state}`)).toEqual([
      'add:1 ready',
      'mixed:2 ready',
      'torn:1 failed',
    ]);
    const list = JSON.parse(
      Buffer.from(await scheduler.request(worker.address, subjects.replicasList, new Uint8Array())).toString(),
    ) as ReplicaList;
    expect(
      list.replicas.map((replica) => [
        replica.servable,
        replica.state,
        replica.signature?.methods.map((method) => [method.name, method.batched, method.batchSize]),
      ]),
    ).toEqual([
      ['add', 'ready', [['predict', true, 32]]],
      [
        'mixed',
        'ready',
        [
          ['addTwice', true, 32],
          ['called', true, 32],
          ['count', false, 32],
        ],
      ],
      ['torn', 'failed', undefined],
    ]);
    // Servables are loaded side by side
    expect(progress.filter((line) => line.startsWith('add:'))).toEqual(['add:1 model.onnx loading', 'add:1 model.onnx ready']);
    expect(progress).toContain('torn:1 add.onnx failed');
  });

  it('runs a pipeline of a function, a fixed and a dynamic model', async () => {
    const id = send(
      'mixed',
      'addTwice',
      Array.from({ length: 9 }, (_, i) => pair(i === 4 ? -1 : i, 10)),
    );
    const results = await resultsOf(id, 9);
    expect(results[4]).toBe("ABORTED Function 'mixed.positive' failed, method 'addTwice', stage 1: negative value");
    results[4] = [28, 28];
    expect(results).toEqual(Array.from({ length: 9 }, (_, i) => [2 * (i + 10), 2 * (i + 10)]));
  });

  it('runs models for functions', async () => {
    expect(await resultsOf(send('mixed', 'called', [pair(1, 2), pair(3, 4)]), 2)).toEqual([
      [3, 3],
      [7, 7],
    ]);
    const [failure] = await resultsOf(send('mixed', 'called', [[floats([1], [1]), floats([2], [1, 1])]]), 1);
    expect(failure).toBe(
      "ABORTED Function 'mixed.sum' failed, method 'called', stage 1: Model(add.onnx).call() failed: Given model input 0 size 4 not match the size 8 defined in model",
    );
  });

  it('carries tensors that do not fit a message', async () => {
    const many = Array.from({ length: 2000 }, (_, i) => pair(i, 1));
    expect(await resultsOf(send('add', 'predict', many), 2000)).toEqual(many.map((_, i) => [i + 1, i + 1]));
  });

  it('ends an endless run at its deadline, and goes on', async () => {
    expect(await resultsOf(send('mixed', 'count', [limit(2n ** 62n)], performance.now() + 50), 1)).toEqual([
      "DEADLINE_EXCEEDED deadline exceeded, method 'count', stage 1",
    ]);
    expect(await resultsOf(send('mixed', 'addTwice', [pair(1, 1)]), 1)).toEqual([[4, 4]]);
  });

  it('ends an endless run when it is cancelled', async () => {
    const id = send('mixed', 'count', [limit(2n ** 62n)]);
    scheduler.send(cancellations, worker.address, { gateway: gateway.address, id });
    await gotReceipts.until((list) => list.some((receipt) => receipt.id === id));
    expect(gotAnswers.messages.some((answer) => answer.id === id)).toBe(false);
    const [count] = await resultsOf(send('mixed', 'count', [limit(3n)]), 1);
    expect(count).toHaveLength(2);
  });
});
