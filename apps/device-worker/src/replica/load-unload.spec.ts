import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { silentLog } from '@mserve/app';
import { answers, assignments, LocalTensorStore, MemoryExchange, subjects, type Bus, type ReplicaList } from '@mserve/bus';
import { isFailure, type Answer, type Instance } from '@mserve/wire';
import { Arrivals } from '../../../../test/support/arrivals.js';
import { input, method, model, output, servable, stage } from '../../../../test/support/declarations.js';
import { elementwise, floats, opensFake, valuesOf, type FakeSession } from '../../../../test/support/fake-session.js';
import type { FunctionRunner } from '../functions/function-runner.js';
import { startDeviceWorker, type RunningWorker } from '../start-device-worker.js';
import type { ServableOpener } from './open-servable.js';

/** Servable versions come and go while a worker runs. */

const declaration = servable({
  servable: 'sums',
  models: [model('add.onnx')],
  methods: [method('add', ['x1', 'x2'], [stage(1, 'model', 0, [input(0), input(1)])], [output(1)])],
});

let gateway: Bus;
let scheduler: Bus;
let gotAnswers: Arrivals<Answer>;
let worker: RunningWorker;
/** Of every version, the session that was opened last. */
let sessions: Map<string, FakeSession>;
let openRunners: number;
let open: ServableOpener;
/** What the worker logged as an error. */
let errors: Arrivals<Readonly<Record<string, unknown>>>;

const runner = (): FunctionRunner => {
  openRunners++;
  return {
    declaration,
    threads: { states: [], replaced: 0 },
    serve: () => undefined,
    wake: () => undefined,
    close: () => Promise.resolve(void openRunners--),
  };
};

beforeEach(async () => {
  const exchange = new MemoryExchange();
  gateway = exchange.connect('gateway');
  scheduler = exchange.connect('scheduler');
  gotAnswers = new Arrivals();
  gateway.receive(answers, gotAnswers.take);
  sessions = new Map();
  openRunners = 0;
  errors = new Arrivals();
  open = ({ version }) => Promise.resolve({ runner: runner(), version: version === 0 ? 9 : version, modelPaths: [[`${version}`]] });
  const refuse = (): Promise<never> => Promise.reject(new Error('no'));
  worker = await startDeviceWorker(
    exchange.connect('worker'),
    new LocalTensorStore(),
    {
      directory: '/nowhere',
      servables: [{ name: 'sums', version: 1 }],
      warmUp: false,
      log: { ...silentLog, error: (fields, text) => errors.take([{ ...fields, text }]) },
    },
    {
      open: (request) => open(request),
      openers: {
        ONNX: opensFake((path) => {
          const session = elementwise([4, 2], 2, (a, b) => a + b);
          sessions.set(path, session);
          return session;
        }),
        MindIR: refuse,
        OM: refuse,
      },
    },
  );
});
afterEach(async () => {
  for (const session of sessions.values()) session.letGo();
  await worker.close(1000);
});

const replicaOf = (version: number): string => worker.replicas.find((replica) => replica.version === version)?.replica ?? '';
const versions = (): string[] => worker.replicas.map(({ version, state }) => `${version} ${state}`);

let lastId = 0;
/** Sends one instance to a replica; gives its result when it is there. */
async function ask(version: number, replica = replicaOf(version)): Promise<unknown> {
  const id = ++lastId;
  const instances: Instance[] = [[floats([2], [1, 2]), floats([2], [10, 10])]];
  const asked = {
    servable: 'sums',
    version,
    method: 'add',
    deadlineAt: Infinity,
    priority: 0,
    watch: undefined,
    context: undefined,
  };
  const from = { gateway: gateway.address, id, key: 0, attempt: 1, firstInstance: 0, instances: { kind: 'local' as const, instances } };
  scheduler.send(assignments, worker.address, {
    scheduler: scheduler.address,
    replica,
    ticket: { ...asked, ...from },
    grant: 0,
    queuedUs: 0,
  });
  const list = await gotAnswers.until((all) => all.some((answer) => answer.id === id));
  const [result] = list.find((answer) => answer.id === id)?.results ?? [];
  if (result !== undefined && 'outputs' in result) return valuesOf(result.outputs[0]);
  return result !== undefined && isFailure(result) ? result.failure.code : undefined;
}

const sum = [11, 12];

async function request(subject: string, body: unknown): Promise<ReplicaList> {
  return JSON.parse(
    Buffer.from(await scheduler.request(worker.address, subject, Buffer.from(JSON.stringify(body)))).toString(),
  ) as ReplicaList;
}

