import { instanceCount } from '@mserve/wire';
import type { Assignment, Cancellation, Instances, MethodSignature, Refusal, ServableSignature, Ticket } from '@mserve/wire';
import type { DispatchObservers, DispatchOptions, DispatchOutlet } from './dispatch-options.js';
import { Dispatcher } from './dispatcher.js';

/** Instances without bytes: enough for a scheduler, which only counts and slices. */
export function instances(count: number): Instances {
  return { kind: 'inline', sizes: new Array<number>(count).fill(0), bytes: new Uint8Array(0) };
}

export function signature(
  servable = 'digits',
  batchSizes: Readonly<Record<string, number>> = { predict: 4 },
  version = 1,
): ServableSignature {
  const methods = Object.entries(batchSizes).map(([name, batchSize]): MethodSignature => ({
    name,
    inputs: [{ name: 'image' }],
    outputs: [{ name: 'label' }],
    batched: true,
    batchSize,
  }));
  return { servable, version, methods };
}

export function ticket(id: number, count = 1, fields: Partial<Ticket> = {}): Ticket {
  return {
    gateway: 'gateway-a',
    id,
    key: 7,
    attempt: 1,
    servable: 'digits',
    version: 1,
    method: 'predict',
    firstInstance: 0,
    instances: instances(count),
    deadlineAt: Infinity,
    priority: 0,
    watch: undefined,
    context: undefined,
    ...fields,
  };
}

export interface SentAssignment {
  readonly worker: string;
  readonly assignment: Assignment;
  readonly onUndelivered: (now: number) => void;
}

/** Keeps what the dispatcher decides. */
export class RecordingOutlet implements DispatchOutlet {
  assignments: SentAssignment[] = [];
  cancellations: { worker: string; cancellation: Cancellation }[] = [];
  refusals: { gateway: string; refusal: Refusal }[] = [];
  /** By replica, ticket, attempt and instance: the last one. */
  readonly grants = new Map<string, number>();

  assign(worker: string, assignment: Assignment, onUndelivered: (now: number) => void): void {
    this.assignments.push({ worker, assignment, onUndelivered });
    const { id, attempt, firstInstance } = assignment.ticket;
    const end = firstInstance + instanceCount(assignment.ticket.instances);
    for (let at = firstInstance; at < end; at++) this.grants.set(`${assignment.replica} ${id}#${attempt}[${at}]`, assignment.grant);
  }

  cancel(worker: string, cancellation: Cancellation): void {
    this.cancellations.push({ worker, cancellation });
  }

  refuse(gateway: string, refusal: Refusal): void {
    this.refusals.push({ gateway, refusal });
  }
}

/** A dispatcher with its outlet, and short words for what its neighbours do. */
export class DispatchRig {
  readonly outlet = new RecordingOutlet();
  readonly dispatcher: Dispatcher;
  now = 1000;

  constructor(options: Partial<DispatchOptions> = {}, observers: DispatchObservers = {}) {
    this.dispatcher = new Dispatcher('scheduler-a', this.outlet, options, observers);
  }

  /** The replica `{worker}.0`. */
  ready(worker: string, credits: number, of: ServableSignature = signature(), number = 0): 'added' | 'updated' | 'conflict' {
    return this.dispatcher.putReplica({ replica: `${worker}.${number}`, worker, credits, signature: of }, this.now);
  }

  submit(...tickets: readonly Ticket[]): void {
    this.dispatcher.submit(tickets, this.now);
  }

  /** Every assignment since the last call, as `replica <- id[first+count]`, with `#attempt` after the first. */
  given(): string[] {
    const sent = this.outlet.assignments.splice(0);
    return sent.map(({ assignment: { replica, ticket: part } }) => `${replica} <- ${describe(part)}`);
  }

  /** Every refusal since the last call, as `id[first+count] CODE`. */
  refused(): string[] {
    return this.outlet.refusals
      .splice(0)
      .map(({ refusal }) => `${refusal.id}[${refusal.firstInstance}+${refusal.instances}] ${refusal.failure.code}`);
  }

  receipt(worker: string, id: number, firstInstance: number, count: number, attempt = 1): void {
    const replica = `${worker}.0`;
    const grant = this.outlet.grants.get(`${replica} ${id}#${attempt}[${firstInstance}]`) ?? 0;
    this.dispatcher.settle([{ replica, gateway: 'gateway-a', id, attempt, firstInstance, instances: count, grant }], this.now);
  }

  lose(...workers: readonly string[]): void {
    this.dispatcher.removeReplicas(
      workers.map((worker) => `${worker}.0`),
      'died',
      this.now,
    );
  }
}

function describe(part: Ticket): string {
  const count = instanceCount(part.instances);
  return `${part.id}[${part.firstInstance}+${count}]${part.attempt > 1 ? `#${part.attempt}` : ''}`;
}
