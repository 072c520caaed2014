import { availableParallelism } from 'node:os';
import { RecordingTracer } from '../../../../test/support/recording-tracer.js';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  answers,
  assignments,
  cancellations,
  LocalTensorStore,
  MemoryExchange,
  receipts,
  topics,
  type Bus,
  type ReplicaList,
  type TensorStore,
  type WorkerHello,
} from '@mserve/bus';
import {
  failureOf,
  ServingError,
  type Answer,
  type Assignment,
  type Instance,
  type Instances,
  type Receipt,
  type Ticket,
  isFailure,
} from '@mserve/wire';
import { Arrivals } from '../../../../test/support/arrivals.js';
import { functionOf, input, method, model, output, servable, stage } from '../../../../test/support/declarations.js';
import { elementwise, FakeSession, floats, opensFake, valuesOf } from '../../../../test/support/fake-session.js';
import type { FunctionRunner } from '../functions/function-runner.js';
import { startDeviceWorker, type RunningWorker } from '../start-device-worker.js';
import type { WorkerDefaults } from './worker-defaults.js';
import type { DeviceWorkerOptions } from './worker-options.js';

const declaration = servable({
  servable: 'sums',
  models: [model('add.onnx')],
  methods: [method('add', ['x1', 'x2'], [stage(1, 'model', 0, [input(0), input(1)])], [output(1)])],
});

let exchange: MemoryExchange;
let gateway: Bus;
let scheduler: Bus;
let gotAnswers: Arrivals<Answer>;
let gotReceipts: Arrivals<Receipt>;
let hellos: Arrivals<WorkerHello>;
let session: FakeSession;
let worker: RunningWorker | undefined;
let closedRunners: number;

beforeEach(() => {
  exchange = new MemoryExchange();
  gateway = exchange.connect('gateway');
  scheduler = exchange.connect('scheduler');
  gotAnswers = new Arrivals();
  gotReceipts = new Arrivals();
  hellos = new Arrivals();
  gateway.receive(answers, gotAnswers.take);
  scheduler.receive(receipts, gotReceipts.take);
  scheduler.listen(topics.workersHello, (body) => hellos.take([JSON.parse(Buffer.from(body).toString()) as WorkerHello]));
  session = elementwise([4, 2], 2, (a, b) => a + b);
  closedRunners = 0;
});

afterEach(async () => {
  session.letGo();
  await worker?.close(1000);
  worker = undefined;
});

function fakeRunner(): FunctionRunner {
  return {
    declaration,
    threads: { states: [], replaced: 0 },
    serve: () => undefined,
    wake: () => undefined,
    close: () => Promise.resolve(void closedRunners++),
  };
}

async function start(
  { open, openers, ...options }: Partial<DeviceWorkerOptions & WorkerDefaults> = {},
  store: TensorStore = new LocalTensorStore(),
  bus: Bus = exchange.connect('worker'),
): Promise<RunningWorker> {
  const refuse = (): Promise<never> => Promise.reject(new Error('no'));
  worker = await startDeviceWorker(
    bus,
    store,
    { directory: '/nowhere', servables: [{ name: 'sums' }], warmUp: false, ...options },
    {
      open: open ?? (() => Promise.resolve({ runner: fakeRunner(), version: 3, modelPaths: [['/nowhere/sums/3/add.onnx']] })),
      openers: openers ?? { ONNX: opensFake(() => session), MindIR: refuse, OM: refuse },
    },
  );
  return worker;
}

function instances(count: number): Instance[] {
  return Array.from({ length: count }, (_, i) => [floats([2], [i, i]), floats([2], [1, 1])]);
}

let lastId = 0;
function assignment(placed: Instances, ticket: Partial<Ticket> = {}, replica = worker?.replicas[0]?.replica ?? ''): Assignment {
  const base: Ticket = {
    gateway: gateway.address,
    id: ++lastId,
    key: 0,
    attempt: 1,
    servable: 'sums',
    version: 3,
    method: 'add',
    firstInstance: 0,
    instances: placed,
    deadlineAt: Infinity,
    priority: 0,
    watch: undefined,
    context: undefined,
  };
  return { scheduler: scheduler.address, replica, ticket: { ...base, ...ticket }, grant: 4711, queuedUs: 12 };
}

