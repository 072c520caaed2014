/** How tensors come from one process to another: in a message, in memory of the machine, from their owner over TCP, or fetched over the bus. */
export const tensorWays = ['inline', 'shared', 'direct', 'bus'] as const;

export type TensorWay = (typeof tensorWays)[number];

/**
 * Why tensors took another way than the best. no-room: their owner had no room for them in shared memory · apart: their reader is on another machine or of another user · gone: they were not there any
 * more when they were to be read · unreachable: their owner could not be connected to
 */
export const tensorDetours = ['no-room', 'apart', 'gone', 'unreachable'] as const;

export type TensorDetour = (typeof tensorDetours)[number];

/** What a store counts, since the start. */
export interface TensorCounts {
  /** Bytes that were read here, by the way that they came. */
  readonly bytes: { readonly [Way in TensorWay]: number };
  readonly detours: { readonly [Detour in TensorDetour]: number };
}
