/** How a list of messages leaves a participant: into a ring in memory of the machine, or to the nats-server. */
export const messageWays = ['ring', 'server'] as const;

export type MessageWay = (typeof messageWays)[number];

/** What a participant has sent on channels, and the rings that it has. */
export interface BusTraffic {
  /** Messages that were sent since the start, by the way that they took. */
  readonly sent: { readonly [Way in MessageWay]: number };
  /** Rings of others to which it writes now. */
  readonly ringsWritten: number;
  /** Rings to which others write, and that it reads now. */
  readonly ringsRead: number;
}
