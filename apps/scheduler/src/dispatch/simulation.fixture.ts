import { instanceCount, type Assignment, type Receipt, type Refusal, type ServableSignature, type Ticket } from '@mserve/wire';
import { Random } from '../../../../test/support/random.js';
import { signature, ticket } from './dispatch.fixture.js';
import type { DispatchOptions, DispatchOutlet } from './dispatch-options.js';
import { Dispatcher } from './dispatcher.js';
import { Heap } from './heap.js';

/** One kind of clients: requests of one instance, by a Poisson process. */
export interface Stream {
  readonly servable: string;
  /** Default: that of all the others. */
  readonly gateway?: string;
  readonly perSecond: number;
  /** Of each request; Infinity = none. */
  readonly deadlineMs: number;
}

/** The replicas of one servable, all alike. */
export interface Replicas {
  readonly servable: string;
  readonly count: number;
  /** Instances that one of them runs at the same time. */
  readonly parallel: number;
  readonly credits: number;
  readonly leastCredits: number;
  /** Mean of the time of one instance. */
  readonly serviceMs: number;
  /** Half of this more or less, evenly. Default: 0. */
  readonly spreadMs?: number;
  /** Until then everything takes so many times as long. */
  readonly slow?: { readonly untilMs: number; readonly factor: number };
}

export interface Plan {
  readonly seed: number;
  readonly forMs: number;
  readonly streams: readonly Stream[];
  readonly replicas: readonly Replicas[];
  readonly options?: Partial<DispatchOptions>;
  /** One way, between scheduler and worker. Default: 0.5. */
  readonly travelMs?: number;
}

/** What became of the requests of one stream. */
export interface StreamOutcome {
  readonly sent: number;
  /** Answered by their deadline. */
  good: number;
  /** Answered, but too late: work for nothing. */
  late: number;
  refused: number;
  /** Refused more than 50 ms after they came. */
  refusedSlowly: number;
  /** Time from arrival to answer, of those answered, sorted. */
  readonly latencies: number[];
}

export interface Outcome {
  readonly streams: readonly StreamOutcome[];
  /** Part of the time that the servers were busy, by servable. */
  readonly utilisation: Readonly<Record<string, number>>;
  /** Requests that ended more than once, or never. */
  readonly broken: number;
  /** What waited at most. */
  readonly mostQueued: number;
}

interface Arrival {
  readonly stream: number;
  readonly at: number;
  readonly serviceMs: number;
  ends: number;
}

interface Event {
  readonly at: number;
  readonly order: number;
  readonly act: () => void;
}

/** Arrivals of all streams in their order, each with the time that it will take. */
export function arrivalsOf({ seed, forMs, streams, replicas }: Plan): Arrival[] {
  const random = new Random(seed);
  const arrivals = streams.flatMap(({ servable, perSecond }, stream) => {
    const { serviceMs = 0, spreadMs = 0 } = replicas.find((kind) => kind.servable === servable) ?? {};
    const own: Arrival[] = [];
    for (let at = 0; at < forMs; at += (-Math.log(1 - random.next()) * 1000) / perSecond)
      own.push({ stream, at, serviceMs: serviceMs + (random.next() - 0.5) * spreadMs, ends: 0 });
    return own;
  });
  return arrivals.sort((a, b) => a.at - b.at);
}

/** A replica that runs `parallel` instances at a time, in the order in which they came. */
class SimulatedReplica {
  readonly waiting: Assignment[] = [];
  running = 0;
  busyMs = 0;
}

/** A scheduler with its replicas in simulated time: nothing waits for a clock. */
export class Simulation implements DispatchOutlet {
  private readonly dispatcher: Dispatcher;
  private readonly events = new Heap<Event>((a, b) => a.at < b.at || (a.at === b.at && a.order < b.order));
  private readonly replicas = new Map<string, SimulatedReplica & { readonly kind: Replicas }>();
  private readonly arrivals: Arrival[];
  private readonly outcomes: StreamOutcome[];
  private readonly travelMs: number;
  private now = 0;
  private order = 0;
  private mostQueued = 0;

  constructor(private readonly plan: Plan) {
    this.dispatcher = new Dispatcher('scheduler', this, plan.options ?? {});
    this.travelMs = plan.travelMs ?? 0.5;
    this.arrivals = arrivalsOf(plan);
    this.outcomes = plan.streams.map((_, stream) => ({
      sent: this.arrivals.filter((arrival) => arrival.stream === stream).length,
      good: 0,
      late: 0,
      refused: 0,
      refusedSlowly: 0,
      latencies: [],
    }));
  }