describe('a servable version that is loaded', () => {
  it('serves beside what is there, under an id of its own', async () => {
    expect(await worker.load({ name: 'sums', version: 2 })).toMatchObject([{ servable: 'sums', version: 2, state: 'ready' }]);
    expect(versions()).toEqual(['1 ready', '2 ready']);
    expect(await Promise.all([ask(1), ask(2)])).toEqual([sum, sum]);
  });

  it('0 is the highest one, once', async () => {
    expect(await worker.load({ name: 'sums' })).toMatchObject([{ version: 9, state: 'ready' }]);
    expect(await worker.load({ name: 'sums' })).toMatchObject([
      { version: 9, state: 'failed', error: "version 9 of servable 'sums' is loaded here already" },
    ]);
    expect(openRunners).toBe(2);
  });

  it('that is there already is refused', () => {
    expect(() => worker.load({ name: 'sums', version: 1 })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: "version 1 of servable 'sums' is loaded here already" }),
    );
    expect(versions()).toEqual(['1 ready']);
  });

  it('and fails is listed with its error until it is loaded anew or taken out', async () => {
    const works = open;
    open = () => Promise.reject(new Error('no such model'));
    expect(await worker.load({ name: 'sums', version: 2 })).toMatchObject([{ state: 'failed', error: 'no such model' }]);
    expect(await worker.load({ name: 'sums', version: 2 })).toMatchObject([{ state: 'failed' }]);
    expect(versions()).toEqual(['1 ready', '2 failed']);
    open = works;
    await worker.load({ name: 'sums', version: 2 });
    expect(versions()).toEqual(['1 ready', '2 ready']);
    open = () => Promise.reject(new Error('no such model'));
    await worker.load({ name: 'sums', version: 3 });
    expect(await worker.unload('sums', 3)).toBe(0);
    expect(versions()).toEqual(['1 ready', '2 ready']);
  });
});

