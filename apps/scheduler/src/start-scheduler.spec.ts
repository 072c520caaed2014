import { startNatsServer } from '../../../test/support/nats-server.js';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  assignments,
  type Bus,
  cancellations,
  type Catalog,
  MemoryExchange,
  NatsBus,
  receipts,
  refusals,
  type ReplicaStatus,
  type SchedulerHello,
  subjects,
  tickets,
  topics,
  type WorkerHello,
} from '@mserve/bus';
import { silentLog } from '@mserve/app';
import { type Assignment, type Cancellation, type Refusal, type ServableSignature, ServingError } from '@mserve/wire';
import { signature, ticket } from './dispatch/dispatch.fixture.js';
import type { DispatchStats } from './dispatch/dispatch-stats.js';
import type { RunningScheduler, StartOptions } from './start-scheduler.js';
import { startScheduler } from './start-scheduler.js';

const json = (message: unknown): Uint8Array => Buffer.from(JSON.stringify(message));
const parsed = <T>(body: Uint8Array): T => JSON.parse(Buffer.from(body).toString()) as T;

/** Collects, and lets a test wait until enough has come. */
class Mailbox<M> {
  readonly messages: M[] = [];
  private waiting: { until: (messages: readonly M[]) => boolean; resolve: () => void }[] = [];

  add(...messages: readonly M[]): void {
    this.messages.push(...messages);
    this.waiting = this.waiting.filter(({ until, resolve }) => {
      if (!until(this.messages)) return true;
      resolve();
      return false;
    });
  }

  async until(condition: (messages: readonly M[]) => boolean): Promise<readonly M[]> {
    if (!condition(this.messages)) await new Promise<void>((resolve) => this.waiting.push({ until: condition, resolve }));
    return this.messages;
  }

  count(n: number): Promise<readonly M[]> {
    return this.until((messages) => messages.length >= n);
  }
}

/** A worker that lists replicas and keeps what it gets. */
class FakeWorker {
  readonly got = new Mailbox<Assignment>();
  readonly cancelled = new Mailbox<Cancellation>();
  private readonly timer: NodeJS.Timeout;
  private revision = 1;
  private leaving = false;
  private replicas: ReplicaStatus[];

  constructor(
    readonly bus: Bus,
    credits = 4,
    of: ServableSignature = signature(),
  ) {
    const { servable, version } = of;
    this.replicas = [{ replica: `${bus.address}.0`, servable, version, deviceId: 0, state: 'ready', credits, signature: of }];
    bus.receive(assignments, (list) => this.got.add(...list));
    bus.receive(cancellations, (list) => this.cancelled.add(...list));
    bus.respond('replicas.list', () => Promise.resolve(json({ revision: this.revision, replicas: this.replicas })));
    this.timer = setInterval(() => this.hello(), 250);
    this.hello();
  }

  list(change: Partial<ReplicaStatus>): void {
    this.revision += 1;
    this.replicas = this.replicas.map((replica) => ({ ...replica, ...change }));
    this.hello();
  }

  leave(): void {
    this.leaving = true;
    this.list({ state: 'draining' });
  }

  /** Says nothing any more, like a stopped process. */
  freeze(): void {
    clearInterval(this.timer);
  }

  async die(): Promise<void> {
    this.freeze();
    await this.bus.close();
  }

  finish(given: Assignment, instances = 1): void {
    const { gateway, id, attempt, firstInstance } = given.ticket;
    this.bus.send(receipts, given.scheduler, {
      replica: given.replica,
      gateway,
      id,
      attempt,
      firstInstance,
      instances,
      grant: given.grant,
    });
  }

  private hello(): void {
    const hello: WorkerHello = { address: this.bus.address, epoch: 1, revision: this.revision, leaving: this.leaving };
    this.bus.broadcast('workers.hello', json(hello));
  }
}

