import type { DType } from '@mserve/wire';
import type { Shape, TensorValue } from './value.js';

/** How a collective makes one tensor of those of its group. */
export type Reduction = 'sum' | 'max' | 'min' | 'prod';

/** dtype and shape of a tensor that ranks exchange; an undefined shape and dims of -1 are known at run time only. */
export interface ExchangedTensor {
  readonly dtype: DType;
  readonly shape: Shape | undefined;
}

/** What a collective does. Ranks are numbers in the world, never places in the group. */
export type CollectiveDetail =
  | { readonly op: 'AllReduce' | 'ReduceScatter'; readonly reduction: Reduction }
  | { readonly op: 'AllGather' }
  /** Axes are not negative. */
  | { readonly op: 'AlltoAll'; readonly splitAxis: number; readonly concatAxis: number }
  | { readonly op: 'Broadcast'; readonly root: number }
  /** The receiver of each input and the sender of each output. */
  | { readonly op: 'NeighborExchange'; readonly sendTo: readonly number[]; readonly receiveFrom: readonly number[] }
  | { readonly op: 'Send'; readonly to: number; readonly tag: number }
  | { readonly op: 'Receive'; readonly from: number; readonly tag: number };

/** One collective of one rank. Plain data: travels as JSON. */
export type ScheduledCollective = CollectiveDetail & {
  /** Name of the node in the file. */
  readonly node: string;
  readonly groupName: string;
  /** In the order of the group. */
  readonly group: readonly number[];
  readonly inputs: readonly ExchangedTensor[];
  readonly outputs: readonly ExchangedTensor[];
};

/** A collective in the graph that is being built. */
export interface CollectiveMark {
  readonly scheduled: ScheduledCollective;
  readonly inputs: readonly TensorValue[];
  readonly outputs: readonly TensorValue[];
}

/** The place of a rank among those of its model. */
export interface RankPlace {
  /** From 0. */
  readonly rank: number;
  readonly rankSize: number;
  /** Ranks of groups by the group's name, from the rank's group configuration. */
  readonly groups: ReadonlyMap<string, readonly number[]>;
}

/** Domain of the nodes that stand for collectives until the graph is cut at them. */
export const collectiveDomain = 'mserve.collective';
