import type { Failure } from './failure.js';
import type { Instance } from './tensor.js';

/**
 * Where the tensors of a ticket's instances are. Opaque to schedulers, which only count and slice.
 *
 * - local: in this process, by reference (embedded mode)
 * - inline: encoded `mserve.bus.v1.Instance` messages one after the other (small ones travel with the ticket)
 * - held: the same bytes, still at their owner; fetched by the worker
 */
export type Instances =
  | { readonly kind: 'local'; readonly instances: readonly Instance[] }
  | { readonly kind: 'inline'; readonly sizes: readonly number[]; readonly bytes: Uint8Array }
  | { readonly kind: 'held'; readonly sizes: readonly number[]; readonly held: HeldBytes };

/** Bytes that stay with their owner (a bus address) until they are fetched. */
export interface HeldBytes {
  readonly owner: string;
  readonly id: number;
  readonly offset: number;
  readonly length: number;
}

/** Instances of one kind. */
export type InstancesOf<Kind extends Instances['kind']> = Extract<Instances, { readonly kind: Kind }>;

/** What is done with instances, whatever their kind. */
interface InstancesEntry<Kind extends Instances['kind']> {
  count(instances: InstancesOf<Kind>): number;
  slice(instances: InstancesOf<Kind>, from: number, to: number): InstancesOf<Kind>;
}

/** A new kind has its row here and, when it can leave the process, in the codec of tickets. */
const instancesTable: { readonly [Kind in Instances['kind']]: InstancesEntry<Kind> } = {
  local: {
    count: ({ instances }) => instances.length,
    slice: ({ instances }, from, to) => ({ kind: 'local', instances: instances.slice(from, to) }),
  },
  inline: {
    count: ({ sizes }) => sizes.length,
    slice({ sizes, bytes }, from, to) {
      const start = sum(sizes, 0, from);
      return { kind: 'inline', sizes: sizes.slice(from, to), bytes: bytes.subarray(start, start + sum(sizes, from, to)) };
    },
  },
  held: {
    count: ({ sizes }) => sizes.length,
    slice({ sizes, held: { owner, id, offset } }, from, to) {
      const held = { owner, id, offset: offset + sum(sizes, 0, from), length: sum(sizes, from, to) };
      return { kind: 'held', sizes: sizes.slice(from, to), held };
    },
  },
};

function entryOf(kind: Instances['kind']): InstancesEntry<Instances['kind']> {
  return instancesTable[kind] as InstancesEntry<Instances['kind']>; // given only instances of its kind
}

/** How many instances there are, wherever their bytes are. */
export function instanceCount(instances: Instances): number {
  return entryOf(instances.kind).count(instances);
}

/** The instances [from, to) of these, without copying or decoding. 0 <= from <= to <= count. */
export function sliceInstances(instances: Instances, from: number, to: number): Instances {
  const { count, slice } = entryOf(instances.kind);
  return from === 0 && to === count(instances) ? instances : slice(instances, from, to);
}

function sum(values: readonly number[], from: number, to: number): number {
  let total = 0;
  for (let i = from; i < to; i++) total += values[i] as number;
  return total;
}

/** A request on the bus, or consecutive instances of one. `gateway` and `id` together name the request. */
export interface Ticket {
  /** Bus address that answers go to. */
  readonly gateway: string;
  /** Unique at that gateway. */
  readonly id: number;
  /** From 1; a ticket that is given to another replica again keeps its id and counts up. */
  readonly attempt: number;
  readonly servable: string;
  /** Resolved: the version that is to run, >= 1. */
  readonly version: number;
  readonly method: string;
  /** Index, in the request, of the first instance here. */
  readonly firstInstance: number;
  readonly instances: Instances;
  /** On this process' monotonic clock (performance.now()); Infinity = none. On the wire: milliseconds left. */
  readonly deadlineAt: number;
  /** Higher goes first; 0 by default. */
  readonly priority: number;
  /** W3C traceparent, or '' for none. */
  readonly traceparent: string;
  /** For methods whose signature asks for it. */
  readonly context: RequestContext | undefined;
}

/** What functions may know of the request that they work for. '' = not given. The objects are JSON text: they are read only where a function asks for them. */
export interface RequestContext {
  /** That the client gave. */
  readonly id: string;
  /** An object of strings: the headers (or gRPC metadata) that the method's signature names, as far as they came. */
  readonly headers: string;
  /** An object of strings, numbers and booleans: the request's parameters, of the Open Inference Protocol. */
  readonly parameters: string;
}

/** Scheduler to worker: run this on that replica, send the answer to ticket.gateway and a receipt to `scheduler`. */
export interface Assignment {
  readonly scheduler: string;
  readonly replica: string;
  readonly ticket: Ticket;
}

/** What became of one instance. */
export type InstanceResult = { readonly outputs: Instance } | { readonly failure: Failure };

/** An {@link InstanceResult} as it travels: outputs that are too large to go along stay with the worker until the gateway takes them. */
export type PlacedResult = InstanceResult | { readonly held: HeldBytes };

/** Whether an instance has failed. */
export function isFailure(result: PlacedResult): result is { readonly failure: Failure } {
  return 'failure' in result;
}

/** Worker to gateway: results of consecutive instances of a ticket. */
export interface Answer {
  readonly id: number;
  readonly attempt: number;
  readonly firstInstance: number;
  readonly results: readonly PlacedResult[];
}

/** Worker to scheduler: these instances left the replica; their credits come back. */
export interface Receipt {
  readonly replica: string;
  readonly gateway: string;
  readonly id: number;
  readonly attempt: number;
  readonly firstInstance: number;
  readonly instances: number;
}

/** Gateway to scheduler to worker: nobody waits for this ticket any more. */
export interface Cancellation {
  readonly gateway: string;
  readonly id: number;
}

/** Scheduler to gateway: these instances of the ticket will not be run. */
export interface Refusal {
  readonly id: number;
  readonly attempt: number;
  readonly firstInstance: number;
  readonly instances: number;
  readonly failure: Failure;
}
