import type { SessionOptions } from './session-options.js';
import type { ElementType, NativeTensor } from './tensor.js';

/**
 * How two ranks are connected: shared = through memory of the host; the rest over TCP, because: other-host = neither finds the memory of the other (another machine, or a
 * container with a /dev/shm of its own); no-space = /dev/shm is full or too small; forbidden = it may not be used; switched-off = by RankOptions.sharesMemory, or the
 * system has none.
 */
export type Sharing = 'shared' | 'other-host' | 'no-space' | 'forbidden' | 'switched-off';

/** How the tensors of a group's members become one. Elements are combined in the order of the group, so that all members have the same bits. */
export type Reduction = 'sum' | 'max' | 'min' | 'prod';

/** What a collective gives: -1 in the shape = known only at run time. */
export interface RankValue {
  readonly name: string;
  readonly dtype: ElementType;
  readonly shape: readonly number[];
}

/** A part of the model between two collectives: an ONNX model as Session.open takes it. */
export interface SegmentStep {
  readonly kind: 'segment';
  readonly model: Uint8Array;
  readonly initializers: readonly { readonly name: string; readonly tensor: NativeTensor }[];
  /** Names of the rank's values, in the order of the ONNX model's inputs. */
  readonly inputs: readonly string[];
  /** Names of the rank's values, in the order of the ONNX model's outputs. */
  readonly outputs: readonly string[];
}

interface GroupStep {
  /** The ranks (numbers in the world, from 0) in the order of the group. Contains the own rank; no rank comes twice. */
  readonly group: readonly number[];
}

/** Every member gets the reduction of all inputs. */
export interface AllReduceStep extends GroupStep {
  readonly kind: 'allReduce';
  readonly reduction: Reduction;
  readonly input: string;
  readonly output: RankValue;
}

/** Every member gets all inputs, one after the other along axis 0, in the order of the group. */
export interface AllGatherStep extends GroupStep {
  readonly kind: 'allGather';
  readonly input: string;
  readonly output: RankValue;
}

/** The reduction of all inputs, split along axis 0: member i gets part i. */
export interface ReduceScatterStep extends GroupStep {
  readonly kind: 'reduceScatter';
  readonly reduction: Reduction;
  readonly input: string;
  readonly output: RankValue;
}

/** Every member splits its input along splitAxis into one part for each member, and joins what it gets along concatAxis, in the order of the group. */
export interface AllToAllStep extends GroupStep {
  readonly kind: 'allToAll';
  /** Not negative. */
  readonly splitAxis: number;
  /** Not negative. */
  readonly concatAxis: number;
  readonly input: string;
  readonly output: RankValue;
}

/** Every member gets the inputs of the root. */
export interface BroadcastStep extends GroupStep {
  readonly kind: 'broadcast';
  /** Rank in the world. */
  readonly root: number;
  readonly inputs: readonly string[];
  /** As many as inputs. */
  readonly outputs: readonly RankValue[];
}

/** Input i goes to rank sendTo[i], output j comes from rank receiveFrom[j], all at once. A pair of ranks that exchanges several tensors does so in their order. */
export interface NeighborExchangeStep extends GroupStep {
  readonly kind: 'neighborExchange';
  /** Ranks in the world. */
  readonly sendTo: readonly number[];
  /** Ranks in the world. */
  readonly receiveFrom: readonly number[];
  readonly inputs: readonly string[];
  readonly outputs: readonly RankValue[];
}

/** Does not wait for the receiver to arrive at its receive step, as far as the transport can hold the tensor. */
export interface SendStep extends GroupStep {
  readonly kind: 'send';
  /** Rank in the world. */
  readonly to: number;
  readonly tag: number;
  readonly input: string;
}

/** Takes the oldest tensor that `from` has sent under this tag in this batch. */
export interface ReceiveStep extends GroupStep {
  readonly kind: 'receive';
  /** Rank in the world. */
  readonly from: number;
  readonly tag: number;
  readonly output: RankValue;
}

/** What makes ranks wait for each other. */
export type CollectiveStep =
  AllReduceStep | AllGatherStep | ReduceScatterStep | AllToAllStep | BroadcastStep | NeighborExchangeStep | SendStep | ReceiveStep;

/** One step of a rank's program. */
export type RankStep = SegmentStep | CollectiveStep;

/**
 * What one rank does with a batch: its steps, in their order. Values have names; each is an input, a constant or what one
 * step gives, and is made before it is used.
 */
export interface RankProgram {
  /** Names of the inputs that some step (or result) uses, in the order in which run() takes them. */
  readonly inputs: readonly RankValue[];
  /** Values that a collective or a result takes and that no step makes. Kept by reference. */
  readonly constants: readonly { readonly name: string; readonly tensor: NativeTensor }[];
  readonly steps: readonly RankStep[];
  /** Names of the values that run() gives, in their order; a value may come twice. */
  readonly results: readonly string[];
}