class FakeGateway {
  readonly refused = new Mailbox<Refusal>();
  readonly hellos = new Mailbox<SchedulerHello>();
  readonly undelivered = new Mailbox<Error>();

  constructor(
    readonly bus: Bus,
    private readonly scheduler: string,
  ) {
    bus.receive(refusals, (list) => this.refused.add(...list));
    bus.listen('schedulers.hello', (body) => this.hellos.add(parsed<SchedulerHello>(body)));
  }

  send(id: number, count = 1, fields: Parameters<typeof ticket>[2] = {}): void {
    this.bus.send(tickets, this.scheduler, ticket(id, count, { gateway: this.bus.address, ...fields }), (error) =>
      this.undelivered.add(error),
    );
  }

  cancel(id: number): void {
    this.bus.send(cancellations, this.scheduler, { gateway: this.bus.address, id });
  }

  async catalog(): Promise<Catalog> {
    return parsed(await this.ask('catalog.list'));
  }

  async stats(): Promise<DispatchStats> {
    return parsed(await this.ask('scheduler.stats'));
  }

  /** Again while nobody answers: over NATS a responder is reachable a moment after it said so. */
  private async ask(subject: string): Promise<Uint8Array> {
    for (;;) {
      try {
        return await this.bus.request(this.scheduler, subject, json({}));
      } catch (error) {
        if (!(error instanceof ServingError && error.code === 'UNAVAILABLE')) throw error;
      }
    }
  }

  /** Until the scheduler lists so many ready replicas, over all servables. */
  async ready(replicas: number): Promise<void> {
    for (let heard = this.hellos.messages.length; ; heard++) {
      const { servables } = await this.catalog();
      if (servables.reduce((sum, { readyReplicas }) => sum + readyReplicas, 0) === replicas) return;
      await this.hellos.count(heard + 1);
    }
  }
}

interface Fleet {
  connect(role: string): Promise<Bus>;
  /** Ends what is between the participants, and brings it back. */
  interrupt?(): Promise<void>;
  end(): Promise<void>;
}

function memoryFleet(): Promise<Fleet> {
  const exchange = new MemoryExchange({ report: () => undefined });
  return Promise.resolve({ connect: (role) => Promise.resolve(exchange.connect(role)), end: () => Promise.resolve() });
}

async function natsFleet(): Promise<Fleet> {
  const server = await startNatsServer();
  const interrupt = async (): Promise<void> => {
    await server.kill();
    await server.restart();
  };
  return {
    connect: (role) => NatsBus.connect({ servers: server.url, role, report: () => undefined }),
    interrupt,
    end: () => server.stop(),
  };
}

const fleets: [string, () => Promise<Fleet>][] = [
  ['MemoryBus', memoryFleet],
  ['NatsBus', natsFleet],
];