describe('a servable version that is loaded anew', () => {
  it('takes the place of the old one when it is ready; what the old one has in hand it finishes', async () => {
    const [session, id] = [sessions.get('1') as FakeSession, replicaOf(1)];
    session.hold();
    const inHand = ask(1);
    await session.started(1);
    const loading = worker.load({ name: 'sums', version: 1 }, { reload: true });
    while (!versions().includes('1 draining')) await new Promise(setImmediate);
    expect(versions()).toEqual(['1 draining', '1 ready']);
    const fresh = worker.replicas.find(({ state }) => state === 'ready')?.replica as string;
    expect(await ask(1, fresh)).toEqual(sum);
    session.letGo();
    expect(await inHand).toEqual(sum);
    expect(await loading).toMatchObject([{ replica: fresh, state: 'ready' }]);
    expect([versions(), session.isClosed, openRunners, fresh === id]).toEqual([['1 ready'], true, 1, false]);
  });

  it('and fails leaves the old one serving', async () => {
    const works = open;
    open = ({ deviceId, ...request }) => (deviceId === 3 ? Promise.reject(new Error('no such model')) : works({ deviceId, ...request }));
    const id = replicaOf(1);
    const states = await worker.load({ name: 'sums', version: 1, deviceIds: [0, 3] }, { reload: true });
    expect(states).toMatchObject([{ state: 'gone' }, { state: 'failed', error: 'no such model' }]);
    expect(versions()).toEqual(['1 ready', '1 failed']);
    expect(await ask(1, id)).toEqual(sum);
    expect(openRunners).toBe(1);
  });

  it('while it is still loading is loaded once more, and the first load comes to nothing', async () => {
    let goOn: () => void = () => undefined;
    const waiting = new Promise<void>((resolve) => (goOn = resolve));
    const works = open;
    open = async (asked) => waiting.then(() => works(asked));
    const first = worker.load({ name: 'sums', version: 2 });
    open = works;
    const second = worker.load({ name: 'sums', version: 2 }, { reload: true });
    goOn();
    expect([await first, await second]).toMatchObject([[{ state: 'failed' }], [{ state: 'ready' }]]);
    expect([versions(), openRunners]).toEqual([['1 ready', '2 ready'], 2]);
  });

  it('has to be named', () => {
    expect(() => worker.load({ name: 'sums' }, { reload: true })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});

describe('a servable version that is unloaded', () => {
  it('finishes what it has in hand, then frees everything; the others serve all the while', async () => {
    await worker.load({ name: 'sums', version: 2 });
    const [session, id] = [sessions.get('2') as FakeSession, replicaOf(2)];
    session.hold();
    const inHand = ask(2);
    await session.started(1);
    const unloading = worker.unload('sums', 2);
    expect(versions()).toEqual(['1 ready', '2 draining']);
    expect(await ask(1)).toEqual(sum);
    session.letGo();
    expect(await inHand).toEqual(sum);
    expect(await unloading).toBe(0);
    expect(versions()).toEqual(['1 ready']);
    expect([session.isClosed, openRunners]).toEqual([true, 1]);
    expect(await ask(2, id)).toBe('UNAVAILABLE');
    await worker.load({ name: 'sums', version: 2 });
    expect([id, replicaOf(2)]).toEqual([`${worker.address}.1`, `${worker.address}.2`]);
  });

  it('still serves what was sent to it before its leaving was known', async () => {
    const unloading = worker.unload('sums', 1);
    expect(await ask(1)).toEqual(sum);
    expect(await unloading).toBe(0);
  });

  it('answers UNAVAILABLE for what it cannot finish within the grace', async () => {
    const session = sessions.get('1') as FakeSession;
    session.hold();
    const given = [ask(1), ask(1)];
    await session.started(1);
    expect(await worker.unload('sums', 1, 1)).toBe(2);
    expect(await Promise.all(given)).toEqual(['UNAVAILABLE', 'UNAVAILABLE']);
    expect([worker.replicas, session.isClosed]).toEqual([[], true]);
  });

  it('while it is still loading is closed as soon as it is loaded, and never ready', async () => {
    let goOn: () => void = () => undefined;
    const waiting = new Promise<void>((resolve) => (goOn = resolve));
    const works = open;
    open = async (asked) => waiting.then(() => works(asked));
    const loading = worker.load({ name: 'sums', version: 2 });
    const unloading = worker.unload('sums', 2);
    goOn();
    expect(await unloading).toBe(0);
    expect(await loading).toMatchObject([{ state: 'gone' }]);
    expect([versions(), openRunners]).toEqual([['1 ready'], 1]);
  });

  it.each([
    ['sums', 7, "version 7 of servable 'sums' is not loaded here"],
    ['nope', 0, "servable 'nope' is not loaded here"],
  ])('and is not there (%s, %d) is refused', (name, version, message) => {
    expect(() => worker.unload(name, version)).toThrow(expect.objectContaining({ code: 'NOT_FOUND', message }));
  });
});

describe('control messages', () => {
  it('load and unload, and are answered at once with the list', async () => {
    const { replicas } = await request(subjects.servablesLoad, { servable: 'sums', version: 2, deviceIds: [0, 3] });
    expect(replicas.map(({ version, deviceId, state }) => [version, deviceId, state])).toEqual([
      [1, 0, 'ready'],
      [2, 0, 'loading'],
      [2, 3, 'loading'],
    ]);
    while (versions().includes('2 loading')) await new Promise(setImmediate);
    const { replicas: left } = await request(subjects.servablesUnload, { servable: 'sums', version: 0, graceMs: 1000 });
    expect(left.map(({ state }) => state)).toEqual(['draining', 'draining', 'draining']);
    while (worker.replicas.length > 0) await new Promise(setImmediate);
    expect(openRunners).toBe(0);
  });

  it('say in the log and in later lists that a load has failed which began', async () => {
    open = () => Promise.reject(new Error('no such model'));
    const { replicas } = await request(subjects.servablesLoad, { servable: 'sums', version: 2 });
    expect(replicas.map(({ version, state }) => [version, state])).toEqual([
      [1, 'ready'],
      [2, 'loading'],
    ]);
    const [logged] = await errors.until((list) => list.length === 1);
    const about = { servable: 'sums', version: 2, deviceId: 0, err: expect.objectContaining({ message: 'no such model' }) };
    expect(logged).toMatchObject({ ...about, text: 'replica could not be loaded' });
    const { replicas: later } = await request(subjects.replicasList, {});
    expect(later[1]).toMatchObject({ servable: 'sums', version: 2, state: 'failed', error: 'no such model', credits: 0 });
    expect(await ask(1)).toEqual(sum);
  });

  it.each([
    [subjects.servablesLoad, { servable: 'sums', version: 1 }, 'INVALID_ARGUMENT', 'is loaded here already'],
    [subjects.servablesLoad, { servable: '../sums', version: 1 }, 'INVALID_ARGUMENT', 'servable must be'],
    [subjects.servablesLoad, { servable: 'sums' }, 'INVALID_ARGUMENT', 'version'],
    [subjects.servablesUnload, { servable: 'sums', version: 5 }, 'NOT_FOUND', 'is not loaded here'],
  ])('%s of %j is refused', async (subject, body, code, text) => {
    await expect(request(subject, body)).rejects.toMatchObject({ code, message: expect.stringContaining(text) });
    expect(versions()).toEqual(['1 ready']);
  });
});
