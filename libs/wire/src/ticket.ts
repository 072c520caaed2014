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
  /** Where those of this id begin, for readers on the owner's machine. They can be fetched all the same. */
  readonly shared?: SharedPlace | undefined;
  /** Where their owner gives them to readers on other machines. */
  readonly direct?: DirectPlace | undefined;
}

/** Where a participant gives what it holds to readers that connect to it. */
export interface DirectPlace {
  /** HOST:PORT or [IPv6]:PORT. */
  readonly address: string;
  /** What readers have to say first. */
  readonly token: number;
}

/** A slot in the memory that a process shares with others on its machine. */
export interface SharedPlace {
  /** Names the memory; no secret. */
  readonly slab: number;
  /** What its owner asks of those who want to map it. */
  readonly token: number;
  readonly slot: number;
  /** Random, and new whenever other bytes come to lie in the slot. */
  readonly generation: number;
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
    slice({ sizes, held: { owner, id, offset, shared, direct } }, from, to) {
      const held = { owner, id, offset: offset + sum(sizes, 0, from), length: sum(sizes, from, to), shared, direct };
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
  /** Unique at that gateway, and not to be guessed by others. */
  readonly id: number;
  /** Secret of the gateway and its schedulers, which make grants with it (grantOf). 0 where a worker has the ticket. */
  readonly key: number;
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
  /** undefined: nothing of it is watched, as a rule. */
  readonly watch: RequestWatch | undefined;
  /** For methods whose signature asks for it. */
  readonly context: RequestContext | undefined;
}

/** What is to be seen of a request beside its outcome. */
export interface RequestWatch {
  /** W3C traceparent of what it is a part of, or '' for none. */
  readonly traceparent: string;
  /** W3C tracestate that goes with it, or '' for none. */
  readonly tracestate: string;
  /** Its answer shall tell its steps. */
  readonly isTimed: boolean;
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
  /** Goes along with answers and receipts: proves that these instances were given (grantOf). */
  readonly grant: number;
  /** How long it waited for its replica; 0 where nobody asked (isTimed). */
  readonly queuedUs: number;
}

/** Where the time of an instance went, in microseconds: of one of a request, that which was done last. */
export interface StepTimes {
  /** In the queue of its scheduler, at the last attempt. */
  readonly queuedUs: number;
  /** In the worker, for runs and for functions. */
  readonly waitUs: number;
  /** In native runs, copies into and out of batches included. */
  readonly runUs: number;
  /** In functions, the ways to their threads and back included. */
  readonly functionUs: number;
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
  /** Of the assignment. */
  readonly grant: number;
  /** The instances that the grant is for; both 0: those of this answer. */
  readonly grantedFirst: number;
  readonly grantedInstances: number;
  /** undefined where nobody asked (isTimed). */
  readonly steps?: StepTimes | undefined;
}

/** Worker to scheduler: these instances left the replica; their credits come back. */
export interface Receipt {
  readonly replica: string;
  readonly gateway: string;
  readonly id: number;
  readonly attempt: number;
  readonly firstInstance: number;
  readonly instances: number;
  /** Of the assignment. */
  readonly grant: number;
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
  /** Of the ticket. */
  readonly key: number;
}