describe.each(fleets)('scheduler on %s', (_name, makeFleet) => {
  const undo: (() => Promise<unknown>)[] = [];

  afterEach(async () => {
    for (const step of undo.splice(0).reverse()) await step();
  });

  async function begin(options: StartOptions = {}): Promise<{
    fleet: Fleet;
    scheduler: RunningScheduler;
    gateway: FakeGateway;
    worker: (credits?: number, of?: ServableSignature) => Promise<FakeWorker>;
  }> {
    const fleet = await makeFleet();
    undo.push(() => fleet.end());
    const connect = async (role: string): Promise<Bus> => {
      const bus = await fleet.connect(role);
      undo.push(() => bus.close());
      return bus;
    };
    const scheduler = await startScheduler(await connect('scheduler'), { log: silentLog, ...options });
    undo.push(() => scheduler.close(0));
    const gateway = new FakeGateway(await connect('gateway'), scheduler.address);
    const worker = async (credits?: number, of?: ServableSignature): Promise<FakeWorker> => {
      const made = new FakeWorker(await connect('worker'), credits, of);
      undo.push(() => Promise.resolve(made.freeze()));
      return made;
    };
    return { fleet, scheduler, gateway, worker };
  }

  it('lists what workers offer, and counts its revision up', async () => {
    const { gateway, worker } = await begin();
    expect(await gateway.catalog()).toEqual({ revision: 0, servables: [] });
    await worker(4);
    await gateway.ready(1);
    expect(await gateway.catalog()).toEqual({ revision: 1, servables: [{ signature: signature(), readyReplicas: 1, queued: 0 }] });
    await worker(4, signature('digits', { predict: 64 }));
    await worker(4, signature('letters'));
    await gateway.ready(2);
    const hellos = await gateway.hellos.until((heard) => heard.some(({ revision }) => revision === 2));
    expect(hellos.at(-1)).toMatchObject({ revision: 2, leaving: false });
    // The replica whose signature is another one is kept out.
    const { servables } = await gateway.catalog();
    expect(servables).toHaveLength(2);
    expect(servables).toContainEqual({ signature: signature(), readyReplicas: 1, queued: 0 });
    expect(servables).toContainEqual({ signature: signature('letters'), readyReplicas: 1, queued: 0 });
  });

  it('lists what is being loaded, till it is ready, has failed, or its worker leaves', async () => {
    const { gateway, fleet } = await begin({ workerLostMs: 60_000 });
    const bus = await fleet.connect('worker');
    undo.push(() => bus.close());
    const loading = (n: number, servable: string): ReplicaStatus => ({
      replica: `${bus.address}.${n}`,
      servable,
      version: 0,
      deviceId: n,
      state: 'loading',
      credits: 0,
    });
    let replicas = [loading(0, 'digits'), loading(1, 'digits'), loading(2, 'letters')];
    let revision = 1;
    bus.respond(subjects.replicasList, async () => Buffer.from(JSON.stringify({ revision, replicas })));
    const hello = (leaving = false): void =>
      bus.broadcast(topics.workersHello, Buffer.from(JSON.stringify({ address: bus.address, epoch: 1, revision, leaving })));
    hello();
    await gateway.hellos.until((heard) => heard.some((said) => said.revision === 1));
    expect(await gateway.catalog()).toEqual({
      revision: 1,
      servables: [],
      loading: [
        { servable: 'digits', version: 0 },
        { servable: 'letters', version: 0 },
      ],
    });
    replicas = [
      { ...loading(0, 'digits'), version: 1, state: 'ready', credits: 1, signature: signature() },
      { ...loading(2, 'letters'), state: 'failed', error: 'no' },
    ];
    revision = 2;
    hello();
    await gateway.hellos.until((heard) => heard.some((said) => said.revision === 2));
    expect(await gateway.catalog()).toEqual({ revision: 2, servables: [{ signature: signature(), readyReplicas: 1, queued: 0 }] });
    replicas = [loading(3, 'letters')];
    revision = 3;
    hello();
    await gateway.hellos.until((heard) => heard.some((said) => said.revision === 3));
    expect(await gateway.catalog()).toMatchObject({ servables: [], loading: [{ servable: 'letters' }] });
    hello(true);
    await gateway.hellos.until((heard) => heard.some((said) => said.revision === 4));
    expect(await gateway.catalog()).toEqual({ revision: 4, servables: [] });
  });

  it('gives tickets to a worker, takes receipts, and says what it did', async () => {
    const { gateway, worker } = await begin();
    const first = await worker(2);
    await gateway.ready(1);
    gateway.send(1, 3);
    const [given] = (await first.got.count(1)) as [Assignment];
    expect(given.ticket).toMatchObject({ id: 1, attempt: 1, firstInstance: 0, gateway: gateway.bus.address });
    first.finish(given, 2);
    const [, rest] = (await first.got.count(2)) as [Assignment, Assignment];
    expect(rest.ticket).toMatchObject({ firstInstance: 2 });
    expect(await gateway.stats()).toMatchObject({
      accepted: 3,
      receipted: 2,
      running: 1,
      queued: 0,
      replicas: [{ inHand: 1, credits: 2 }],
    });
  });

  it('refuses with the reason', async () => {
    const { gateway, worker } = await begin({ maxQueuedRequests: 1 });
    gateway.send(1);
    await gateway.refused.count(1);
    const first = await worker(1);
    await gateway.ready(1);
    gateway.send(2);
    await first.got.count(1);
    // Still waits when 5 comes, on a busy machine too
    gateway.send(3, 1, { deadlineAt: performance.now() + 500 });
    gateway.send(4, 1, { method: 'nothing' });
    gateway.send(5);
    const got = await gateway.refused.count(4);
    expect(got.map(({ id, failure }) => `${id} ${failure.code}`)).toEqual([
      '1 UNAVAILABLE',
      '4 NOT_FOUND',
      '5 RESOURCE_EXHAUSTED',
      '3 DEADLINE_EXCEEDED',
    ]);
  });

  it('passes cancellations on to the worker that has the ticket', async () => {
    const { gateway, worker } = await begin();
    const first = await worker(1);
    await gateway.ready(1);
    gateway.send(1);
    await first.got.count(1);
    gateway.cancel(1);
    expect(await first.cancelled.count(1)).toEqual([{ gateway: gateway.bus.address, id: 1 }]);
  });

  it('gives the work of a worker that fell silent to another one', async () => {
    const { gateway, worker } = await begin();
    const first = await worker(4);
    await gateway.ready(1);
    gateway.send(1, 2);
    await first.got.count(1);
    const second = await worker(4);
    await gateway.ready(2);
    first.freeze();
    const [again] = (await second.got.count(1)) as [Assignment];
    expect(again.ticket).toMatchObject({ id: 1, attempt: 2, firstInstance: 0 });
    await gateway.ready(1);
  });

  it('gives what did not reach a worker to another one, and the rest of its work soon after', async () => {
    const { gateway, worker } = await begin();
    const first = await worker(4);
    await gateway.ready(1);
    gateway.send(1);
    await first.got.count(1);
    await first.die();
    gateway.send(2);
    const second = await worker(4);
    const got = await second.got.count(2);
    expect(got.map(({ ticket: { id, attempt } }) => [id, attempt]).sort()).toEqual([
      [1, 2],
      [2, 1],
    ]);
  });

  it('gives a worker that leaves nothing new, and counts its receipts', async () => {
    const { gateway, worker } = await begin();
    const first = await worker(4);
    await gateway.ready(1);
    gateway.send(1);
    const [given] = (await first.got.count(1)) as [Assignment];
    const second = await worker(4);
    await gateway.ready(2);
    first.leave();
    await gateway.ready(1);
    gateway.send(2);
    gateway.send(3);
    await second.got.count(2);
    first.finish(given);
    await first.die();
    expect(first.got.messages).toHaveLength(1);
    expect(await gateway.stats()).toMatchObject({ receipted: 1, running: 2, retried: 0 });
  });

  it('uses a replica that was kept out once those that kept it out are gone', async () => {
    const { gateway, worker } = await begin();
    const first = await worker(4);
    await gateway.ready(1);
    const other = await worker(4, signature('digits', { predict: 8 }));
    first.list({ state: 'gone' });
    await gateway.hellos.until((heard) => heard.some(({ revision }) => revision >= 2));
    await gateway.ready(1);
    gateway.send(1, 1);
    await other.got.count(1);
  });

  it('ignores beacons and lists that make no sense', async () => {
    const { gateway, worker } = await begin();
    gateway.bus.broadcast('workers.hello', Buffer.from('no json'));
    gateway.bus.broadcast('workers.hello', json({ address: 'a b', epoch: 'x', revision: -1 }));
    const rogue = await worker(4);
    rogue.list({ replica: 'somebody-else.0' });
    await worker(4, signature('letters'));
    await gateway.ready(1);
    expect((await gateway.catalog()).servables.map((status) => status.signature.servable)).toEqual(['letters']);
  });

  it('leaves when its work is done', async () => {
    const { scheduler, gateway, worker } = await begin();
    const first = await worker(1);
    await gateway.ready(1);
    gateway.send(1);
    gateway.send(2);
    const [given] = (await first.got.count(1)) as [Assignment];
    const closed = scheduler.close(20_000);
    await gateway.hellos.until((heard) => heard.some(({ leaving }) => leaving));
    gateway.send(3);
    await gateway.undelivered.count(1);
    first.finish(given);
    const [, second] = (await first.got.count(2)) as [Assignment, Assignment];
    first.finish(second);
    expect(await closed).toBe(0);
  });

  it('refuses what it could not finish in its grace', async () => {
    const { scheduler, gateway, worker } = await begin();
    await worker(1);
    await gateway.ready(1);
    gateway.send(1);
    gateway.send(2);
    while ((await gateway.stats()).queued === 0) await gateway.stats();
    expect(await scheduler.close(10)).toBe(2);
    expect(await gateway.refused.count(1)).toMatchObject([{ id: 2, failure: { code: 'UNAVAILABLE' } }]);
  });

  it('leaves at once, refusing nothing, when another scheduler is there', async () => {
    const { fleet, scheduler, gateway, worker } = await begin();
    const first = await worker(1);
    await gateway.ready(1);
    gateway.send(1);
    gateway.send(2);
    await first.got.count(1);
    const bus = await fleet.connect('scheduler');
    const next = await startScheduler(bus, { log: silentLog });
    undo.push(() => next.close(0).then(() => bus.close()));
    const fromNext = new FakeGateway(await fleet.connect('gateway'), next.address);
    undo.push(() => fromNext.bus.close());
    await fromNext.ready(1);
    expect(await scheduler.close(60_000)).toBe(0);
    const hellos = await gateway.hellos.until((heard) => heard.some(({ leaving }) => leaving));
    expect(hellos.filter(({ leaving }) => leaving).map(({ address }) => address)).toEqual([scheduler.address]);
    fromNext.send(7, 1, { gateway: gateway.bus.address });
    const [, again] = (await first.got.count(2)) as [Assignment, Assignment];
    expect(again).toMatchObject({ scheduler: next.address, ticket: { id: 7 } });
    expect(gateway.refused.messages).toEqual([]);
  });
});