function send(...list: readonly Assignment[]): void {
  for (const one of list) scheduler.send(assignments, worker?.address ?? '', one);
}

const local = (count: number): Instances => ({ kind: 'local', instances: instances(count) });
/** A local store whose tensors come as `read` says. */
function storeThatReads(read: TensorStore['read']): TensorStore {
  return Object.assign(new LocalTensorStore(), { read });
}

const outputsOf = (answer: Answer | undefined): unknown[] =>
  (answer?.results ?? []).map((result) =>
    'outputs' in result ? valuesOf(result.outputs[0]) : isFailure(result) ? `${result.failure.code} ${result.failure.message}` : 'held',
  );
const total = (list: readonly Receipt[]): number => list.reduce((sum, receipt) => sum + receipt.instances, 0);

describe('assignments', () => {
  it('are traced down to the run that they share', async () => {
    const tracer = new RecordingTracer();
    await start({ tracer });
    send(
      assignment(local(2), { watch: { traceparent: 'a', tracestate: '', isTimed: false } }),
      assignment(local(1), { watch: { traceparent: 'b', tracestate: '', isTimed: false } }),
    );
    await gotAnswers.until((list) => list.length === 2);
    expect(tracer.outline).toEqual([
      'batch < a: ok',
      'stage < batch-0: ok',
      'stage < batch-0: ok',
      'batch < b: ok',
      'stage < batch-3: ok',
      'run < stage-1: ok',
    ]);
    expect(tracer.spans.at(-1)).toMatchObject({ facts: { instances: 3 }, links: ['stage-1', 'stage-2', 'stage-4'] });
  });

  it('are answered with where their time went, where that is asked for', async () => {
    await start();
    send(assignment(local(2), { watch: { traceparent: '', tracestate: '', isTimed: true } }), assignment(local(1)));
    const [timed, other] = await gotAnswers.until((list) => list.length === 2);
    expect(other?.steps).toBeUndefined();
    expect(timed?.steps).toEqual({ queuedUs: 12, waitUs: expect.any(Number), runUs: expect.any(Number), functionUs: 0 });
    expect(timed?.steps?.runUs).toBeGreaterThan(0);
  });

  it('are answered to the gateway and receipted to the scheduler', async () => {
    await start();
    send(assignment(local(3), { id: 77, firstInstance: 5, attempt: 2 }));
    const [answer] = await gotAnswers.until((list) => list.length === 1);
    expect(answer).toMatchObject({ id: 77, attempt: 2, firstInstance: 5, grant: 4711, grantedFirst: 5, grantedInstances: 3 });
    expect(outputsOf(answer)).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
    ]);
    expect(await gotReceipts.until((list) => list.length === 1)).toEqual([
      { replica: worker?.replicas[0]?.replica, gateway: gateway.address, id: 77, attempt: 2, firstInstance: 5, instances: 3, grant: 4711 },
    ]);
    expect(worker?.stats()).toMatchObject({ assignments: 1, succeeded: 3, failed: 0, inHand: 0 });
  });

  it('of one turn share batches; a large ticket is answered in portions as batches finish', async () => {
    await start();
    send(assignment(local(1), { id: 1 }), assignment(local(9), { id: 2 }));
    await gotReceipts.until((list) => total(list) === 10);
    expect(session.batchSizes).toEqual([4, 4, 4]);
    expect(gotAnswers.messages.map((answer) => [answer.id, answer.firstInstance, answer.results.length])).toEqual([
      [1, 0, 1],
      [2, 0, 3],
      [2, 3, 4],
      [2, 7, 2],
    ]);
  });

  it('that come one by one may hold the thread after a while; a second one in hand ends that', async () => {
    await start();
    for (let sent = 1; sent <= 40; sent++) {
      send(assignment(local(1)));
      await gotReceipts.until((list) => list.length === sent);
    }
    expect(session.inlineBelowUs.slice(0, 31)).toEqual(Array(31).fill(0));
    expect(Math.min(...session.inlineBelowUs.slice(32, 40))).toBeGreaterThan(0);
    send(assignment(local(1)), assignment(local(1)));
    await gotReceipts.until((list) => list.length === 42);
    expect(session.inlineBelowUs.slice(40)).toEqual([0]);
  });

  it('keep failures of an instance at its place', async () => {
    await start();
    const mixed = [...instances(2), [floats([1], [1]), floats([2], [1, 1])], ...instances(1)];
    send(assignment({ kind: 'local', instances: mixed }));
    const list = await gotAnswers.until((all) => all.reduce((sum, answer) => sum + answer.results.length, 0) === 4);
    const byPlace = list
      .flatMap((answer) => outputsOf(answer).map((each, i) => [answer.firstInstance + i, each] as const))
      .sort((a, b) => a[0] - b[0]);
    expect(byPlace.map((pair) => pair[1])).toEqual([
      [1, 1],
      [2, 2],
      'INVALID_ARGUMENT Given model input 0 size 4 not match the size 8 defined in model',
      [1, 1],
    ]);
  });

  it('whose outputs are too large for the bus fail instead of leaving their client waiting', async () => {
    const store = new LocalTensorStore();
    // As a store does that keeps outputs behind: another list than it was given
    store.placeResults = (results) => [...results];
    const bus = exchange.connect('narrow');
    const send = bus.send.bind(bus);
    bus.send = (channel, to, message, onUndelivered) => {
      if (channel.name !== answers.name || onUndelivered === undefined) return send(channel, to, message, onUndelivered);
      queueMicrotask(() => onUndelivered(new ServingError('RESOURCE_EXHAUSTED', 'a message of many bytes')));
    };
    await start({}, store, bus);
    scheduler.send(assignments, bus.address, assignment(local(1)));
    const [answer] = await gotAnswers.until((list) => list.length === 1);
    expect(answer?.results).toEqual([{ failure: failureOf('answer-too-large', { detail: 'a message of many bytes' }) }]);
    expect(await gotReceipts.until((list) => list.length === 1)).toHaveLength(1);
  });

  it.each([
    {
      title: 'an unknown replica',
      ticket: {},
      replica: 'worker-0.9',
      text: "UNAVAILABLE servable 'sums' is not available now",
    },
    {
      title: 'another version',
      ticket: { version: 4 },
      replica: undefined,
      text: "UNAVAILABLE servable 'sums' is not available now",
    },
    {
      title: 'an unknown method',
      ticket: { method: 'nope' },
      replica: undefined,
      text: "NOT_FOUND servable 'sums' has no method 'nope'",
    },
  ])('for $title fail and are receipted', async ({ ticket, replica, text }) => {
    await start();
    send(assignment(local(2), ticket, replica));
    const [answer] = await gotAnswers.until((list) => list.length === 1);
    expect(outputsOf(answer)).toEqual([text, text]);
    expect(total(await gotReceipts.until((list) => list.length === 1))).toBe(2);
  });

  it('whose tensors have to be fetched run when they are there; what cannot be read fails', async () => {
    let answerRead: (list: readonly Instance[]) => void = () => undefined;
    const reads = [
      new Promise<readonly Instance[]>((resolve) => (answerRead = resolve)),
      Promise.reject(new ServingError('UNAVAILABLE', 'the owner of the tensors is gone')),
    ];
    await start(
      {},
      storeThatReads(() => reads.shift() ?? []),
    );
    send(assignment(local(1), { id: 1 }), assignment(local(1), { id: 2 }));
    const [failed] = await gotAnswers.until((list) => list.length === 1);
    expect([failed?.id, outputsOf(failed)]).toEqual([2, ['UNAVAILABLE the owner of the tensors is gone']]);
    answerRead(instances(1));
    const [, read] = await gotAnswers.until((list) => list.length === 2);
    expect([read?.id, outputsOf(read)]).toEqual([1, [[1, 1]]]);
  });

  it('whose tensors do not come until the deadline are given up then', async () => {
    const read: TensorStore['read'] = (_, reader) =>
      new Promise((_resolve, reject) =>
        reader?.readingSignal.addEventListener('abort', () => reject(new ServingError('CANCELLED', 'the fetch was cancelled'))),
      );
    await start({}, storeThatReads(read));
    const held: Instances = { kind: 'held', sizes: [1], held: { owner: gateway.address, id: 1, offset: 0, length: 1 } };
    send(assignment(held, { deadlineAt: performance.now() + 20 }));
    const [answer] = await gotAnswers.until((list) => list.length === 1);
    expect(outputsOf(answer)).toEqual(["DEADLINE_EXCEEDED deadline exceeded, method 'add', stage 1"]);
  });

  it('that are cancelled give their credits back without an answer: waiting ones at once, those of a run when it has ended', async () => {
    await start();
    session.hold();
    const cancel = (id: number): void => scheduler.send(cancellations, worker?.address ?? '', { gateway: gateway.address, id });
    // The second one is the run ahead
    send(assignment(local(4), { id: 1 }), assignment(local(2), { id: 2 }));
    await session.started(2);
    send(assignment(local(1), { id: 3 }));
    cancel(3);
    expect((await gotReceipts.until((list) => list.length === 1)).map((receipt) => [receipt.id, receipt.instances])).toEqual([[3, 1]]);
    expect(session.aborted).toBe(0);
    cancel(2);
    expect(total(await gotReceipts.until((list) => total(list) === 3))).toBe(3);
    expect(session.aborted).toBe(1);
    cancel(1);
    expect(total(await gotReceipts.until((list) => total(list) === 7))).toBe(7);
    expect(session.aborted).toBe(2);
    expect(gotAnswers.messages).toHaveLength(0);
  });
});

