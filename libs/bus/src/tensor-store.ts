import type { Instance, InstanceResult, Instances, PlacedResult } from '@mserve/wire';
import type { BorrowedMemory } from './shared-memory.js';

/** Who waits for tensors. */
export interface TensorReader {
  /** Aborted when the reader waits no more. Asked for only where something has to be fetched. */
  readonly readingSignal: AbortSignal;
}

/**
 * Where a ticket's tensors are while it travels: tickets travel, tensors stay. Rooms only place, read and release; which way is taken is the store's
 * matter.
 */
export interface TensorStore {
  /** Makes instances ready to travel with a ticket. Small ones go inline, large ones are held here until {@link release}. */
  place(instances: readonly Instance[]): Instances;
  /** The instances of a ticket. A plain value (not a promise) when no fetch is needed; rejects like Bus.fetch. */
  read(instances: Instances, reader?: TensorReader): readonly Instance[] | Promise<readonly Instance[]>;
  /**
   * Makes results ready to travel with an answer; the same list where nothing has to stay behind. Outputs that are too large for the bus stay here until
   * the one receiver of the answer has read them.
   */
  placeResults(results: readonly InstanceResult[]): readonly PlacedResult[];
  /**
   * The results of an answer, which nobody else may read. A plain value (the same list) when nothing has to be fetched. Never rejects: outputs that cannot be
   * had, or that the reader does not wait for any more, become failures of their instances.
   */
  readResults(results: readonly PlacedResult[], reader?: TensorReader): readonly InstanceResult[] | Promise<readonly InstanceResult[]>;
  /** Results that nobody will read: an answer that came too late, or was not delivered. */
  releaseResults(results: readonly PlacedResult[]): void;
  /** The owner no longer needs them. Nothing to do for what is local or inline. */
  release(instances: Instances): void;
  /** The memory of others that what was read here is a view of; undefined for most. */
  borrowedBy(read: readonly (Instance | InstanceResult)[]): BorrowedMemory | undefined;
}