/** Where a rank is found by its peers. Travels between agents as JSON; only the communicator reads it. */
export interface RankEndpoint {
  /** Same for processes that can share memory. */
  readonly host: string;
  readonly address: string;
  readonly port: number;
}

/** One incarnation of the group of all ranks. */
export interface Formation {
  /** Grows with every formation; connections and frames of another epoch are refused. */
  readonly epoch: number;
  /** Secret of this formation (32 bytes as hex), by which peers know each other. Never logged. */
  readonly token: string;
  /** Of all ranks, by their numbers. */
  readonly endpoints: readonly RankEndpoint[];
  /** Milliseconds until the mesh must stand. */
  readonly deadlineMs: number;
}

/** How a rank uses NCCL (2.7 or later; from 2.14 on a member that does not come is noticed at the deadline while groups are made) and the CUDA runtime, which are looked for when it is loaded. */
export interface NcclOptions {
  /** CUDA device of this rank, from 0. Two ranks must not have the same one. */
  readonly device: number;
  /** Default: libnccl.so.2 where the system finds it. */
  readonly ncclPath?: string;
  /** The CUDA runtime. Default: libcudart.so.13, .12 or .11.0 where the system finds it. */
  readonly cudaPath?: string;
}

/** How a rank is loaded. */
export interface RankOptions {
  readonly rank: number;
  readonly rankSize: number;
  /** IP address to listen on for peers; others know the rank by it. Default 127.0.0.1. */
  readonly address?: string;
  /** TCP port to listen on. Default 0: the system chooses one. */
  readonly port?: number;
  /** For the session of every segment: device, threads, optimisation. `initializers` and `concurrentRuns` are not used. */
  readonly session?: Omit<SessionOptions, 'initializers' | 'concurrentRuns'>;
  /** false: TCP to all peers. Default true: shared memory where a trial finds that the peer sees it too. */
  readonly sharesMemory?: boolean;
  /** Collectives over NCCL. Absent: over shared memory and TCP. All ranks must have it, or none. */
  readonly nccl?: NcclOptions;
}

/** One batch. */
export interface RankRun {
  /** Larger than that of every batch before in this epoch, and the same on all ranks. Frames of another batch are a protocol error. */
  readonly batch: number;
  /** One tensor for each of the program's inputs. Not copied: must not change until the run has settled. */
  readonly inputs: readonly NativeTensor[];
  /** false: resolves with [] and copies no results. */
  readonly wantResults: boolean;
  /** Milliseconds from now until the run fails with 'deadline', wherever it waits. */
  readonly deadlineMs: number;
}

/**
 * One rank of a distributed model in this process: its segments' sessions, its connections to the other ranks and one
 * native thread that executes batches, one at a time, in the order of the calls. Nothing blocks the JavaScript thread, and tensors stay
 * in native memory from step to step.
 */
export interface Rank {
  /** Where it listens. Known from the load on; the same in all epochs. */
  readonly endpoint: RankEndpoint;
  /** How the rank is connected with each rank (itself: 'shared'); [] before the first form(). For operators: all ways give the same. */
  readonly sharing: readonly Sharing[];
  /**
   * Leaves the former mesh (runs in hand fail with 'aborted') and builds a new one. All ranks must be called for it to succeed.
   * Rejects with NativeError: 'deadline', 'aborted' (abort() or a later form()), 'peer' (one cannot be reached, or does not know the token),
   * 'closed'. A failed form leaves the rank without a mesh.
   */
  form(formation: Formation): Promise<void>;
  /**
   * Executes the program once. Rejects with NativeError: 'input' (the inputs are not those of the program: the mesh is kept, as it is for all that is refused before the first
   * step; or a segment refuses their values, in a step), 'run' (a segment failed), 'peer' (a peer's connection ended, or it gave up), 'protocol' (a peer is at another
   * step, batch or size), 'deadline', 'aborted', 'unformed' (there is no mesh), 'closed'. NativeError.peer has the rank at fault, where there is one. After a failure in a step the rank
   * has no mesh: its connections are closed, so that its peers fail at once too, and later runs are refused with 'unformed' until form() is called.
   */
  run(run: RankRun): Promise<NativeTensor[]>;
  /** Ends the form or the runs in hand with 'aborted', at once, and leaves the mesh. Does nothing when there is none. */
  abort(reason: string): void;
  /** abort(), then releases sessions, threads and the listening socket. Can be called again. */
  close(): Promise<void>;
}

/** Loads a rank: opens a session for every segment and the listening socket. Rejects with NativeError ('load', 'device', 'library'); aborting `signal` rejects with 'cancelled'. */
export type LoadRank = (program: RankProgram, options: RankOptions & { readonly signal?: AbortSignal }) => Promise<Rank>;
