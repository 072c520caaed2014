import {
  answers,
  cancellations,
  refusals,
  subjects,
  tickets,
  topics,
  type Bus,
  type Catalog,
  type MemoryExchange,
  type ServableStatus,
} from '@mserve/bus';
import {
  grantOf,
  instanceCount,
  type Answer,
  type Cancellation,
  type Failure,
  type Instances,
  type InstanceResult,
  type MethodSignature,
  type StepTimes,
  type Ticket,
} from '@mserve/wire';

/** A servable version with one ready replica. */
export function servable(name: string, methods: readonly MethodSignature[], version = 1): ServableStatus {
  return { signature: { servable: name, version, methods }, readyReplicas: 1, queued: 0 };
}

export function method(name: string, changes: Partial<MethodSignature> = {}): MethodSignature {
  return { name, inputs: [{ name: 'x' }], outputs: [{ name: 'y' }], batched: true, batchSize: 1, ...changes };
}

/** Scheduler and worker in one, for specs: says hello, lists what it is told to, and hands tickets to `onTickets` (default: echoes them). */
export class FakeScheduler {
  readonly bus: Bus;
  readonly seen: Ticket[] = [];
  readonly cancelled: Cancellation[] = [];
  onTickets: (list: readonly Ticket[]) => void = (list) => this.echo(list);
  private revision = 1;
  private loading: Catalog['loading'];
  private timer: NodeJS.Timeout | undefined;
  private waiters: (() => void)[] = [];

  constructor(
    exchange: MemoryExchange,
    private servables: readonly ServableStatus[],
    readonly epoch = 1,
  ) {
    this.bus = exchange.connect('scheduler');
    this.bus.respond(subjects.catalogList, async () =>
      Buffer.from(JSON.stringify({ revision: this.revision, servables: this.servables, loading: this.loading } satisfies Catalog)),
    );
    this.bus.receive(tickets, (list) => {
      this.seen.push(...list);
      this.onTickets(list);
      this.wake();
    });
    this.bus.receive(cancellations, (list) => {
      this.cancelled.push(...list);
      this.wake();
    });
  }

  /** Says hello now and every 100 ms. */
  start(): this {
    this.hello();
    this.timer = setInterval(() => this.hello(), 100);
    return this;
  }

  hello(leaving = false): void {
    this.bus.broadcast(
      topics.schedulersHello,
      Buffer.from(JSON.stringify({ address: this.bus.address, epoch: this.epoch, revision: this.revision, leaving })),
    );
  }

  list(servables: readonly ServableStatus[], loading?: Catalog['loading']): void {
    this.servables = servables;
    this.loading = loading;
    this.revision++;
    this.hello();
  }

  echo(list: readonly Ticket[]): void {
    for (const ticket of list) this.answer(ticket, 0, echoOf(ticket.instances));
  }

  /** Answers instances of a ticket, from the ticket's instance `from` on. */
  answer(ticket: Ticket, from: number, results: readonly InstanceResult[], steps?: StepTimes): void {
    const { id, key, attempt, firstInstance: grantedFirst, instances } = ticket;
    const grantedInstances = instanceCount(instances);
    const grant = grantOf(key, attempt, grantedFirst, grantedInstances);
    const answer: Answer = { id, attempt, firstInstance: grantedFirst + from, results, grant, grantedFirst, grantedInstances, steps };
    this.bus.send(answers, ticket.gateway, answer);
  }

  refuse(ticket: Ticket, failure: Failure, from = 0, instances = instanceCount(ticket.instances)): void {
    this.bus.send(refusals, ticket.gateway, {
      id: ticket.id,
      attempt: ticket.attempt,
      firstInstance: ticket.firstInstance + from,
      instances,
      failure,
      key: ticket.key,
    });
  }

  /** Resolves when `condition` holds after a ticket or a cancellation. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.waiters.push(resolve));
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.bus.close();
  }

  private wake(): void {
    const { waiters } = this;
    this.waiters = [];
    for (const resolve of waiters) resolve();
  }
}

/** Outputs equal to inputs. */
export function echoOf(instances: Instances): InstanceResult[] {
  if (instances.kind !== 'local') throw new TypeError('only local instances in specs');
  return instances.instances.map((outputs) => ({ outputs }));
}