  run(): Outcome {
    for (const kind of this.plan.replicas) {
      const of: ServableSignature = signature(kind.servable, { predict: 1 });
      for (let n = 0; n < kind.count; n++) {
        const replica = `${kind.servable}-${n}`;
        this.replicas.set(replica, Object.assign(new SimulatedReplica(), { kind }));
        const { credits, leastCredits } = kind;
        this.dispatcher.putReplica({ replica, worker: replica, credits, leastCredits, signature: of }, 0);
      }
    }
    this.arrivals.forEach((arrival, id) => this.at(arrival.at, () => this.submit(arrival, id)));
    for (let event = this.events.pop(); event !== undefined; event = this.events.pop()) {
      const wakeAt = this.dispatcher.nextWakeAt();
      if (wakeAt < event.at) {
        this.events.push(event);
        this.now = wakeAt;
        this.dispatcher.wake(wakeAt);
        continue;
      }
      this.now = event.at;
      event.act();
    }
    return this.outcome();
  }

  assign(_worker: string, assignment: Assignment): void {
    const replica = this.replicaOf(assignment.replica);
    this.at(this.now + this.travelMs, () => {
      replica.waiting.push(assignment);
      this.start(replica);
    });
  }

  cancel(): void {
    throw new Error('nobody cancels here');
  }

  refuse(_gateway: string, { id }: Refusal): void {
    const arrival = this.arrivals[id] as Arrival;
    const outcome = this.outcomes[arrival.stream] as StreamOutcome;
    arrival.ends += 1;
    outcome.refused += 1;
    if (this.now - arrival.at > 50) outcome.refusedSlowly += 1;
  }

  private submit(arrival: Arrival, id: number): void {
    const { servable, deadlineMs, gateway = 'gateway-0' } = this.plan.streams[arrival.stream] as Stream;
    const request: Ticket = ticket(id, 1, { servable, gateway, deadlineAt: this.now + deadlineMs });
    this.dispatcher.submit([request], this.now);
    if (id % 64 === 0) this.mostQueued = Math.max(this.mostQueued, this.dispatcher.stats().queued);
  }

  private start(replica: SimulatedReplica & { readonly kind: Replicas }): void {
    while (replica.running < replica.kind.parallel) {
      const next = replica.waiting.shift();
      if (next === undefined) return;
      const { ticket: part } = next;
      const arrival = this.arrivals[part.id] as Arrival;
      // A worker drops what is too late to begin
      const { slow } = replica.kind;
      const factor = slow !== undefined && this.now < slow.untilMs ? slow.factor : 1;
      const ms = part.deadlineAt <= this.now ? 0 : factor * arrival.serviceMs;
      replica.running += 1;
      replica.busyMs += ms;
      this.at(this.now + ms, () => {
        replica.running -= 1;
        this.answer(next, arrival);
        this.start(replica);
      });
    }
  }

  private answer({ replica, grant, ticket: part }: Assignment, arrival: Arrival): void {
    const outcome = this.outcomes[arrival.stream] as StreamOutcome;
    arrival.ends += 1;
    if (this.now + this.travelMs <= part.deadlineAt) {
      outcome.good += 1;
      outcome.latencies.push(this.now + this.travelMs - arrival.at);
    } else outcome.late += 1;
    const { gateway, id, attempt, firstInstance } = part;
    const receipt: Receipt = { replica, gateway, id, attempt, firstInstance, instances: instanceCount(part.instances), grant };
    this.at(this.now + this.travelMs, () => this.dispatcher.settle([receipt], this.now));
  }

  private outcome(): Outcome {
    const utilisation: Record<string, number> = {};
    for (const kind of this.plan.replicas) {
      let busyMs = 0;
      for (const replica of this.replicas.values()) if (replica.kind === kind) busyMs += replica.busyMs;
      utilisation[kind.servable] = busyMs / (this.now * kind.count * kind.parallel);
    }
    for (const { latencies } of this.outcomes) latencies.sort((a, b) => a - b);
    const broken = this.arrivals.filter(({ ends }) => ends !== 1).length;
    return { streams: this.outcomes, utilisation, broken, mostQueued: this.mostQueued };
  }

  private at(at: number, act: () => void): void {
    this.events.push({ at, order: this.order++, act });
  }

  private replicaOf(id: string): SimulatedReplica & { readonly kind: Replicas } {
    const replica = this.replicas.get(id);
    if (replica === undefined) throw new Error(`there is no replica ${id}`);
    return replica;
  }
}

/** Latencies of the same requests in one queue before all servers, without travel: what no scheduler can beat. Sorted. */
export function idealLatencies(plan: Plan, servable: string): number[] {
  const kind = plan.replicas.find((replicas) => replicas.servable === servable);
  if (kind === undefined) return [];
  const free = new Heap<number>((a, b) => a < b);
  for (let n = 0; n < kind.count * kind.parallel; n++) free.push(0);
  const latencies = arrivalsOf(plan)
    .filter(({ stream }) => plan.streams[stream]?.servable === servable)
    .map(({ at, serviceMs }) => {
      const endsAt = Math.max(at, free.pop() ?? 0) + serviceMs;
      free.push(endsAt);
      return endsAt - at;
    });
  return latencies.sort((a, b) => a - b);
}

/** Of sorted values. */
export function percentile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN;
}
