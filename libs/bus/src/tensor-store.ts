import type { Instance, Instances } from '@mserve/wire';

/**
 * Where a ticket's tensors are while it travels: tickets travel, tensors stay (DESIGN 1). Rooms only place, read and release;
 * which way is taken is the store's matter. A shared-memory store will be one more implementation.
 */
export interface TensorStore {
  /** Makes instances ready to travel with a ticket. Small ones go inline, large ones are held here until {@link release}. */
  place(instances: readonly Instance[]): Instances;
  /** The instances of a ticket. A plain value (not a promise) when no fetch is needed; rejects like Bus.fetch. */
  read(instances: Instances, signal?: AbortSignal): readonly Instance[] | Promise<readonly Instance[]>;
  /** The owner no longer needs them. Nothing to do for what is local or inline. */
  release(instances: Instances): void;
}