describe('scheduler when nats-server is killed and comes back', () => {
  it('finds its workers again and gives them what they may have lost', async () => {
    const fleet = await natsFleet();
    const buses = await Promise.all(['scheduler', 'gateway', 'worker'].map((role) => fleet.connect(role)));
    const [schedulerBus, gatewayBus, workerBus] = buses as [Bus, Bus, Bus];
    const scheduler = await startScheduler(schedulerBus, { log: silentLog });
    const gateway = new FakeGateway(gatewayBus, scheduler.address);
    const worker = new FakeWorker(workerBus, 1);
    await gateway.ready(1);
    gateway.send(1);
    gateway.send(2);
    await worker.got.count(1);
    while (scheduler.stats().queued === 0) await gateway.stats();
    await fleet.interrupt?.();
    const [, again] = (await worker.got.count(2)) as [Assignment, Assignment];
    expect(again.ticket).toMatchObject({ id: 1, attempt: 2 });
    worker.finish(again);
    const [, , queued] = (await worker.got.count(3)) as [Assignment, Assignment, Assignment];
    expect(queued.ticket).toMatchObject({ id: 2, attempt: 1 });
    expect(gateway.refused.messages).toEqual([]);
    worker.freeze();
    await scheduler.close(0);
    await Promise.all(buses.map((bus) => bus.close()));
    await fleet.end();
  });
});