describe('replicas', () => {
  it('are listed with signature and credits, and announced at every change', async () => {
    const running = await start({ deviceIds: [0, 1] });
    const list = JSON.parse(
      Buffer.from(await scheduler.request(running.address, 'replicas.list', Buffer.from('{}'))).toString(),
    ) as ReplicaList;
    expect(list.replicas.map(({ replica, deviceId, state, credits, version }) => ({ replica, deviceId, state, credits, version }))).toEqual(
      [0, 1].map((n) => ({ replica: `${running.address}.${n}`, deviceId: n, state: 'ready', credits: 16, version: 3 })),
    );
    expect(list.replicas[0]?.signature).toEqual({
      servable: 'sums',
      version: 3,
      methods: [
        {
          name: 'add',
          batching: { outcome: 'trusted', reason: expect.stringContaining("batching: 'trust'") },
          inputs: [
            { name: 'x1', dtype: 'float32', shape: [2] },
            { name: 'x2', dtype: 'float32', shape: [2] },
          ],
          outputs: [{ name: 'y', dtype: 'float32', shape: [2] }],
          batched: true,
          batchSize: 4,
          graph: {
            stages: [
              {
                number: 1,
                kind: 'model',
                name: 'add.onnx',
                inputs: [
                  { from: 'input', index: 0 },
                  { from: 'input', index: 1 },
                ],
              },
            ],
            returns: [{ from: 'stage', stage: 1, output: 0 }],
          },
        },
      ],
    });
    const announced = await hellos.until((all) => all.some((hello) => hello.revision === list.revision));
    expect(announced[0]).toMatchObject({ address: running.address, leaving: false });
  });

  it('that fail to load do not stop the others', async () => {
    let opened = 0;
    const running = await start({
      servables: [{ name: 'broken' }, { name: 'sums' }],
      open: () =>
        opened++ === 0
          ? Promise.reject(new ServingError('NOT_FOUND', 'there is no servable_config'))
          : Promise.resolve({ runner: fakeRunner(), version: 3, modelPaths: [['/x']] }),
    });
    expect(running.replicas.map(({ servable: name, state, credits, error }) => ({ name, state, credits, error }))).toEqual([
      { name: 'broken', state: 'failed', credits: 0, error: 'there is no servable_config' },
      { name: 'sums', state: 'ready', credits: 16, error: undefined },
    ]);
    send(assignment(local(1), {}, running.replicas[1]?.replica));
    expect(outputsOf((await gotAnswers.until((list) => list.length === 1))[0])).toEqual([[1, 1]]);
  });

  const onSeveralCores = availableParallelism() > 1 ? it : it.skip;
  onSeveralCores('are loaded side by side (two cores or more), replicas of one of them one after the other', async () => {
    const begun: string[] = [];
    let bothBegan: () => void = () => undefined;
    const both = new Promise<void>((resolve) => (bothBegan = resolve));
    const running = await start({
      configPatienceMs: 60_000,
      deviceIds: [0, 1],
      servables: [{ name: 'left' }, { name: 'right' }],
      open: async ({ servable: name, deviceId }) => {
        begun.push(`${name} ${deviceId}`);
        if (begun.length === 2) bothBegan();
        await both;
        return { runner: fakeRunner(), version: 3, modelPaths: [['/x']] };
      },
    });
    expect(running.replicas.map(({ state }) => state)).toEqual(['ready', 'ready', 'ready', 'ready']);
    expect(begun.slice(0, 2)).toEqual(['left 0', 'right 0']);
  });

  it('whose config hangs hold up nobody: what is behind them is loaded beside them', async () => {
    let giveUp: (reason: Error) => void = () => undefined;
    const hanging = new Promise<never>((_resolve, reject) => (giveUp = reject));
    // More than are loaded at a time
    const hangingOnes = Array.from({ length: 8 }, (_, i) => ({ name: `hangs-${i}` }));
    const servables = [...hangingOnes, { name: 'sums' }];
    const open: WorkerDefaults['open'] = ({ servable: name }) =>
      name !== 'sums' ? hanging : Promise.resolve({ runner: fakeRunner(), version: 3, modelPaths: [['/x']] });
    const starting = start({ configPatienceMs: 1, servables, open });
    const states = async (address: string): Promise<string[]> => {
      const list = JSON.parse(Buffer.from(await scheduler.request(address, 'replicas.list', Buffer.from('{}'))).toString()) as ReplicaList;
      return list.replicas.map(({ state }) => state);
    };
    let seen: string[] = [];
    for (let heard = 0; seen.at(-1) !== 'ready';) {
      const all = await hellos.until((list) => list.length > heard);
      heard = all.length;
      seen = await states(all.at(-1)?.address ?? '');
    }
    expect(seen).toEqual([...hangingOnes.map(() => 'loading'), 'ready']);
    giveUp(new Error('it was not loaded within 30000 ms'));
    expect((await starting).replicas.map(({ state }) => state)).toEqual([...hangingOnes.map(() => 'failed'), 'ready']);
  });

  it.each([
    {
      title: 'a model that cannot be opened',
      openers: { ONNX: () => Promise.reject(new Error('no such operator')) },
      error: 'no such operator',
    },
    {
      title: 'a model that does not fit its methods',
      openers: { ONNX: opensFake(() => elementwise([4, 2], 1, (x) => x)) },
      error: /The inputs count 2 in registerMethod not equal to the count 1/,
    },
  ])('$title: failed, and everything opened is closed', async ({ openers, error }) => {
    const progress: string[] = [];
    const refuse = (): Promise<never> => Promise.reject(new Error('no'));
    const running = await start({
      openers: { MindIR: refuse, OM: refuse, ...openers },
      onProgress: ({ model: file, state, version }) => progress.push(`${file} ${version} ${state}`),
    });
    expect(running.replicas[0]).toMatchObject({ state: 'failed', error: expect.stringMatching(error) });
    expect(progress[0]).toBe('add.onnx 3 loading');
    expect(closedRunners).toBe(1);
  });

  it('leave in good order: leaving is announced, what is in hand is finished, later assignments are undelivered', async () => {
    const running = await start();
    session.hold();
    send(assignment(local(2)));
    await session.started(1);
    const closing = running.close(10_000);
    await hellos.until((all) => all.some((hello) => hello.leaving));
    expect(running.replicas[0]?.state).toBe('draining');
    session.letGo();
    expect(await closing).toBe(0);
    expect(outputsOf(gotAnswers.messages[0])).toEqual([
      [1, 1],
      [2, 2],
    ]);
    expect(running.replicas[0]?.state).toBe('gone');
    expect(closedRunners).toBe(1);
    await new Promise<void>((resolve) => scheduler.send(assignments, running.address, assignment(local(1)), () => resolve()));
  });

  it('that do not finish within the grace are counted', async () => {
    const running = await start();
    session.hold();
    send(assignment(local(2)));
    await session.started(1);
    expect(await running.close(1)).toBe(1);
  });

  it('function batches count for the credits', async () => {
    const functions = servable({
      servable: 'sums',
      functions: [functionOf(0, 'sums.f', { batchSize: 20 })],
      methods: [method('m', ['x'], [stage(1, 'function', 0, [input(0)], { batchSize: 20 })], [output(1)])],
    });
    const running = await start({
      numParallelWorkers: 2,
      open: () => Promise.resolve({ runner: { ...fakeRunner(), declaration: functions }, version: 1, modelPaths: [] }),
    });
    expect(running.replicas[0]).toMatchObject({ state: 'ready', credits: 80 });
  });
});
